-- Accounts that the platform's operator has connected to its own (Stripe Connect), and the fee it takes of what is collected there.

ALTER TABLE payments.gateway_account ALTER COLUMN secret_sealed DROP NOT NULL;
ALTER TABLE payments.gateway_account ADD COLUMN is_connected boolean NOT NULL DEFAULT false;
ALTER TABLE payments.gateway_account ADD COLUMN platform_fee_minor bigint NOT NULL DEFAULT 0 CHECK (platform_fee_minor >= 0);
ALTER TABLE payments.gateway_account ADD COLUMN platform_fee_bp int NOT NULL DEFAULT 0 CHECK (platform_fee_bp BETWEEN 0 AND 10000);
ALTER TABLE payments.gateway_account ADD CONSTRAINT keys_are_whose CHECK (is_connected = (secret_sealed IS NULL));
ALTER TABLE payments.gateway_account ADD CONSTRAINT fees_of_connected CHECK (is_connected OR (platform_fee_minor, platform_fee_bp) = (0, 0));
COMMENT ON COLUMN payments.gateway_account.is_connected IS 'The platform acts for this account with its own keys, which are in its settings; there are none of the operator''s.';
COMMENT ON COLUMN payments.gateway_account.platform_fee_minor IS 'What the platform takes of each payment, once, beside platform_fee_bp of each capture; set by the platform alone.';
CREATE INDEX gateway_account_connected ON payments.gateway_account (gateway, remote_id) WHERE is_connected;
COMMENT ON INDEX payments.gateway_account_connected IS 'Not led by tenant_id: webhooks of all connected accounts come to one address and name the account only.';
-- To find out which operator that is. These rows have no secrets.
CREATE POLICY connected ON payments.gateway_account FOR SELECT TO fahrwerk_payments USING (kernel.tenant() IS NULL AND is_connected);

ALTER TABLE payments.attempt ADD COLUMN platform_fee_minor bigint NOT NULL DEFAULT 0 CHECK (platform_fee_minor >= 0);
COMMENT ON COLUMN payments.attempt.platform_fee_minor IS 'Of a capture: what the platform takes of it. Of a refund: what it gives back.';
