-- Lost disputes and short balances as debts, failed refunds and what staff did about them, bank lines taken back,
-- transfers of refunds that never left.

ALTER TABLE payments.dunning ADD COLUMN is_dispute_owed boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN payments.dunning.is_dispute_owed IS 'A ride whose charge was lost in a dispute is owed again, and dunned (without charging the card).';
ALTER TABLE payments.dispute ADD COLUMN owed_minor bigint NOT NULL DEFAULT 0 CHECK (owed_minor >= 0);
COMMENT ON COLUMN payments.dispute.owed_minor IS 'What of it the rider owes again: part of the payment''s due_minor.';

ALTER TABLE payments.sepa_order ADD COLUMN unsent_minor bigint NOT NULL DEFAULT 0 CHECK (unsent_minor >= 0);
COMMENT ON COLUMN payments.sepa_order.unsent_minor IS 'Of a debit that came back: refunds of it whose transfer had not left and never will.';

ALTER TABLE payments.sepa_line ADD COLUMN assignments int NOT NULL DEFAULT 0;
ALTER TABLE payments.sepa_line ADD COLUMN assigned_journal uuid;
COMMENT ON COLUMN payments.sepa_line.assignments IS 'How often it was assigned: each has a journal of its own.';
COMMENT ON COLUMN payments.sepa_line.assigned_journal IS 'Of the assignment to an account, which can be taken back; null for any other.';

CREATE TABLE payments.refund_answer (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    attempt_key text NOT NULL,
    what        text NOT NULL CHECK (what IN ('repeated', 'by_hand', 'dropped')),
    again_step  text,
    note        text NOT NULL,
    actor       text NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, attempt_key),
    FOREIGN KEY (tenant_id, attempt_key) REFERENCES payments.attempt (tenant_id, key)
);
CREATE INDEX attempt_refund_failed ON payments.attempt (tenant_id, touched_at DESC, key) WHERE kind = 'refund' AND state = 'declined';
COMMENT ON TABLE payments.refund_answer IS 'What staff did about a refund that the gateway refused, or that came back.';
COMMENT ON COLUMN payments.refund_answer.again_step IS 'Repeated: how the steps of the new refund begin; as long as none is there, the old one waits.';
ALTER TABLE payments.refund_answer ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.refund_answer FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.refund_answer USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

CREATE INDEX transfer_begun ON payments.transfer (tenant_id, begun_at DESC, id);
