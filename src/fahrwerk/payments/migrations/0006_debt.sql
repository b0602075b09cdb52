-- Debts and their dunning; what disputes moved, and the evidence against them; pages of gateways where riders pay;
-- transfers to partners' accounts; the nightly comparison with the gateways' own lists (I10).

-- --- debts

CREATE TABLE payments.dunning (
    tenant_id         uuid NOT NULL DEFAULT kernel.tenant(),
    steps             jsonb NOT NULL,
    write_off_days    int CHECK (write_off_days BETWEEN 1 AND 3650),
    block_above_minor bigint NOT NULL CHECK (block_above_minor >= 0),
    PRIMARY KEY (tenant_id)
);
COMMENT ON TABLE payments.dunning IS 'How an operator collects what rides still owe; without a row the usual steps (rules/debts.py).';
COMMENT ON COLUMN payments.dunning.steps IS 'In order: {after_days, is_retried, is_noticed, fee_minor}; days are counted from the opening of the debt.';
COMMENT ON COLUMN payments.dunning.write_off_days IS 'When it is written off; null = never by itself.';
COMMENT ON COLUMN payments.dunning.block_above_minor IS 'Who owes more than this cannot book.';

CREATE TABLE payments.debt (
    tenant_id         uuid NOT NULL DEFAULT kernel.tenant(),
    id                uuid NOT NULL,
    payment_id        uuid NOT NULL,
    reference         uuid NOT NULL,
    rider_id          uuid NOT NULL,
    currency          text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    opened_minor      bigint NOT NULL CHECK (opened_minor > 0),
    fee_minor         bigint NOT NULL DEFAULT 0 CHECK (fee_minor >= 0),
    written_off_minor bigint NOT NULL DEFAULT 0 CHECK (written_off_minor >= 0),
    state             text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'paid', 'written_off', 'forgiven')),
    step              smallint NOT NULL DEFAULT 0,
    round             smallint NOT NULL DEFAULT 1,
    retry_after       int,
    reason            text NOT NULL,
    opened_at         timestamptz NOT NULL,
    begun_at          timestamptz NOT NULL DEFAULT kernel.now(),
    next_at           timestamptz,
    closed_at         timestamptz,
    version           bigint NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, payment_id),
    FOREIGN KEY (tenant_id, payment_id) REFERENCES payments.payment (tenant_id, id),
    CONSTRAINT written_off_when_over CHECK (written_off_minor = 0 OR state IN ('written_off', 'forgiven'))
);
CREATE INDEX debt_of_rider ON payments.debt (tenant_id, rider_id) WHERE state IN ('open', 'written_off');
CREATE INDEX debt_opened ON payments.debt (tenant_id, opened_at DESC, id);
CREATE INDEX debt_due ON payments.debt (next_at) WHERE state = 'open' AND next_at IS NOT NULL;
COMMENT ON TABLE payments.debt IS 'A ride that could not be collected, and how far its dunning is. What is owed stands in the payment: due_minor less captured_minor.';
COMMENT ON COLUMN payments.debt.opened_minor IS 'What was owed when it was opened (for the last time).';
COMMENT ON COLUMN payments.debt.fee_minor IS 'Fees charged so far; they are part of the payment''s due_minor.';
COMMENT ON COLUMN payments.debt.written_off_minor IS 'What stands in the books as written off.';
COMMENT ON COLUMN payments.debt.step IS 'Steps of the dunning done in this round.';
COMMENT ON COLUMN payments.debt.round IS 'How often it was opened: money that came in may go back again.';
COMMENT ON COLUMN payments.debt.retry_after IS 'A charge is to be tried: it is done when the payment has more authorisations than this. Null: none is.';
COMMENT ON COLUMN payments.debt.begun_at IS 'When this round began, by the database clock: days are counted from here.';
COMMENT ON COLUMN payments.debt.next_at IS 'When the next step is due, by the database clock.';
COMMENT ON INDEX payments.debt_due IS 'Not led by tenant_id: one worker finds what is due of all tenants.';

CREATE TABLE payments.debt_step (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL,
    debt_id    uuid NOT NULL,
    number     smallint NOT NULL,
    owed_minor bigint NOT NULL,
    fee_minor  bigint NOT NULL,
    is_retried boolean NOT NULL,
    is_noticed boolean NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, debt_id) REFERENCES payments.debt (tenant_id, id)
);
CREATE INDEX debt_step_of_debt ON payments.debt_step (tenant_id, debt_id, at);
COMMENT ON TABLE payments.debt_step IS 'Steps of dunning that were taken; number 0 is the opening. Letters name the step.';

ALTER TABLE payments.work DROP CONSTRAINT work_kind_check;
ALTER TABLE payments.work ADD CONSTRAINT work_kind_check CHECK (kind ~ '^[a-z_]{2,20}$');
COMMENT ON COLUMN payments.work.kind IS 'payment: bring it to rest; method: have the gateway forget it; books: post what the events of this rental (or top-up) and its payment tell; debt: bring the debt of this payment in line with it; evidence: see the handing in of this dispute''s evidence through; transfer: find out what became of it.';

-- --- disputes

ALTER TABLE payments.dispute ADD COLUMN withdrawn_minor bigint NOT NULL DEFAULT 0;
ALTER TABLE payments.dispute ADD COLUMN fee_minor bigint NOT NULL DEFAULT 0;
ALTER TABLE payments.dispute ADD COLUMN moves int NOT NULL DEFAULT 0;
ALTER TABLE payments.dispute ADD COLUMN handed_in text CHECK (handed_in IN ('sent', 'done', 'refused'));
ALTER TABLE payments.dispute ADD COLUMN handed_in_at timestamptz;
ALTER TABLE payments.dispute ADD COLUMN handed_in_reason text;
COMMENT ON COLUMN payments.dispute.withdrawn_minor IS 'What the gateway took out of the operator''s account for it and has not given back; posted to the books.';
COMMENT ON COLUMN payments.dispute.fee_minor IS 'What the gateway charged for it.';
COMMENT ON COLUMN payments.dispute.moves IS 'How often the gateway moved money for it: of two looks the one that knows of more is newer.';
COMMENT ON COLUMN payments.dispute.handed_in IS 'sent: the evidence is on its way, or nobody knows; done: the gateway has it; refused: it did not take it.';
CREATE INDEX dispute_of_payment ON payments.dispute (tenant_id, payment_id);

CREATE TABLE payments.evidence (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL,
    dispute_id uuid NOT NULL,
    kind       text NOT NULL CHECK (kind ~ '^[a-z_]{2,40}$'),
    text       text CHECK (length(text) <= 20000),
    file_name  text CHECK (length(file_name) <= 100),
    media_type text,
    content    bytea CHECK (octet_length(content) <= 1048576),
    actor      text NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, dispute_id) REFERENCES payments.dispute (tenant_id, id),
    CONSTRAINT text_or_file CHECK ((text IS NULL) <> (content IS NULL))
);
CREATE INDEX evidence_of_dispute ON payments.evidence (tenant_id, dispute_id, at);
COMMENT ON TABLE payments.evidence IS 'What the operator has to say against a dispute: texts and files, until they are handed in to the gateway.';

CREATE TABLE payments.sandbox_dispute (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    ref       text NOT NULL,
    intent    text NOT NULL,
    amount    bigint NOT NULL CHECK (amount > 0),
    currency  text NOT NULL,
    reason    text NOT NULL,
    state     text NOT NULL CHECK (state IN ('needs_response', 'under_review', 'won', 'lost')),
    withdrawn bigint NOT NULL,
    fee       bigint NOT NULL,
    moves     int NOT NULL,
    due_at    timestamptz NOT NULL,
    evidence  jsonb,
    opened_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, ref),
    UNIQUE (tenant_id, intent),
    FOREIGN KEY (tenant_id, intent) REFERENCES payments.sandbox_intent (tenant_id, ref)
);
COMMENT ON TABLE payments.sandbox_dispute IS 'Charges that the sandbox''s cardholders dispute.';
ALTER TABLE payments.sandbox_event ADD COLUMN subject text;
COMMENT ON COLUMN payments.sandbox_event.subject IS 'Of a webhook about a dispute: which one.';

-- --- pages of gateways

ALTER TABLE payments.payment ADD COLUMN return_path text CHECK (return_path LIKE '/%' AND return_path NOT LIKE '//%' AND length(return_path) <= 200);
COMMENT ON COLUMN payments.payment.return_path IS 'It is paid at a page of the gateway, which sends the rider back to this place of ours; null: with a stored method.';
ALTER TABLE payments.payment ADD COLUMN page_until timestamptz;
COMMENT ON COLUMN payments.payment.page_until IS 'How long that page takes money; written before it is asked for, so that a repeat asks for the same.';

CREATE TABLE payments.sandbox_page (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    intent      text NOT NULL,
    success_url text NOT NULL,
    cancel_url  text NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, intent),
    FOREIGN KEY (tenant_id, intent) REFERENCES payments.sandbox_intent (tenant_id, ref)
);
COMMENT ON TABLE payments.sandbox_page IS 'The sandbox''s own pages where a tester pays or declines (/sandbox/checkout/...).';

-- --- transfers to partners

CREATE TABLE payments.transfer (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    id           uuid NOT NULL,
    key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    gateway      text NOT NULL,
    account      text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    state        text NOT NULL DEFAULT 'sent' CHECK (state IN ('sent', 'done', 'declined')),
    ref          text,
    reason       text,
    checks       int NOT NULL DEFAULT 0,
    begun_at     timestamptz NOT NULL,
    ended_at     timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, key)
);
COMMENT ON TABLE payments.transfer IS 'Money sent from the operator''s account at a gateway to a partner''s (PAY-15): written as sent, called, written with its result.';

CREATE TABLE payments.sandbox_transfer (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    key       text NOT NULL,
    ref       text NOT NULL,
    account   text NOT NULL,
    amount    bigint NOT NULL CHECK (amount > 0),
    currency  text NOT NULL,
    at        timestamptz NOT NULL DEFAULT kernel.now(),
    PRIMARY KEY (tenant_id, key)
);
COMMENT ON TABLE payments.sandbox_transfer IS 'Transfers in the sandbox''s own books.';

-- --- comparison

CREATE TABLE payments.difference (
    tenant_id     uuid NOT NULL DEFAULT kernel.tenant(),
    gateway       text NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('capture', 'refund')),
    subject       text NOT NULL,
    payment_id    uuid,
    ours_minor    bigint,
    theirs_minor  bigint,
    currency      text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    resolved_at   timestamptz,
    PRIMARY KEY (tenant_id, gateway, kind, subject)
);
CREATE INDEX difference_open ON payments.difference (tenant_id, first_seen_at) WHERE resolved_at IS NULL;
COMMENT ON TABLE payments.difference IS 'Where a gateway''s list of charges and refunds is not ours (I10), and since when.';
COMMENT ON COLUMN payments.difference.subject IS 'Our key of the operation, or the gateway''s id of one that is not ours.';
COMMENT ON COLUMN payments.difference.ours_minor IS 'Null: we know of no such operation; theirs_minor likewise.';

CREATE TABLE payments.comparison (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    gateway   text NOT NULL,
    at        timestamptz NOT NULL,
    compared  int NOT NULL,
    found     int NOT NULL,
    problem   text,
    PRIMARY KEY (tenant_id, gateway)
);
COMMENT ON TABLE payments.comparison IS 'The last comparison with each gateway; problem: why it could not be made.';

-- --- walls

ALTER TABLE payments.dunning ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.dunning FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.dunning USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.debt ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.debt FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.debt USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- A worker finds which debts' steps are due, of all tenants, and queues them.
CREATE POLICY worker ON payments.debt FOR SELECT TO fahrwerk_payments USING (kernel.tenant() IS NULL);

ALTER TABLE payments.debt_step ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.debt_step FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.debt_step USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.evidence ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.evidence FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.evidence USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.sandbox_dispute ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.sandbox_dispute FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.sandbox_dispute USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.sandbox_page ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.sandbox_page FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.sandbox_page USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.transfer ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.transfer FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.transfer USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.sandbox_transfer ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.sandbox_transfer FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.sandbox_transfer USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.difference ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.difference FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.difference USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.comparison ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.comparison FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.comparison USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
