"""The audit log: what privileged people did, to what, with what outcome (GDP-07, I11).

Rows are written at once; the hash chain per tenant is added in the background, so that two people
acting at the same time do not wait for each other. ``verify`` recomputes it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from fahrwerk.kernel import db, ids
from fahrwerk.kernel.call import system

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_RECORD = """
INSERT INTO kernel.audit (id, actor, roles, action, subject, outcome, request_id, address)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def record(call: Call, action: str, subject: str, outcome: str) -> None:
    """Write one row. Platform work outside any tenant is logged by the tenant it creates."""
    if call.tenant is None:
        return
    await db.run(
        "kernel", call, _RECORD,
        ids.new(), call.actor, sorted(call.roles), action, subject, outcome,
        call.request_id, call.address,
    )  # fmt: skip


_TENANTS = "SELECT DISTINCT tenant_id FROM kernel.audit WHERE seq IS NULL LIMIT 100"
_LAST = """
SELECT seq, hash FROM kernel.audit WHERE tenant_id = $1 AND seq IS NOT NULL
ORDER BY seq DESC LIMIT 1
"""
_COLUMNS = "id, at, actor, roles, action, subject, outcome, request_id, address"
_LOOSE = f"""
SELECT {_COLUMNS} FROM kernel.audit WHERE tenant_id = $1 AND seq IS NULL
ORDER BY at, id LIMIT 500 FOR UPDATE -- ids of one millisecond are in no order
"""
_LINK = "UPDATE kernel.audit SET seq = $3, hash = $4 WHERE tenant_id = $1 AND id = $2"


async def chain() -> int:
    """Link rows not yet in their tenant's chain; the number linked. Safe to run anywhere, often."""
    call = system(None, "pump")
    linked = 0
    for row in await db.run("pump", call, _TENANTS):
        linked += await _chain_tenant(call, row["tenant_id"])
    return linked


async def _chain_tenant(call: Call, tenant: UUID) -> int:
    async with db.tx("pump", call) as tx:
        await tx.run(
            "SELECT pg_advisory_xact_lock(hashtextextended('audit:' || $1, 0))", str(tenant)
        )
        last = await tx.one(_LAST, tenant)
        seq, digest = (last["seq"], last["hash"]) if last else (0, b"")
        links: list[tuple[Any, ...]] = []
        for row in await tx.run(_LOOSE, tenant):
            seq, digest = seq + 1, _hash(digest, row)
            links.append((tenant, row["id"], seq, digest))
        await tx.many(_LINK, links)
    return len(links)


_CHAIN = f"""
SELECT {_COLUMNS}, seq, hash FROM kernel.audit WHERE tenant_id = $1 AND seq > $2
ORDER BY seq LIMIT 1000
"""


async def verify(tenant: UUID) -> int | None:
    """The first broken sequence number of a tenant's chain, or None when it holds."""
    call = system(None, "pump")
    digest, seq = b"", 0
    while rows := await db.run("pump", call, _CHAIN, tenant, seq):
        for row in rows:
            digest = _hash(digest, row)
            if row["seq"] != seq + 1 or row["hash"] != digest:
                return seq + 1
            seq += 1
    return None


def _hash(previous: bytes, row: Any) -> bytes:
    parts = (row["id"], row["at"].isoformat(), row["actor"], ",".join(row["roles"]), row["action"],
             row["subject"], row["outcome"], row["request_id"], row["address"])  # fmt: skip
    return hashlib.sha256(previous + "\x1f".join(map(str, parts)).encode()).digest()
