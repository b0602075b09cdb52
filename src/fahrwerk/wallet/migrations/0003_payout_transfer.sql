-- Payouts by a transfer at the payment gateway: under way until the gateway has said what became of it.

ALTER TABLE wallet.payout DROP CONSTRAINT payout_state_check;
ALTER TABLE wallet.payout ADD CONSTRAINT payout_state_check
    CHECK (state IN ('draft', 'paying', 'paid', 'cancelled'));
ALTER TABLE wallet.payout DROP CONSTRAINT paid_by_somebody;
ALTER TABLE wallet.payout ADD CONSTRAINT paid_by_somebody
    CHECK ((state = 'paid') = (paid_at IS NOT NULL) AND (state NOT IN ('paying', 'paid') OR paid_by IS NOT NULL));
ALTER TABLE wallet.payout ADD COLUMN gateway text NOT NULL DEFAULT '';
ALTER TABLE wallet.payout ADD COLUMN tries int NOT NULL DEFAULT 0;
ALTER TABLE wallet.payout ADD COLUMN reason text NOT NULL DEFAULT '';
COMMENT ON COLUMN wallet.payout.gateway IS 'Whose transfer paid it; empty: a bank transfer somebody made by hand.';
COMMENT ON COLUMN wallet.payout.tries IS 'Transfers begun: each has a key of its own, and the next begins only after a refusal.';
COMMENT ON COLUMN wallet.payout.reason IS 'Why the gateway refused the last transfer; the payout is a draft again.';
DROP INDEX wallet.one_draft;
CREATE UNIQUE INDEX one_draft ON wallet.payout (tenant_id, reseller_id) WHERE state IN ('draft', 'paying');
