-- What we think of a payment before a gateway is asked: allow, review or block.

ALTER TABLE payments.method ADD COLUMN country text NOT NULL DEFAULT '' CHECK (country ~ '^([A-Z]{2})?$');
ALTER TABLE payments.method ADD COLUMN fingerprint text NOT NULL DEFAULT '' CHECK (length(fingerprint) <= 200);
CREATE INDEX method_fingerprint ON payments.method (tenant_id, fingerprint) WHERE fingerprint <> '';
COMMENT ON COLUMN payments.method.country IS 'Where the card was issued (ISO 3166), as far as the gateway tells.';
COMMENT ON COLUMN payments.method.fingerprint IS 'The gateway''s mark of the card, the same for whoever stores it; empty where it has none.';

CREATE TABLE payments.risk (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    payment_id   uuid NOT NULL,
    method_id    uuid NOT NULL,
    rider_id     uuid NOT NULL,
    amount_minor bigint NOT NULL,
    currency     text NOT NULL,
    network      text NOT NULL DEFAULT '',
    facts        jsonb NOT NULL,
    decision     text NOT NULL DEFAULT 'allow' CHECK (decision IN ('allow', 'review', 'block')),
    score        int NOT NULL DEFAULT 0,
    reasons      text[] NOT NULL DEFAULT '{}',
    verdict      text CHECK (verdict IN ('cleared', 'fraud')),
    note         text NOT NULL DEFAULT '' CHECK (length(note) <= 500),
    reviewed_by  text,
    reviewed_at  timestamptz,
    version      bigint NOT NULL DEFAULT 0,
    at           timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, payment_id, method_id),
    FOREIGN KEY (tenant_id, payment_id) REFERENCES payments.payment (tenant_id, id),
    CONSTRAINT reviewed_by_somebody CHECK ((verdict IS NULL) = (reviewed_by IS NULL AND reviewed_at IS NULL))
);
CREATE INDEX risk_of_rider ON payments.risk (tenant_id, rider_id, at);
CREATE INDEX risk_of_network ON payments.risk (tenant_id, network, at) WHERE network <> '';
CREATE INDEX risk_to_look_at ON payments.risk (tenant_id, at) WHERE decision <> 'allow';
COMMENT ON TABLE payments.risk IS 'One decision for each payment and method it was tried with. Rules decide now; scores of ml may join by events.';
COMMENT ON COLUMN payments.risk.network IS 'Keyed digest of the caller''s public address (IPv6: its /64); emptied after 30 days.';
COMMENT ON COLUMN payments.risk.facts IS 'What was known at that moment: the decision is a function of it, and of the operator''s limits.';
COMMENT ON COLUMN payments.risk.verdict IS 'What staff found: cleared lets the same payment pass, fraud counts against rider and card.';
COMMENT ON COLUMN payments.risk.version IS 'Events of the stream risk:<payment>:<method> so far.';

CREATE TABLE payments.risk_setting (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    review_at    int NOT NULL CHECK (review_at > 0),
    block_at     int NOT NULL CHECK (block_at >= review_at),
    hourly       int NOT NULL CHECK (hourly > 0),
    high_minor   bigint NOT NULL CHECK (high_minor > 0),
    countries    text[] NOT NULL,
    PRIMARY KEY (tenant_id)
);
COMMENT ON TABLE payments.risk_setting IS 'An operator''s limits; without a row the defaults of the contract hold.';
COMMENT ON COLUMN payments.risk_setting.countries IS 'Where cards usually come from; empty = anywhere.';

ALTER TABLE payments.risk ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.risk FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.risk USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- A job forgets networks of all tenants at once.
CREATE POLICY worker ON payments.risk TO fahrwerk_payments USING (kernel.tenant() IS NULL) WITH CHECK (kernel.tenant() IS NULL);
ALTER TABLE payments.risk_setting ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.risk_setting FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.risk_setting USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
