-- Whose money a bank line is, when a rider has sent it by transfer: part of what we hold about a person.

ALTER TABLE payments.sepa_line ADD COLUMN payment_id uuid;
COMMENT ON COLUMN payments.sepa_line.payment_id IS 'The payment that was due and is paid by this line; null for what settles an order.';
COMMENT ON COLUMN payments.sepa_line.counterparty IS 'The name on the other side. Emptied with remittance when the years of the books are over (privacy rule bank_lines).';
CREATE INDEX sepa_line_of_order ON payments.sepa_line (tenant_id, order_id) WHERE order_id IS NOT NULL;
CREATE INDEX sepa_line_of_payment ON payments.sepa_line (tenant_id, payment_id) WHERE payment_id IS NOT NULL;
