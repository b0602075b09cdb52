-- Operators: who runs a fleet here, and the rules of its market.
--
-- The one table of the house without a wall between tenants, on purpose: it is where a tenant is
-- looked up (by X-Tenant-ID, by host) before any is known. `id` is what every other table calls
-- `tenant_id`. Nothing in it is personal or secret, and only the role of this room can read it.

CREATE TABLE tenancy.operator (
    id                 uuid PRIMARY KEY,
    slug               text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$'),
    name               text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    plan               text NOT NULL CHECK (length(plan) BETWEEN 1 AND 50),
    currency           text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    time_zone          text NOT NULL,
    locale             text NOT NULL,
    tax_rate_bp        int NOT NULL CHECK (tax_rate_bp BETWEEN 0 AND 5000),
    tax_included       boolean NOT NULL,
    domain             text UNIQUE CHECK (domain = lower(domain)),
    payment_hold_s     int NOT NULL CHECK (payment_hold_s > 0),
    unlock_window_s    int NOT NULL CHECK (unlock_window_s > 0),
    max_active_rentals int NOT NULL CHECK (max_active_rentals > 0),
    max_ride_h         int NOT NULL CHECK (max_ride_h > 0),
    max_ride_km        int NOT NULL CHECK (max_ride_km > 0),
    version            bigint NOT NULL DEFAULT 1,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL
);
COMMENT ON TABLE tenancy.operator IS 'Operators, i.e. tenants (TEN-01, TEN-09). Not walled by tenant: it is where tenants are looked up.';
COMMENT ON COLUMN tenancy.operator.id IS 'The tenant_id of every other table.';
COMMENT ON COLUMN tenancy.operator.slug IS 'Short name in X-Tenant-ID and in the sub-domain (TEN-02, TEN-06); never changes.';
COMMENT ON COLUMN tenancy.operator.plan IS 'Subscription plan (TEN-05).';
COMMENT ON COLUMN tenancy.operator.tax_rate_bp IS 'Basis points: 1900 = 19 % (C-21).';
COMMENT ON COLUMN tenancy.operator.tax_included IS 'True: prices contain the tax.';
COMMENT ON COLUMN tenancy.operator.domain IS 'The operator''s own domain, beside the sub-domain it has anyway (TEN-23).';
COMMENT ON COLUMN tenancy.operator.payment_hold_s IS 'How long an unpaid reservation holds a vehicle (C-09).';
COMMENT ON COLUMN tenancy.operator.unlock_window_s IS 'How long a paid booking waits for its unlock (RNT-22).';
COMMENT ON COLUMN tenancy.operator.version IS 'Of the stream operator:<id> in the event log.';
