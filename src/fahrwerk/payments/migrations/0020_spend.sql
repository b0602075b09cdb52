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
    locked int;
    has_moved boolean;
BEGIN
    -- In the order payments.post takes them: what has one row by its id, hot accounts last.
    SELECT count(*), coalesce(bool_or((a.version, a.held_minor) <> (seen.version, seen.held)), false)
    INTO locked, has_moved
    FROM (SELECT id, version, held_minor FROM payments.account
          WHERE tenant_id = kernel.tenant() AND shard = 0 AND id = ANY (p_own || p_others)
          ORDER BY id FOR NO KEY UPDATE) a
    LEFT JOIN unnest(p_own, p_versions, p_held) AS seen (id, version, held) ON seen.id = a.id;
    IF has_moved OR locked <> cardinality(p_own || p_others) THEN
        outcome := CASE WHEN has_moved THEN 'moved' ELSE 'no_account' END;
        RETURN;
    END IF;
    SELECT done.outcome, done.journal_id, done.known_digest INTO outcome, journal_id, known_digest
    FROM payments.post(p_id, p_key, p_kind, p_reference, p_at, p_narration, p_actor, p_reverses, p_digest,
                       p_accounts, p_shards, p_amounts) done;
    IF outcome = 'posted' THEN
        UPDATE payments.lot l SET left_minor = l.left_minor - u.amount
        FROM unnest(p_lots, p_parts) AS u (id, amount) WHERE l.tenant_id = kernel.tenant() AND l.id = u.id;
        INSERT INTO payments.lot_use (lot_id, journal_id, amount_minor)
        SELECT u.id, p_id, u.amount FROM unnest(p_lots, p_parts) AS u (id, amount);
    END IF;
END $$;
COMMENT ON FUNCTION payments.spend_as_seen IS 'Post a spending and take it off its lots: as payments.post, or moved (look again; nothing was done).';
