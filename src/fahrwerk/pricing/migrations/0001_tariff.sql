-- What operators charge, and what they give away.

CREATE TABLE pricing.tariff (
    tenant_id        uuid NOT NULL DEFAULT kernel.tenant(),
    id               uuid NOT NULL,
    vehicle_type     text NOT NULL,
    unit_minutes     int NOT NULL CHECK (unit_minutes BETWEEN 1 AND 1440),
    base_fee_minor   bigint NOT NULL CHECK (base_fee_minor >= 0),
    price_per_unit_e4 bigint NOT NULL CHECK (price_per_unit_e4 >= 0),
    daily_cap_minor  bigint NOT NULL CHECK (daily_cap_minor > 0 AND daily_cap_minor >= base_fee_minor),
    currency         text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    valid_from       timestamptz NOT NULL,
    valid_until      timestamptz CHECK (valid_until >= valid_from),
    version          bigint NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX tariff_valid ON pricing.tariff (tenant_id, vehicle_type) WHERE valid_until IS NULL;
COMMENT ON TABLE pricing.tariff IS 'Prices by type of vehicle (C-20). A change closes the old row and adds a new one: what was charged when can always be shown.';
COMMENT ON COLUMN pricing.tariff.unit_minutes IS 'The time price_per_unit_e4 is for: 1 = per minute, 60 = per hour, charged pro rata by the started minute.';
COMMENT ON COLUMN pricing.tariff.price_per_unit_e4 IS 'Ten-thousandths of the currency''s major unit (C-24): 2500 = 0.25 EUR.';
COMMENT ON COLUMN pricing.tariff.daily_cap_minor IS 'The most for 24 hours counted from the start of the ride, base fee included (PRC-18).';
COMMENT ON COLUMN pricing.tariff.valid_until IS 'Null = valid now; one such row per type.';

CREATE TABLE pricing.promotion (
    tenant_id      uuid NOT NULL DEFAULT kernel.tenant(),
    id             uuid NOT NULL,
    code           text NOT NULL CHECK (code ~ '^[A-Z0-9_-]{3,32}$'),
    percent_bp     int NOT NULL CHECK (percent_bp BETWEEN 1 AND 10000),
    most_minor     bigint CHECK (most_minor > 0),
    valid_from     timestamptz,
    valid_until    timestamptz CHECK (valid_until > valid_from),
    uses_per_rider int CHECK (uses_per_rider > 0),
    version        bigint NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, code)
);
COMMENT ON TABLE pricing.promotion IS 'Discounts by code (PRC-05): a share in basis points, at most an amount.';
COMMENT ON COLUMN pricing.promotion.uses_per_rider IS 'Rides one rider may end with it; null = any number.';

CREATE TABLE pricing.redemption (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    promotion_id uuid NOT NULL,
    rental_id    uuid NOT NULL,
    rider_id     uuid NOT NULL,
    at           timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, rental_id),
    FOREIGN KEY (tenant_id, promotion_id) REFERENCES pricing.promotion (tenant_id, id)
);
CREATE INDEX redemption_of_promotion ON pricing.redemption (tenant_id, promotion_id, rider_id);
COMMENT ON TABLE pricing.redemption IS 'A ride that ended with a promotion. Counted at the end, so that a cancelled booking costs the rider no use.';

ALTER TABLE pricing.tariff ENABLE ROW LEVEL SECURITY;
ALTER TABLE pricing.tariff FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON pricing.tariff USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE pricing.promotion ENABLE ROW LEVEL SECURITY;
ALTER TABLE pricing.promotion FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON pricing.promotion USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE pricing.redemption ENABLE ROW LEVEL SECURITY;
ALTER TABLE pricing.redemption FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON pricing.redemption USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
