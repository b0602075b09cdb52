-- SEPA direct debit: mandates, what the bank is ordered to move, files to it, statements from it (docs/sepa.md).

CREATE TABLE payments.sepa_settings (
    tenant_id      uuid NOT NULL DEFAULT kernel.tenant(),
    creditor_name  text CHECK (length(creditor_name) BETWEEN 1 AND 70),
    notice_days    smallint NOT NULL DEFAULT 2 CHECK (notice_days BETWEEN 1 AND 14),
    lead_days      smallint NOT NULL DEFAULT 1 CHECK (lead_days BETWEEN 1 AND 5),
    cut_off_minute smallint NOT NULL DEFAULT 600 CHECK (cut_off_minute BETWEEN 0 AND 1439),
    most_per_run   int NOT NULL DEFAULT 1000 CHECK (most_per_run BETWEEN 1 AND 5000),
    is_two_person  boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id)
);
COMMENT ON TABLE payments.sepa_settings IS 'How an operator collects by direct debit. Creditor identifier and IBAN stand in gateway_account (gateway sepa); no row here = the defaults.';
COMMENT ON COLUMN payments.sepa_settings.creditor_name IS 'As the bank knows it; null = the operator''s name.';
COMMENT ON COLUMN payments.sepa_settings.notice_days IS 'Pre-notification: calendar days between telling the rider and the debit; 14 unless agreed otherwise in the mandate''s text.';
COMMENT ON COLUMN payments.sepa_settings.lead_days IS 'TARGET business days between handing in a file and the debit.';
COMMENT ON COLUMN payments.sepa_settings.cut_off_minute IS 'Minutes after midnight (Europe/Berlin) after which the bank counts a file for the next business day.';
COMMENT ON COLUMN payments.sepa_settings.is_two_person IS 'Who drafted a run may not approve it.';

CREATE TABLE payments.sepa_mandate (
    tenant_id       uuid NOT NULL DEFAULT kernel.tenant(),
    id              uuid NOT NULL,
    rider_id        uuid NOT NULL,
    reference       text NOT NULL CHECK (reference ~ '^[A-Z0-9-]{1,35}$'),
    creditor_id     text NOT NULL,
    scheme          text NOT NULL CHECK (scheme IN ('CORE', 'B2B')),
    is_one_off      boolean NOT NULL DEFAULT false,
    holder_sealed   bytea NOT NULL,
    iban_sealed     bytea NOT NULL,
    iban_digest     text NOT NULL,
    iban_masked     text NOT NULL,
    bic             text,
    state           text NOT NULL CHECK (state IN ('pending', 'active', 'blocked', 'ended', 'revoked', 'expired')),
    reason          text,
    signed_at       timestamptz NOT NULL,
    signed_text     text NOT NULL,
    signed_locale   text NOT NULL,
    signed_from     text NOT NULL,
    last_used_on    date,
    was_iban_sealed bytea,
    version         bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, reference)
);
CREATE INDEX sepa_mandate_of_rider ON payments.sepa_mandate (tenant_id, rider_id);
CREATE INDEX sepa_mandate_unused ON payments.sepa_mandate (tenant_id, (coalesce(last_used_on, signed_at AT TIME ZONE 'UTC'))) WHERE state = 'active';
COMMENT ON TABLE payments.sepa_mandate IS 'A rider''s permission to debit a bank account, with the proof of its signature. pending: a B2B mandate that the rider''s bank has not confirmed; ended: nothing new, what is under way is collected; blocked: the bank said so.';
COMMENT ON COLUMN payments.sepa_mandate.iban_sealed IS 'AES-256-GCM, like the holder''s name (kernel/crypto.py); opened only to write a file for the bank.';
COMMENT ON COLUMN payments.sepa_mandate.iban_digest IS 'Keyed hash: the same account is recognised without opening it.';
COMMENT ON COLUMN payments.sepa_mandate.signed_text IS 'Which version of the mandate''s text was agreed to; signed_from is the network address it came from.';
COMMENT ON COLUMN payments.sepa_mandate.last_used_on IS 'Date of the last debit handed in: 36 months later the mandate lapses.';
COMMENT ON COLUMN payments.sepa_mandate.was_iban_sealed IS 'Amended: the account the last debit named; told to the bank with the next one.';

CREATE TABLE payments.sepa_run (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    id           uuid NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('collection', 'refund')),
    scheme       text NOT NULL CHECK (scheme IN ('CORE', 'B2B', 'SCT')),
    state        text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'approved', 'exported', 'settled', 'cancelled')),
    execute_on   date NOT NULL,
    orders       int NOT NULL DEFAULT 0,
    total_minor  bigint NOT NULL DEFAULT 0,
    message_id   text NOT NULL,
    drafted_by   text NOT NULL,
    drafted_at   timestamptz NOT NULL,
    approved_by  text,
    approved_at  timestamptz,
    exported_at  timestamptz,
    file_sealed  bytea,
    file_digest  text,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, message_id)
);
CREATE INDEX sepa_run_drafted ON payments.sepa_run (tenant_id, drafted_at DESC, id);
COMMENT ON TABLE payments.sepa_run IS 'One file for the bank: pain.008 (collection) or pain.001 (refund). The file is made once and kept sealed: downloading it again gives the same bytes.';

CREATE TABLE payments.sepa_order (
    tenant_id        uuid NOT NULL DEFAULT kernel.tenant(),
    id               uuid NOT NULL,
    kind             text NOT NULL CHECK (kind IN ('collection', 'refund')),
    key              text NOT NULL,
    capture_key      text,
    parent           uuid,
    payment_id       uuid,
    mandate_id       uuid NOT NULL,
    authorized_minor bigint NOT NULL CHECK (authorized_minor > 0),
    captured_minor   bigint NOT NULL DEFAULT 0,
    amount_minor     bigint NOT NULL DEFAULT 0 CHECK (amount_minor >= 0),
    is_prepaid       boolean NOT NULL DEFAULT false,
    state            text NOT NULL CHECK (state IN ('declined', 'held', 'voided', 'due', 'netted', 'batched', 'exported', 'settled', 'rejected', 'returned')),
    reason           text,
    return_kind      text,
    end_to_end_id    text NOT NULL,
    collect_on       date,
    sequence         text CHECK (sequence IN ('FRST', 'RCUR', 'OOFF', 'FNAL')),
    run_id           uuid,
    settled_on       date,
    returned_on      date,
    bank_minor       bigint NOT NULL DEFAULT 0,
    fee_minor        bigint NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, key),
    UNIQUE (tenant_id, end_to_end_id),
    FOREIGN KEY (tenant_id, mandate_id) REFERENCES payments.sepa_mandate (tenant_id, id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES payments.sepa_run (tenant_id, id),
    FOREIGN KEY (tenant_id, parent) REFERENCES payments.sepa_order (tenant_id, id),
    CONSTRAINT captured_within_authorized CHECK (captured_minor BETWEEN 0 AND authorized_minor),
    CONSTRAINT amount_within_captured CHECK (amount_minor <= captured_minor)
);
CREATE UNIQUE INDEX sepa_order_capture ON payments.sepa_order (tenant_id, capture_key) WHERE capture_key IS NOT NULL;
CREATE INDEX sepa_order_due ON payments.sepa_order (tenant_id, kind, collect_on, id) WHERE state = 'due';
CREATE INDEX sepa_order_of_run ON payments.sepa_order (tenant_id, run_id) WHERE run_id IS NOT NULL;
CREATE INDEX sepa_order_of_mandate ON payments.sepa_order (tenant_id, mandate_id);
CREATE INDEX sepa_order_of_parent ON payments.sepa_order (tenant_id, parent) WHERE parent IS NOT NULL;
CREATE INDEX sepa_order_made ON payments.sepa_order (tenant_id, created_at DESC, id);
COMMENT ON TABLE payments.sepa_order IS 'What the bank is to move: a collection (held as the authorisation, due once captured) or the credit transfer of a refund.';
COMMENT ON COLUMN payments.sepa_order.amount_minor IS 'What is left to be moved: less than captured_minor when a refund came before the file (netted).';
COMMENT ON COLUMN payments.sepa_order.is_prepaid IS 'For a prepaid balance: counts as captured only when the bank has settled it.';
COMMENT ON COLUMN payments.sepa_order.bank_minor IS 'What statements have shown for it so far: credits less debits, without fees.';

CREATE TABLE payments.sepa_statement (
    tenant_id   uuid NOT NULL DEFAULT kernel.tenant(),
    id          uuid NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('camt.053', 'camt.054', 'pain.002')),
    reference   text NOT NULL,
    lines       int NOT NULL DEFAULT 0,
    matched     int NOT NULL DEFAULT 0,
    skipped     int NOT NULL DEFAULT 0,
    imported_at timestamptz NOT NULL,
    imported_by text NOT NULL,
    is_complete boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX sepa_statement_imported ON payments.sepa_statement (tenant_id, imported_at DESC, id);
COMMENT ON TABLE payments.sepa_statement IS 'Statements, notifications and status reports of the bank that were read in. The id is derived from account and the bank''s own id: the same one again is the same row.';

CREATE TABLE payments.sepa_line (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    id           uuid NOT NULL,
    statement_id uuid NOT NULL,
    booked_on    date NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    bank_ref     text NOT NULL,
    end_to_end_id text,
    batch_id     text,
    reason       text,
    remittance   text NOT NULL,
    counterparty text NOT NULL,
    state        text NOT NULL CHECK (state IN ('matched', 'unmatched', 'assigned')),
    order_id     uuid,
    run_id       uuid,
    journal_id   uuid NOT NULL,
    assigned_to  text,
    assigned_by  text,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, statement_id) REFERENCES payments.sepa_statement (tenant_id, id)
);
CREATE INDEX sepa_line_unmatched ON payments.sepa_line (tenant_id, booked_on, id) WHERE state = 'unmatched';
CREATE INDEX sepa_line_booked ON payments.sepa_line (tenant_id, booked_on DESC, id);
COMMENT ON TABLE payments.sepa_line IS 'Booked lines of bank statements, each posted once: its id is derived from account, bank''s reference and amount. unmatched waits in suspense until an operator says what it is.';
COMMENT ON COLUMN payments.sepa_line.amount_minor IS 'Credit positive, debit negative, as the account''s owner sees it.';

ALTER TABLE payments.payment ADD COLUMN is_prepaid boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN payments.payment.is_prepaid IS 'For no ride but a balance (charges.charge): money that comes back later is a refund, not a debt.';

ALTER TABLE payments.sepa_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.sepa_settings FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.sepa_settings USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.sepa_mandate ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.sepa_mandate FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.sepa_mandate USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.sepa_run ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.sepa_run FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.sepa_run USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.sepa_order ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.sepa_order FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.sepa_order USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.sepa_statement ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.sepa_statement FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.sepa_statement USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.sepa_line ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.sepa_line FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.sepa_line USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
