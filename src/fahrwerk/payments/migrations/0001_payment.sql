-- What riders owe, how far it is paid, and every operation asked of a gateway.

CREATE TABLE payments.method (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    id          uuid NOT NULL,
    rider_id    uuid NOT NULL,
    gateway     text NOT NULL,
    gateway_ref text NOT NULL,
    kind        text NOT NULL,
    label       text NOT NULL,
    brand       text NOT NULL,
    last4       text NOT NULL CHECK (last4 ~ '^[0-9]{4}$'),
    expires     text NOT NULL CHECK (expires ~ '^[0-9]{2}/[0-9]{2}$'),
    is_default  boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL,
    removed_at  timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX method_of_rider ON payments.method (tenant_id, rider_id);
CREATE UNIQUE INDEX method_default ON payments.method (tenant_id, rider_id) WHERE is_default AND removed_at IS NULL;
COMMENT ON TABLE payments.method IS 'Stored ways to pay, masked (PAY-24, PAY-27): the gateway keeps the card, we keep its token.';
COMMENT ON COLUMN payments.method.gateway_ref IS 'The gateway''s token for the card; worthless outside our account there.';
COMMENT ON COLUMN payments.method.removed_at IS 'Removed by the rider; the row goes when the gateway has forgotten the card too.';

CREATE TABLE payments.payment (
    tenant_id        uuid NOT NULL DEFAULT kernel.tenant(),
    id               uuid NOT NULL,
    reference        uuid NOT NULL,
    rider_id         uuid NOT NULL,
    state            text NOT NULL DEFAULT 'created' CHECK (state IN ('created', 'unknown', 'action_required', 'authorized', 'completed', 'due', 'failed', 'voided', 'refunded')),
    currency         text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount_minor     bigint NOT NULL CHECK (amount_minor > 0),
    authorized_minor bigint NOT NULL DEFAULT 0 CHECK (authorized_minor >= 0),
    captured_minor   bigint NOT NULL DEFAULT 0 CHECK (captured_minor >= 0),
    refunded_minor   bigint NOT NULL DEFAULT 0 CHECK (refunded_minor >= 0),
    due_minor        bigint CHECK (due_minor >= 0),
    is_unwanted      boolean NOT NULL DEFAULT false,
    method_id        uuid,
    method_label     text,
    gateway          text,
    transaction_id   text,
    reason           text,
    next_action      jsonb,
    created_at       timestamptz NOT NULL,
    turn             bigint NOT NULL DEFAULT 0,
    version          bigint NOT NULL DEFAULT 0,
    leased_until     timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, reference),
    CONSTRAINT captured_within_authorized CHECK (captured_minor <= authorized_minor),
    CONSTRAINT refunded_within_captured CHECK (refunded_minor <= captured_minor)
);
CREATE INDEX payment_of_rider ON payments.payment (tenant_id, rider_id, created_at DESC);
COMMENT ON TABLE payments.payment IS 'What one rental owes and how far it is paid (PAY-08, PAY-09). Amounts in minor units.';
COMMENT ON COLUMN payments.payment.reference IS 'The rental.';
COMMENT ON COLUMN payments.payment.amount_minor IS 'What is authorised before the ride (C-19).';
COMMENT ON COLUMN payments.payment.authorized_minor IS 'Held at the bank or captured: authorisations that succeeded and were not voided.';
COMMENT ON COLUMN payments.payment.due_minor IS 'What the ride cost in the end; null until it has ended.';
COMMENT ON COLUMN payments.payment.is_unwanted IS 'The booking is off: whatever is authorised now or later is voided (I12).';
COMMENT ON COLUMN payments.payment.method_id IS 'No foreign key: a method may be forgotten, the payment stays.';
COMMENT ON COLUMN payments.payment.turn IS 'Grows with every write: who decided on an older row writes nothing and looks again.';
COMMENT ON COLUMN payments.payment.version IS 'Events of the stream payment:<id> so far.';
COMMENT ON COLUMN payments.payment.leased_until IS 'Somebody is talking to the gateway about this payment until then (database clock); a crash lets it run out.';

CREATE TABLE payments.attempt (
    tenant_id      uuid NOT NULL DEFAULT kernel.tenant(),
    payment_id     uuid NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('authorize', 'capture', 'void', 'refund')),
    step           text NOT NULL,
    number         int NOT NULL CHECK (number > 0),
    key            text NOT NULL,
    target         text,
    gateway        text NOT NULL,
    method_ref     text,
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    is_off_session boolean NOT NULL,
    state          text NOT NULL CHECK (state IN ('sent', 'unknown', 'action_required', 'succeeded', 'declined', 'failed')),
    gateway_ref    text,
    result_minor   bigint,
    reason         text,
    sends          int NOT NULL DEFAULT 1,
    checks         int NOT NULL DEFAULT 0,
    sent_at        timestamptz NOT NULL DEFAULT kernel.now(),
    touched_at     timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, payment_id, kind, step, number),
    UNIQUE (tenant_id, key),
    FOREIGN KEY (tenant_id, payment_id) REFERENCES payments.payment (tenant_id, id)
);
CREATE UNIQUE INDEX one_live_attempt ON payments.attempt (tenant_id, payment_id, kind, step) WHERE state NOT IN ('declined', 'failed');
COMMENT ON TABLE payments.attempt IS 'One operation at a gateway: written as sent, called outside any transaction, written with its result. one_live_attempt is the last wall against a double charge (I1).';
COMMENT ON COLUMN payments.attempt.step IS 'What it is for: hold, extra.1, the authorisation it captures or voids, or a refund.';
COMMENT ON COLUMN payments.attempt.number IS 'A new number only after the gateway has refused the one before for good.';
COMMENT ON COLUMN payments.attempt.key IS 'The idempotency key at the gateway, derived from payment, kind, step and number: never random, so a repeat after a crash is the same operation (F1).';
COMMENT ON COLUMN payments.attempt.target IS 'The key of the authorisation (for a refund: of the capture) it acts on.';
COMMENT ON COLUMN payments.attempt.result_minor IS 'The amount the gateway told us, which should be amount_minor.';
COMMENT ON COLUMN payments.attempt.sends IS 'How often it was sent with this key.';
COMMENT ON COLUMN payments.attempt.touched_at IS 'When we last sent it or asked about it: pauses are counted from here.';

CREATE TABLE payments.work (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    kind      text NOT NULL CHECK (kind IN ('payment', 'method')),
    subject   uuid NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, kind, subject)
);
CREATE INDEX work_due ON payments.work (at);
COMMENT ON TABLE payments.work IS 'The work queue: look at this payment (or removed method) again at that time. Holds ids only, because workers claim from it across all tenants.';
COMMENT ON INDEX payments.work_due IS 'Not led by tenant_id: one worker serves all tenants, earliest first.';

CREATE TABLE payments.gateway_event (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    gateway     text NOT NULL,
    event_id    text NOT NULL,
    kind        text NOT NULL,
    attempt_key text,
    payment_id  uuid,
    received_at timestamptz NOT NULL DEFAULT kernel.now(),
    handled_at  timestamptz,
    PRIMARY KEY (tenant_id, gateway, event_id)
);
CREATE INDEX gateway_event_unhandled ON payments.gateway_event (tenant_id, payment_id) WHERE handled_at IS NULL;
COMMENT ON TABLE payments.gateway_event IS 'Webhooks received, each once (F11). They are hints: what happened is read from the gateway.';

ALTER TABLE payments.method ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.method FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.method USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.payment ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.payment FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.payment USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.attempt ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.attempt FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.attempt USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.gateway_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.gateway_event FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.gateway_event USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.work ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.work FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.work USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- A worker claims what is due of all tenants at once, then turns to each one's own rows.
CREATE POLICY worker ON payments.work TO fahrwerk_payments USING (kernel.tenant() IS NULL) WITH CHECK (kernel.tenant() IS NULL);
