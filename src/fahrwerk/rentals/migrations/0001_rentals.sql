-- Rentals: bookings and the rides they become, their end photos, and when each is next looked at.

CREATE TABLE rentals.rental (
    tenant_id          uuid NOT NULL DEFAULT kernel.tenant(),
    id                 uuid NOT NULL,
    version            int NOT NULL DEFAULT 1 CHECK (version > 0),
    rider_id           uuid NOT NULL,
    seat               smallint NOT NULL CHECK (seat > 0),
    vehicle_id         uuid NOT NULL,
    vehicle_type       text NOT NULL,
    state              text NOT NULL DEFAULT 'pending'
                       CHECK (state IN ('pending', 'confirmed', 'in_progress', 'completed', 'cancelled')),
    reason             text,
    secured_by         text CHECK (secured_by IN ('payment', 'wallet', 'credit')),
    terms              jsonb NOT NULL,
    rating             jsonb,
    estimated_minutes  int NOT NULL CHECK (estimated_minutes > 0),
    estimated_minor    bigint NOT NULL CHECK (estimated_minor >= 0),
    hold_minor         bigint NOT NULL CHECK (hold_minor >= 0),
    payment_id         uuid NOT NULL,
    reservation_token  text NOT NULL,
    unlock_window_s    int NOT NULL CHECK (unlock_window_s > 0),
    max_ride_h         int NOT NULL CHECK (max_ride_h > 0),
    max_ride_km        int NOT NULL CHECK (max_ride_km > 0),
    unlock_attempt     int NOT NULL DEFAULT 1,
    planned_start_at   timestamptz NOT NULL,
    created_at         timestamptz NOT NULL,
    confirmed_at       timestamptz,
    cancelled_at       timestamptz,
    started_at         timestamptz,
    ended_at           timestamptz,
    expires_at         timestamptz,
    unlocked_at        timestamptz,
    written_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    start_latitude     double precision,
    start_longitude    double precision,
    start_address      text,
    end_latitude       double precision,
    end_longitude      double precision,
    end_address        text,
    distance_m         int NOT NULL DEFAULT 0 CHECK (distance_m >= 0),
    battery_used_pct   int NOT NULL DEFAULT 0 CHECK (battery_used_pct BETWEEN 0 AND 100),
    is_business        boolean NOT NULL DEFAULT false,
    is_recorded        boolean NOT NULL DEFAULT false,
    stars              int CHECK (stars BETWEEN 1 AND 5),
    feedback           text,
    receipt_key        text,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT no_ride_unsecured
        CHECK (state NOT IN ('confirmed', 'in_progress', 'completed') OR secured_by IS NOT NULL),
    CONSTRAINT rides_have_begun CHECK ((state IN ('in_progress', 'completed')) = (started_at IS NOT NULL)),
    CONSTRAINT only_ended_rides_are_rated
        CHECK ((state = 'completed') = (ended_at IS NOT NULL AND rating IS NOT NULL)),
    CONSTRAINT rides_do_not_end_before_they_begin CHECK (ended_at >= started_at),
    CONSTRAINT cancelled_at_a_time CHECK ((state = 'cancelled') = (cancelled_at IS NOT NULL)),
    CONSTRAINT waiting_has_an_end CHECK ((state IN ('pending', 'confirmed')) = (expires_at IS NOT NULL))
);
CREATE UNIQUE INDEX rental_one_per_vehicle ON rentals.rental (tenant_id, vehicle_id)
    WHERE state IN ('pending', 'confirmed', 'in_progress');
CREATE UNIQUE INDEX rental_seat ON rentals.rental (tenant_id, rider_id, seat)
    WHERE state IN ('pending', 'confirmed', 'in_progress');
CREATE INDEX rental_of_rider ON rentals.rental (tenant_id, rider_id, created_at DESC);
CREATE INDEX rental_of_vehicle ON rentals.rental (tenant_id, vehicle_id, planned_start_at DESC);
CREATE INDEX rental_in_state ON rentals.rental (tenant_id, state, created_at DESC);
CREATE INDEX rental_newest ON rentals.rental (tenant_id, created_at DESC);
COMMENT ON TABLE rentals.rental IS 'One aggregate with two entrances: a booking until the vehicle is unlocked, a ride from then on (C-02, RNT-13, RNT-43).';
COMMENT ON INDEX rentals.rental_one_per_vehicle IS 'The last wall against two riders on one vehicle (I4): fleet''s hold comes before it.';
COMMENT ON INDEX rentals.rental_seat IS 'The limit on rentals at a time, also when a rider books twice in the same instant.';
COMMENT ON COLUMN rentals.rental.version IS 'Number of the newest event in the stream rental:<id>.';
COMMENT ON COLUMN rentals.rental.seat IS 'Which of the rider''s places for rentals at a time this one takes; a place is taken once.';
COMMENT ON COLUMN rentals.rental.secured_by IS 'What vouches for the price (I2): an authorised payment, a hold in the wallet, or credit the operator gives.';
COMMENT ON COLUMN rentals.rental.terms IS 'Tariff and promotion as agreed at the start (PRC-19), pricing.contract.Terms.';
COMMENT ON COLUMN rentals.rental.rating IS 'What the ride cost, pricing.contract.Rating; once it has ended.';
COMMENT ON COLUMN rentals.rental.hold_minor IS 'To be authorised: shown as estimated_charge (C-19).';
COMMENT ON COLUMN rentals.rental.unlock_attempt IS 'Unlock commands are numbered: repeats within an attempt share one command.';
COMMENT ON COLUMN rentals.rental.created_at IS 'Domain time, as planned_start_at, confirmed_at, cancelled_at, started_at, ended_at are: in the past for rides brought in from history.';
COMMENT ON COLUMN rentals.rental.expires_at IS 'Lease time: when an unpaid reservation, then the unlock window, runs out.';
COMMENT ON COLUMN rentals.rental.unlocked_at IS 'Lease time of started_at; the longest ride is measured from here.';
COMMENT ON COLUMN rentals.rental.written_at IS 'When the row was inserted, by the clock events are stamped with: older news of the vehicle is not about this rental.';
COMMENT ON COLUMN rentals.rental.receipt_key IS 'Whoever has it may see the receipt without a login: part of the link in the mail.';

CREATE TABLE rentals.deadline (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    rental_id  uuid NOT NULL,
    due_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, rental_id)
);
CREATE INDEX deadline_due ON rentals.deadline (due_at);
COMMENT ON TABLE rentals.deadline IS 'Work queue: when a worker looks at a rental next. The rental says what is to be done; a row that comes too early, or outlives its rental, is harmless (hence no foreign key).';
COMMENT ON COLUMN rentals.deadline.due_at IS 'Lease time. Moved ahead by who claims it, so that a worker that dies is followed by another.';

CREATE TABLE rentals.end_photo (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    rental_id   uuid NOT NULL,
    image       bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, rental_id),
    FOREIGN KEY (tenant_id, rental_id) REFERENCES rentals.rental (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE rentals.end_photo ALTER COLUMN image SET STORAGE EXTERNAL;
COMMENT ON TABLE rentals.end_photo IS 'The parking place at the end of a ride (RNT-48): JPEG, encoded anew, without the camera''s notes of who, where and when.';

CREATE VIEW rentals.rental_event WITH (security_invoker = true) AS
SELECT e.id, substr(e.stream, 8)::uuid AS rental_id, e.name AS event_type, e.data AS event_data,
       e.at AS created_at, e.version, e.stream, e.actor, e.tenant_id
FROM kernel.event e WHERE e.stream LIKE 'rental:%';
COMMENT ON VIEW rentals.rental_event IS 'The history of each rental (RNT-44): its stream in the event log. Ask by stream, which is indexed.';

ALTER TABLE rentals.rental ENABLE ROW LEVEL SECURITY;
ALTER TABLE rentals.rental FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON rentals.rental USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE rentals.end_photo ENABLE ROW LEVEL SECURITY;
ALTER TABLE rentals.end_photo FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON rentals.end_photo USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE rentals.deadline ENABLE ROW LEVEL SECURITY;
ALTER TABLE rentals.deadline FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON rentals.deadline USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- The worker that claims what is due works for no tenant yet, and sees ids and times, nothing else.
-- Because of this second policy, statements of a tenant say tenant_id = kernel.tenant() themselves:
-- the planner cannot take an index from an OR of policies.
CREATE POLICY worker_claims ON rentals.deadline TO fahrwerk_rentals
    USING (kernel.tenant() IS NULL) WITH CHECK (kernel.tenant() IS NULL);
