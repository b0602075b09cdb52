-- People, their roles and their sessions. Everything personal stands here and nowhere in an event.

CREATE TABLE identity.person (
    tenant_id     uuid NOT NULL DEFAULT kernel.tenant(),
    id            uuid NOT NULL,
    email         varchar(255)
        CONSTRAINT valid_email CHECK (email ~* '^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$'),
    phone         varchar(20) CONSTRAINT valid_phone CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    first_name    varchar(100),
    last_name     varchar(100),
    locale        varchar(10),
    password_hash varchar(255),
    status        varchar(20) NOT NULL DEFAULT 'active'
        CHECK (status IN ('active', 'blocked', 'deleted')),
    version       bigint NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT reachable CHECK (email IS NOT NULL OR phone IS NOT NULL OR status = 'deleted')
);
-- Unique within an operator, not in the world (C-06): the same person may ride with two operators.
CREATE UNIQUE INDEX person_email ON identity.person (tenant_id, lower(email));
CREATE UNIQUE INDEX person_phone ON identity.person (tenant_id, phone);
CREATE INDEX person_newest ON identity.person (tenant_id, created_at, id);
COMMENT ON TABLE identity.person IS 'Accounts (IDN-14). E-mail or phone is always there (C-05).';
COMMENT ON COLUMN identity.person.phone IS 'E.164: + and 7 to 15 digits.';
COMMENT ON COLUMN identity.person.first_name IS 'Needed before the first booking, not to register (C-05).';
COMMENT ON COLUMN identity.person.password_hash IS 'Argon2id in PHC format (IDN-13); null: cannot log in with a password.';
COMMENT ON COLUMN identity.person.version IS 'Of the stream person:<id> in the event log; counts changes of status.';

CREATE TABLE identity.person_role (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    person_id  uuid NOT NULL,
    role       varchar(50) NOT NULL,
    granted_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, person_id, role),
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.person (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX person_role_holders ON identity.person_role (tenant_id, role);
COMMENT ON TABLE identity.person_role IS 'Which roles a person has (IDN-17); what a role may do stands in identity/rules.py.';

CREATE TABLE identity.session (
    tenant_id        uuid NOT NULL DEFAULT kernel.tenant(),
    id               uuid NOT NULL,
    person_id        uuid NOT NULL,
    token_hash       varchar(255) NOT NULL,
    device           varchar(200) NOT NULL,
    expires_at       timestamptz NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT kernel.now(),
    last_accessed_at timestamptz NOT NULL DEFAULT kernel.now(),
    revoked_at       timestamptz,
    revoked_reason   varchar(50),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.person (tenant_id, id) ON DELETE CASCADE,
    CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
);
CREATE UNIQUE INDEX session_token ON identity.session (tenant_id, token_hash);
CREATE INDEX session_person ON identity.session (tenant_id, person_id);
COMMENT ON TABLE identity.session IS 'One log-in and its line of refresh tokens (IDN-18, C-53).';
COMMENT ON COLUMN identity.session.token_hash IS 'SHA-256 of the refresh token that is good now; the token itself is nowhere.';
COMMENT ON COLUMN identity.session.expires_at IS 'Database clock; moves on with every refresh.';
COMMENT ON COLUMN identity.session.device IS 'What the client called itself (User-Agent), so that people recognise their sessions.';

CREATE TABLE identity.refresh_token (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    token_hash  varchar(255) NOT NULL,
    session_id  uuid NOT NULL,
    replaced_at timestamptz NOT NULL DEFAULT kernel.now(),
    answer      bytea,
    PRIMARY KEY (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, session_id) REFERENCES identity.session (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX refresh_token_session ON identity.refresh_token (tenant_id, session_id, replaced_at);
COMMENT ON TABLE identity.refresh_token IS 'Refresh tokens that were replaced: seen again, they give a thief away.';
COMMENT ON COLUMN identity.refresh_token.answer IS 'The pair it was replaced by, sealed with a key only the replaced token yields, so that a repeat within the grace is answered the same. Only the newest of a session has one.';

ALTER TABLE identity.person ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.person FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.person USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.person_role ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.person_role FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.person_role USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.session ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.session FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.session USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.refresh_token ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.refresh_token FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.refresh_token USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
