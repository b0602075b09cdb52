-- Readings are known by (vehicle, boot, sequence); what each vehicle's numbers and places look like;
-- which worker listens to which part of the fleet.

ALTER TABLE fleet.vehicle ADD COLUMN is_tipped boolean;
COMMENT ON COLUMN fleet.vehicle.is_tipped IS 'Lies on its side, by its own sensor; null = it has none, or has not said.';

ALTER TABLE fleet.telemetry
    ADD COLUMN is_tipped boolean, ADD COLUMN boot bigint, ADD COLUMN sequence bigint,
    ADD COLUMN doubted_latitude double precision, ADD COLUMN doubted_longitude double precision;
COMMENT ON COLUMN fleet.telemetry.boot IS 'Which start of the device this was; null for devices that do not number their readings.';
COMMENT ON COLUMN fleet.telemetry.sequence IS 'Grows with each reading since boot.';
COMMENT ON COLUMN fleet.telemetry.doubted_latitude IS 'With doubted_longitude: a position that cannot be right (0/0, across the globe in a second). Kept as evidence, used by nothing.';

-- What has been heard is known from fleet.intake, so no unique index has to find it out row by row.
ALTER TABLE fleet.telemetry DROP CONSTRAINT telemetry_pkey;
CREATE INDEX telemetry_vehicle ON fleet.telemetry (tenant_id, vehicle_id, time);

CREATE TABLE fleet.intake (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    vehicle_id  uuid NOT NULL,
    state       json NOT NULL DEFAULT '{}',
    readings    bigint NOT NULL DEFAULT 0,
    duplicates  bigint NOT NULL DEFAULT 0,
    late        bigint NOT NULL DEFAULT 0,
    bad_clock   bigint NOT NULL DEFAULT 0,
    null_island bigint NOT NULL DEFAULT 0,
    jumps       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, vehicle_id),
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 50); -- updated with every batch: stays HOT
COMMENT ON TABLE fleet.intake IS 'What has been heard of each vehicle: its readings'' numbers with their gaps, the last place that was believed, and what was odd, by kind. Who stores readings of a vehicle holds its row.';
COMMENT ON COLUMN fleet.intake.state IS 'rules.intake.State: boots, the last starts of its device, newest first, as [boot, highest, floor, newest reading in us, first, forgotten, [[first, last], ...] not heard], nothing being known any more up to floor; newest_us, of the newest reading stored; believed and doubted places as [latitude, longitude, us], and doubts, how many in a row that agree with each other.';

ALTER TABLE fleet.intake ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.intake FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.intake USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

CREATE TABLE fleet.ingest_seat (
    seat       int NOT NULL PRIMARY KEY CHECK (seat BETWEEN 0 AND 15),
    holder     text NOT NULL CHECK (length(holder) <= 100),
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE fleet.ingest_seat IS 'Which worker listens to which part of all vehicles, as a lease on the database''s clock. The broker keeps a seat''s messages while nobody sits there. No operator''s data: a seat has vehicles of all.';

-- With TimescaleDB the days are chunks of a hypertable: made when a reading comes, dropped by its own
-- function. The two doors of 0001 stay what is called, and do there what is left to do.
CREATE FUNCTION fleet.has_hypertable() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = to_regclass('fleet.telemetry'));
COMMENT ON FUNCTION fleet.has_hypertable IS 'Readings are in TimescaleDB''s chunks, not in native partitions.';

DO $$
DECLARE
    made_by_us text;
BEGIN
    -- Only where it can be had and nothing has been stored: an installation does not change over.
    IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
       OR current_setting('shared_preload_libraries') NOT LIKE '%timescaledb%'
       OR EXISTS (SELECT FROM fleet.telemetry) THEN
        RETURN;
    END IF;
    CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public;
    FOR made_by_us IN SELECT inhrelid::regclass::text FROM pg_inherits
                      WHERE inhparent = 'fleet.telemetry'::regclass LOOP
        EXECUTE format('DROP TABLE %s', made_by_us);
    END LOOP;
    -- A hypertable is no partitioned table: the same columns, comments and wall, made anew.
    ALTER TABLE fleet.telemetry RENAME TO telemetry_native;
    DROP INDEX fleet.telemetry_vehicle;
    CREATE TABLE fleet.telemetry (LIKE fleet.telemetry_native INCLUDING ALL);
    DROP TABLE fleet.telemetry_native;
    COMMENT ON TABLE fleet.telemetry IS 'What vehicles measured, a chunk per UTC day (FLT-05, FLT-17).';
    PERFORM public.create_hypertable('fleet.telemetry', 'time', chunk_time_interval => interval '1 day',
                              create_default_indexes => false);
    CREATE INDEX telemetry_vehicle ON fleet.telemetry (tenant_id, vehicle_id, time);
    ALTER TABLE fleet.telemetry ENABLE ROW LEVEL SECURITY;
    ALTER TABLE fleet.telemetry FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON fleet.telemetry USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
END $$;

ALTER FUNCTION fleet.open_telemetry_days RENAME TO open_native_days;
ALTER FUNCTION fleet.drop_telemetry_days RENAME TO drop_native_days;

CREATE FUNCTION fleet.open_telemetry_days(first_day date, last_day date) RETURNS int
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN fleet.has_hypertable() THEN 0 ELSE fleet.open_native_days(first_day, last_day) END
$$;
COMMENT ON FUNCTION fleet.open_telemetry_days IS 'Makes the daily partitions that are missing; how many. Safe to call at any time, by several at once.';

CREATE FUNCTION fleet.drop_telemetry_days(before date) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    dropped int;
BEGIN
    IF NOT fleet.has_hypertable() THEN
        RETURN fleet.drop_native_days(before);
    END IF;
    EXECUTE 'SELECT count(*) FROM public.drop_chunks(''fleet.telemetry'', older_than => $1::timestamptz)'
    INTO dropped USING before::timestamp AT TIME ZONE 'UTC';
    RETURN dropped;
END $$;
COMMENT ON FUNCTION fleet.drop_telemetry_days IS 'Forgets readings of days before this one; how many days were dropped.';

REVOKE EXECUTE ON FUNCTION fleet.open_native_days, fleet.drop_native_days FROM fahrwerk_fleet;
REVOKE EXECUTE ON FUNCTION fleet.open_telemetry_days, fleet.drop_telemetry_days FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fleet.open_telemetry_days, fleet.drop_telemetry_days TO fahrwerk_fleet;
