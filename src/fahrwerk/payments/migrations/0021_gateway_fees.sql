-- What gateways say they kept of charges: booked once, and compared with their lists from then on.

ALTER TABLE payments.attempt ADD COLUMN fee_minor bigint CHECK (fee_minor IS NULL OR (fee_minor >= 0 AND kind = 'capture'));
COMMENT ON COLUMN payments.attempt.fee_minor IS 'Of a capture: what the gateway''s list says it kept of it, without platform_fee_minor, as it was booked. Null: it has not said.';

ALTER TABLE payments.difference DROP CONSTRAINT difference_kind_check;
ALTER TABLE payments.difference ADD CONSTRAINT difference_kind_check CHECK (kind IN ('capture', 'refund', 'fee', 'platform_fee'));
COMMENT ON TABLE payments.difference IS 'Where a gateway''s list of charges, refunds and fees is not ours (I10), and since when.';
