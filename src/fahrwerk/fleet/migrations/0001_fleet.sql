-- Vehicles, the keys they are spoken to with, the commands they are sent and what they report.
--
-- Who locks what: the vehicle's row first, then its commands, then its key. Nobody the other way.

CREATE TABLE fleet.vehicle (
    tenant_id         uuid NOT NULL DEFAULT kernel.tenant(),
    id                uuid NOT NULL,
    vehicle_type      text NOT NULL CHECK (vehicle_type IN ('scooter', 'ebike', 'car', 'van')),
    identifier        text NOT NULL CHECK (length(identifier) BETWEEN 1 AND 50),
    external_id       text CHECK (length(external_id) BETWEEN 1 AND 50),
    model             text NOT NULL CHECK (length(model) BETWEEN 1 AND 100),
    brand             text NOT NULL CHECK (length(brand) BETWEEN 1 AND 50),
    category          text NOT NULL DEFAULT 'standard' CHECK (length(category) BETWEEN 1 AND 50),
    license_plate     text CHECK (length(license_plate) BETWEEN 1 AND 20),
    qr_code           text CHECK (length(qr_code) BETWEEN 1 AND 200),
    hardware_version  text CHECK (length(hardware_version) BETWEEN 1 AND 20),
    firmware_version  text CHECK (length(firmware_version) BETWEEN 1 AND 20),
    metadata          jsonb NOT NULL DEFAULT '{}',
    full_range_km     double precision NOT NULL CHECK (full_range_km > 0),
    last_service_at   timestamptz,
    service_interval_days int NOT NULL DEFAULT 30 CHECK (service_interval_days BETWEEN 1 AND 3650),

    status            text NOT NULL DEFAULT 'available'
                      CHECK (status IN ('available', 'reserved', 'in_use', 'maintenance', 'offline')),
    held_by           uuid,
    held_rider        uuid,
    hold_token        text,
    reserved_at       timestamptz,
    hold_expires_at   timestamptz,
    current_rental_id uuid,
    trip_started_at   timestamptz,

    is_connected      boolean NOT NULL,
    last_seen_at      timestamptz,
    measured_at       timestamptz,
    latitude          double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude         double precision CHECK (longitude BETWEEN -180 AND 180),
    cell              bigint,
    address           text CHECK (length(address) <= 200),
    accuracy_m        double precision,
    speed_kmh         double precision,
    battery_level     smallint CHECK (battery_level BETWEEN 0 AND 100),
    battery_low       smallint,
    discharged_pct    int NOT NULL DEFAULT 0,
    voltage           double precision,
    temperature       double precision,
    signal_strength   smallint,
    is_locked         boolean,
    odometer_m        bigint NOT NULL DEFAULT 0 CHECK (odometer_m >= 0),

    trips             int NOT NULL DEFAULT 0,
    ridden_m          bigint NOT NULL DEFAULT 0,
    ridden_s          bigint NOT NULL DEFAULT 0,
    revenue_minor     bigint NOT NULL DEFAULT 0,

    version           bigint NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL DEFAULT kernel.now(),
    updated_at        timestamptz NOT NULL DEFAULT kernel.now(),

    PRIMARY KEY (tenant_id, id),
    CONSTRAINT vehicle_located CHECK ((latitude IS NULL) = (longitude IS NULL) AND (latitude IS NULL) = (cell IS NULL)),
    CONSTRAINT vehicle_held CHECK (
        CASE WHEN status IN ('reserved', 'in_use')
             THEN num_nulls(held_by, held_rider, hold_token, reserved_at, hold_expires_at) = 0
             ELSE num_nonnulls(held_by, held_rider, hold_token, reserved_at, hold_expires_at) = 0
        END),
    CONSTRAINT vehicle_ridden CHECK (
        CASE WHEN status = 'in_use'
             THEN current_rental_id = held_by AND current_rental_id IS NOT NULL AND trip_started_at IS NOT NULL
             ELSE num_nonnulls(current_rental_id, trip_started_at) = 0
        END)
) WITH (fillfactor = 70); -- room on each page: a position update within a cell stays HOT

CREATE UNIQUE INDEX vehicle_identifier ON fleet.vehicle (tenant_id, identifier);
CREATE UNIQUE INDEX vehicle_external_id ON fleet.vehicle (tenant_id, external_id) WHERE external_id IS NOT NULL;
CREATE UNIQUE INDEX vehicle_qr_code ON fleet.vehicle (tenant_id, qr_code) WHERE qr_code IS NOT NULL;
CREATE UNIQUE INDEX vehicle_holder ON fleet.vehicle (tenant_id, held_by) WHERE held_by IS NOT NULL;
CREATE INDEX vehicle_search ON fleet.vehicle (tenant_id, cell) WHERE status = 'available';
CREATE INDEX vehicle_place ON fleet.vehicle (tenant_id, cell);
CREATE INDEX vehicle_hold_expiry ON fleet.vehicle (hold_expires_at) WHERE status = 'reserved';

COMMENT ON TABLE fleet.vehicle IS 'A vehicle: what it is, who holds it, its live state and its usage (FLT-03, FLT-04). Columns that change with each reading are in no index, so that these updates stay HOT.';
COMMENT ON COLUMN fleet.vehicle.status IS 'FLT-02. reserved and in_use have a holder, the others have none (I4). A vehicle that falls silent while held keeps its status and goes offline when it is given back.';
COMMENT ON COLUMN fleet.vehicle.external_id IS 'The vehicle''s number in the operator''s other systems, such as 12345 (C-04).';
COMMENT ON COLUMN fleet.vehicle.full_range_km IS 'With a full battery; the estimated range is this times the level (FLT-32).';
COMMENT ON COLUMN fleet.vehicle.held_by IS 'The rental that holds it, from the reservation to the end of the ride; a rental holds one vehicle.';
COMMENT ON COLUMN fleet.vehicle.held_rider IS 'Whose rental that is: reserved_by of FLT-04.';
COMMENT ON COLUMN fleet.vehicle.hold_token IS 'The reservation token of RNT-17.';
COMMENT ON COLUMN fleet.vehicle.hold_expires_at IS 'A lease on the database''s clock; counts while status is reserved (I3, F14).';
COMMENT ON COLUMN fleet.vehicle.current_rental_id IS 'current_booking_id of FLT-25; the same as held_by while in use.';
COMMENT ON COLUMN fleet.vehicle.trip_started_at IS 'trip_start_time of FLT-25.';
COMMENT ON COLUMN fleet.vehicle.is_connected IS 'Has a device that speaks to us; without one it is never silent and is opened by other means.';
COMMENT ON COLUMN fleet.vehicle.last_seen_at IS 'When we last heard anything from it, by the database''s clock (FLT-44, C-83); null = never.';
COMMENT ON COLUMN fleet.vehicle.measured_at IS 'The time of the newest reading in the live state; older readings do not change it.';
COMMENT ON COLUMN fleet.vehicle.cell IS 'H3 cell of resolution 9: what "near" is looked up by.';
COMMENT ON COLUMN fleet.vehicle.battery_low IS 'The lowest level since the battery was last charged or changed.';
COMMENT ON COLUMN fleet.vehicle.discharged_pct IS 'All discharge so far; 100 points are one charging cycle (FLT-32).';
COMMENT ON COLUMN fleet.vehicle.ridden_s IS 'With ridden_m, trips and revenue_minor: usage of FLT-41, in the operator''s currency.';
COMMENT ON COLUMN fleet.vehicle.version IS 'Of the event stream vehicle:<id>: grows by one with each event, not with readings.';

CREATE TABLE fleet.vehicle_key (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    vehicle_id  uuid NOT NULL,
    vehicle_type text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('HS256', 'EdDSA')),
    signs_with  bytea NOT NULL CHECK (length(signs_with) = 32),
    checks_with bytea NOT NULL CHECK (length(checks_with) = 32),
    counter     bigint NOT NULL DEFAULT 0 CHECK (counter >= 0),
    paired_at   timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, vehicle_id),
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX vehicle_key_device ON fleet.vehicle_key (vehicle_id);
COMMENT ON TABLE fleet.vehicle_key IS 'The platform''s half of the key of each paired vehicle (FLT-16, FLT-23), and so the directory of devices: which operator a vehicle that speaks belongs to.';
COMMENT ON COLUMN fleet.vehicle_key.vehicle_type IS 'As in vehicle, where it never changes: the link needs it for the id on the wire.';
COMMENT ON COLUMN fleet.vehicle_key.signs_with IS 'HS256: the shared secret. EdDSA: the platform''s private key for this vehicle.';
COMMENT ON COLUMN fleet.vehicle_key.checks_with IS 'HS256: the same secret. EdDSA: the vehicle''s public key.';
COMMENT ON COLUMN fleet.vehicle_key.counter IS 'Of the last command signed; never goes back, also not when paired anew.';

CREATE TABLE fleet.command (
    tenant_id       uuid NOT NULL DEFAULT kernel.tenant(),
    id              uuid NOT NULL,
    vehicle_id      uuid NOT NULL,
    operation       text NOT NULL CHECK (operation IN ('unlock', 'lock', 'sound', 'lights')),
    state           text NOT NULL
                    CHECK (state IN ('queued', 'sent', 'acknowledged', 'verified', 'failed', 'expired')),
    reason          text CHECK (length(reason) <= 50),
    rental_id       uuid,
    user_id         uuid,
    args            jsonb NOT NULL DEFAULT '{}',
    counter         bigint,
    queued_at       timestamptz NOT NULL DEFAULT kernel.now(),
    expires_at      timestamptz NOT NULL,
    sent_at         timestamptz,
    acknowledged_at timestamptz,
    verified_at     timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX command_queue ON fleet.command (queued_at) WHERE state = 'queued';
CREATE INDEX command_expiry ON fleet.command (expires_at) WHERE state IN ('queued', 'sent');
CREATE INDEX command_open ON fleet.command (tenant_id, vehicle_id) WHERE state IN ('queued', 'sent', 'acknowledged');
CREATE INDEX command_vehicle ON fleet.command (tenant_id, vehicle_id, queued_at);
COMMENT ON TABLE fleet.command IS 'Commands to vehicles; a work queue of the link while queued (FLT-21..26). The id is the caller''s: the same id is the same command.';
COMMENT ON COLUMN fleet.command.counter IS 'Given when it is signed; grows per vehicle, so that a copy of an old command opens nothing.';
COMMENT ON COLUMN fleet.command.expires_at IS 'From here on the vehicle must not carry it out, and silence is failure (F9).';
COMMENT ON COLUMN fleet.command.state IS 'queued, sent, acknowledged (the vehicle signed that it did it), verified (its lock shows it); or failed, expired. Forwards only.';

CREATE TABLE fleet.telemetry (
    tenant_id       uuid NOT NULL DEFAULT kernel.tenant(),
    vehicle_id      uuid NOT NULL,
    time            timestamptz NOT NULL,
    latitude        double precision,
    longitude       double precision,
    speed_kmh       real,
    battery_level   smallint,
    temperature     real,
    signal_strength smallint,
    odometer_m      bigint,
    PRIMARY KEY (tenant_id, vehicle_id, time)
) PARTITION BY RANGE (time);
COMMENT ON TABLE fleet.telemetry IS 'What vehicles measured, a partition per UTC day (FLT-05, FLT-17). No foreign key: readings outlive nothing they should not, days are dropped whole.';
COMMENT ON COLUMN fleet.telemetry.time IS 'By the vehicle''s clock where that is plausible, else when we heard it (F14).';

-- Partitions belong to the owner, whom the application cannot become: these two doors are all it may do.
CREATE FUNCTION fleet.open_telemetry_days(first_day date, last_day date) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted date;
    name text;
    target text;
    made int := 0;
BEGIN
    IF last_day - first_day > 60 THEN
        RAISE EXCEPTION 'more than 60 days at once';
    END IF;
    FOR wanted IN SELECT generate_series(first_day, last_day, interval '1 day')::date LOOP
        name := 'telemetry_' || to_char(wanted, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('fleet.' || name) IS NOT NULL;
        PERFORM pg_advisory_xact_lock(hashtextextended('fleet.telemetry', 0));
        CONTINUE WHEN to_regclass('fleet.' || name) IS NOT NULL;
        target := format('fleet.%I', name);
        -- Made beside the table and attached: CREATE ... PARTITION OF would stop all writers.
        EXECUTE format('CREATE TABLE %s (LIKE fleet.telemetry INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', target);
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
        EXECUTE format('CREATE POLICY own_tenant ON %s USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant())', target);
        EXECUTE format('ALTER TABLE fleet.telemetry ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
                       target, wanted || ' 00:00:00+00', (wanted + 1) || ' 00:00:00+00');
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
COMMENT ON FUNCTION fleet.open_telemetry_days IS 'Makes the daily partitions that are missing; how many. Safe to call at any time, by several at once.';

CREATE FUNCTION fleet.drop_telemetry_days(before date) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
    dropped int := 0;
BEGIN
    FOR name IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'fleet.telemetry'::regclass
                  AND c.relname < 'telemetry_' || to_char(before, 'YYYYMMDD')
                ORDER BY c.relname LIMIT 60 LOOP
        EXECUTE format('DROP TABLE fleet.%I', name);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;
COMMENT ON FUNCTION fleet.drop_telemetry_days IS 'Forgets readings of days before this one; how many days were dropped.';

REVOKE EXECUTE ON FUNCTION fleet.open_telemetry_days, fleet.drop_telemetry_days FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fleet.open_telemetry_days, fleet.drop_telemetry_days TO fahrwerk_fleet;
SELECT fleet.open_telemetry_days((now() AT TIME ZONE 'UTC')::date - 7, (now() AT TIME ZONE 'UTC')::date + 7);

-- Work that is due is looked for across operators, with no tenant set; each piece is then done as
-- its own tenant. The table of vehicles has no policy for that: a second one would be joined to the
-- first by OR, and cost every statement of the hot path its index on tenant_id (measured: nearby
-- 0.10 -> 0.21 ms, and a look-up by id reads the whole table). So two questions, answered by the
-- owner, that give away operators' ids and nothing else.
CREATE FUNCTION fleet.tenants_with_expired_holds() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT DISTINCT tenant_id FROM fleet.vehicle
    WHERE status = 'reserved' AND hold_expires_at <= kernel.now();
END;
COMMENT ON FUNCTION fleet.tenants_with_expired_holds IS 'Operators with holds that have run out.';

CREATE FUNCTION fleet.tenants_to_look_after(silent_s int) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT DISTINCT tenant_id FROM fleet.vehicle
    WHERE status = 'available' AND is_connected
      AND (coalesce(last_seen_at, created_at) < kernel.now() - make_interval(secs => silent_s)
           OR NOT is_locked);
END;
COMMENT ON FUNCTION fleet.tenants_to_look_after IS 'Operators with available vehicles that have been silent for so long, or stand open.';

CREATE POLICY owner_looks ON fleet.vehicle FOR SELECT TO CURRENT_USER USING (kernel.tenant() IS NULL);
REVOKE EXECUTE ON FUNCTION fleet.tenants_with_expired_holds, fleet.tenants_to_look_after FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fleet.tenants_with_expired_holds, fleet.tenants_to_look_after TO fahrwerk_fleet;

ALTER TABLE fleet.vehicle ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.vehicle FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.vehicle USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE fleet.vehicle_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.vehicle_key FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.vehicle_key USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

-- The link hears vehicles before it knows whose they are, and signs for all operators in one batch.
-- With no tenant set it may look a device up and count its commands; it cannot add or remove keys.
CREATE POLICY link_reads ON fleet.vehicle_key FOR SELECT TO fahrwerk_fleet USING (kernel.tenant() IS NULL);
CREATE POLICY link_counts ON fleet.vehicle_key FOR UPDATE TO fahrwerk_fleet USING (kernel.tenant() IS NULL);

ALTER TABLE fleet.command ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.command FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.command USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

-- A work queue: the link claims what is due for all operators, with no tenant set.
CREATE POLICY link_reads ON fleet.command FOR SELECT TO fahrwerk_fleet USING (kernel.tenant() IS NULL);
CREATE POLICY link_sends ON fleet.command FOR UPDATE TO fahrwerk_fleet USING (kernel.tenant() IS NULL);

ALTER TABLE fleet.telemetry ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.telemetry FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.telemetry USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
