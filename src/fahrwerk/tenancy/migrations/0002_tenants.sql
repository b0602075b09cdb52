-- A tenant's life: limits of its plan, suspension and end, domains with proof, brands, areas, market
-- rules with their time, and how far its set-up has come.

ALTER TABLE tenancy.operator
    ADD COLUMN status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'closing', 'closed')),
    ADD COLUMN status_reason text CHECK (length(status_reason) BETWEEN 1 AND 500),
    ADD COLUMN status_since timestamptz,
    ADD COLUMN deletes_at timestamptz,
    ADD COLUMN max_vehicles int CHECK (max_vehicles >= 0),
    ADD COLUMN max_users int CHECK (max_users >= 0),
    ADD COLUMN max_requests_per_minute int CHECK (max_requests_per_minute > 0),
    ADD COLUMN refund_limit_minor bigint CHECK (refund_limit_minor >= 0),
    ADD CONSTRAINT operator_deletes CHECK ((status = 'closing') = (deletes_at IS NOT NULL));
COMMENT ON COLUMN tenancy.operator.status IS 'active; suspended: nobody books, rides end, staff only read; closing: the same until deletes_at; closed: its data are deleted.';
COMMENT ON COLUMN tenancy.operator.max_vehicles IS 'Of its plan; null: no limit.';
COMMENT ON COLUMN tenancy.operator.max_users IS 'Accounts, riders and staff; null: no limit.';
COMMENT ON COLUMN tenancy.operator.refund_limit_minor IS 'A refund above it needs a second person; null: none does.';

CREATE TABLE tenancy.domain (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    domain     text NOT NULL CHECK (domain = lower(domain) AND length(domain) <= 253),
    brand_id   uuid,
    token      text NOT NULL,
    proven_by  text CHECK (proven_by IN ('txt', 'cname')),
    proven_at  timestamptz,
    checked_at timestamptz,
    problem    text,
    failures   int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, domain),
    CHECK ((proven_by IS NULL) = (proven_at IS NULL))
);
-- Anybody may claim a domain, only one can have proven it.
CREATE UNIQUE INDEX domain_proven ON tenancy.domain (domain) WHERE proven_at IS NOT NULL;
CREATE INDEX domain_due ON tenancy.domain (checked_at NULLS FIRST);
COMMENT ON TABLE tenancy.domain IS 'Domains an operator claims for itself (TEN-08, TEN-23). One that is not proven leads nowhere.';
COMMENT ON COLUMN tenancy.domain.token IS 'To stand in the TXT record of _fahrwerk.<domain>.';
COMMENT ON COLUMN tenancy.domain.problem IS 'What the last look at the DNS found missing.';
COMMENT ON COLUMN tenancy.domain.failures IS 'Looks in a row that did not find the proof; a proof lapses after 14 daily ones.';

CREATE TABLE tenancy.brand (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL,
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    primary_color   text NOT NULL CHECK (primary_color ~ '^#[0-9a-f]{6}$'),
    secondary_color text NOT NULL CHECK (secondary_color ~ '^#[0-9a-f]{6}$'),
    is_default boolean NOT NULL DEFAULT false,
    logo       bytea CHECK (octet_length(logo) <= 2000000),
    logo_hash  text,
    version    bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX brand_default ON tenancy.brand (tenant_id) WHERE is_default;
CREATE UNIQUE INDEX brand_name ON tenancy.brand (tenant_id, lower(name));
COMMENT ON TABLE tenancy.brand IS 'How an operator looks; several, e.g. one for each domain.';
COMMENT ON COLUMN tenancy.brand.logo IS 'PNG, made anew from what was uploaded: never the uploaded bytes.';
ALTER TABLE tenancy.domain ADD FOREIGN KEY (tenant_id, brand_id) REFERENCES tenancy.brand (tenant_id, id);

CREATE TABLE tenancy.area (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL,
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    country    text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    south      double precision NOT NULL CHECK (south BETWEEN -90 AND 90),
    west       double precision NOT NULL CHECK (west BETWEEN -180 AND 180),
    north      double precision NOT NULL CHECK (north BETWEEN -90 AND 90),
    east       double precision NOT NULL CHECK (east BETWEEN -180 AND 180),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK (south < north AND west < east)
);
CREATE UNIQUE INDEX area_name ON tenancy.area (tenant_id, lower(name));
COMMENT ON TABLE tenancy.area IS 'Cities an operator works in (TEN-11): a box around each. What is in it is in the city, for grants and market rules; where one may ride and park is for fleet''s zones.';

CREATE TABLE tenancy.market (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    id           uuid NOT NULL,
    area_id      uuid,
    valid_from   timestamptz NOT NULL,
    valid_until  timestamptz,
    tax_rate_bp  int CHECK (tax_rate_bp BETWEEN 0 AND 5000),
    minimum_age  smallint CHECK (minimum_age BETWEEN 0 AND 99),
    helmet       text NOT NULL CHECK (helmet IN ('none', 'recommended', 'required')),
    quiet_from   time,
    quiet_until  time,
    languages    text[] NOT NULL CHECK (cardinality(languages) BETWEEN 1 AND 10),
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, area_id) REFERENCES tenancy.area (tenant_id, id),
    CHECK (valid_until IS NULL OR valid_until > valid_from),
    CHECK ((quiet_from IS NULL) = (quiet_until IS NULL) AND quiet_from IS DISTINCT FROM quiet_until OR quiet_from IS NULL),
    CHECK (tax_rate_bp IS NULL OR area_id IS NULL)
);
CREATE INDEX market_valid ON tenancy.market (tenant_id, valid_from);
COMMENT ON TABLE tenancy.market IS 'Rules of a market with the time they hold (TEN-25): of the whole operator, or of one area, which then wins. Of two that hold at once, the later begun.';
COMMENT ON COLUMN tenancy.market.tax_rate_bp IS 'In force instead of the operator''s own rate; for the whole operator only.';
COMMENT ON COLUMN tenancy.market.quiet_from IS 'Wall clock of the operator''s time zone: no ride begins until quiet_until. May go over midnight.';

CREATE TABLE tenancy.setup_step (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    step      text NOT NULL,
    state     text NOT NULL CHECK (state IN ('open', 'done', 'skipped')),
    data      jsonb NOT NULL DEFAULT '{}',
    at        timestamptz NOT NULL,
    actor     text NOT NULL,
    PRIMARY KEY (tenant_id, step)
);
COMMENT ON TABLE tenancy.setup_step IS 'How far the set-up of an operator has come (WEB-16); what rooms above tell by their news is written here by tenancy itself.';

ALTER TABLE tenancy.domain ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenancy.domain FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON tenancy.domain USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- Who a host belongs to is asked before any operator is known; and a job looks at the DNS for all.
CREATE POLICY lookup ON tenancy.domain FOR SELECT TO fahrwerk_tenancy USING (kernel.tenant() IS NULL);
ALTER TABLE tenancy.brand ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenancy.brand FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON tenancy.brand USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE tenancy.area ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenancy.area FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON tenancy.area USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE tenancy.market ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenancy.market FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON tenancy.market USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
ALTER TABLE tenancy.setup_step ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenancy.setup_step FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON tenancy.setup_step USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- The operator's tax of the day is read where operators are looked up, before any is known.
CREATE POLICY lookup ON tenancy.market FOR SELECT TO fahrwerk_tenancy USING (kernel.tenant() IS NULL);
