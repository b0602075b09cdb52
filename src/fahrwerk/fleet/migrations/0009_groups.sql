-- Vehicles that are retired, and groups of vehicles.
--
-- Who locks what: as in 0001, the vehicle's row first; then its group.

ALTER TABLE fleet.vehicle DROP CONSTRAINT vehicle_status_check;
ALTER TABLE fleet.vehicle ADD CONSTRAINT vehicle_status_check
    CHECK (status IN ('available', 'reserved', 'in_use', 'maintenance', 'offline', 'retired'));
ALTER TABLE fleet.vehicle ADD COLUMN group_ids uuid[] NOT NULL DEFAULT '{}'
    CONSTRAINT vehicle_group_ids CHECK (cardinality(group_ids) <= 50 AND array_position(group_ids, NULL) IS NULL);
COMMENT ON COLUMN fleet.vehicle.status IS 'FLT-02, and retired: out of the fleet for good, unless staff take it back. reserved and in_use have a holder, the others have none (I4). A vehicle that falls silent while held keeps its status and goes offline when it is given back.';
COMMENT ON COLUMN fleet.vehicle.group_ids IS 'The groups it is in. Kept in its own row, so that whoever watches the fleet sees a change of it like any other (queries/live.py).';

CREATE TABLE fleet.vehicle_group (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    id          uuid NOT NULL,
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 50),
    description text CHECK (length(description) BETWEEN 1 AND 500),
    version     bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX vehicle_group_name ON fleet.vehicle_group (tenant_id, lower(name));
COMMENT ON TABLE fleet.vehicle_group IS 'A name for a part of the fleet: a depot, a trial, a series. A vehicle may be in several (vehicle.group_ids).';
COMMENT ON COLUMN fleet.vehicle_group.version IS 'Of the event stream vehicle_group:<id>; who is in it is told by the vehicles'' streams.';

ALTER TABLE fleet.vehicle_group ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.vehicle_group FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.vehicle_group USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE fleet.bulk_job DROP CONSTRAINT bulk_job_operation_check;
ALTER TABLE fleet.bulk_job ADD CONSTRAINT bulk_job_operation_check
    CHECK (operation IN ('set_status', 'set_category', 'command', 'import', 'join_group', 'leave_group'));
COMMENT ON COLUMN fleet.bulk_job.value IS 'set_status: maintenance, available or retired; set_category: the category; command: which; import: create, update or upsert; join_group, leave_group: the group''s id.';

ALTER TABLE fleet.ticket ADD COLUMN rule text CHECK (length(rule) BETWEEN 1 AND 40);
CREATE UNIQUE INDEX ticket_of_rule ON fleet.ticket (tenant_id, vehicle_id, rule) WHERE closed_at IS NULL AND rule IS NOT NULL;
COMMENT ON COLUMN fleet.ticket.rule IS 'The alert rule that opened it: at most one open ticket for a vehicle and rule.';
