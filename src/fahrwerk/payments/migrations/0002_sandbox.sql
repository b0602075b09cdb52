-- The sandbox gateway's own books. They stand for a remote server's database: only gateways/_sandbox_*.py
-- write them, in transactions of their own (docs/sandbox-gateway.md); the invariants compare them with ours.

CREATE TABLE payments.sandbox_account (
    tenant_id      uuid NOT NULL DEFAULT kernel.tenant(),
    webhook_secret text NOT NULL,
    PRIMARY KEY (tenant_id)
);
COMMENT ON TABLE payments.sandbox_account IS 'An operator''s account at the sandbox, made on first use; the secret signs its webhooks.';

CREATE TABLE payments.sandbox_method (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    ref         text NOT NULL,
    token       text NOT NULL,
    customer    uuid NOT NULL,
    detached_at timestamptz,
    PRIMARY KEY (tenant_id, ref)
);
COMMENT ON TABLE payments.sandbox_method IS 'Cards stored at the sandbox.';
COMMENT ON COLUMN payments.sandbox_method.token IS 'The test token it was made from; decides how it behaves.';

CREATE TABLE payments.sandbox_intent (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    ref        text NOT NULL,
    key        text NOT NULL,
    method_ref text NOT NULL,
    amount     bigint NOT NULL CHECK (amount > 0),
    currency   text NOT NULL,
    state      text NOT NULL CHECK (state IN ('requires_payment_method', 'requires_action', 'requires_capture', 'succeeded', 'canceled')),
    captured   bigint NOT NULL DEFAULT 0 CHECK (captured BETWEEN 0 AND amount),
    refunded   bigint NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND captured),
    metadata   jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, ref),
    UNIQUE (tenant_id, key)
);
COMMENT ON TABLE payments.sandbox_intent IS 'Payment intents with manual capture (PAY-04).';

CREATE TABLE payments.sandbox_operation (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    key        text NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('authorize', 'capture', 'void', 'refund')),
    intent     text NOT NULL,
    ref        text NOT NULL,
    amount     bigint NOT NULL,
    outcome    text NOT NULL CHECK (outcome IN ('done', 'declined', 'action_required')),
    code       text,
    visible_at timestamptz NOT NULL DEFAULT kernel.now(),
    settled_at timestamptz NOT NULL DEFAULT kernel.now(),
    created_at timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, key),
    FOREIGN KEY (tenant_id, intent) REFERENCES payments.sandbox_intent (tenant_id, ref)
);
COMMENT ON TABLE payments.sandbox_operation IS 'Every operation ever carried out or refused, one row per idempotency key: charges (capture, done), refunds (refund, done), and what a repeated key is answered.';
COMMENT ON COLUMN payments.sandbox_operation.visible_at IS 'Before this the request has not arrived yet (fault late): nobody can see it.';
COMMENT ON COLUMN payments.sandbox_operation.settled_at IS 'Before this the bank has not said yes or no (fault delayed).';

CREATE TABLE payments.sandbox_log (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    id        bigint GENERATED ALWAYS AS IDENTITY,
    operation text NOT NULL,
    key       text NOT NULL,
    fault     text,
    at        timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX sandbox_log_key ON payments.sandbox_log (tenant_id, key, operation);
COMMENT ON TABLE payments.sandbox_log IS 'Every request the sandbox has seen, and the fault it answered with.';

CREATE TABLE payments.sandbox_fault (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    id        bigint GENERATED ALWAYS AS IDENTITY,
    operation text NOT NULL,
    fault     text NOT NULL,
    code      text,
    seconds   double precision NOT NULL,
    times     int NOT NULL CHECK (times >= 0),
    PRIMARY KEY (tenant_id, id)
);
COMMENT ON TABLE payments.sandbox_fault IS 'The fault script: each row spoils the next requests of its kind, in order, as often as times says.';

CREATE TABLE payments.sandbox_event (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    id           text NOT NULL,
    kind         text NOT NULL,
    key          text NOT NULL,
    at           timestamptz NOT NULL,
    delivered_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX sandbox_event_due ON payments.sandbox_event (at) WHERE delivered_at IS NULL;
COMMENT ON TABLE payments.sandbox_event IS 'Webhooks the sandbox has to send: one for each result its caller could not see at once.';

ALTER TABLE payments.sandbox_account ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.sandbox_account FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.sandbox_account USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.sandbox_method ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.sandbox_method FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.sandbox_method USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.sandbox_intent ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.sandbox_intent FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.sandbox_intent USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.sandbox_operation ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.sandbox_operation FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.sandbox_operation USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.sandbox_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.sandbox_log FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.sandbox_log USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.sandbox_fault ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.sandbox_fault FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.sandbox_fault USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.sandbox_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.sandbox_event FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.sandbox_event USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- The sandbox's sender finds what is due for all accounts at once, as a remote server would.
CREATE POLICY sender ON payments.sandbox_event TO fahrwerk_payments USING (kernel.tenant() IS NULL) WITH CHECK (kernel.tenant() IS NULL);
