-- Debits of bank accounts through a gateway can be listed, and staff write notes on runs to the bank.

CREATE INDEX attempt_promised ON payments.attempt (tenant_id, sent_at DESC, key) WHERE is_promise;

CREATE TABLE payments.note (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL,
    subject    uuid NOT NULL,
    text       text NOT NULL CHECK (length(text) BETWEEN 1 AND 500),
    written_by text NOT NULL,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX note_of_subject ON payments.note (tenant_id, subject, written_at, id);
COMMENT ON TABLE payments.note IS 'What staff wrote about a run to the bank or a payout of a reseller, for each other; never changed, never deleted.';
COMMENT ON COLUMN payments.note.subject IS 'A payments.sepa_run, or a payout of the wallet''s room: no foreign key.';

ALTER TABLE payments.note ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.note FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.note USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
