-- Debits of bank accounts through a gateway: promised before the ride, collected after it, known days later.

ALTER TABLE payments.method ADD COLUMN bank text NOT NULL DEFAULT '';
ALTER TABLE payments.method ADD COLUMN mandate_reference text NOT NULL DEFAULT '';
COMMENT ON COLUMN payments.method.bank IS 'Of a bank account: the bank''s code, as far as the gateway tells; empty for cards.';
COMMENT ON COLUMN payments.method.mandate_reference IS 'Of a bank account: what stands on the rider''s statement; empty for cards.';

ALTER TABLE payments.payment DROP CONSTRAINT payment_state_check;
ALTER TABLE payments.payment ADD CONSTRAINT payment_state_check CHECK (state IN ('created', 'unknown', 'action_required', 'authorized', 'processing', 'completed', 'due', 'failed', 'voided', 'refunded'));
ALTER TABLE payments.attempt DROP CONSTRAINT attempt_state_check;
ALTER TABLE payments.attempt ADD CONSTRAINT attempt_state_check CHECK (state IN ('sent', 'unknown', 'processing', 'action_required', 'succeeded', 'declined', 'failed'));
ALTER TABLE payments.attempt ADD COLUMN is_promise boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN payments.attempt.state IS 'processing: the gateway has taken a capture on and knows in days; nobody waits for it.';
COMMENT ON COLUMN payments.attempt.is_promise IS 'An authorisation that reserves nothing: it is captured once, for what the ride cost, be that more.';
