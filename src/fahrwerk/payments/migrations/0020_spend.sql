-- Each account and lot is looked up by its key, in a loop: joined with an unnest, the planner reads all accounts of a
-- smaller operator for the three it is told of, and told of them by an array it plans anew each time.

CREATE OR REPLACE FUNCTION payments.post(
    p_id uuid, p_key text, p_kind text, p_reference uuid, p_at timestamptz, p_narration text, p_actor text,
    p_reverses uuid, p_digest bytea, p_accounts uuid[], p_shards smallint[], p_amounts bigint[],
    OUT outcome text, OUT journal_id uuid, OUT known_digest bytea
) LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
    line record;
    last_id uuid;
    last_shard smallint;
    own record;
    versions bigint[];
    currencies text[];
    balances bigint[];
    is_missing boolean := false;
    is_low boolean := false;
BEGIN
    SELECT 'known', j.id, j.digest INTO outcome, journal_id, known_digest
    FROM payments.journal j WHERE j.tenant_id = kernel.tenant() AND j.key = p_key;
    IF FOUND THEN
        RETURN;
    END IF;
    -- Always in this order, owners' accounts before hot ones: postings wait for each other, never in a circle.
    FOR line IN SELECT l.id, l.shard, l.amount FROM unnest(p_accounts, p_shards, p_amounts) AS l (id, shard, amount)
                ORDER BY l.shard > 0, l.id, l.shard LOOP
        IF (line.id, line.shard) = (last_id, last_shard) THEN
            RAISE EXCEPTION 'journal % names an account twice', p_key USING ERRCODE = 'check_violation';
        END IF;
        last_id := line.id;
        last_shard := line.shard;
        SELECT a.floor_minor, CASE WHEN a.kind IN ('asset', 'expense') THEN line.amount ELSE -line.amount END AS change,
               CASE WHEN a.kind IN ('asset', 'expense') THEN a.posted_minor ELSE -a.posted_minor END - a.held_minor AS balance
        INTO own FROM payments.account a
        WHERE a.tenant_id = kernel.tenant() AND a.id = line.id AND a.shard = line.shard FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            is_missing := true;
        ELSIF own.change < 0 AND own.balance + own.change < own.floor_minor THEN
            is_low := true;
        END IF;
    END LOOP;
    IF is_missing OR is_low THEN
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
    FOR i IN 1 .. cardinality(p_accounts) LOOP
        UPDATE payments.account a SET posted_minor = a.posted_minor + p_amounts[i], version = a.version + 1
        WHERE a.tenant_id = kernel.tenant() AND a.id = p_accounts[i] AND a.shard = p_shards[i]
        RETURNING a.version, a.currency, a.posted_minor INTO own;
        versions[i] := own.version;
        currencies[i] := own.currency;
        balances[i] := own.posted_minor;
    END LOOP;
    -- All at once: that they sum up to nothing is looked at after each statement.
    INSERT INTO payments.entry (account_id, shard, version, journal_id, at, currency, amount_minor, balance_after_minor)
    SELECT l.id, l.shard, l.version, p_id, p_at, l.currency, l.amount, l.balance
    FROM unnest(p_accounts, p_shards, versions, currencies, p_amounts, balances)
         AS l (id, shard, version, currency, amount, balance);
    outcome := 'posted';
    journal_id := p_id;
    known_digest := p_digest;
END $$;

-- Spending from a purse in two round trips: look, decide in Python, then this, which does it if the purse is still
-- as it was seen. Each change of a purse's lots is an entry, so the version of its accounts tells of them all; holds
-- are compared by what they hold.

CREATE FUNCTION payments.spend_as_seen(
    p_id uuid, p_key text, p_kind text, p_reference uuid, p_at timestamptz, p_narration text, p_actor text,
    p_reverses uuid, p_digest bytea, p_accounts uuid[], p_shards smallint[], p_amounts bigint[],
    p_own uuid[], p_versions bigint[], p_held bigint[], p_others uuid[], p_lots uuid[], p_parts bigint[],
    OUT outcome text, OUT journal_id uuid, OUT known_digest bytea
) LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
    seen record;
    own record;
BEGIN
    -- In the order payments.post takes them: what has one row by its id, hot accounts last.
    FOR seen IN SELECT s.id, s.version, s.held
                FROM (SELECT * FROM unnest(p_own, p_versions, p_held) UNION ALL SELECT id, NULL, NULL FROM unnest(p_others) id)
                     AS s (id, version, held)
                ORDER BY s.id LOOP
        SELECT a.version, a.held_minor INTO own FROM payments.account a
        WHERE a.tenant_id = kernel.tenant() AND a.shard = 0 AND a.id = seen.id FOR NO KEY UPDATE;
        IF NOT FOUND OR own.version <> seen.version OR own.held_minor <> seen.held THEN
            outcome := CASE WHEN FOUND THEN 'moved' ELSE 'no_account' END;
            RETURN;
        END IF;
    END LOOP;
    SELECT done.outcome, done.journal_id, done.known_digest INTO outcome, journal_id, known_digest
    FROM payments.post(p_id, p_key, p_kind, p_reference, p_at, p_narration, p_actor, p_reverses, p_digest,
                       p_accounts, p_shards, p_amounts) done;
    IF outcome = 'posted' THEN
        FOR i IN 1 .. cardinality(p_lots) LOOP
            UPDATE payments.lot l SET left_minor = l.left_minor - p_parts[i]
            WHERE l.tenant_id = kernel.tenant() AND l.id = p_lots[i];
            INSERT INTO payments.lot_use (lot_id, journal_id, amount_minor) VALUES (p_lots[i], p_id, p_parts[i]);
        END LOOP;
    END IF;
END $$;
COMMENT ON FUNCTION payments.spend_as_seen IS 'Post a spending and take it off its lots: as payments.post, or moved (look again; nothing was done).';
