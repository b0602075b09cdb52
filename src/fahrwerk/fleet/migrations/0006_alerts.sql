-- Alerts: what the rules on telemetry found, who dealt with it, and what the looks remember.
--
-- Who locks what: the operator's row of alert_watch (one look at a time), then alerts in the order of
-- their ids, then conditions. People who acknowledge or resolve begin with the alert.

CREATE TABLE fleet.alert_watch (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    due_at    timestamptz NOT NULL DEFAULT kernel.now(),
    version   bigint NOT NULL DEFAULT 0 CHECK (version >= 0),
    rules     jsonb CHECK (jsonb_typeof(rules) = 'array'),
    tidied_version bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id)
);
CREATE INDEX alert_watch_due ON fleet.alert_watch (due_at);
COMMENT ON TABLE fleet.alert_watch IS 'Operators whose fleets are looked at, each with its rules: the work queue of the looks, and the lock that lets one look at a time.';
COMMENT ON COLUMN fleet.alert_watch.rules IS 'As AlertRule of the contract; null = the default ones, which may get better with a new version.';
COMMENT ON COLUMN fleet.alert_watch.tidied_version IS 'Up to which version conditions of rules that are gone have been removed.';
COMMENT ON COLUMN fleet.alert_watch.version IS 'Grows with each change of the rules; 0 = the default ones.';

CREATE TABLE fleet.alert (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    id           uuid NOT NULL,
    rule         text NOT NULL CHECK (length(rule) BETWEEN 1 AND 40),
    kind         text NOT NULL,
    vehicle_id   uuid,
    severity     text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'acknowledged', 'resolved')),
    raised_at    timestamptz NOT NULL,
    last_at      timestamptz NOT NULL,
    times        int NOT NULL DEFAULT 1 CHECK (times > 0),
    value        double precision NOT NULL,
    worst        double precision NOT NULL,
    vehicles     int NOT NULL DEFAULT 1 CHECK (vehicles >= 0),
    escalations  int NOT NULL DEFAULT 0 CHECK (escalations >= 0),
    escalate_at  timestamptz,
    told_at      timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by uuid,
    resolved_at  timestamptz,
    resolved_by  uuid,
    resolution   text CHECK (resolution IN ('cleared', 'person', 'grouped', 'rule_changed')),
    version      bigint NOT NULL DEFAULT 1,
    xid          xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE,
    CHECK ((state = 'resolved') = (resolved_at IS NOT NULL)),
    CHECK ((state = 'resolved') = (resolution IS NOT NULL)),
    CHECK (state <> 'acknowledged' OR acknowledged_at IS NOT NULL)
);
CREATE UNIQUE INDEX alert_open ON fleet.alert (tenant_id, rule, vehicle_id) NULLS NOT DISTINCT WHERE state <> 'resolved';
CREATE INDEX alert_vehicle ON fleet.alert (tenant_id, vehicle_id, rule, resolved_at);
CREATE INDEX alert_newest ON fleet.alert (tenant_id, raised_at DESC, id DESC);
CREATE INDEX alert_due ON fleet.alert (tenant_id) WHERE state = 'open' AND (escalate_at IS NOT NULL OR told_at IS NULL);
CREATE INDEX alert_changes ON fleet.alert (tenant_id, xid, id);
COMMENT ON TABLE fleet.alert IS 'Something staff should know (WEB-10): at most one that is not resolved per vehicle and rule (alert_open).';
COMMENT ON COLUMN fleet.alert.vehicle_id IS 'Null = fleet-wide: more vehicles than the rule''s group_above within a minute.';
COMMENT ON COLUMN fleet.alert.times IS 'How often it was raised: what comes back within a few minutes is the same alert.';
COMMENT ON COLUMN fleet.alert.vehicles IS 'How many vehicles it speaks of now; those of a fleet-wide one are in alert_condition.';
COMMENT ON COLUMN fleet.alert.escalate_at IS 'When it becomes more severe unless somebody acknowledges it.';
COMMENT ON COLUMN fleet.alert.told_at IS 'When those concerned were last told; null = not yet, because of quiet hours or a silence.';
COMMENT ON COLUMN fleet.alert.version IS 'Of the stream alert:<id>.';
COMMENT ON COLUMN fleet.alert.xid IS 'The transaction that changed it last: what the live stream goes on from (read below pg_snapshot_xmin, as the pump does).';

CREATE TABLE fleet.alert_entry (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    id        bigint GENERATED ALWAYS AS IDENTITY,
    alert_id  uuid NOT NULL,
    at        timestamptz NOT NULL DEFAULT kernel.now(),
    what      text NOT NULL CHECK (what IN ('raised', 'reopened', 'told', 'escalated', 'acknowledged', 'silenced', 'unsilenced', 'note', 'cleared', 'resolved', 'grouped')),
    actor     text NOT NULL,
    severity  text,
    value     double precision,
    until     timestamptz,
    note      text CHECK (length(note) <= 2000),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, alert_id) REFERENCES fleet.alert (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX alert_entry_alert ON fleet.alert_entry (tenant_id, alert_id, id);
COMMENT ON TABLE fleet.alert_entry IS 'An alert''s timeline: what happened to it, when, by whom.';
COMMENT ON COLUMN fleet.alert_entry.until IS 'Of silenced: when the silence ends.';

CREATE TABLE fleet.alert_silence (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL DEFAULT gen_random_uuid(),
    vehicle_id uuid,
    rule       text CHECK (length(rule) BETWEEN 1 AND 40),
    until      timestamptz NOT NULL,
    by_user    uuid,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE,
    CHECK (vehicle_id IS NOT NULL OR rule IS NOT NULL)
);
CREATE UNIQUE INDEX alert_silence_scope ON fleet.alert_silence (tenant_id, rule, vehicle_id) NULLS NOT DISTINCT;
COMMENT ON TABLE fleet.alert_silence IS 'Until when nobody is told: of one rule for one vehicle, of all rules for a vehicle (no rule), or of a rule for all vehicles (no vehicle). Alerts are raised all the same.';

CREATE TABLE fleet.alert_condition (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    vehicle_id  uuid NOT NULL,
    rule        text NOT NULL CHECK (length(rule) BETWEEN 1 AND 40),
    phase       text NOT NULL CHECK (phase IN ('pending', 'raised', 'grouped', 'handled')),
    since       timestamptz NOT NULL,
    readings    int NOT NULL DEFAULT 1,
    measured_at timestamptz,
    worst       double precision NOT NULL,
    touched_at  timestamptz NOT NULL,
    raised_at   timestamptz,
    alert_id    uuid,
    PRIMARY KEY (tenant_id, vehicle_id, rule),
    CHECK ((phase = 'pending') = (alert_id IS NULL)),
    CHECK ((phase = 'pending') = (raised_at IS NULL))
);
CREATE INDEX alert_condition_alert ON fleet.alert_condition (tenant_id, alert_id) WHERE alert_id IS NOT NULL;
CREATE INDEX alert_condition_burst ON fleet.alert_condition (tenant_id, rule, raised_at) WHERE raised_at IS NOT NULL;
COMMENT ON TABLE fleet.alert_condition IS 'No foreign keys here and in alert_trace: written by the look alone, from vehicles it has just read, thousands at a time (vehicles are never deleted). What is the case now: a row per vehicle and rule while the rule''s condition holds. pending: not long enough yet; raised: has its own alert; grouped: counted in a fleet-wide one; handled: a person has resolved the alert, and nothing is raised before the condition has gone.';
COMMENT ON COLUMN fleet.alert_condition.readings IS 'How many readings agreed, at most one a look.';
COMMENT ON COLUMN fleet.alert_condition.measured_at IS 'Of the last reading that was counted.';

CREATE TABLE fleet.alert_trace (
    tenant_id         uuid NOT NULL DEFAULT kernel.tenant(),
    vehicle_id        uuid NOT NULL,
    anchored_at       timestamptz,
    anchor_latitude   double precision,
    anchor_longitude  double precision,
    anchor_accuracy_m double precision,
    anchor_odometer_m bigint,
    battery_level     smallint,
    battery_peak      smallint,
    battery_levels    smallint[] NOT NULL DEFAULT '{}',
    battery_ats       timestamptz[] NOT NULL DEFAULT '{}',
    area_checked_at   timestamptz,
    area_at           timestamptz,
    area_latitude     double precision,
    area_longitude    double precision,
    area_stamp        bigint,
    area_looks        int NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, vehicle_id),
    CHECK (cardinality(battery_levels) = cardinality(battery_ats)),
    CHECK ((anchored_at IS NULL) = (anchor_latitude IS NULL) AND (anchored_at IS NULL) = (anchor_longitude IS NULL))
) WITH (fillfactor = 70); -- no index on what changes: updates stay HOT
COMMENT ON TABLE fleet.alert_trace IS 'What the looks remember of each vehicle, so that "moved" and "falling" can be told without reading telemetry.';
COMMENT ON COLUMN fleet.alert_trace.anchored_at IS 'Since when it should stand still, with where; null while somebody holds it, or it is in maintenance.';
COMMENT ON COLUMN fleet.alert_trace.battery_levels IS 'Levels as they changed, oldest first, with their times in battery_ats; battery_level is the last, battery_peak the highest.';
COMMENT ON COLUMN fleet.alert_trace.area_looks IS 'How often in a row its position was surely outside; an unsure one changes nothing.';
COMMENT ON COLUMN fleet.alert_trace.area_at IS 'The reading (measured_at) that was looked at last.';
COMMENT ON COLUMN fleet.alert_trace.area_stamp IS 'Which zones it was looked at with.';

-- Which operators there are to watch is asked of fleet.tenants_with_vehicles (0005).

ALTER TABLE fleet.alert_watch ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.alert_watch FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.alert_watch USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- A work queue: with no tenant set the worker claims which operators' fleets are due to be looked
-- at, and enters operators that have got vehicles. Each look is then a call of its operator.
CREATE POLICY worker_finds ON fleet.alert_watch FOR SELECT TO fahrwerk_fleet USING (kernel.tenant() IS NULL);
CREATE POLICY worker_claims ON fleet.alert_watch FOR UPDATE TO fahrwerk_fleet USING (kernel.tenant() IS NULL);
CREATE POLICY worker_enters ON fleet.alert_watch FOR INSERT TO fahrwerk_fleet WITH CHECK (kernel.tenant() IS NULL);

ALTER TABLE fleet.alert ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.alert FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.alert USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE fleet.alert_entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.alert_entry FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.alert_entry USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE fleet.alert_silence ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.alert_silence FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.alert_silence USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE fleet.alert_condition ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.alert_condition FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.alert_condition USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE fleet.alert_trace ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.alert_trace FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.alert_trace USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
