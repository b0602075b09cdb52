"""``Idempotency-Key``: the same key and body get the same answer (Stripe's replay rules, PAY-29).

| key seen before | answer |
|---|---|
| no | the request runs; its answer is kept for 24 h unless it is 401, 429 or 5xx |
| yes, same request | the kept answer, with ``Idempotent-Replayed: true`` |
| yes, another request | 422 IDEMPOTENCY_KEY_REUSED |
| yes, still running | 409 IDEMPOTENCY_IN_FLIGHT |

Whoever runs a request holds a short lease on its key and renews it. A process that dies lets it run
out; the repeat then runs again, and because actions derive their ids from the key, it finds what
the first try had already written.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Conflict, Invalid, Refused, Unavailable

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

LEASE_S = 6
"""So long a rider whose request died with its process is told to wait (F1)."""
RENEW_S = 2.0
_NOT_KEPT = frozenset({401, 429})

_CLAIM = f"""
INSERT INTO kernel.idempotency (caller, key, request_hash, lease_until)
VALUES ($1, $2, $3, kernel.now() + interval '{LEASE_S} seconds')
ON CONFLICT (tenant_id, caller, key) DO UPDATE SET lease_until = excluded.lease_until
WHERE idempotency.status IS NULL AND idempotency.lease_until < kernel.now()
  AND idempotency.request_hash = excluded.request_hash
RETURNING key
"""
_RENEW = f"""
UPDATE kernel.idempotency SET lease_until = kernel.now() + interval '{LEASE_S} seconds'
WHERE caller = $1 AND key = $2 AND status IS NULL
"""
_SEEN = """
SELECT request_hash, status, headers, body FROM kernel.idempotency WHERE caller = $1 AND key = $2
"""
_KEEP = """
UPDATE kernel.idempotency SET status = $3, headers = $4, body = $5 WHERE caller = $1 AND key = $2
"""
_FREE = "UPDATE kernel.idempotency SET lease_until = kernel.now() WHERE caller = $1 AND key = $2"
CLEAN_UP = "DELETE FROM kernel.idempotency WHERE created_at < now() - interval '24 hours'"


class KeyReused(Refused):
    """The key came with another request before."""

    code = "IDEMPOTENCY_KEY_REUSED"
    message = "This Idempotency-Key was used for a different request."


class InFlight(Conflict):
    """The first request with this key is still running."""

    code = "IDEMPOTENCY_IN_FLIGHT"
    message = "A request with this Idempotency-Key is still running. Try again shortly."


async def answer(
    call: Call,
    scope: Any,
    receive: Receive,
    send: Send,
    run: Callable[[Receive, Send], Awaitable[None]],
    body_bytes: int,
) -> None:
    """Run the request once per key, or send what it answered before."""
    if call.tenant is None:
        raise Invalid(field="X-Tenant-ID", issue="a keyed request must name its operator")
    body = await _read(receive, body_bytes)
    caller = str(call.user) if call.user else f"address:{call.address}"
    head = f"{scope['method']} {scope['path']}?{scope.get('query_string', b'')!r}\n"
    digest = hashlib.sha256(head.encode() + body).digest()
    if not await db.run("kernel", call, _CLAIM, caller, call.key, digest):
        await _replay(call, caller, digest, send)
        return
    kept: list[Message] = []

    async def replayed() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def collect(message: Message) -> None:
        kept.append(message)

    try:
        with _renewed(call, caller):
            await run(replayed, collect)
    except BaseException:
        await db.run("kernel", call, _FREE, caller, call.key)
        raise
    status = kept[0]["status"]
    if status >= 500 or status in _NOT_KEPT:
        await db.run("kernel", call, _FREE, caller, call.key)
    else:
        text = b"".join(m.get("body", b"") for m in kept[1:])
        headers = [
            [n.decode(), v.decode()] for n, v in kept[0]["headers"] if n != b"content-length"
        ]
        await db.run("kernel", call, _KEEP, caller, call.key, status, headers, text)
    for message in kept:
        await send(message)


@contextlib.contextmanager
def _renewed(call: Call, caller: str) -> Iterator[None]:
    """Keep the lease while the block runs. Most requests are over before it is first renewed."""
    renewing: list[asyncio.Task[None]] = []

    async def renew() -> None:
        while True:
            # Without the database the lease may run out; a repeat beside us is harmless then.
            with contextlib.suppress(Unavailable):
                await db.run("kernel", call, _RENEW, caller, call.key)
            await asyncio.sleep(RENEW_S)

    loop = asyncio.get_running_loop()
    first = loop.call_later(RENEW_S, lambda: renewing.append(loop.create_task(renew())))
    try:
        yield
    finally:
        first.cancel()
        for task in renewing:
            task.cancel()


async def _replay(call: Call, caller: str, digest: bytes, send: Send) -> None:
    row = await db.one("kernel", call, _SEEN, caller, call.key)
    if row is None:
        raise InFlight(retry_after=1)
    if row["request_hash"] != digest:
        raise KeyReused
    if row["status"] is None:
        raise InFlight(retry_after=1)
    headers: list[Any] = [(n.encode(), v.encode()) for n, v in row["headers"]]
    headers += [
        (b"idempotent-replayed", b"true"),
        (b"content-length", str(len(row["body"])).encode()),
    ]
    await send({"type": "http.response.start", "status": row["status"], "headers": headers})
    await send({"type": "http.response.body", "body": row["body"], "more_body": False})


async def _read(receive: Receive, most: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Invalid(field="body", issue="the connection ended before the body did")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise TooLarge(field="body", issue=f"larger than {most} bytes")
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


class TooLarge(Invalid):
    """The body is larger than this endpoint takes."""

    status = 413
    code = "PAYLOAD_TOO_LARGE"
    message = "The request body is too large."
