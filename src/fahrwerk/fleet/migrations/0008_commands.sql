-- What devices say of themselves, what goes wrong with them, and who knocks without being known.
--
-- Who locks what: as in 0001. The two tables below are locked alone.

ALTER TABLE fleet.vehicle ADD COLUMN said_capabilities text[];
COMMENT ON COLUMN fleet.vehicle.said_capabilities IS 'What its device said last that it can be told; capabilities follow it when it changes, so that a correction by staff stays until the device says something new. Null = has said nothing since it was paired.';

CREATE TABLE fleet.link_problem (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    vehicle_id uuid NOT NULL,
    reason     text NOT NULL CHECK (length(reason) <= 50),
    seen_at    timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, vehicle_id),
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE fleet.link_problem IS 'The last message of a vehicle that was not taken, and why (FLT-16): what staff who pair it are told. Written at most once a minute for a vehicle and process.';

ALTER TABLE fleet.link_problem ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.link_problem FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.link_problem USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

CREATE TABLE fleet.stranger (
    tenant_id     uuid DEFAULT kernel.tenant(),
    protocol      text NOT NULL CHECK (length(protocol) <= 32),
    name          text NOT NULL CHECK (name ~ '^[0-9A-Za-z._:-]{1,64}$'),
    knocks        int NOT NULL DEFAULT 1,
    first_seen_at timestamptz NOT NULL DEFAULT kernel.now(),
    last_seen_at  timestamptz NOT NULL DEFAULT kernel.now(),
    UNIQUE NULLS NOT DISTINCT (tenant_id, protocol, name)
);
CREATE INDEX stranger_newest ON fleet.stranger (tenant_id, last_seen_at);
COMMENT ON TABLE fleet.stranger IS 'Devices that spoke and are not paired, so that staff can pair them (FLT-16). Bounded: the oldest go.';
COMMENT ON COLUMN fleet.stranger.tenant_id IS 'Whose token brought it (Traccar). Null = it came over a line that all operators share: who it belongs to is what is not known. Such a row is shown to nobody who cannot name it, unless the installation has one operator.';
COMMENT ON COLUMN fleet.stranger.name IS 'What it calls itself: its IMEI, or the vehicle''s id in our own protocol.';

ALTER TABLE fleet.stranger ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.stranger FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.stranger USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- The link hears strangers with no tenant set. It sees the rows that belong to nobody, no others.
CREATE POLICY link_keeps ON fleet.stranger TO fahrwerk_fleet
    USING (kernel.tenant() IS NULL AND tenant_id IS NULL) WITH CHECK (kernel.tenant() IS NULL AND tenant_id IS NULL);
