-- The ledger: double entry, append only (ARCHITECTURE.md section 9, invariant I5; docs/books.md).
-- Amounts are signed minor units: debit is positive, credit negative, every journal sums to zero.

CREATE TABLE payments.account (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    id           uuid NOT NULL,
    shard        smallint NOT NULL DEFAULT 0 CHECK (shard BETWEEN 0 AND 16),
    code         text NOT NULL CHECK (code ~ '^[a-z_]+(\.[0-9]+)?$'),
    owner        text NOT NULL DEFAULT '',
    kind         text NOT NULL CHECK (kind IN ('asset', 'liability', 'income', 'expense')),
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    posted_minor bigint NOT NULL DEFAULT 0,
    held_minor   bigint NOT NULL DEFAULT 0 CHECK (held_minor >= 0),
    version      bigint NOT NULL DEFAULT 0 CHECK (version >= 0),
    floor_minor  bigint,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id, shard),
    UNIQUE (tenant_id, code, owner, currency, shard),
    CONSTRAINT above_floor CHECK (floor_minor IS NULL OR
        CASE WHEN kind IN ('asset', 'expense') THEN posted_minor ELSE -posted_minor END - held_minor >= floor_minor),
    CONSTRAINT floor_and_holds_need_one_row CHECK (shard = 0 OR (floor_minor IS NULL AND held_minor = 0))
) WITH (fillfactor = 70);
COMMENT ON TABLE payments.account IS 'Accounts of the ledger, made when first needed. A hot account is spread over 16 rows; its balance is their sum.';
COMMENT ON COLUMN payments.account.id IS 'Derived from tenant, code, owner and currency: whoever posts knows it without asking.';
COMMENT ON COLUMN payments.account.shard IS '0 = the account is this one row; 1 to 16 = one part of a hot account, chosen by the journal''s key.';
COMMENT ON COLUMN payments.account.code IS 'From the chart of accounts (rules/ledger.py); revenue.1900 is revenue taxed with 1900 basis points.';
COMMENT ON COLUMN payments.account.owner IS 'Whose part of it: a rider''s or reseller''s id, a gateway''s name; empty = the operator''s own.';
COMMENT ON COLUMN payments.account.posted_minor IS 'Sum of the entries: debit positive. The balance people see has the sign turned for liabilities and income.';
COMMENT ON COLUMN payments.account.held_minor IS 'Sum of the open holds, in the sign that people see.';
COMMENT ON COLUMN payments.account.version IS 'Entries so far: they are numbered without a gap.';
COMMENT ON COLUMN payments.account.floor_minor IS 'Balance less holds never falls below it; null = no floor.';

CREATE TABLE payments.journal (
    tenant_id uuid NOT NULL DEFAULT kernel.tenant(),
    id        uuid NOT NULL,
    key       text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    kind      text NOT NULL CHECK (kind ~ '^[a-z_]{1,40}$'),
    reference uuid,
    at        timestamptz NOT NULL,
    narration text NOT NULL DEFAULT '' CHECK (length(narration) <= 500),
    actor     text NOT NULL,
    reverses  uuid,
    digest    bytea NOT NULL,
    posted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, key),
    FOREIGN KEY (tenant_id, reverses) REFERENCES payments.journal (tenant_id, id)
);
CREATE UNIQUE INDEX journal_reversed_once ON payments.journal (tenant_id, reverses) WHERE reverses IS NOT NULL;
CREATE INDEX journal_of_reference ON payments.journal (tenant_id, reference) WHERE reference IS NOT NULL;
COMMENT ON TABLE payments.journal IS 'One posting: immutable. What was wrong is reversed by another journal, once.';
COMMENT ON COLUMN payments.journal.key IS 'Makes a repeat harmless; for the ride''s money derived from the event that told it.';
COMMENT ON COLUMN payments.journal.reference IS 'What it speaks of, to be found by it: the rental (whichever way it is paid), the top-up, ...';
COMMENT ON COLUMN payments.journal.at IS 'When it happened (domain time), which the balance at a time goes by; posted_at is when it was written.';
COMMENT ON COLUMN payments.journal.digest IS 'SHA-256 of kind, reference and lines: the same key with other content is told apart, and a changed row is found.';

CREATE TABLE payments.entry (
    tenant_id           uuid NOT NULL DEFAULT kernel.tenant(),
    account_id          uuid NOT NULL,
    shard               smallint NOT NULL,
    version             bigint NOT NULL CHECK (version > 0),
    journal_id          uuid NOT NULL,
    at                  timestamptz NOT NULL,
    currency            text NOT NULL,
    amount_minor        bigint NOT NULL CHECK (amount_minor <> 0),
    balance_after_minor bigint NOT NULL,
    PRIMARY KEY (tenant_id, account_id, shard, version),
    FOREIGN KEY (tenant_id, account_id, shard) REFERENCES payments.account (tenant_id, id, shard),
    FOREIGN KEY (tenant_id, journal_id) REFERENCES payments.journal (tenant_id, id)
);
CREATE INDEX entry_of_journal ON payments.entry (tenant_id, journal_id);
CREATE INDEX entry_statement ON payments.entry (tenant_id, account_id, at, journal_id) INCLUDE (amount_minor);
COMMENT ON TABLE payments.entry IS 'Lines of journals: immutable. Each statement that writes entries must balance per journal and currency.';
COMMENT ON COLUMN payments.entry.version IS 'Gapless per account and shard.';
COMMENT ON COLUMN payments.entry.at IS 'The journal''s time, repeated for balances at a time.';
COMMENT ON COLUMN payments.entry.amount_minor IS 'Debit positive, credit negative.';
COMMENT ON COLUMN payments.entry.balance_after_minor IS 'posted_minor of the account''s row (of the shard, when it is a hot one) after this entry.';

CREATE TABLE payments.hold (
    tenant_id      uuid NOT NULL DEFAULT kernel.tenant(),
    key            text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    account_id     uuid NOT NULL,
    shard          smallint NOT NULL DEFAULT 0 CHECK (shard = 0),
    reference      uuid,
    rank           smallint NOT NULL,
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    captured_minor bigint NOT NULL DEFAULT 0,
    state          text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'captured', 'released', 'expired')),
    placed_at      timestamptz NOT NULL DEFAULT kernel.now(),
    expires_at     timestamptz NOT NULL,
    ended_at       timestamptz,
    PRIMARY KEY (tenant_id, key, account_id),
    UNIQUE (tenant_id, key, rank),
    FOREIGN KEY (tenant_id, account_id, shard) REFERENCES payments.account (tenant_id, id, shard),
    CONSTRAINT captured_within_hold CHECK (captured_minor BETWEEN 0 AND amount_minor),
    CONSTRAINT captured_when_captured CHECK ((captured_minor > 0) <= (state = 'captured')),
    CONSTRAINT ended_when_not_open CHECK ((ended_at IS NULL) = (state = 'open'))
);
CREATE INDEX hold_open ON payments.hold (tenant_id, account_id) WHERE state = 'open';
CREATE INDEX hold_due ON payments.hold (expires_at) WHERE state = 'open';
COMMENT ON TABLE payments.hold IS 'Money of an account kept for something under way, until the lease ends (database clock). One hold over several accounts has one key and a row for each.';
COMMENT ON COLUMN payments.hold.rank IS 'The order in which the rows of one hold are captured.';
COMMENT ON INDEX payments.hold_due IS 'Not led by tenant_id: one worker ends the holds of all tenants, earliest first.';

CREATE TABLE payments.lot (
    tenant_id     uuid NOT NULL DEFAULT kernel.tenant(),
    id            uuid NOT NULL,
    account_id    uuid NOT NULL,
    shard         smallint NOT NULL DEFAULT 0 CHECK (shard = 0),
    kind          text NOT NULL CHECK (kind IN ('paid', 'bonus', 'voucher')),
    granted_minor bigint NOT NULL CHECK (granted_minor > 0),
    left_minor    bigint NOT NULL,
    journal_id    uuid NOT NULL,
    granted_at    timestamptz NOT NULL,
    expires_at    timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, journal_id, kind),
    FOREIGN KEY (tenant_id, account_id, shard) REFERENCES payments.account (tenant_id, id, shard),
    FOREIGN KEY (tenant_id, journal_id) REFERENCES payments.journal (tenant_id, id),
    CONSTRAINT left_within_granted CHECK (left_minor BETWEEN 0 AND granted_minor)
);
CREATE INDEX lot_left ON payments.lot (tenant_id, account_id) WHERE left_minor > 0;
CREATE INDEX lot_due ON payments.lot (expires_at) WHERE left_minor > 0 AND expires_at IS NOT NULL;
COMMENT ON TABLE payments.lot IS 'What a balance is made of: each top-up, bonus or voucher with what is left of it. The lots of an account sum up to its balance.';
COMMENT ON COLUMN payments.lot.journal_id IS 'The journal that granted it.';
COMMENT ON INDEX payments.lot_due IS 'Not led by tenant_id: one worker expires the lots of all tenants, earliest first.';

CREATE TABLE payments.lot_use (
    tenant_id    uuid NOT NULL DEFAULT kernel.tenant(),
    lot_id       uuid NOT NULL,
    journal_id   uuid NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    PRIMARY KEY (tenant_id, lot_id, journal_id),
    FOREIGN KEY (tenant_id, lot_id) REFERENCES payments.lot (tenant_id, id),
    FOREIGN KEY (tenant_id, journal_id) REFERENCES payments.journal (tenant_id, id)
);
CREATE INDEX lot_use_of_journal ON payments.lot_use (tenant_id, journal_id);
COMMENT ON TABLE payments.lot_use IS 'Which journal took how much from which lot; negative = given back by a reversal. Immutable.';

-- --- nothing of the past is changed

CREATE FUNCTION payments.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append only: reverse the journal instead', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
-- The migrator grants no UPDATE and no DELETE on a table with a trigger of this name (kernel/migrate.py).
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments.journal
    FOR EACH STATEMENT EXECUTE FUNCTION payments.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments.entry
    FOR EACH STATEMENT EXECUTE FUNCTION payments.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments.lot_use
    FOR EACH STATEMENT EXECUTE FUNCTION payments.refuse_change();

CREATE FUNCTION payments.demand_balance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
BEGIN
    SELECT journal_id, currency, sum(amount_minor) AS off INTO wrong
    FROM fresh GROUP BY journal_id, currency HAVING sum(amount_minor) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % is off by % %', wrong.journal_id, wrong.off, wrong.currency
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
-- Per statement, not deferred: what balances at each statement balances at the end, and it costs one
-- pass over the new lines instead of a query for each.
CREATE TRIGGER balanced AFTER INSERT ON payments.entry REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION payments.demand_balance();

-- --- the one way to post

CREATE FUNCTION payments.post(
    p_id uuid, p_key text, p_kind text, p_reference uuid, p_at timestamptz, p_narration text, p_actor text,
    p_reverses uuid, p_digest bytea, p_accounts uuid[], p_shards smallint[], p_amounts bigint[],
    OUT outcome text, OUT journal_id uuid, OUT known_digest bytea
) LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
    lines int;
    is_low boolean;
BEGIN
    SELECT 'known', j.id, j.digest INTO outcome, journal_id, known_digest
    FROM payments.journal j WHERE j.tenant_id = kernel.tenant() AND j.key = p_key;
    IF FOUND THEN
        RETURN;
    END IF;
    -- Always in this order, owners' accounts before hot ones: postings wait for each other, never in a circle.
    SELECT count(*), coalesce(bool_or(floor_minor IS NOT NULL AND change < 0 AND balance + change < floor_minor), false)
    INTO lines, is_low
    FROM (SELECT a.floor_minor, s.sign * l.amount AS change, s.sign * a.posted_minor - a.held_minor AS balance
          FROM unnest(p_accounts, p_shards, p_amounts) AS l (id, shard, amount)
          JOIN payments.account a ON a.tenant_id = kernel.tenant() AND a.id = l.id AND a.shard = l.shard,
          LATERAL (SELECT CASE WHEN a.kind IN ('asset', 'expense') THEN 1 ELSE -1 END AS sign) s
          ORDER BY a.shard > 0, a.id, a.shard FOR NO KEY UPDATE OF a) locked;
    IF lines <> cardinality(p_accounts) OR is_low THEN
        outcome := CASE WHEN is_low THEN 'low' ELSE 'no_account' END;
        RETURN;
    END IF;
    INSERT INTO payments.journal (id, key, kind, reference, at, narration, actor, reverses, digest)
    VALUES (p_id, p_key, p_kind, p_reference, p_at, p_narration, p_actor, p_reverses, p_digest)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        SELECT 'known', j.id, j.digest INTO outcome, journal_id, known_digest
        FROM payments.journal j WHERE j.tenant_id = kernel.tenant() AND j.key = p_key;
        outcome := coalesce(outcome, 'reversed');
        RETURN;
    END IF;
    WITH moved AS (
        UPDATE payments.account a SET posted_minor = a.posted_minor + l.amount, version = a.version + 1
        FROM unnest(p_accounts, p_shards, p_amounts) AS l (id, shard, amount)
        WHERE a.tenant_id = kernel.tenant() AND a.id = l.id AND a.shard = l.shard
        RETURNING a.id, a.shard, a.version, a.currency, l.amount, a.posted_minor
    )
    INSERT INTO payments.entry
        (account_id, shard, version, journal_id, at, currency, amount_minor, balance_after_minor)
    SELECT m.id, m.shard, m.version, p_id, p_at, m.currency, m.amount, m.posted_minor FROM moved m;
    GET DIAGNOSTICS lines = ROW_COUNT;
    IF lines <> cardinality(p_accounts) THEN
        RAISE EXCEPTION 'journal % names an account twice', p_key USING ERRCODE = 'check_violation';
    END IF;
    outcome := 'posted';
    journal_id := p_id;
    known_digest := p_digest;
END $$;
COMMENT ON FUNCTION payments.post IS 'Post one journal: posted | known (the key was used) | low (a floor) | no_account (make it first) | reversed (already).';

-- --- the queue

ALTER TABLE payments.work DROP CONSTRAINT work_kind_check;
ALTER TABLE payments.work ADD CONSTRAINT work_kind_check CHECK (kind IN ('payment', 'method', 'books'));
COMMENT ON COLUMN payments.work.kind IS 'payment: bring it to rest; method: have the gateway forget it; books: post what the events of this rental (or top-up) and its payment tell.';
-- Rides of before the ledger are posted by the first worker. The wall stands open for this statement only, within
-- this transaction: the owner of the tables is no operator.
ALTER TABLE payments.payment NO FORCE ROW LEVEL SECURITY;
ALTER TABLE payments.work NO FORCE ROW LEVEL SECURITY;
INSERT INTO payments.work (tenant_id, kind, subject, at)
SELECT tenant_id, 'books', reference, now() FROM payments.payment WHERE due_minor IS NOT NULL ON CONFLICT DO NOTHING;
ALTER TABLE payments.payment FORCE ROW LEVEL SECURITY;
ALTER TABLE payments.work FORCE ROW LEVEL SECURITY;

-- --- walls

ALTER TABLE payments.account ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.account FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.account USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.journal ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.journal FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.journal USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.entry FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.entry USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.lot_use ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.lot_use FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.lot_use USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());

ALTER TABLE payments.hold ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.hold FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.hold USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
-- A worker finds which tenants' holds and lots have run out, then turns to each one's own rows.
CREATE POLICY worker ON payments.hold FOR SELECT TO fahrwerk_payments USING (kernel.tenant() IS NULL);

ALTER TABLE payments.lot ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments.lot FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON payments.lot USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
CREATE POLICY worker ON payments.lot FOR SELECT TO fahrwerk_payments USING (kernel.tenant() IS NULL);
