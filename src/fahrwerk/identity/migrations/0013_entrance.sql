-- Registration that tells nobody who has an account, and proofs of device keys that are good once.

ALTER TABLE identity.policy ADD COLUMN quiet_registration boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN identity.policy.quiet_registration IS 'True: registration answers the same whoever has an account; the new password counts when the address is proven.';

ALTER TABLE identity.person ADD COLUMN must_prove boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN identity.person.must_prove IS 'Registered quietly: the password counts only once e-mail address or phone number is proven.';

CREATE TABLE identity.device_proof (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    digest    varchar(64) NOT NULL,
    until     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, digest)
);
CREATE INDEX device_proof_until ON identity.device_proof (until);
COMMENT ON TABLE identity.device_proof IS 'DPoP proofs that were taken (RFC 9449, 11.1): each is good once, for as long as it is fresh.';
COMMENT ON COLUMN identity.device_proof.digest IS 'Of the key''s thumbprint and the proof''s jti.';

ALTER TABLE identity.device_proof ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity.device_proof FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON identity.device_proof USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- What is over is cleared away for all operators at once, by its age alone.
CREATE POLICY sweeper ON identity.device_proof TO fahrwerk_identity USING (kernel.tenant() IS NULL);
