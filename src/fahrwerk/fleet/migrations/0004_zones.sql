-- Zones: where vehicles may be, park, and how fast they may go (FLT-28..30, docs/zones.md).
--
-- Who changes zones locks the operator's row in zone_stamp first: so there is one writer at a time,
-- the limits hold, and the stamp says by itself whether a compiled index is still true.

CREATE TABLE fleet.zone_stamp (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant() PRIMARY KEY,
    stamp     bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE fleet.zone_stamp IS 'One row an operator that has ever had a zone: the lock of its zones, and what caches look at.';
COMMENT ON COLUMN fleet.zone_stamp.stamp IS 'Grows with every change of any zone.';

CREATE TABLE fleet.zone (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    id          uuid NOT NULL,
    rules       jsonb NOT NULL,
    polygons    jsonb NOT NULL,
    vertices    int NOT NULL CHECK (vertices >= 3),
    source      text NOT NULL CHECK (source IN ('own', 'policy')),
    scope       text CHECK (length(scope) BETWEEN 1 AND 200),
    external_id text CHECK (length(external_id) BETWEEN 1 AND 200),
    version     bigint NOT NULL DEFAULT 1,
    change      text NOT NULL CHECK (change IN ('created', 'replaced', 'deleted', 'restored')),
    changed_at  timestamptz NOT NULL,
    changed_by  text NOT NULL,
    created_at  timestamptz NOT NULL,
    name        text NOT NULL GENERATED ALWAYS AS (rules ->> 'name') STORED
                CHECK (length(name) BETWEEN 1 AND 100),
    kind        text NOT NULL GENERATED ALWAYS AS (rules ->> 'kind') STORED
                CHECK (kind IN ('operating_area', 'no_go', 'no_parking', 'parking',
                                'preferred_parking', 'slow', 'deployment')),
    is_deleted  boolean NOT NULL GENERATED ALWAYS AS (change = 'deleted') STORED,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT zone_source CHECK (
        CASE WHEN source = 'policy' THEN num_nulls(scope, external_id) = 0
             ELSE num_nonnulls(scope, external_id) = 0 END)
);
CREATE UNIQUE INDEX zone_policy ON fleet.zone (tenant_id, scope, external_id) WHERE source = 'policy';
CREATE INDEX zone_name ON fleet.zone (tenant_id, name, id);
CREATE INDEX zone_slow ON fleet.zone (tenant_id) WHERE kind = 'slow' AND NOT is_deleted;
COMMENT ON TABLE fleet.zone IS 'Zones as they are now; a deleted one keeps its row, and is in force nowhere.';
COMMENT ON COLUMN fleet.zone.rules IS 'All that people decide: ZoneRules of the contract, as JSON. name and kind are read from it.';
COMMENT ON COLUMN fleet.zone.polygons IS 'The coordinates of a GeoJSON MultiPolygon (RFC 7946): checked, closed, turned, split at the antimeridian.';
COMMENT ON COLUMN fleet.zone.source IS 'own: drawn by the operator. policy: a city''s, known by (scope, external_id) and changed by reading the policy again.';
COMMENT ON COLUMN fleet.zone.version IS 'Of the event stream zone:<id> as well.';
COMMENT ON COLUMN fleet.zone.vertices IS 'In all rings: what the limit of an operator is counted by.';

CREATE TABLE fleet.zone_version (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    zone_id    uuid NOT NULL,
    version    bigint NOT NULL,
    rules      jsonb NOT NULL,
    polygons   jsonb NOT NULL,
    change     text NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    PRIMARY KEY (tenant_id, zone_id, version),
    FOREIGN KEY (tenant_id, zone_id) REFERENCES fleet.zone (tenant_id, id)
);
COMMENT ON TABLE fleet.zone_version IS 'Every version a zone ever had, the newest included: what was in force when, and who said so.';

CREATE TABLE fleet.zone_limit (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    vehicle_id uuid NOT NULL,
    kmh        smallint NOT NULL CHECK (kmh BETWEEN 1 AND 130),
    command_id uuid NOT NULL,
    zone_id    uuid,
    told_at    timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, vehicle_id),
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE fleet.zone_limit IS 'The speed each capable vehicle was last told because of slow zones, and the command that said so: it is told again when that came to nothing, or something else holds.';
COMMENT ON COLUMN fleet.zone_limit.zone_id IS 'The slow zone that the speed is of; null = the vehicle''s own top speed.';

CREATE TABLE fleet.zone_bundle (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    vehicle_id uuid NOT NULL,
    sent_stamp bigint NOT NULL DEFAULT -1,
    sent_at    timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, vehicle_id),
    FOREIGN KEY (tenant_id, vehicle_id) REFERENCES fleet.vehicle (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE fleet.zone_bundle IS 'Vehicles that said that they keep zones on board, and the stamp of those they were last sent: a work queue of the link where that is not the operator''s newest.';
COMMENT ON COLUMN fleet.zone_bundle.sent_stamp IS '-1 = nothing since it came online: it may have missed what was sent before.';

CREATE INDEX vehicle_limited ON fleet.vehicle (tenant_id)
    WHERE status = 'in_use' AND 'speed_limit' = ANY (capabilities);

ALTER TABLE fleet.zone_stamp ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.zone_stamp FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.zone_stamp USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE fleet.zone ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.zone FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.zone USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE fleet.zone_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.zone_version FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.zone_version USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE fleet.zone_limit ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.zone_limit FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.zone_limit USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE fleet.zone_bundle ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.zone_bundle FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON fleet.zone_bundle USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- A work queue: the link sends for all operators, with no tenant set. It may read and mark, no more.
CREATE POLICY link_reads ON fleet.zone_bundle FOR SELECT TO fahrwerk_fleet USING (kernel.tenant() IS NULL);
CREATE POLICY link_sends ON fleet.zone_bundle FOR UPDATE TO fahrwerk_fleet USING (kernel.tenant() IS NULL);
CREATE POLICY link_reads ON fleet.zone_stamp FOR SELECT TO fahrwerk_fleet USING (kernel.tenant() IS NULL);

-- As in 0001: which operators have vehicles to be told a speed is asked of the owner, across all of
-- them. It answers with ids alone.
CREATE FUNCTION fleet.tenants_with_speed_zones() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT DISTINCT v.tenant_id FROM fleet.vehicle v
    WHERE v.status = 'in_use' AND 'speed_limit' = ANY (v.capabilities)
      AND (EXISTS (SELECT 1 FROM fleet.zone z
                   WHERE z.tenant_id = v.tenant_id AND z.kind = 'slow' AND NOT z.is_deleted)
           OR EXISTS (SELECT 1 FROM fleet.zone_limit l
                      WHERE l.tenant_id = v.tenant_id AND l.vehicle_id = v.id));
END;
COMMENT ON FUNCTION fleet.tenants_with_speed_zones IS 'Operators with vehicles under way that can be told a speed, and a reason to tell it.';
CREATE POLICY owner_looks ON fleet.zone FOR SELECT TO CURRENT_USER USING (kernel.tenant() IS NULL);
CREATE POLICY owner_looks ON fleet.zone_limit FOR SELECT TO CURRENT_USER USING (kernel.tenant() IS NULL);
REVOKE EXECUTE ON FUNCTION fleet.tenants_with_speed_zones FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fleet.tenants_with_speed_zones TO fahrwerk_fleet;
