-- The kernel's own tables: the event log and everything that must be exactly once.

CREATE FUNCTION kernel.tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('fahrwerk.tenant', true), '')::uuid;
COMMENT ON FUNCTION kernel.tenant() IS 'The tenant this connection works for; null = none, which sees no rows.';

CREATE FUNCTION kernel.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
    RETURN coalesce(nullif(current_setting('fahrwerk.now', true), '')::timestamptz, now());
COMMENT ON FUNCTION kernel.now() IS 'Lease time: the database clock, or the time a test moved to.';

CREATE TABLE kernel.event (
    position   bigint GENERATED ALWAYS AS IDENTITY,
    xid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id         uuid NOT NULL DEFAULT gen_random_uuid(),
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    stream     text NOT NULL,
    version    bigint NOT NULL CHECK (version > 0),
    name       text NOT NULL,
    topic      text NOT NULL,
    data       jsonb NOT NULL,
    actor      text NOT NULL,
    trace      text,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (position)
);
CREATE UNIQUE INDEX event_stream ON kernel.event (tenant_id, stream, version);
CREATE INDEX event_reading_order ON kernel.event (xid, position);
COMMENT ON TABLE kernel.event IS 'Append-only: outbox, audit trail of facts and event store at once (RNT-30, RNT-44). Read in (xid, position) order below the oldest running transaction.';
COMMENT ON COLUMN kernel.event.stream IS 'What it speaks of, e.g. rental:<uuid>; versions of a stream are gapless (I6).';
COMMENT ON COLUMN kernel.event.data IS 'The event''s fields. No personal data: ids only.';
COMMENT ON COLUMN kernel.event.actor IS 'usr_... or room:<name>.';

CREATE TABLE kernel.checkpoint (
    handler_group text PRIMARY KEY,
    xid        xid8 NOT NULL DEFAULT '0',
    position   bigint NOT NULL DEFAULT 0,
    handled    bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE kernel.checkpoint IS 'How far each handler group has come; moved in the same transaction as the handlers'' own rows.';

CREATE TABLE kernel.dead_letter (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    handler_group text NOT NULL,
    event_position bigint NOT NULL,
    tenant_id     uuid NOT NULL,
    name          text NOT NULL,
    error         text NOT NULL,
    attempts      int NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    replayed_at   timestamptz,
    UNIQUE (handler_group, event_position)
);
COMMENT ON TABLE kernel.dead_letter IS 'Events a handler could not take; `fahrwerk events replay` tries them again (F19).';

CREATE TABLE kernel.idempotency (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    caller       text NOT NULL,
    key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_hash bytea NOT NULL,
    status       int,
    headers      jsonb,
    body         bytea,
    created_at   timestamptz NOT NULL DEFAULT kernel.now(),
    lease_until  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, caller, key)
);
CREATE INDEX idempotency_age ON kernel.idempotency (created_at);
COMMENT ON TABLE kernel.idempotency IS 'Answers to keyed requests, kept 24 h: same key and body = same answer (PAY-29, API-14).';

CREATE TABLE kernel.audit (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor      text NOT NULL,
    roles      text[] NOT NULL,
    action     text NOT NULL,
    subject    text NOT NULL,
    outcome    text NOT NULL,
    request_id text NOT NULL,
    address    text NOT NULL DEFAULT '',
    seq        bigint,
    hash       bytea,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX audit_chain ON kernel.audit (tenant_id, seq) WHERE seq IS NOT NULL;
CREATE INDEX audit_unchained ON kernel.audit (tenant_id, id) WHERE seq IS NULL;
COMMENT ON TABLE kernel.audit IS 'What privileged people did (GDP-07). seq and hash are added in the background: a chain per tenant (I11).';

ALTER TABLE kernel.event ENABLE ROW LEVEL SECURITY;
ALTER TABLE kernel.event FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON kernel.event USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
CREATE POLICY pump_reads_all ON kernel.event FOR SELECT TO fahrwerk_pump USING (true);

ALTER TABLE kernel.dead_letter ENABLE ROW LEVEL SECURITY;
ALTER TABLE kernel.dead_letter FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON kernel.dead_letter USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
CREATE POLICY pump_all ON kernel.dead_letter TO fahrwerk_pump USING (true) WITH CHECK (true);

ALTER TABLE kernel.idempotency ENABLE ROW LEVEL SECURITY;
ALTER TABLE kernel.idempotency FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON kernel.idempotency USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
CREATE POLICY clean_up ON kernel.idempotency FOR ALL TO fahrwerk_pump USING (true);

ALTER TABLE kernel.audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE kernel.audit FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON kernel.audit USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
CREATE POLICY chain_all ON kernel.audit TO fahrwerk_pump USING (true) WITH CHECK (true);

GRANT SELECT ON kernel.event TO fahrwerk_pump;
GRANT SELECT, INSERT, UPDATE ON kernel.checkpoint TO fahrwerk_pump;
GRANT SELECT, INSERT, UPDATE ON kernel.dead_letter TO fahrwerk_pump;
GRANT SELECT, DELETE ON kernel.idempotency TO fahrwerk_pump;
GRANT SELECT ON kernel.audit TO fahrwerk_pump;
GRANT UPDATE (seq, hash) ON kernel.audit TO fahrwerk_pump;
GRANT SELECT, INSERT, UPDATE ON kernel.idempotency TO fahrwerk_kernel;
GRANT SELECT, INSERT ON kernel.audit TO fahrwerk_kernel;
