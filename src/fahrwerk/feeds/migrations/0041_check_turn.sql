-- Whose feeds are checked next: thousands of operators are not all looked at in the same moment.

CREATE TABLE feeds.check_turn (
    tenant_id uuid PRIMARY KEY DEFAULT kernel.tenant(),
    taken_at  timestamptz NOT NULL
);
COMMENT ON TABLE feeds.check_turn IS 'When the self-check of an operator''s feeds was begun last: a work queue, the oldest first.';

ALTER TABLE feeds.check_turn ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds.check_turn FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON feeds.check_turn USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- Whose turn it is, is asked for all operators at once.
CREATE POLICY worker_finds ON feeds.check_turn FOR SELECT TO fahrwerk_feeds USING (kernel.tenant() IS NULL);
