-- Keys of vehicles rest sealed (kernel/crypto.py). SQL does not know the installation's secret: what
-- is here already is 32 bytes, and sealed by `fahrwerk secrets reseal`.
ALTER TABLE fleet.vehicle_key
    DROP CONSTRAINT vehicle_key_signs_with_check,
    DROP CONSTRAINT vehicle_key_checks_with_check,
    ADD CONSTRAINT vehicle_key_signs_with CHECK (length(signs_with) BETWEEN 32 AND 200),
    ADD CONSTRAINT vehicle_key_checks_with CHECK (length(checks_with) BETWEEN 32 AND 200);
COMMENT ON COLUMN fleet.vehicle_key.signs_with IS 'HS256: the shared secret. EdDSA: the platform''s private key for this vehicle. Sealed with the installation''s secret; 32 bytes are one from before keys were.';
COMMENT ON COLUMN fleet.vehicle_key.checks_with IS 'HS256: the same secret. EdDSA: the vehicle''s public key. Sealed likewise.';
