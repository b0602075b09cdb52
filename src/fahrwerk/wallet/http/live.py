"""The balance as it changes: server-sent events, readable with ``curl -N`` (WAL-04, WAL-10..12).

News come by signal within the process and between processes. In case one is lost, one query every
two seconds asks for all streams of an operator together whether their accounts changed: so 5,000
open streams cost one query, not 5,000.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated

import msgspec
import structlog
from litestar import get
from litestar.params import HeaderParameter
from litestar.response import Stream

from fahrwerk.kernel import web
from fahrwerk.kernel.errors import Problem
from fahrwerk.kernel.live import hub, rung
from fahrwerk.kernel.stream import HEARTBEAT_S, LONGEST_S, serve
from fahrwerk.wallet import contract
from fahrwerk.wallet.http.own import rider_of
from fahrwerk.wallet.http.views import wallet_view

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from fahrwerk.kernel.call import Call

LOOK_EVERY_S = 2.0
MOST_OF_ONE = 20
"""Streams of one rider in one process."""
log = structlog.get_logger()


class Watch:
    """Rings the bells of accounts that changed, for all streams of one operator."""

    def __init__(self) -> None:
        self._bells: dict[UUID | None, dict[UUID, set[asyncio.Event]]] = defaultdict(dict)
        self._tasks: dict[UUID | None, asyncio.Task[None]] = {}

    @contextlib.contextmanager
    def over(self, call: Call, rider_id: UUID, bell: asyncio.Event) -> Iterator[None]:
        """Ring ``bell`` within about two seconds of any change of this account, for the block."""
        bells = self._bells[call.tenant]
        bells.setdefault(rider_id, set()).add(bell)
        if call.tenant not in self._tasks:
            self._tasks[call.tenant] = asyncio.create_task(self._look(call))
        try:
            yield
        finally:
            bells[rider_id].discard(bell)
            if not bells[rider_id]:
                del bells[rider_id]
            if not bells:
                self._tasks.pop(call.tenant).cancel()

    async def _look(self, call: Call) -> None:
        seen: dict[UUID, str] = {}
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            bells = self._bells[call.tenant]
            try:
                marks = await contract.marks(call, list(bells))
            except Problem as problem:
                log.info("balances not looked at", code=problem.error_code)
                continue
            for rider_id, mark in marks.items():
                if seen.get(rider_id, mark) != mark:
                    for bell in bells.get(rider_id, ()):
                        bell.set()
            seen = marks


watch = Watch()


@get(
    ["/portal/balance/stream", "/api/v1/portal/balance/stream"],
    permission="wallet.account.read",
    # A browser's EventSource sends a cookie and no token; below /api/ that does not count.
    page="also",
    media_type="text/event-stream",
    tags=["wallet"],
)
async def stream_balance(
    call: web.Caller,
    last_event_id: Annotated[
        str, HeaderParameter(name="Last-Event-ID", required=False, max_length=60)
    ] = "",
) -> Stream:
    """Server-sent events ``balance``: the wallet at once and whenever it changes (WAL-10, WAL-12).

    With ``Last-Event-ID`` nothing is sent that the client knows already. A comment every 15 s says
    that it lives. Ends after an hour: connect again, or poll ``/api/v1/wallet`` (WAL-11).
    """
    rider_id = rider_of(call)
    await contract.wallet(call, rider_id)
    patient = msgspec.structs.replace(call, deadline=float("inf"))
    source = _told(patient, rider_id, last_event_id)
    return serve(source, signal=f"wallet.account:{rider_id}", most=MOST_OF_ONE)


async def _told(call: Call, rider_id: UUID, known: str) -> AsyncIterator[bytes]:
    end = time.monotonic() + LONGEST_S
    with (
        hub.listening(f"wallet.account:{rider_id}", f"payments.purse:{rider_id}") as bell,
        watch.over(call, rider_id, bell),
    ):
        yield b"retry: 2000\n\n"
        while time.monotonic() < end:
            bell.clear()
            try:
                own = await contract.wallet(call, rider_id)
            except Problem as problem:
                text = msgspec.json.encode({"code": problem.error_code})
                yield b"event: error\ndata: " + text + b"\n\n"
                return
            data = msgspec.json.encode(wallet_view(own, call.locale))
            event_id = f"{own.version}-{zlib.crc32(data):08x}"
            if event_id != known:
                known = event_id
                yield f"id: {event_id}\nevent: balance\ndata: ".encode() + data + b"\n\n"
            # Nothing is asked again until a bell rings: the watch asks for all of them together.
            while not await rung(bell, HEARTBEAT_S) and time.monotonic() < end:
                yield b": still here\n\n"


handlers = [stream_balance]
