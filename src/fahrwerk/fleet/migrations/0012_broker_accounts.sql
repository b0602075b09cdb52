-- Passwords with which vehicles log in to the MQTT broker.

CREATE TABLE fleet.broker_account (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    vehicle_id uuid NOT NULL,
    secret     text NOT NULL CHECK (secret ~ '^\$7\$[0-9]+\$[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+$'),
    set_at     timestamptz NOT NULL DEFAULT kernel.now(),
    set_by     text NOT NULL,
    PRIMARY KEY (tenant_id, vehicle_id),
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE fleet.broker_account IS 'Vehicles that may log in to the broker; fahrwerk accounts writes them into its files. The password itself is kept nowhere.';
COMMENT ON COLUMN fleet.broker_account.secret IS 'As Mosquitto keeps it: $7$ iterations $ salt $ PBKDF2-SHA512. The password is random, 256 bits.';

ALTER TABLE fleet.broker_account ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.broker_account FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.broker_account USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

-- A broker has vehicles of all operators. Answered by the owner, as the questions of 0001: names and
-- hashes, nothing else. Who is retired has no account.
CREATE FUNCTION fleet.broker_accounts(after uuid, most int)
RETURNS TABLE (vehicle_id uuid, vehicle_type text, secret text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.vehicle_id, v.vehicle_type, a.secret
    FROM fleet.broker_account a JOIN fleet.vehicle v ON v.tenant_id = a.tenant_id AND v.id = a.vehicle_id
    WHERE v.status <> 'retired' AND (after IS NULL OR a.vehicle_id > after)
    ORDER BY a.vehicle_id LIMIT most;
END;
COMMENT ON FUNCTION fleet.broker_accounts IS 'Accounts of all operators'' vehicles that are not retired, by id.';
CREATE POLICY owner_looks ON fleet.broker_account FOR SELECT TO CURRENT_USER USING (kernel.tenant() IS NULL);
REVOKE EXECUTE ON FUNCTION fleet.broker_accounts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fleet.broker_accounts TO fahrwerk_fleet;
