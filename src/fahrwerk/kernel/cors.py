"""Which web pages of other origins a browser lets call us (CORS, in the Fetch standard).

An operator names its origins; nobody else's are let in, and there is no wildcard. Callers of other
origins show a bearer token: no answer ever allows credentials, so that no cookie of ours is of any
use there. What is refused here is refused by the browser only: it is no wall against programs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fahrwerk.kernel.asgi import Headers, Scope

ORIGIN_CHARACTERS = 300
_SENT = (
    b"authorization, content-type, idempotency-key, if-none-match, traceparent, x-request-id, "
    b"x-tenant-id"
)
"""What a page may send besides what it always may; the document names no others."""
_READ = (
    b"content-disposition, etag, idempotent-replayed, ratelimit-limit, ratelimit-remaining, "
    b"retry-after, x-request-id"
)
"""What a page may read besides what it always may."""
_REMEMBERED_S = b"600"


async def shared(
    answer: Headers,
    scope: Scope,
    asked: dict[bytes, str],
    state: dict[str, Any],
    knows: Callable[[str], Awaitable[bool]],
    status: int,
) -> Headers:
    """An answer's headers, with those that let another origin's page have it, where it may.

    ``state["origins"]`` are the operator's. Where no operator is known (what is asked before a
    request tells little, and a token may have run out) those of all count, which ``knows``:
    the request itself is then looked at again. What is no part of the API is for nobody else.
    """
    handler = scope["route_handler"]
    if scope["method"] != "OPTIONS" and not handler.resolve_include_in_schema():
        return answer
    if handler.opt.get("page"):
        return answer
    own, origin = state.get("origins"), asked.get(b"origin")
    if own is None and origin is None:
        return answer
    answer = _varied(answer)
    if origin is None or len(origin) > ORIGIN_CHARACTERS:
        return answer
    # Who asks too often is told so without our asking the database.
    if not (origin in own if own is not None else status != 429 and await knows(origin)):
        return answer
    answer.append((b"access-control-allow-origin", origin.encode("latin-1")))
    if scope["method"] == "OPTIONS" and b"access-control-request-method" in asked:
        allowed = next((value for name, value in answer if name == b"allow"), b"")
        answer += [
            (b"access-control-allow-methods", allowed),
            (b"access-control-allow-headers", _SENT),
            (b"access-control-max-age", _REMEMBERED_S),
        ]
    else:
        answer.append((b"access-control-expose-headers", _READ))
    return answer


def _varied(answer: Headers) -> Headers:
    """Said also to whom it is not shared: a cache must not give one origin's answer to another."""
    before = [value for name, value in answer if name == b"vary"]
    rest = [each for each in answer if each[0] != b"vary"]
    return [*rest, (b"vary", b", ".join([*before, b"origin"]))]
