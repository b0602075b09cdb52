-- Upkeep: batteries, and the maintenance of vehicles (docs/maintenance.md).
--
-- Who locks what: as in 0001, the vehicle's row first; then its ticket; then its plan and stops.

ALTER TABLE fleet.vehicle
    ADD COLUMN out_for text[] NOT NULL DEFAULT '{}'
        CONSTRAINT vehicle_reasons CHECK (out_for <@ '{staff,battery,ticket}'),
    ADD COLUMN reach double precision NOT NULL DEFAULT 1
        CONSTRAINT vehicle_reach CHECK (reach > 0 AND reach <= 2),
    ADD COLUMN history_m double precision NOT NULL DEFAULT 0,
    ADD COLUMN history_pct double precision NOT NULL DEFAULT 0,
    ADD COLUMN is_critical boolean NOT NULL DEFAULT false,
    ADD COLUMN has_own_interval boolean NOT NULL DEFAULT false,
    ADD COLUMN serviced_m bigint NOT NULL DEFAULT 0,
    ADD COLUMN serviced_trips int NOT NULL DEFAULT 0;
COMMENT ON COLUMN fleet.vehicle.out_for IS 'Why it is, or after its ride will be, in maintenance: staff said so, its battery is too low, a safety-critical ticket is open. While somebody holds it the status stays; whoever gives it back looks here.';
COMMENT ON COLUMN fleet.vehicle.reach IS 'How far it really goes in parts of full_range_km: learned from its rides and bent by the temperature of its battery; a job keeps it. range = full_range_km * reach * battery_level / 100.';
COMMENT ON COLUMN fleet.vehicle.history_m IS 'Metres of its rides with known discharge, as at 20 degrees; older rides fade.';
COMMENT ON COLUMN fleet.vehicle.history_pct IS 'Battery points these metres took; faded alike.';
COMMENT ON COLUMN fleet.vehicle.is_critical IS 'Its battery is below the critical level; told once (vehicle.battery_critical), until it has been charged.';
COMMENT ON COLUMN fleet.vehicle.has_own_interval IS 'Its service_interval_days was given for itself; otherwise it follows service_interval.';
COMMENT ON COLUMN fleet.vehicle.serviced_m IS 'Its ridden_m at the last service; with serviced_trips what the next one is counted from.';

-- Rows from before: what stood in maintenance was put there by staff. The owner is behind the wall too.
ALTER TABLE fleet.vehicle NO FORCE ROW LEVEL SECURITY;
UPDATE fleet.vehicle SET out_for = '{staff}' WHERE status = 'maintenance';
UPDATE fleet.vehicle SET has_own_interval = true WHERE service_interval_days <> 30;
ALTER TABLE fleet.vehicle FORCE ROW LEVEL SECURITY;
ALTER TABLE fleet.vehicle ADD CONSTRAINT vehicle_out CHECK (status <> 'available' OR out_for = '{}');

-- Down-time and versions are kept by the table itself: several verbs turn a status, and a figure that
-- depends on each of them remembering is wrong one day.
CREATE TABLE fleet.downtime (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL DEFAULT gen_random_uuid(),
    vehicle_id uuid NOT NULL,
    began_at   timestamptz NOT NULL,
    ended_at   timestamptz,
    reasons    text[] NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK (ended_at >= began_at),
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX downtime_open ON fleet.downtime (tenant_id, vehicle_id) WHERE ended_at IS NULL;
CREATE INDEX downtime_vehicle ON fleet.downtime (tenant_id, vehicle_id, began_at);
CREATE INDEX downtime_time ON fleet.downtime (tenant_id, began_at);
COMMENT ON TABLE fleet.downtime IS 'Each time a vehicle was in maintenance: from when to when, and all reasons there were meanwhile. Written by the trigger on fleet.vehicle.';

CREATE FUNCTION fleet.note_downtime() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.status <> 'maintenance' THEN
        UPDATE fleet.downtime SET ended_at = greatest(kernel.now(), began_at)
        WHERE tenant_id = NEW.tenant_id AND vehicle_id = NEW.id AND ended_at IS NULL;
    ELSE
        UPDATE fleet.downtime
        SET reasons = reasons || ARRAY(SELECT unnest(NEW.out_for) EXCEPT SELECT unnest(reasons))
        WHERE tenant_id = NEW.tenant_id AND vehicle_id = NEW.id AND ended_at IS NULL;
        IF NOT FOUND THEN
            INSERT INTO fleet.downtime (tenant_id, vehicle_id, began_at, reasons)
            VALUES (NEW.tenant_id, NEW.id, kernel.now(), NEW.out_for);
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER vehicle_downtime AFTER UPDATE OF status, out_for ON fleet.vehicle FOR EACH ROW
WHEN ((OLD.status = 'maintenance') <> (NEW.status = 'maintenance')
      OR NEW.status = 'maintenance' AND OLD.out_for <> NEW.out_for)
EXECUTE FUNCTION fleet.note_downtime();

CREATE TABLE fleet.vehicle_version (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL DEFAULT gen_random_uuid(),
    vehicle_id uuid NOT NULL,
    part       text NOT NULL CHECK (part IN ('firmware', 'hardware')),
    version    text,
    since      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX vehicle_version_vehicle ON fleet.vehicle_version (tenant_id, vehicle_id, since);
COMMENT ON TABLE fleet.vehicle_version IS 'Versions of hardware and firmware over time (FLT-40), whoever changed them; a null is a version that was taken back. Written by the triggers on fleet.vehicle.';

CREATE FUNCTION fleet.note_versions() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO fleet.vehicle_version (tenant_id, vehicle_id, part, version, since)
    SELECT NEW.tenant_id, NEW.id, part, version, kernel.now()
    FROM (VALUES ('firmware', NEW.firmware_version,
                  CASE WHEN TG_OP = 'UPDATE' THEN OLD.firmware_version END),
                 ('hardware', NEW.hardware_version,
                  CASE WHEN TG_OP = 'UPDATE' THEN OLD.hardware_version END))
         AS told (part, version, before)
    WHERE version IS DISTINCT FROM before;
    RETURN NULL;
END $$;
CREATE TRIGGER vehicle_versions_made AFTER INSERT ON fleet.vehicle FOR EACH ROW
WHEN (num_nonnulls(NEW.firmware_version, NEW.hardware_version) > 0)
EXECUTE FUNCTION fleet.note_versions();
CREATE TRIGGER vehicle_versions_changed
AFTER UPDATE OF firmware_version, hardware_version ON fleet.vehicle FOR EACH ROW
WHEN (OLD.firmware_version IS DISTINCT FROM NEW.firmware_version
      OR OLD.hardware_version IS DISTINCT FROM NEW.hardware_version)
EXECUTE FUNCTION fleet.note_versions();

CREATE TABLE fleet.ride (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    rental_id    uuid NOT NULL,
    vehicle_id   uuid NOT NULL,
    rider_id     uuid NOT NULL,
    was_ridden   boolean NOT NULL,
    started_at   timestamptz,
    ended_at     timestamptz NOT NULL,
    distance_m   int NOT NULL DEFAULT 0,
    start_cell   bigint,
    used_pct     smallint,
    PRIMARY KEY (tenant_id, rental_id),
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX ride_vehicle ON fleet.ride (tenant_id, vehicle_id, ended_at);
CREATE INDEX ride_time ON fleet.ride (tenant_id, ended_at);
COMMENT ON TABLE fleet.ride IS 'Rentals that are over, as fleet needs them: where rides begin (demand), what they took of the battery, and who may report a fault of a vehicle he had. Kept as long as telemetry.';
COMMENT ON COLUMN fleet.ride.was_ridden IS 'False: booked and given back without a ride.';
COMMENT ON COLUMN fleet.ride.start_cell IS 'H3 cell of resolution 9; null = nobody knows.';
COMMENT ON COLUMN fleet.ride.used_pct IS 'Battery points from before the ride to its end; null = unknown, or charged meanwhile.';

-- --- batteries

CREATE TABLE fleet.battery_threshold (
    tenant_id      uuid NOT NULL DEFAULT kernel.tenant(),
    vehicle_type   text NOT NULL CHECK (vehicle_type IN ('scooter', 'ebike', 'car', 'van')),
    lowest_level   smallint NOT NULL,
    back_level     smallint NOT NULL,
    critical_level smallint NOT NULL,
    updated_at     timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, vehicle_type),
    CHECK (0 <= critical_level AND critical_level <= lowest_level
           AND lowest_level <= back_level AND back_level <= 100)
);
COMMENT ON TABLE fleet.battery_threshold IS 'Per operator and type of vehicle; without a row the defaults of rules/battery.py hold.';
COMMENT ON COLUMN fleet.battery_threshold.lowest_level IS 'Below it a vehicle is not rented out; 0 = never mind.';
COMMENT ON COLUMN fleet.battery_threshold.back_level IS 'From here on it is again: apart from lowest_level, because a gauge wavers.';

CREATE TABLE fleet.battery_change (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    id           uuid NOT NULL,
    vehicle_id   uuid NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('swap', 'charge')),
    level_before smallint,
    level_after  smallint NOT NULL CHECK (level_after BETWEEN 0 AND 100),
    plan_id      uuid,
    done_at      timestamptz NOT NULL,
    done_by      text NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX battery_change_vehicle ON fleet.battery_change (tenant_id, vehicle_id, done_at);
COMMENT ON TABLE fleet.battery_change IS 'Each time staff swapped or charged a battery (FLT-31).';

CREATE TABLE fleet.battery_plan (
    tenant_id     uuid NOT NULL DEFAULT kernel.tenant(),
    id            uuid NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('swap', 'charge')),
    state         text NOT NULL CHECK (state IN ('open', 'done', 'cancelled', 'expired')),
    vehicle_types text[] NOT NULL,
    latitude      double precision NOT NULL CHECK (latitude BETWEEN -90 AND 90),
    longitude     double precision NOT NULL CHECK (longitude BETWEEN -180 AND 180),
    capacity      int NOT NULL CHECK (capacity BETWEEN 1 AND 200),
    is_round_trip boolean NOT NULL,
    distance_m    int NOT NULL,
    estimated_s   int NOT NULL,
    created_by    text NOT NULL,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    closed_at     timestamptz,
    version       bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id),
    CHECK ((state = 'open') = (closed_at IS NULL))
);
CREATE INDEX battery_plan_time ON fleet.battery_plan (tenant_id, created_at);
CREATE INDEX battery_plan_expiry ON fleet.battery_plan (expires_at) WHERE state = 'open';
COMMENT ON TABLE fleet.battery_plan IS 'A crew''s tour to vehicles that need power (FLT-31). The way back, if any, is in distance_m and estimated_s.';
COMMENT ON COLUMN fleet.battery_plan.expires_at IS 'A plan nobody finishes gives its vehicles back to other plans.';
COMMENT ON COLUMN fleet.battery_plan.version IS 'Of the event stream battery_plan:<id>.';

CREATE TABLE fleet.battery_stop (
    tenant_id     uuid NOT NULL DEFAULT kernel.tenant(),
    plan_id       uuid NOT NULL,
    position      int NOT NULL CHECK (position BETWEEN 1 AND 200),
    vehicle_id    uuid NOT NULL,
    latitude      double precision NOT NULL,
    longitude     double precision NOT NULL,
    battery_level smallint NOT NULL,
    priority      double precision NOT NULL,
    leg_m         int NOT NULL,
    leg_s         int NOT NULL,
    state         text NOT NULL CHECK (state IN ('open', 'done', 'skipped')),
    reason        text CHECK (length(reason) <= 200),
    closed_at     timestamptz,
    PRIMARY KEY (tenant_id, plan_id, position),
    FOREIGN KEY (tenant_id, plan_id) REFERENCES fleet.battery_plan (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX battery_stop_open ON fleet.battery_stop (tenant_id, vehicle_id) WHERE state = 'open';
COMMENT ON TABLE fleet.battery_stop IS 'A plan''s vehicles in the order of the tour; where each stood and how full it was when the plan was made. No vehicle is an open stop of two plans.';

-- --- maintenance

CREATE TABLE fleet.service_interval (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    vehicle_type text NOT NULL CHECK (vehicle_type IN ('scooter', 'ebike', 'car', 'van')),
    model        text NOT NULL DEFAULT '' CHECK (length(model) <= 100),
    days         int CHECK (days BETWEEN 1 AND 3650),
    distance_m   bigint CHECK (distance_m BETWEEN 1000 AND 1000000000),
    rides        int CHECK (rides BETWEEN 1 AND 1000000),
    updated_at   timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, vehicle_type, model)
);
COMMENT ON TABLE fleet.service_interval IS 'When vehicles are due for service (FLT-34): whichever comes first. The most particular row holds: of the model, else of the type, else the defaults of rules/maintenance.py.';
COMMENT ON COLUMN fleet.service_interval.model IS 'Empty: all models of the type.';

CREATE TABLE fleet.ticket (
    tenant_id       uuid NOT NULL DEFAULT kernel.tenant(),
    id              uuid NOT NULL,
    vehicle_id      uuid NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('service', 'brakes', 'lights', 'tyre', 'battery', 'lock', 'damage', 'other')),
    severity        text NOT NULL CHECK (severity IN ('low', 'normal', 'high', 'safety')),
    source          text NOT NULL CHECK (source IN ('due', 'rider', 'alert', 'staff')),
    state           text NOT NULL CHECK (state IN ('open', 'assigned', 'in_progress', 'done', 'cancelled')),
    description     text NOT NULL CHECK (length(description) <= 2000),
    resolution      text CHECK (length(resolution) <= 2000),
    assignee        text CHECK (length(assignee) BETWEEN 1 AND 100),
    reports         int NOT NULL DEFAULT 0,
    labour_minutes  int NOT NULL DEFAULT 0 CHECK (labour_minutes BETWEEN 0 AND 100000),
    labour_rate_minor bigint NOT NULL DEFAULT 0 CHECK (labour_rate_minor BETWEEN 0 AND 100000000),
    labour_minor    bigint NOT NULL DEFAULT 0 CHECK (labour_minor >= 0),
    parts_minor     bigint NOT NULL DEFAULT 0 CHECK (parts_minor >= 0),
    currency        text CHECK (length(currency) = 3),
    opened_by       text NOT NULL,
    opened_at       timestamptz NOT NULL,
    started_at      timestamptz,
    closed_at       timestamptz,
    version         bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id),
    CHECK ((state IN ('done', 'cancelled')) = (closed_at IS NOT NULL)),
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX ticket_one_open ON fleet.ticket (tenant_id, vehicle_id, kind) WHERE closed_at IS NULL;
CREATE INDEX ticket_time ON fleet.ticket (tenant_id, opened_at);
CREATE INDEX ticket_vehicle ON fleet.ticket (tenant_id, vehicle_id, opened_at);
COMMENT ON TABLE fleet.ticket IS 'Work to be done on a vehicle. One open ticket per vehicle and kind: what is reported again is joined to it.';
COMMENT ON COLUMN fleet.ticket.severity IS 'safety: the vehicle is not rented out while this is open (vehicle.out_for has ticket).';
COMMENT ON COLUMN fleet.ticket.labour_rate_minor IS 'Per hour, in minor units of currency.';
COMMENT ON COLUMN fleet.ticket.currency IS 'The operator''s; null until there are costs.';
COMMENT ON COLUMN fleet.ticket.version IS 'Of the event stream ticket:<id>.';

CREATE TABLE fleet.ticket_part (
    tenant_id       uuid NOT NULL DEFAULT kernel.tenant(),
    ticket_id       uuid NOT NULL,
    position        int NOT NULL,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    part_number     text CHECK (length(part_number) BETWEEN 1 AND 50),
    quantity        int NOT NULL CHECK (quantity BETWEEN 1 AND 10000),
    unit_cost_minor bigint NOT NULL CHECK (unit_cost_minor BETWEEN 0 AND 1000000000),
    PRIMARY KEY (tenant_id, ticket_id, position),
    FOREIGN KEY (tenant_id, ticket_id) REFERENCES fleet.ticket (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE fleet.ticket_part IS 'Parts used for a ticket.';

CREATE TABLE fleet.fault_report (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    id          uuid NOT NULL,
    ticket_id   uuid NOT NULL,
    vehicle_id  uuid NOT NULL,
    rider_id    uuid NOT NULL,
    kind        text NOT NULL,
    description text NOT NULL CHECK (length(description) <= 1000),
    is_unsafe   boolean NOT NULL,
    reported_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, ticket_id, rider_id),
    FOREIGN KEY (tenant_id, ticket_id) REFERENCES fleet.ticket (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE fleet.fault_report IS 'What riders report of a vehicle; one per rider and ticket.';

CREATE TABLE fleet.maintenance_record (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    id           uuid NOT NULL,
    vehicle_id   uuid NOT NULL,
    type         text NOT NULL CHECK (length(type) BETWEEN 1 AND 50),
    description  text NOT NULL DEFAULT '' CHECK (length(description) <= 2000),
    cost_minor   bigint CHECK (cost_minor >= 0),
    currency     text CHECK (length(currency) = 3),
    performed_at timestamptz NOT NULL,
    next_due     timestamptz,
    ticket_id    uuid,
    recorded_by  text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, id),
    CHECK ((cost_minor IS NULL) = (currency IS NULL)),
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX maintenance_record_vehicle ON fleet.maintenance_record (tenant_id, vehicle_id, performed_at);
CREATE INDEX maintenance_record_time ON fleet.maintenance_record (tenant_id, performed_at);
COMMENT ON TABLE fleet.maintenance_record IS 'What was done to a vehicle, when and at what cost (FLT-06); a service sets vehicle.last_service_at.';

-- --- work across operators, answered by the owner as in 0001: operators' ids and nothing else

CREATE FUNCTION fleet.tenants_with_vehicles() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH RECURSIVE found (tenant_id) AS ( -- from one operator to the next in the index
        (SELECT tenant_id FROM fleet.vehicle ORDER BY tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT v.tenant_id FROM fleet.vehicle v WHERE v.tenant_id > found.tenant_id
                ORDER BY v.tenant_id LIMIT 1)
        FROM found WHERE found.tenant_id IS NOT NULL
    )
    SELECT tenant_id FROM found WHERE tenant_id IS NOT NULL;
END;
COMMENT ON FUNCTION fleet.tenants_with_vehicles IS 'Operators that have vehicles.';

CREATE FUNCTION fleet.tenants_with_battery_news(lowest int, back int, critical int) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT DISTINCT v.tenant_id
    FROM fleet.vehicle v
    LEFT JOIN fleet.battery_threshold t ON t.tenant_id = v.tenant_id AND t.vehicle_type = v.vehicle_type
    WHERE v.battery_level < CASE WHEN 'battery' = ANY (v.out_for)
              THEN coalesce(t.back_level, back) ELSE coalesce(t.lowest_level, lowest) END
          IS DISTINCT FROM ('battery' = ANY (v.out_for)) AND v.battery_level IS NOT NULL
       OR v.battery_level < CASE WHEN v.is_critical
              THEN coalesce(t.lowest_level, lowest) ELSE coalesce(t.critical_level, critical) END
          IS DISTINCT FROM v.is_critical AND v.battery_level IS NOT NULL;
END;
COMMENT ON FUNCTION fleet.tenants_with_battery_news IS 'Operators with vehicles whose battery has crossed a threshold; the arguments hold where an operator has set none.';

CREATE POLICY owner_looks ON fleet.battery_threshold FOR SELECT TO CURRENT_USER USING (kernel.tenant() IS NULL);
REVOKE EXECUTE ON FUNCTION fleet.tenants_with_vehicles, fleet.tenants_with_battery_news FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fleet.tenants_with_vehicles, fleet.tenants_with_battery_news TO fahrwerk_fleet;

ALTER TABLE fleet.downtime ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.downtime FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.downtime USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE fleet.vehicle_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.vehicle_version FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.vehicle_version USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE fleet.ride ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.ride FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.ride USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE fleet.battery_threshold ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.battery_threshold FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.battery_threshold USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE fleet.battery_change ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.battery_change FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.battery_change USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE fleet.battery_plan ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.battery_plan FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.battery_plan USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE fleet.battery_stop ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.battery_stop FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.battery_stop USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE fleet.service_interval ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.service_interval FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.service_interval USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE fleet.ticket ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.ticket FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.ticket USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE fleet.ticket_part ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.ticket_part FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.ticket_part USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE fleet.fault_report ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.fault_report FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.fault_report USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE fleet.maintenance_record ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.maintenance_record FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.maintenance_record USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
