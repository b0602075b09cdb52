-- The audit log: what was before and after, a row before each deed, and a sealed head of each chain.

ALTER TABLE kernel.audit ADD COLUMN detail jsonb;
COMMENT ON COLUMN kernel.audit.detail IS 'before and after of a change, as far as it is not personal: {"before": ..., "after": ...}; of reading: how often. Null = nothing to say.';
COMMENT ON COLUMN kernel.audit.outcome IS 'done, seen (personal data were read), an error code, or begun: the deed was about to happen and its end was never written.';

CREATE INDEX audit_newest ON kernel.audit (tenant_id, at, id);
CREATE INDEX audit_actor ON kernel.audit (tenant_id, actor, at);
CREATE INDEX audit_subject ON kernel.audit (tenant_id, subject, at) WHERE subject <> '';

-- A row is written before the deed and completed after it, as long as it is in no chain.
GRANT UPDATE (outcome, subject, detail) ON kernel.audit TO fahrwerk_kernel;
CREATE POLICY only_begun ON kernel.audit AS RESTRICTIVE FOR UPDATE TO fahrwerk_kernel
    USING (seq IS NULL AND outcome = 'begun') WITH CHECK (seq IS NULL);

CREATE TABLE kernel.audit_head (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    seq        bigint NOT NULL,
    hash       bytea NOT NULL,
    seal       bytea NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id)
);
COMMENT ON TABLE kernel.audit_head IS 'The last link of each chain, sealed with the installation''s secret: who has the database alone can neither cut a chain short nor write it anew.';

ALTER TABLE kernel.audit_head ENABLE ROW LEVEL SECURITY;
ALTER TABLE kernel.audit_head FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON kernel.audit_head USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
CREATE POLICY chain_all ON kernel.audit_head TO fahrwerk_pump USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON kernel.audit_head TO fahrwerk_pump;
