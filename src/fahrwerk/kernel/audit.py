"""The audit log: what privileged people did or looked at, to what, with what outcome (GDP-07, I11).

A deed has its row before it happens (``begin``): what cannot be written down is not done. The row
is completed afterwards, with what was before and after. Looking at people's data is written down in
batches (``seen``), so that nobody who reads waits for it. The hash chain per tenant is added in the
background, so that two who act at the same time do not wait for each other; its head is sealed with
the installation's secret. ``verify`` recomputes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import structlog

from fahrwerk.kernel import crypto, db, ids
from fahrwerk.kernel.call import system

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

BEGUN_S = 60
"""After this time a row that was begun goes into the chain as it is: its process has died."""
log = structlog.get_logger()

_RECORD = """
INSERT INTO kernel.audit (id, actor, roles, action, subject, outcome, request_id, address, detail)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb)
"""


async def record(
    call: Call, action: str, subject: str, outcome: str, detail: dict[str, Any] | None = None
) -> UUID | None:
    """Write one row; its id. Platform work outside any tenant is logged by the tenant it creates.

    Raises what the database raises: then the deed must not be reported as done.
    """
    if call.tenant is None:
        return None
    audit_id = ids.new()
    await db.run(
        "kernel", call, _RECORD,
        audit_id, call.actor, sorted(call.roles), action, subject, outcome,
        call.request_id, call.address, detail,
    )  # fmt: skip
    return audit_id


async def begin(call: Call, action: str, subject: str) -> UUID | None:
    """Write down what is about to happen. Whoever cannot do that must not go on."""
    return await record(call, action, subject, "begun")


_COMPLETE = """
UPDATE kernel.audit SET outcome = $2, subject = $3, detail = $4::jsonb
WHERE id = $1 AND seq IS NULL AND outcome = 'begun' RETURNING id
"""


async def complete(
    call: Call, begun: UUID | None, action: str, subject: str, outcome: str, notes: list[Note]
) -> None:
    """Write down how it ended; a deed that took longer than the chain waits gets a second row."""
    if begun is None:
        return
    subject, detail = _told(subject, notes)
    done = await db.run("kernel", call, _COMPLETE, begun, outcome, subject, detail)
    if not done:
        await record(call, action, subject, outcome, detail)


class Note(msgspec.Struct, frozen=True):
    """What an action says of its own change."""

    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


notes: ContextVar[list[Note] | None] = ContextVar("audit_notes", default=None)
"""Set by the outermost door while a privileged person's action runs."""


def changed(subject: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
    """Say what an action changed: only what differs is kept. Nothing personal, nothing secret.

    Harmless where nobody listens: a rider's action, or one of the house itself.
    """
    listening = notes.get()
    if listening is None or before == after:
        return
    if before is not None and after is not None:
        differing = {k for k in {*before, *after} if before.get(k) != after.get(k)}
        before = {k: v for k, v in before.items() if k in differing}
        after = {k: v for k, v in after.items() if k in differing}
    listening.append(Note(subject, before, after))


def _told(subject: str, told: list[Note]) -> tuple[str, dict[str, Any] | None]:
    if not told:
        return subject, None
    if len(told) == 1:
        return told[0].subject, {"before": told[0].before, "after": told[0].after}
    changes = [msgspec.to_builtins(each) for each in told[:100]]
    return subject or told[0].subject, {"changes": changes}


# --- reading


MOST_WAITING = 5_000
FLUSH_S = 0.5
_waiting: dict[tuple[UUID, str, str, str, str], list[Any]] = {}
_flushing: asyncio.Task[None] | None = None


def seen(call: Call, action: str, subject: str) -> None:
    """Somebody of the staff looked at people's data. Written within half a second, in batches.

    Looking at the same thing again within a batch is one row that says how often.
    """
    _later(call, action, subject, "seen")


def refused(call: Call, action: str, subject: str, code: str) -> None:
    """Somebody of the staff asked for what he may not. In batches as well."""
    _later(call, action, subject, code[:80])


def _later(call: Call, action: str, subject: str, outcome: str) -> None:
    global _flushing
    if call.tenant is None:
        return
    # It comes from an address somebody made up; a NUL in it must not keep all others unwritten.
    subject = subject.replace("\0", "\N{REPLACEMENT CHARACTER}")
    key = (call.tenant, call.actor, action, subject, outcome)
    waiting = _waiting.get(key)
    if waiting is not None:
        waiting[1] += 1
    else:
        _waiting[key] = [call, 1]
    if _flushing is None or _flushing.done():
        _flushing = asyncio.get_running_loop().create_task(_soon())


async def room_to_wait() -> None:
    """Wait for the log when very much is to be written down: what is seen is never dropped."""
    if len(_waiting) >= MOST_WAITING:
        await flush()


async def _soon() -> None:
    while _waiting:
        await asyncio.sleep(FLUSH_S)
        try:
            await flush()
        except (db.DatabaseDown, db.DatabaseBusy):
            continue
        except Exception as error:
            log.error("what was looked at could not be written down", exc_info=error)


_MANY = """
INSERT INTO kernel.audit (id, actor, roles, action, subject, outcome, request_id, address, detail)
SELECT id, actor, string_to_array(roles, ','), action, subject, outcome, request_id, address,
       CASE WHEN times > 1 THEN jsonb_build_object('times', times) END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::int[], $9::text[])
     AS s (id, actor, roles, action, subject, request_id, address, times, outcome)
"""


async def flush() -> None:
    """Write what waits; what could not be written waits on, and keeps no other operator waiting."""
    failed: Exception | None = None
    for tenant in {key[0] for key in _waiting}:
        try:
            await _flush_tenant(tenant)
        except (db.DatabaseDown, db.DatabaseBusy):
            raise
        except Exception as error:
            failed = error
    if failed is not None:
        raise failed


async def _flush_tenant(tenant: UUID) -> None:
    batch = {key: told for key, told in _waiting.items() if key[0] == tenant}
    for key in batch:
        del _waiting[key]
    calls = [call for call, _ in batch.values()]
    columns = (
            [ids.new() for _ in batch], [call.actor for call in calls],
            [",".join(sorted(call.roles)) for call in calls], [key[2] for key in batch],
            [key[3] for key in batch], [call.request_id for call in calls],
            [call.address for call in calls], [times for _, times in batch.values()],
            [key[4] for key in batch],
        )  # fmt: skip
    try:
        await db.run("kernel", system(tenant, "kernel"), _MANY, *columns)
    except BaseException:
        for key, told in batch.items():
            if key in _waiting:
                _waiting[key][1] += told[1]
            else:
                _waiting[key] = told
        raise


async def close() -> None:
    """At the end of a process: write what waits, if the database is there."""
    global _flushing
    if _flushing is not None:
        _flushing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await _flushing
        _flushing = None
    with contextlib.suppress(db.DatabaseDown):
        await flush()


# --- the chain


_TENANTS = f"""
SELECT DISTINCT tenant_id FROM kernel.audit
WHERE seq IS NULL AND (outcome <> 'begun' OR at < now() - interval '{BEGUN_S} seconds') LIMIT 100
"""
_LAST = """
SELECT seq, hash FROM kernel.audit WHERE tenant_id = $1 AND seq IS NOT NULL
ORDER BY seq DESC LIMIT 1
"""
_COLUMNS = "id, at, actor, roles, action, subject, outcome, request_id, address, detail"
# In the order of time: a deed under way keeps those after it waiting, as long as it may still end.
_LOOSE = f"""
SELECT {_COLUMNS} FROM kernel.audit WHERE tenant_id = $1 AND seq IS NULL
  AND at < coalesce((SELECT min(at) FROM kernel.audit WHERE tenant_id = $1 AND seq IS NULL
                       AND outcome = 'begun' AND at >= now() - interval '{BEGUN_S} seconds'),
                    'infinity')
ORDER BY at, id LIMIT 500 FOR UPDATE -- ids of one millisecond are in no order
"""
_LINK = "UPDATE kernel.audit SET seq = $3, hash = $4 WHERE tenant_id = $1 AND id = $2"
_HEAD = """
INSERT INTO kernel.audit_head (tenant_id, seq, hash, seal) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id) DO UPDATE
SET seq = excluded.seq, hash = excluded.hash, seal = excluded.seal, updated_at = clock_timestamp()
"""
_IN_LINE = "SELECT pg_advisory_xact_lock(hashtextextended('audit:' || $1, 0))"


async def chain() -> int:
    """Link rows not yet in their tenant's chain; the number linked. Safe to run anywhere, often."""
    call = system(None, "pump")
    linked = 0
    for row in await db.run("pump", call, _TENANTS):
        linked += await _chain_tenant(call, row["tenant_id"])
    return linked


async def _chain_tenant(call: Call, tenant: UUID) -> int:
    async with db.tx("pump", call) as tx:
        await tx.run(_IN_LINE, str(tenant))
        last = await tx.one(_LAST, tenant)
        seq, digest = (last["seq"], last["hash"]) if last else (0, b"")
        links: list[tuple[Any, ...]] = []
        for row in await tx.run(_LOOSE, tenant):
            seq, digest = seq + 1, _hash(digest, row)
            links.append((tenant, row["id"], seq, digest))
        await tx.many(_LINK, links)
        if links:
            await tx.run(_HEAD, tenant, seq, digest, _seal(tenant, seq, digest))
    return len(links)


_CHAIN = f"""
SELECT {_COLUMNS}, seq, hash FROM kernel.audit WHERE tenant_id = $1 AND seq > $2
ORDER BY seq LIMIT 1000
"""
_SEALED = "SELECT seq, hash, seal FROM kernel.audit_head WHERE tenant_id = $1"


async def verify(tenant: UUID) -> int | None:
    """The first broken sequence number of a tenant's chain, or None when it holds.

    Broken is also a chain that ends before its sealed head, or whose head was sealed by others.
    """
    call = system(None, "pump")
    # Asked first: the chain may only grow meanwhile.
    head = await db.one("pump", call, _SEALED, tenant)
    digest, seq = b"", 0
    while rows := await db.run("pump", call, _CHAIN, tenant, seq):
        for row in rows:
            digest = _hash(digest, row)
            if row["seq"] != seq + 1 or row["hash"] != digest:
                return seq + 1
            seq += 1
            if head is not None and seq == head["seq"] and digest != head["hash"]:
                return seq
    if head is None:
        return None
    if seq < head["seq"]:
        return seq + 1
    return int(head["seq"]) if _sealed_with(tenant, head) is None else None


def _sealed_with(tenant: UUID, head: Any) -> int | None:
    """Which secret a head was sealed with: 0 is the one of now; None for none of ours."""
    for age, key in enumerate(crypto.keys_for("audit")):
        seal = _seal(tenant, head["seq"], bytes(head["hash"]), key)
        if hmac.compare_digest(seal, bytes(head["seal"])):
            return age
    return None


async def reseal_head(tenant: UUID) -> bool:
    """Seal a chain's head with the secret of now where one of before did; never one of others."""
    call = system(None, "pump")
    async with db.tx("pump", call) as tx:
        await tx.run(_IN_LINE, str(tenant))
        head = await tx.one(_SEALED, tenant)
        if head is None or not _sealed_with(tenant, head):
            return False
        seal = _seal(tenant, head["seq"], bytes(head["hash"]))
        await tx.run(_HEAD, tenant, head["seq"], head["hash"], seal)
    return True


async def seal_again(tenant: UUID) -> None:
    """Seal the head of a chain that came from another installation, once it was verified."""
    call = system(None, "pump")
    async with db.tx("pump", call) as tx:
        await tx.run(_IN_LINE, str(tenant))
        if (last := await tx.one(_LAST, tenant)) is not None:
            seal = _seal(tenant, last["seq"], bytes(last["hash"]))
            await tx.run(_HEAD, tenant, last["seq"], last["hash"], seal)


def _seal(tenant: UUID, seq: int, digest: bytes, key: bytes | None = None) -> bytes:
    told = b"%s|%d|" % (tenant.bytes, seq) + digest
    return hmac.digest(key or crypto.key_for("audit"), told, "sha256")


def _hash(previous: bytes, row: Any) -> bytes:
    parts = [row["id"], row["at"].isoformat(), row["actor"], ",".join(row["roles"]), row["action"],
             row["subject"], row["outcome"], row["request_id"], row["address"]]  # fmt: skip
    if row["detail"] is not None:  # rows of before there were any have the hash they always had
        parts.append(msgspec.json.encode(row["detail"], order="sorted").decode())
    return hashlib.sha256(previous + "\x1f".join(map(str, parts)).encode()).digest()


# --- looking into it


class Entry(msgspec.Struct, frozen=True):
    """One row of the log."""

    id: UUID
    at: datetime
    actor: str
    roles: list[str]
    action: str
    subject: str
    outcome: str
    request_id: str
    address: str
    detail: dict[str, Any] | None
    seq: int | None
    """Its place in the chain; null for a few seconds."""


class Wanted(msgspec.Struct, frozen=True):
    """Which rows; what is None is not asked for."""

    actor: str | None = None
    action: str | None = None
    """Its beginning: ``payments.`` or ``identity.set_grants``."""
    subject: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None


_SEARCH = f"""
SELECT {_COLUMNS}, seq FROM kernel.audit
WHERE tenant_id = kernel.tenant()
  AND ($1::text IS NULL OR actor = $1) AND ($2::text IS NULL OR starts_with(action, $2))
  AND ($3::text IS NULL OR subject = $3) AND ($4::text IS NULL OR outcome = $4)
  AND ($5::timestamptz IS NULL OR at >= $5) AND ($6::timestamptz IS NULL OR at < $6)
  AND ($7::timestamptz IS NULL OR (at, id) < ($7, $8::uuid))
ORDER BY at DESC, id DESC LIMIT $9
"""


async def search(
    call: Call, wanted: Wanted, after: tuple[datetime, UUID] | None, limit: int
) -> list[Entry]:
    """A page of the caller's operator's log, newest first, after the place given."""
    at, last = after if after is not None else (None, None)
    rows = await db.run("kernel", call, _SEARCH, *msgspec.structs.astuple(wanted), at, last, limit)
    return db.shaped(Entry, rows)
