-- Second factors and passkeys.

CREATE TABLE identity.totp (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    person_id    uuid NOT NULL,
    secret       bytea NOT NULL,
    confirmed_at timestamptz,
    last_step    bigint NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, person_id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.person (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE identity.totp IS 'A person''s authenticator app (RFC 6238). It counts once confirmed.';
COMMENT ON COLUMN identity.totp.secret IS 'Encrypted with a key of the installation (kernel.crypto.seal).';
COMMENT ON COLUMN identity.totp.last_step IS 'Of the last code that was taken: it, and all before it, are not taken again.';

CREATE TABLE identity.recovery_code (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    person_id uuid NOT NULL,
    code_hash varchar(64) NOT NULL,
    used_at   timestamptz,
    PRIMARY KEY (tenant_id, person_id, code_hash),
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.person (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE identity.recovery_code IS 'Ways in without the authenticator app, each good once; 80 random bits, so a plain hash will do.';

CREATE TABLE identity.challenge (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL,
    purpose    varchar(20) NOT NULL CHECK (purpose IN ('second_factor', 'passkey_add', 'passkey_log_in')),
    person_id  uuid,
    token_hash varchar(64) NOT NULL,
    data       jsonb NOT NULL DEFAULT '{}',
    tries_left int NOT NULL DEFAULT 5 CHECK (tries_left >= 0),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.person (tenant_id, id) ON DELETE CASCADE,
    CHECK (person_id IS NOT NULL OR purpose = 'passkey_log_in')
);
CREATE UNIQUE INDEX challenge_token ON identity.challenge (tenant_id, token_hash);
CREATE INDEX challenge_person ON identity.challenge (tenant_id, person_id);
CREATE INDEX challenge_expired ON identity.challenge (expires_at);
COMMENT ON TABLE identity.challenge IS 'A log-in or registration that has begun and waits for its second half; deleted when that comes.';
COMMENT ON COLUMN identity.challenge.data IS 'Of passkeys: the random bytes to be signed, RP id and origin. Of a second factor: how the first was proven, and the device.';

CREATE TABLE identity.passkey (
    tenant_id     uuid NOT NULL DEFAULT kernel.tenant(),
    id            uuid NOT NULL,
    person_id     uuid NOT NULL,
    credential_id bytea NOT NULL CHECK (length(credential_id) BETWEEN 1 AND 1023),
    public_key    bytea NOT NULL,
    sign_count    bigint NOT NULL CHECK (sign_count >= 0),
    rp_id         varchar(253) NOT NULL,
    name          varchar(100) NOT NULL,
    aaguid        varchar(36) NOT NULL,
    transports    text[] NOT NULL DEFAULT '{}',
    is_synced     boolean NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT kernel.now(),
    last_used_at  timestamptz,
    suspected_at  timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.person (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX passkey_credential ON identity.passkey (tenant_id, credential_id);
CREATE INDEX passkey_person ON identity.passkey (tenant_id, person_id);
COMMENT ON TABLE identity.passkey IS 'WebAuthn credentials: public keys only.';
COMMENT ON COLUMN identity.passkey.sign_count IS 'The authenticator''s own counter. One that does not grow is a copy''s.';
COMMENT ON COLUMN identity.passkey.suspected_at IS 'When its counter went back: it does not log in any more.';
COMMENT ON COLUMN identity.passkey.is_synced IS 'Backed up by its maker, so it may be on several devices.';

ALTER TABLE identity.totp ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.totp FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.totp USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.recovery_code ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.recovery_code FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.recovery_code USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.challenge ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.challenge FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.challenge USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- What has expired is cleared away for all operators at once.
CREATE POLICY sweeper ON identity.challenge TO fahrwerk_identity USING (kernel.tenant() IS NULL);

ALTER TABLE identity.passkey ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.passkey FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.passkey USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
