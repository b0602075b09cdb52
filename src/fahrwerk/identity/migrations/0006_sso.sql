-- Single sign-on: an operator's identity providers, who came by them, and log-ins under way.

CREATE TABLE identity.sso_provider (
    tenant_id         uuid NOT NULL DEFAULT kernel.tenant(),
    id                uuid NOT NULL,
    name              varchar(100) NOT NULL,
    protocol          jsonb NOT NULL,
    secret            bytea,
    mapping           jsonb NOT NULL,
    role_rules        jsonb NOT NULL,
    default_roles     text[] NOT NULL,
    redirect_uris     text[] NOT NULL,
    is_enabled        boolean NOT NULL,
    is_enforced       boolean NOT NULL,
    may_create        boolean NOT NULL,
    may_link_by_email boolean NOT NULL,
    version           bigint NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
COMMENT ON TABLE identity.sso_provider IS 'Identity providers by which people of an operator log in (IDN-20).';
COMMENT ON COLUMN identity.sso_provider.protocol IS 'What the protocol needs to know; "type" is oidc, saml or ldap.';
COMMENT ON COLUMN identity.sso_provider.secret IS 'Client secret or bind password, sealed (kernel/crypto); never shown again.';
COMMENT ON COLUMN identity.sso_provider.mapping IS 'Our field -> the provider''s attribute (IDN-22).';
COMMENT ON COLUMN identity.sso_provider.role_rules IS 'Group at the provider -> role here (IDN-23).';
COMMENT ON COLUMN identity.sso_provider.redirect_uris IS 'Where apps may be sent back to, letter by letter.';
COMMENT ON COLUMN identity.sso_provider.is_enforced IS 'People of its domains cannot log in by password; administrators can, so that nobody is locked out.';
COMMENT ON COLUMN identity.sso_provider.may_link_by_email IS 'An existing account with an address of its domains is taken over at the first log-in.';

CREATE TABLE identity.sso_domain (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    domain      varchar(253) NOT NULL,
    provider_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, domain),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES identity.sso_provider (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX sso_domain_provider ON identity.sso_domain (tenant_id, provider_id);
COMMENT ON TABLE identity.sso_domain IS 'E-mail domains a provider speaks for: where people with such an address are sent.';

CREATE TABLE identity.sso_link (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    provider_id  uuid NOT NULL,
    issuer       varchar(1000) NOT NULL,
    subject      varchar(255) NOT NULL,
    person_id    uuid NOT NULL,
    linked_at    timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, provider_id, issuer, subject),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES identity.sso_provider (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.person (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX sso_link_person ON identity.sso_link (tenant_id, person_id);
COMMENT ON TABLE identity.sso_link IS 'Which account somebody at a provider is. By issuer and subject, never by e-mail: addresses change hands.';

CREATE TABLE identity.sso_attempt (
    tenant_id      uuid NOT NULL DEFAULT kernel.tenant(),
    id             uuid NOT NULL,
    provider_id    uuid NOT NULL,
    flow           varchar(10) NOT NULL CHECK (flow IN ('app', 'page', 'test')),
    ticket_hash    varchar(64),
    state_hash     varchar(64),
    browser_hash   varchar(64),
    finish_hash    varchar(64),
    code_hash      varchar(64),
    redirect_uri   varchar(1000) NOT NULL,
    app_state      varchar(500) NOT NULL,
    code_challenge varchar(43) NOT NULL,
    secrets        bytea,
    person_id      uuid,
    steps          jsonb,
    created_at     timestamptz NOT NULL DEFAULT kernel.now(),
    expires_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES identity.sso_provider (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX sso_attempt_ticket ON identity.sso_attempt (tenant_id, ticket_hash);
CREATE UNIQUE INDEX sso_attempt_state ON identity.sso_attempt (tenant_id, state_hash);
CREATE UNIQUE INDEX sso_attempt_finish ON identity.sso_attempt (tenant_id, finish_hash);
CREATE UNIQUE INDEX sso_attempt_code ON identity.sso_attempt (tenant_id, code_hash);
CREATE INDEX sso_attempt_expired ON identity.sso_attempt (tenant_id, expires_at);
CREATE INDEX sso_attempt_provider ON identity.sso_attempt (tenant_id, provider_id);
COMMENT ON TABLE identity.sso_attempt IS 'Log-ins under way, for ten minutes. Each of its hashes is good once: it is emptied by who brings the secret.';
COMMENT ON COLUMN identity.sso_attempt.browser_hash IS 'SHA-256 of the cookie of the browser that left: only that one may come back.';
COMMENT ON COLUMN identity.sso_attempt.secrets IS 'Nonce, PKCE verifier, SAML request id; later what the provider said; sealed.';
COMMENT ON COLUMN identity.sso_attempt.code_challenge IS 'The app''s own PKCE challenge (S256).';
COMMENT ON COLUMN identity.sso_attempt.steps IS 'Of a test: what happened, step by step.';

CREATE TABLE identity.sso_seen (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    provider_id uuid NOT NULL,
    assertion   varchar(64) NOT NULL,
    until       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, provider_id, assertion),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES identity.sso_provider (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX sso_seen_until ON identity.sso_seen (tenant_id, until);
COMMENT ON TABLE identity.sso_seen IS 'SAML assertions already used, until they would be too old anyway: each logs in once.';

CREATE TABLE identity.sourced_role (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    person_id uuid NOT NULL,
    source_id uuid NOT NULL,
    role      varchar(50) NOT NULL,
    PRIMARY KEY (tenant_id, person_id, source_id, role),
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.person (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE identity.sourced_role IS 'Roles in person_role that an identity provider or a SCIM source gave, and may take back.';

ALTER TABLE identity.session ADD COLUMN sso_provider_id uuid;
CREATE INDEX session_sso ON identity.session (tenant_id, sso_provider_id) WHERE sso_provider_id IS NOT NULL AND revoked_at IS NULL;
COMMENT ON COLUMN identity.session.sso_provider_id IS 'By which identity provider the log-in was; the session ends when that is disabled.';

ALTER TABLE identity.sso_provider ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.sso_provider FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.sso_provider USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.sso_domain ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.sso_domain FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.sso_domain USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.sso_link ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.sso_link FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.sso_link USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.sso_attempt ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.sso_attempt FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.sso_attempt USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.sso_seen ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.sso_seen FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.sso_seen USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.sourced_role ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.sourced_role FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.sourced_role USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
