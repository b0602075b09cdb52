-- MDS: whom an operator reports to, what happened to its vehicles, and what each agency was told.
--
-- Handlers write happenings and trips; a job places them (where was the vehicle?) and follows each
-- vehicle through the specification's state machine once for each agency, because an agency sees
-- only what lies in its area, and its story must be legal by itself. Who locks what: the agency's
-- row first, then all the rest.

ALTER TABLE feeds.setting
    ADD COLUMN has_draft        boolean NOT NULL DEFAULT false,
    ADD COLUMN micromobility_id uuid,
    ADD COLUMN car_share_id     uuid;
COMMENT ON COLUMN feeds.setting.has_draft IS 'Also publishes the draft of the next GBFS (3.1-RC3).';
COMMENT ON COLUMN feeds.setting.micromobility_id IS 'provider_id of scooters and e-bikes in MDS, as registered; null = one made from the operator''s id.';
COMMENT ON COLUMN feeds.setting.car_share_id IS 'provider_id of cars and vans in MDS, as registered; null = one made from the operator''s id.';

CREATE TABLE feeds.agency (
    tenant_id        uuid NOT NULL DEFAULT kernel.tenant(),
    id               uuid NOT NULL,
    slug             text NOT NULL CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$'),
    name             text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    boundary_id      uuid,
    boundary         jsonb,
    is_published     boolean NOT NULL DEFAULT false,
    policy_url       text CHECK (length(policy_url) <= 500),
    geography_url    text CHECK (length(geography_url) <= 500),
    jurisdiction_url text CHECK (length(jurisdiction_url) <= 500),
    read_due_at      timestamptz,
    read_at          timestamptz,
    read_error       text,
    told             bigint NOT NULL DEFAULT 0,
    told_trips       bigint NOT NULL DEFAULT 0,
    version          bigint NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX agency_slug ON feeds.agency (tenant_id, slug);
CREATE INDEX agency_to_read ON feeds.agency (read_due_at) WHERE read_due_at IS NOT NULL;
COMMENT ON TABLE feeds.agency IS 'A city or authority that this operator reports to (MDS), and whose policies it keeps.';
COMMENT ON COLUMN feeds.agency.boundary_id IS 'The geography that bounds what it may know; null = it may know all.';
COMMENT ON COLUMN feeds.agency.boundary IS 'Coordinates of that geography as a MultiPolygon, longitude first; geographies never change once published.';
COMMENT ON COLUMN feeds.agency.is_published IS 'We serve its policies and geographies to the public, as its delegate.';
COMMENT ON COLUMN feeds.agency.read_due_at IS 'When its policies are read in again; a claim moves it ahead. Null: they are only uploaded.';
COMMENT ON COLUMN feeds.agency.told IS 'Number of the last event told to it: grows with each, in the order of their commits.';
COMMENT ON COLUMN feeds.agency.told_trips IS 'The same for trips.';
COMMENT ON COLUMN feeds.agency.version IS 'Of the event stream agency:<id>.';

CREATE TABLE feeds.token (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL,
    agency_id  uuid NOT NULL,
    label      text NOT NULL CHECK (length(label) BETWEEN 1 AND 100),
    digest     text NOT NULL CHECK (length(digest) = 64),
    created_at timestamptz NOT NULL DEFAULT kernel.now(),
    created_by text NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, agency_id) REFERENCES feeds.agency (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX token_digest ON feeds.token (tenant_id, digest);
CREATE INDEX token_agency ON feeds.token (tenant_id, agency_id);
COMMENT ON TABLE feeds.token IS 'With what an agency reads the MDS Provider API. The token itself is kept nowhere.';
COMMENT ON COLUMN feeds.token.digest IS 'SHA-256 of the token, which is random.';

CREATE TABLE feeds.vehicle (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    id        uuid NOT NULL,
    version   bigint NOT NULL,
    due_at    timestamptz,
    attempts  int NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX vehicle_due ON feeds.vehicle (due_at) WHERE due_at IS NOT NULL;
COMMENT ON TABLE feeds.vehicle IS 'Vehicles whose agencies have to be told something: a work queue while due_at is set.';
COMMENT ON COLUMN feeds.vehicle.version IS 'Of the newest happening.';
COMMENT ON COLUMN feeds.vehicle.attempts IS 'Counts claims: a worker that comes back late with an older number does not decide any more.';

CREATE TABLE feeds.happening (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    vehicle_id  uuid NOT NULL,
    version     bigint NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('created', 'reserved', 'released', 'started', 'paused',
                                              'resumed', 'returned', 'cancelled', 'silent', 'heard',
                                              'changed', 'drained', 'charged', 'moved')),
    at          timestamptz NOT NULL,
    rental_id   uuid,
    status      text,
    latitude    double precision,
    longitude   double precision,
    battery_pct smallint,
    is_placed   boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, vehicle_id, version)
);
CREATE INDEX happening_open ON feeds.happening (tenant_id, at) WHERE NOT is_placed;
COMMENT ON TABLE feeds.happening IS 'What happened to a vehicle that an agency may have to know of, from fleet''s events; then placed.';
COMMENT ON COLUMN feeds.happening.version IS 'Of fleet''s stream vehicle:<id>; those that change nothing here are left out.';
COMMENT ON COLUMN feeds.happening.status IS 'The vehicle''s status afterwards, where the event says it or it was found out.';
COMMENT ON COLUMN feeds.happening.is_placed IS 'It was looked for where the vehicle was then; without a place it is told to nobody.';

CREATE TABLE feeds.told_vehicle (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    agency_id   uuid NOT NULL,
    vehicle_id  uuid NOT NULL,
    mode        text NOT NULL CHECK (mode IN ('micromobility', 'car-share')),
    version     bigint NOT NULL,
    status      text NOT NULL,
    state       text,
    trip_id     uuid,
    at          timestamptz,
    latitude    double precision,
    longitude   double precision,
    last_event  bigint,
    deployed_at timestamptz,
    registered  text CHECK (registered IN ('taken', 'stale')),
    PRIMARY KEY (tenant_id, agency_id, vehicle_id),
    FOREIGN KEY (tenant_id, agency_id) REFERENCES feeds.agency (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX told_vehicle_to_register ON feeds.told_vehicle (tenant_id, agency_id, mode)
    WHERE registered IS DISTINCT FROM 'taken';
COMMENT ON TABLE feeds.told_vehicle IS 'What an agency knows of a vehicle: where the state machine stands for it.';
COMMENT ON COLUMN feeds.told_vehicle.version IS 'Of the last happening it was told, or need not be told.';
COMMENT ON COLUMN feeds.told_vehicle.status IS 'The vehicle''s status after that happening, whether told or not.';
COMMENT ON COLUMN feeds.told_vehicle.state IS 'vehicle_state of MDS; null = the agency was never told of it.';
COMMENT ON COLUMN feeds.told_vehicle.at IS 'Of the last event told; the next one is later.';
COMMENT ON COLUMN feeds.told_vehicle.latitude IS 'With longitude: the last place within its area.';
COMMENT ON COLUMN feeds.told_vehicle.last_event IS 'Number of the last event told.';
COMMENT ON COLUMN feeds.told_vehicle.deployed_at IS 'When it was last known to be in the public space of the area.';
COMMENT ON COLUMN feeds.told_vehicle.registered IS 'Whether the agency''s own server has it: null = not yet, stale = its description has changed since.';

CREATE TABLE feeds.told_event (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    agency_id    uuid NOT NULL,
    number       bigint NOT NULL,
    id           uuid NOT NULL,
    vehicle_id   uuid NOT NULL,
    mode         text NOT NULL,
    state        text NOT NULL,
    types        text[] NOT NULL CHECK (cardinality(types) > 0),
    at           timestamptz NOT NULL,
    published_at timestamptz NOT NULL,
    latitude     double precision NOT NULL,
    longitude    double precision NOT NULL,
    battery_pct  smallint,
    trip_id      uuid,
    PRIMARY KEY (tenant_id, agency_id, number),
    FOREIGN KEY (tenant_id, agency_id) REFERENCES feeds.agency (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX told_event_once ON feeds.told_event (tenant_id, agency_id, id);
CREATE INDEX told_event_time ON feeds.told_event (tenant_id, agency_id, mode, at, number);
CREATE INDEX told_event_vehicle ON feeds.told_event (tenant_id, agency_id, vehicle_id, number);
COMMENT ON TABLE feeds.told_event IS 'Events as an agency reads them (MDS Event): append-only.';
COMMENT ON COLUMN feeds.told_event.id IS 'Made from agency, vehicle and happening: a second try is the same event.';

CREATE TABLE feeds.trip (
    tenant_id       uuid NOT NULL DEFAULT kernel.tenant(),
    id              uuid NOT NULL,
    rental_id       uuid NOT NULL,
    vehicle_id      uuid NOT NULL,
    vehicle_type    text,
    started_at      timestamptz NOT NULL,
    ended_at        timestamptz NOT NULL,
    duration_s      int NOT NULL,
    distance_m      int NOT NULL,
    rider_mark      text NOT NULL,
    start_latitude  double precision,
    start_longitude double precision,
    end_latitude    double precision,
    end_longitude   double precision,
    due_at          timestamptz,
    attempts        int NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX trip_rental ON feeds.trip (tenant_id, rental_id);
CREATE INDEX trip_due ON feeds.trip (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX trip_open ON feeds.trip (tenant_id, ended_at) WHERE due_at IS NOT NULL;
CREATE INDEX trip_vehicle ON feeds.trip (tenant_id, vehicle_id, ended_at);
COMMENT ON TABLE feeds.trip IS 'Ended rides as cities may know them; a work queue while due_at is set.';
COMMENT ON COLUMN feeds.trip.id IS 'A keyed hash of the rental: only this house can link the two.';
COMMENT ON COLUMN feeds.trip.rider_mark IS 'A keyed hash of rider and month: counts riders within a month, and links no two months.';

CREATE TABLE feeds.told_trip (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    agency_id    uuid NOT NULL,
    number       bigint NOT NULL,
    trip_id      uuid NOT NULL,
    mode         text NOT NULL,
    ended_at     timestamptz NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, agency_id, number),
    FOREIGN KEY (tenant_id, agency_id) REFERENCES feeds.agency (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, trip_id) REFERENCES feeds.trip (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX told_trip_once ON feeds.told_trip (tenant_id, agency_id, trip_id);
CREATE INDEX told_trip_time ON feeds.told_trip (tenant_id, agency_id, mode, ended_at);
COMMENT ON TABLE feeds.told_trip IS 'Which agencies may know of which trips: those whose area the route touches.';

CREATE TABLE feeds.subscription (
    tenant_id      uuid NOT NULL DEFAULT kernel.tenant(),
    agency_id      uuid NOT NULL,
    mode           text NOT NULL CHECK (mode IN ('micromobility', 'car-share')),
    url            text NOT NULL CHECK (length(url) BETWEEN 8 AND 500),
    token          bytea NOT NULL,
    has_telemetry  boolean NOT NULL DEFAULT false,
    event_number   bigint NOT NULL DEFAULT 0,
    trip_number    bigint NOT NULL DEFAULT 0,
    telemetry_at   timestamptz NOT NULL DEFAULT kernel.now(),
    due_at         timestamptz NOT NULL DEFAULT kernel.now(),
    attempts       int NOT NULL DEFAULT 0,
    failures       int NOT NULL DEFAULT 0,
    error          text,
    pushed_at      timestamptz,
    refused        bigint NOT NULL DEFAULT 0,
    last_refused   text,
    PRIMARY KEY (tenant_id, agency_id, mode),
    FOREIGN KEY (tenant_id, agency_id) REFERENCES feeds.agency (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX subscription_due ON feeds.subscription (due_at);
COMMENT ON TABLE feeds.subscription IS 'An agency''s own server that we push to (MDS Agency API), and how far it has come; a work queue.';
COMMENT ON COLUMN feeds.subscription.token IS 'What we show there, sealed with the installation''s secret.';
COMMENT ON COLUMN feeds.subscription.event_number IS 'The last event that was taken, or refused for good.';
COMMENT ON COLUMN feeds.subscription.telemetry_at IS 'Readings before this time have been sent.';
COMMENT ON COLUMN feeds.subscription.refused IS 'Records that the server would never take, one by one.';

CREATE TABLE feeds.document (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    agency_id   uuid NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('policies', 'geographies', 'jurisdictions')),
    version     int NOT NULL CHECK (version > 0),
    body        bytea NOT NULL,
    digest      text NOT NULL,
    origin      text NOT NULL CHECK (origin IN ('fetched', 'uploaded')),
    received_at timestamptz NOT NULL,
    received_by text NOT NULL,
    PRIMARY KEY (tenant_id, agency_id, kind, version),
    FOREIGN KEY (tenant_id, agency_id) REFERENCES feeds.agency (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE feeds.document IS 'What an agency published, every version of it that differed from the one before; the newest holds.';
COMMENT ON COLUMN feeds.document.body IS 'JSON in UTF-8, as we read it: only valid documents are kept.';

CREATE TABLE feeds.mds_check (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    agency_id  uuid NOT NULL,
    checked_at timestamptz NOT NULL,
    vehicles   int NOT NULL,
    shown      int NOT NULL,
    missing    int NOT NULL,
    strange    int NOT NULL,
    wrong      int NOT NULL,
    waiting    int NOT NULL,
    PRIMARY KEY (tenant_id, agency_id),
    FOREIGN KEY (tenant_id, agency_id) REFERENCES feeds.agency (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE feeds.mds_check IS 'What the last comparison of an agency''s vehicle states with the vehicles themselves found.';
COMMENT ON COLUMN feeds.mds_check.wrong IS 'Told in another state than they are in.';
COMMENT ON COLUMN feeds.mds_check.waiting IS 'Happened, but not told yet; not judged.';

CREATE TABLE feeds.alert (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    id          uuid NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('system_closure', 'other')),
    summary     jsonb NOT NULL,
    description jsonb,
    url         text CHECK (url ~ '^https://' AND length(url) <= 500),
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz CHECK (ends_at > starts_at),
    updated_at  timestamptz NOT NULL,
    created_by  text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX alert_time ON feeds.alert (tenant_id, starts_at DESC, id);
COMMENT ON TABLE feeds.alert IS 'What riders are told beside the ordinary, in GBFS system_alerts; in the feed until it is over.';
COMMENT ON COLUMN feeds.alert.summary IS 'Text by language: de and en. description likewise.';

ALTER TABLE feeds.alert ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds.alert FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON feeds.alert USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE feeds.agency ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds.agency FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON feeds.agency USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE feeds.token ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds.token FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON feeds.token USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE feeds.vehicle ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds.vehicle FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON feeds.vehicle USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE feeds.happening ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds.happening FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON feeds.happening USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE feeds.told_vehicle ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds.told_vehicle FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON feeds.told_vehicle USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE feeds.told_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds.told_event FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON feeds.told_event USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE feeds.trip ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds.trip FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON feeds.trip USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE feeds.told_trip ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds.told_trip FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON feeds.told_trip USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE feeds.subscription ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds.subscription FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON feeds.subscription USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE feeds.document ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds.document FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON feeds.document USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE feeds.mds_check ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds.mds_check FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON feeds.mds_check USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

-- Work queues are worked off for all operators at once: with no tenant set, the room's own role may
-- find and claim what is due. Each piece is then done by a call of its own tenant.
CREATE POLICY worker_finds ON feeds.vehicle FOR SELECT TO fahrwerk_feeds USING (kernel.tenant() IS NULL);
CREATE POLICY worker_claims ON feeds.vehicle FOR UPDATE TO fahrwerk_feeds USING (kernel.tenant() IS NULL);
CREATE POLICY worker_finds ON feeds.trip FOR SELECT TO fahrwerk_feeds USING (kernel.tenant() IS NULL);
CREATE POLICY worker_claims ON feeds.trip FOR UPDATE TO fahrwerk_feeds USING (kernel.tenant() IS NULL);
CREATE POLICY worker_finds ON feeds.subscription FOR SELECT TO fahrwerk_feeds USING (kernel.tenant() IS NULL);
CREATE POLICY worker_claims ON feeds.subscription FOR UPDATE TO fahrwerk_feeds USING (kernel.tenant() IS NULL);
CREATE POLICY worker_finds ON feeds.agency FOR SELECT TO fahrwerk_feeds USING (kernel.tenant() IS NULL);
CREATE POLICY worker_claims ON feeds.agency FOR UPDATE TO fahrwerk_feeds USING (kernel.tenant() IS NULL);
