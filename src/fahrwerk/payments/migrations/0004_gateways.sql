-- Operators' own accounts at payment gateways, disputes, and webhooks that name more than our key.

CREATE TABLE payments.gateway_account (
    tenant_id      uuid NOT NULL DEFAULT kernel.tenant(),
    gateway        text NOT NULL CHECK (gateway ~ '^[a-z][a-z0-9]{1,31}$'),
    public_key     text NOT NULL,
    secret_sealed  bytea NOT NULL,
    webhook_sealed bytea,
    hint           text NOT NULL,
    remote_id      text NOT NULL,
    is_live        boolean NOT NULL,
    kinds          text[] NOT NULL CHECK (cardinality(kinds) > 0),
    rank           smallint NOT NULL CHECK (rank BETWEEN 1 AND 100),
    fee_minor      bigint NOT NULL DEFAULT 0 CHECK (fee_minor >= 0),
    fee_bp         int NOT NULL DEFAULT 0 CHECK (fee_bp BETWEEN 0 AND 10000),
    is_disabled    boolean NOT NULL DEFAULT false,
    set_at         timestamptz NOT NULL,
    tested_at      timestamptz NOT NULL,
    problem        text,
    PRIMARY KEY (tenant_id, gateway)
);
COMMENT ON TABLE payments.gateway_account IS 'The operator''s own account at a gateway: money goes to them, never through us.';
COMMENT ON COLUMN payments.gateway_account.public_key IS 'What riders'' clients use to talk to the gateway themselves; no secret.';
COMMENT ON COLUMN payments.gateway_account.secret_sealed IS 'AES-256-GCM with a key derived from the installation''s secret, the operator and the gateway (kernel/crypto.py); shown to nobody again.';
COMMENT ON COLUMN payments.gateway_account.hint IS 'The last four characters of the secret, to tell which one it is.';
COMMENT ON COLUMN payments.gateway_account.remote_id IS 'The gateway''s id of the account: cards stored there are worth nothing in another one.';
COMMENT ON COLUMN payments.gateway_account.kinds IS 'Kinds of methods that are set up here; of several gateways with the same kind the one with the lowest rank.';
COMMENT ON COLUMN payments.gateway_account.fee_minor IS 'What the gateway keeps of each capture by contract, in minor units, beside fee_bp of the amount (PAY-32).';
COMMENT ON COLUMN payments.gateway_account.is_disabled IS 'Takes no new methods and no new payments; what is under way is finished.';
COMMENT ON COLUMN payments.gateway_account.problem IS 'What the last test of the keys found; null when they worked.';

CREATE TABLE payments.gateway_customer (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    gateway   text NOT NULL,
    remote_id text NOT NULL,
    rider_id  uuid NOT NULL,
    ref       text NOT NULL,
    PRIMARY KEY (tenant_id, gateway, remote_id, rider_id)
);
COMMENT ON TABLE payments.gateway_customer IS 'Under which id a gateway''s account knows a rider: a pseudonym, no personal data.';

CREATE TABLE payments.gateway_order (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    gateway   text NOT NULL,
    key       text NOT NULL,
    ref       text NOT NULL,
    code      text,
    PRIMARY KEY (tenant_id, gateway, key)
);
COMMENT ON TABLE payments.gateway_order IS 'Orders made at a gateway that cannot be asked for our key: written down before they are authorised, so that what is not here holds no money.';
COMMENT ON COLUMN payments.gateway_order.code IS 'Why it was declined: the order itself does not say.';

CREATE TABLE payments.dispute (
    tenant_id       uuid NOT NULL DEFAULT kernel.tenant(),
    id              uuid NOT NULL,
    gateway         text NOT NULL,
    ref             text NOT NULL,
    payment_id      uuid NOT NULL,
    amount_minor    bigint NOT NULL CHECK (amount_minor > 0),
    currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    reason          text NOT NULL,
    state           text NOT NULL CHECK (state IN ('needs_response', 'under_review', 'won', 'lost')),
    evidence_due_at timestamptz,
    opened_at       timestamptz NOT NULL,
    closed_at       timestamptz,
    version         bigint NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, gateway, ref),
    FOREIGN KEY (tenant_id, payment_id) REFERENCES payments.payment (tenant_id, id)
);
CREATE INDEX dispute_opened ON payments.dispute (tenant_id, opened_at DESC, id);
COMMENT ON TABLE payments.dispute IS 'Charges a cardholder disputes at the bank, as the gateway last told; the state only moves forward.';

ALTER TABLE payments.gateway_event ADD COLUMN intent text;
ALTER TABLE payments.gateway_event ADD COLUMN subject text;
COMMENT ON COLUMN payments.gateway_event.intent IS 'The gateway''s id of the authorisation it is about: some webhooks do not name our key.';
COMMENT ON COLUMN payments.gateway_event.subject IS 'The gateway''s id of a dispute.';
CREATE INDEX gateway_event_received ON payments.gateway_event (tenant_id, received_at DESC);
CREATE INDEX attempt_by_intent ON payments.attempt (tenant_id, gateway_ref) WHERE kind = 'authorize';

-- A PayPal account has neither four last digits nor a month when it ends.
ALTER TABLE payments.method DROP CONSTRAINT method_last4_check;
ALTER TABLE payments.method ADD CONSTRAINT method_last4_check CHECK (last4 ~ '^([0-9]{4})?$');
ALTER TABLE payments.method DROP CONSTRAINT method_expires_check;
ALTER TABLE payments.method ADD CONSTRAINT method_expires_check CHECK (expires ~ '^([0-9]{2}/[0-9]{2})?$');

ALTER TABLE payments.gateway_account ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.gateway_account FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.gateway_account USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.gateway_customer ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.gateway_customer FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.gateway_customer USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.gateway_order ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.gateway_order FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.gateway_order USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.dispute ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.dispute FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.dispute USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
