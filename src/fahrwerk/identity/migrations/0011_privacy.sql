-- Privacy: what people agreed to, what they asked for (their data, to be erased), and how long what
-- kind of data is kept.

ALTER TABLE identity.person
    ADD COLUMN restricted_at timestamptz,
    ADD COLUMN restricted_reason varchar(200);
COMMENT ON COLUMN identity.person.restricted_at IS 'Since when this person''s data are only kept and not used (Art. 18): no new ride. Also while an erasure is under way.';

CREATE TABLE identity.consent (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    id          uuid NOT NULL,
    person_id   uuid NOT NULL,
    purpose     varchar(30) NOT NULL,
    is_given    boolean NOT NULL,
    version     integer NOT NULL CHECK (version >= 0),
    locale      char(2) NOT NULL,
    text_digest varchar(64) NOT NULL,
    way         varchar(10) NOT NULL CHECK (way IN ('app', 'page', 'staff')),
    address     varchar(60) NOT NULL DEFAULT '',
    device      varchar(200) NOT NULL DEFAULT '',
    at          timestamptz NOT NULL,
    ended_at    timestamptz,
    ended_from  varchar(60),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.person (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX consent_now ON identity.consent (tenant_id, person_id, purpose) WHERE ended_at IS NULL;
CREATE INDEX consent_history ON identity.consent (tenant_id, person_id, at, id);
COMMENT ON TABLE identity.consent IS 'What people said to which text, and the proof of it (GDP-04, Art. 7): the text by version and digest, when, from where. An answer is never changed: a new one, or its withdrawal, ends it.';
COMMENT ON COLUMN identity.consent.version IS 'Of the text in this language; 0 is the text that comes with Fahrwerk.';

CREATE TABLE identity.consent_text (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    purpose      varchar(30) NOT NULL,
    locale       char(2) NOT NULL,
    version      integer NOT NULL CHECK (version > 0),
    body         text NOT NULL CHECK (length(body) BETWEEN 1 AND 10000),
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, purpose, locale, version)
);
COMMENT ON TABLE identity.consent_text IS 'What operators ask consent to, in all versions. The texts of terms and privacy are the site''s.';

CREATE TABLE identity.privacy_request (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    id          uuid NOT NULL,
    person_id   uuid NOT NULL,
    kind        varchar(10) NOT NULL CHECK (kind IN ('export', 'erasure')),
    state       varchar(10) NOT NULL DEFAULT 'waiting'
                CHECK (state IN ('waiting', 'running', 'erasing', 'ready', 'done', 'refused', 'cancelled', 'failed', 'expired')),
    locale      char(2) NOT NULL,
    asked_by    varchar(60) NOT NULL,
    asked_at    timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    sections    integer NOT NULL DEFAULT 0,
    sections_done integer NOT NULL DEFAULT 0,
    rows        bigint NOT NULL DEFAULT 0,
    bytes       bigint NOT NULL DEFAULT 0,
    result      jsonb,
    traces      bytea,
    turn        integer NOT NULL DEFAULT 0,
    next_at     timestamptz,
    begun_at    timestamptz,
    ended_at    timestamptz,
    expires_at  timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.person (tenant_id, id) ON DELETE CASCADE,
    CHECK ((next_at IS NOT NULL) = (state IN ('waiting', 'running', 'erasing')))
);
CREATE UNIQUE INDEX privacy_request_open ON identity.privacy_request (tenant_id, person_id, kind) WHERE next_at IS NOT NULL;
CREATE INDEX privacy_request_newest ON identity.privacy_request (tenant_id, asked_at, id);
CREATE INDEX privacy_request_person ON identity.privacy_request (tenant_id, person_id, asked_at);
CREATE INDEX privacy_request_next ON identity.privacy_request (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX privacy_request_expiring ON identity.privacy_request (expires_at) WHERE state = 'ready';
COMMENT ON TABLE identity.privacy_request IS 'What people asked for: their data (Art. 15, 20) or to be erased (Art. 17). A work queue: a worker takes what is due at next_at, and takes it again should its process die.';
COMMENT ON COLUMN identity.privacy_request.due_at IS 'By law: a month after it was asked for.';
COMMENT ON COLUMN identity.privacy_request.result IS 'Why it was refused; or of an erasure what is kept, why, and what was found.';
COMMENT ON COLUMN identity.privacy_request.traces IS 'Sealed: name and addresses of who is being erased, to look for them afterwards; gone when that is done.';
COMMENT ON COLUMN identity.privacy_request.turn IS 'Of the worker that has it: another one''s turn makes what this one writes void.';

CREATE TABLE identity.privacy_file (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    request_id uuid NOT NULL,
    turn       integer NOT NULL,
    number     integer NOT NULL,
    data       bytea NOT NULL,
    PRIMARY KEY (tenant_id, request_id, turn, number),
    FOREIGN KEY (tenant_id, request_id) REFERENCES identity.privacy_request (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE identity.privacy_file ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE identity.privacy_file IS 'Exports, in parts, each sealed with the person''s key (kernel.person_key). For seven days.';

CREATE TABLE identity.privacy_setting (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    officer    varchar(500) NOT NULL DEFAULT '',
    grace_days integer NOT NULL DEFAULT 0 CHECK (grace_days BETWEEN 0 AND 14),
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id)
);
COMMENT ON TABLE identity.privacy_setting IS 'Whom people may turn to about their data, and how many days an erasure may still be called off.';

CREATE TABLE identity.retention (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    rule       varchar(60) NOT NULL,
    days       integer NOT NULL CHECK (days > 0),
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, rule)
);
COMMENT ON TABLE identity.retention IS 'How long an operator keeps what, where that differs from the rule (kernel.privacy).';

CREATE TABLE identity.retention_run (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL,
    rule       varchar(60) NOT NULL,
    before     timestamptz NOT NULL,
    deleted    bigint NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX retention_run_newest ON identity.retention_run (tenant_id, at, id);
COMMENT ON TABLE identity.retention_run IS 'What was thrown away by its age, night by night.';

ALTER TABLE identity.consent ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.consent FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.consent USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE identity.consent_text ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.consent_text FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.consent_text USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE identity.privacy_request ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.privacy_request FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.privacy_request USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE identity.privacy_file ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.privacy_file FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.privacy_file USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE identity.privacy_setting ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.privacy_setting FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.privacy_setting USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE identity.retention ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.retention FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.retention USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE identity.retention_run ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.retention_run FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.retention_run USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

-- A work queue: with no tenant set the worker finds out whose requests are due or over; it then
-- works as that operator.
CREATE POLICY worker ON identity.privacy_request TO fahrwerk_identity USING (kernel.tenant() IS NULL) WITH CHECK (kernel.tenant() IS NULL);

-- Whom identity erases, it erases with his key.
GRANT EXECUTE ON FUNCTION kernel.forget_key_of TO fahrwerk_identity;
