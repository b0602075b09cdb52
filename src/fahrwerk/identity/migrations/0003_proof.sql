-- Proof of an e-mail address or phone number, what an operator asks of log-ins, and who tried to.

ALTER TABLE identity.person
    ADD COLUMN email_verified_at timestamptz,
    ADD COLUMN phone_verified_at timestamptz,
    ADD COLUMN password_set_at timestamptz;
COMMENT ON COLUMN identity.person.email_verified_at IS 'When its owner proved that this address is read; null: not proven (IDN-15).';
COMMENT ON COLUMN identity.person.phone_verified_at IS 'The same for the phone number; null again when the number changes.';
COMMENT ON COLUMN identity.person.password_set_at IS 'Of the last reset or change; null: the one of registration.';

ALTER TABLE identity.session
    ADD COLUMN address varchar(60) NOT NULL DEFAULT '',
    ADD COLUMN methods text[] NOT NULL DEFAULT '{password}',
    ADD COLUMN confirmed_at timestamptz NOT NULL DEFAULT kernel.now(),
    ADD COLUMN key_thumbprint varchar(43);
COMMENT ON COLUMN identity.session.address IS 'Where the log-in or the last refresh came from.';
COMMENT ON COLUMN identity.session.methods IS 'How the person proved who he is: password, totp, recovery_code, passkey, link, sso.';
COMMENT ON COLUMN identity.session.confirmed_at IS 'When he last did; what is sensitive asks for it to be recent.';
COMMENT ON COLUMN identity.session.key_thumbprint IS 'RFC 7638 thumbprint of the device key this session is bound to: refresh needs a proof by it (RFC 9449); null: not bound.';

CREATE TABLE identity.policy (
    tenant_id            uuid NOT NULL DEFAULT kernel.tenant(),
    second_factor_roles  text[] NOT NULL DEFAULT '{}',
    bind_sessions        boolean NOT NULL DEFAULT false,
    verify_at_register   boolean NOT NULL DEFAULT false,
    ride_needs_contact   boolean NOT NULL DEFAULT false,
    ride_checks          jsonb NOT NULL DEFAULT '{}',
    id_provider          varchar(40) NOT NULL DEFAULT 'sandbox',
    updated_at           timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id)
);
COMMENT ON TABLE identity.policy IS 'What an operator asks of its people''s log-ins; no row = the defaults.';
COMMENT ON COLUMN identity.policy.second_factor_roles IS 'Who has one of these roles needs a second factor.';
COMMENT ON COLUMN identity.policy.bind_sessions IS 'True: apps must bind their session to a device key when they log in.';
COMMENT ON COLUMN identity.policy.ride_checks IS 'Vehicle type, or * for all, to the ID checks a ride needs: {"*": ["age"], "car": ["licence"]}.';

CREATE TABLE identity.proof (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    id          uuid NOT NULL,
    person_id   uuid NOT NULL,
    purpose     varchar(20) NOT NULL CHECK (purpose IN
        ('verify_email', 'verify_phone', 'reset', 'magic', 'email_old', 'email_new')),
    channel     varchar(10) NOT NULL CHECK (channel IN ('email', 'sms')),
    address     varchar(255) NOT NULL,
    token_hash  varchar(64) NOT NULL,
    code_hash   varchar(64) NOT NULL,
    sealed      bytea,
    tries_left  int NOT NULL CHECK (tries_left >= 0),
    pair_id     uuid,
    created_at  timestamptz NOT NULL DEFAULT kernel.now(),
    expires_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    used_at     timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.person (tenant_id, id) ON DELETE CASCADE,
    CHECK (used_at IS NULL OR ended_at IS NOT NULL),
    CHECK (ended_at IS NULL OR sealed IS NULL)
);
CREATE UNIQUE INDEX proof_token ON identity.proof (tenant_id, token_hash);
CREATE INDEX proof_person ON identity.proof (tenant_id, person_id, purpose, created_at);
CREATE INDEX proof_pair ON identity.proof (tenant_id, pair_id) WHERE pair_id IS NOT NULL;
CREATE INDEX proof_expired ON identity.proof (expires_at);
COMMENT ON TABLE identity.proof IS 'Links and codes sent to people: good once, for a short time, for one purpose.';
COMMENT ON COLUMN identity.proof.code_hash IS 'Keyed by the installation''s secret: six digits are guessed quickly from a plain hash.';
COMMENT ON COLUMN identity.proof.sealed IS 'Link and code for the letter, encrypted; gone when the proof has ended.';
COMMENT ON COLUMN identity.proof.ended_at IS 'Used, replaced by a newer one, or guessed at too often.';
COMMENT ON COLUMN identity.proof.pair_id IS 'Of a new e-mail address: the old and the new one have to agree.';

CREATE TABLE identity.wish (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL,
    purpose    varchar(20) NOT NULL CHECK (purpose IN ('reset', 'magic')),
    login      bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX wish_oldest ON identity.wish (created_at);
COMMENT ON TABLE identity.wish IS 'A stranger asks for a link to an account. Looked at by a job, so that no answer tells by its time whether there is one.';
COMMENT ON COLUMN identity.wish.login IS 'The address or number as it was typed, encrypted: it may be anybody''s.';

CREATE TABLE identity.failure (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    who        varchar(64) NOT NULL,
    place      varchar(64) NOT NULL,
    failures   int NOT NULL,
    since      timestamptz NOT NULL DEFAULT kernel.now(),
    pause_till timestamptz NOT NULL DEFAULT kernel.now(),
    told_at    timestamptz,
    PRIMARY KEY (tenant_id, who, place)
);
CREATE INDEX failure_since ON identity.failure (since);
COMMENT ON TABLE identity.failure IS 'Log-ins that failed, counted before they are looked at. Slows down whoever guesses, not the owner.';
COMMENT ON COLUMN identity.failure.who IS 'Keyed digest of the login name, whether or not there is such an account; or of what else is guessed at.';
COMMENT ON COLUMN identity.failure.place IS 'The network it came from, a known device, or empty: from everywhere.';
COMMENT ON COLUMN identity.failure.told_at IS 'When the owner was told of an attack; at most once a day.';

CREATE TABLE identity.attempt (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL,
    person_id  uuid,
    who        varchar(64) NOT NULL,
    address    varchar(60) NOT NULL,
    device     varchar(200) NOT NULL,
    is_known   boolean NOT NULL,
    outcome    varchar(30) NOT NULL,
    request_id varchar(80) NOT NULL,
    at         timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX attempt_person ON identity.attempt (tenant_id, person_id, at) WHERE person_id IS NOT NULL;
CREATE INDEX attempt_at ON identity.attempt (at);
COMMENT ON TABLE identity.attempt IS 'Who tried to log in, from where, with what outcome; kept for 90 days.';

CREATE TABLE identity.device (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    id           uuid NOT NULL,
    person_id    uuid NOT NULL,
    token_hash   varchar(64) NOT NULL,
    name         varchar(200) NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT kernel.now(),
    last_used_at timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, person_id) REFERENCES identity.person (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX device_token ON identity.device (tenant_id, token_hash);
CREATE INDEX device_person ON identity.device (tenant_id, person_id);
COMMENT ON TABLE identity.device IS 'Devices that logged in before and kept a token to say so: attacks from elsewhere do not slow them down.';

ALTER TABLE identity.policy ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.policy FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.policy USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.proof ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.proof FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.proof USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.wish ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.wish FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.wish USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- A work queue of all operators: claimed with no tenant set, then answered by a call of its tenant.
CREATE POLICY worker ON identity.wish TO fahrwerk_identity USING (kernel.tenant() IS NULL);

ALTER TABLE identity.failure ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.failure FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.failure USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.attempt ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.attempt FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.attempt USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE identity.device ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.device FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.device USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

-- What is over is cleared away for all operators at once, by its age alone.
CREATE POLICY sweeper ON identity.proof TO fahrwerk_identity USING (kernel.tenant() IS NULL);
CREATE POLICY sweeper ON identity.failure TO fahrwerk_identity USING (kernel.tenant() IS NULL);
CREATE POLICY sweeper ON identity.attempt TO fahrwerk_identity USING (kernel.tenant() IS NULL);
