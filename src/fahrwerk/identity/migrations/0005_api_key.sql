-- Keys of programs, and checks of driving licence and age.

CREATE TABLE identity.api_key (
    tenant_id      uuid NOT NULL DEFAULT kernel.tenant(),
    id             uuid NOT NULL,
    person_id      uuid NOT NULL,
    name           varchar(100) NOT NULL,
    hint           varchar(12) NOT NULL,
    secret_hash    varchar(64) NOT NULL,
    previous_hash  varchar(64),
    previous_until timestamptz,
    scopes         text[] NOT NULL CHECK (cardinality(scopes) BETWEEN 1 AND 100),
    created_at     timestamptz NOT NULL DEFAULT kernel.now(),
    rotated_at     timestamptz,
    expires_at     timestamptz NOT NULL,
    last_used_at   timestamptz,
    last_address   varchar(60),
    revoked_at     timestamptz,
    told_at        timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.person (tenant_id, id) ON DELETE CASCADE,
    CHECK ((previous_hash IS NULL) = (previous_until IS NULL))
);
CREATE UNIQUE INDEX api_key_secret ON identity.api_key (tenant_id, secret_hash);
CREATE UNIQUE INDEX api_key_previous ON identity.api_key (tenant_id, previous_hash) WHERE previous_hash IS NOT NULL;
CREATE INDEX api_key_person ON identity.api_key (tenant_id, person_id);
CREATE INDEX api_key_ending ON identity.api_key (expires_at) WHERE revoked_at IS NULL AND told_at IS NULL;
COMMENT ON TABLE identity.api_key IS 'Keys with which programs act for a person, within scopes (IDN-36).';
COMMENT ON COLUMN identity.api_key.hint IS 'The first characters of the secret, to tell keys apart.';
COMMENT ON COLUMN identity.api_key.secret_hash IS 'SHA-256 of the whole key, which has 256 random bits; the key itself is nowhere.';
COMMENT ON COLUMN identity.api_key.previous_hash IS 'The key that the last rotation replaced: good until previous_until.';
COMMENT ON COLUMN identity.api_key.scopes IS 'Permissions. Those its maker has lost since do not count.';
COMMENT ON COLUMN identity.api_key.last_used_at IS 'Written at most once a minute.';
COMMENT ON COLUMN identity.api_key.told_at IS 'When its maker was told that it expires soon.';

CREATE TABLE identity.id_check (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    id          uuid NOT NULL,
    person_id   uuid NOT NULL,
    kind        varchar(10) NOT NULL CHECK (kind IN ('age', 'licence')),
    provider    varchar(40) NOT NULL,
    reference   varchar(200),
    state       varchar(10) NOT NULL CHECK (state IN ('pending', 'verified', 'rejected', 'expired')),
    reason      varchar(100),
    classes     text[] NOT NULL DEFAULT '{}',
    good_until  timestamptz,
    version     bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT kernel.now(),
    decided_at  timestamptz,
    ask_at      timestamptz NOT NULL DEFAULT kernel.now(),
    asked       int NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.person (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX id_check_person ON identity.id_check (tenant_id, person_id, kind, created_at);
CREATE INDEX id_check_waiting ON identity.id_check (ask_at) WHERE state = 'pending';
CREATE INDEX id_check_ending ON identity.id_check (good_until) WHERE state = 'verified';
COMMENT ON TABLE identity.id_check IS 'Checks of age or driving licence by a provider (IDN-02). Its answer only: no number, no picture, no date of birth.';
COMMENT ON COLUMN identity.id_check.version IS 'Of the stream id_check:<id>.';
COMMENT ON COLUMN identity.id_check.classes IS 'Of a licence: B, A1 ...';

ALTER TABLE identity.api_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.api_key FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.api_key USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- Keys that expire soon are looked for among all operators; each is told by a call of its tenant.
CREATE POLICY worker ON identity.api_key FOR SELECT TO fahrwerk_identity USING (kernel.tenant() IS NULL);

ALTER TABLE identity.id_check ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.id_check FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.id_check USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- A work queue: pending checks of all operators are claimed with no tenant set.
CREATE POLICY worker ON identity.id_check TO fahrwerk_identity USING (kernel.tenant() IS NULL);
