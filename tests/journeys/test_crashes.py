"""F1: real processes are killed at every crash point in the source, one after the other.

The HTTP server or the worker dies by SIGKILL at exactly this line; a supervisor starts it again;
the rider's app repeats what was not answered. In the end each ride is paid exactly once or
cancelled and given back, and every invariant holds. That these tests can fail is shown by
``test_broken.py``.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import get_args

import pytest

import fahrwerk
from fahrwerk.kernel import postgres
from fahrwerk.payments.gateways import Kind
from tests.journeys.drill import Lanes, Plan, case_name

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

LANES = 6
SOURCE = Path(fahrwerk.__file__).parent

PLANS = {
    **{
        f"rentals.book.after_{step}": Plan("serve", "whole", "book")
        for step in ("hold", "quote", "insert")
    },
    **{
        f"rentals.confirm.after_{step}": Plan("serve", "whole", "confirm")
        for step in ("open", "authorize", "confirm", "extend")
    },
    **{
        f"payments.authorize.after_{step}": Plan("serve", "whole", "confirm")
        for step in ("intent", "call", "result")
    },
    **{
        f"payments.confirm.after_{step}": Plan(
            "serve", "challenged", "challenge", "tok_threeDSecure"
        )
        for step in ("intent", "call")
    },
    "rentals.unlock.after_command": Plan("serve", "whole", "unlock"),
    "rentals.unlock.after_attempt": Plan("serve", "jammed", "unlock"),
    "rentals.start.after_book": Plan("serve", "at once", "start"),
    "rentals.start.after_confirm": Plan("serve", "at once", "start"),
    "rentals.end.after_rating": Plan("serve", "whole", "end"),
    "rentals.end.after_end": Plan("serve", "whole", "end"),
    "rentals.cancel.after_cancel": Plan("serve", "cancelled", "cancel"),
    "rentals.cancel.after_release": Plan("serve", "cancelled", "cancel"),
    **{
        f"payments.refund.after_{step}": Plan("serve", "refunded", "refund")
        for step in ("intent", "call", "result")
    },
    **{
        f"payments.capture.after_{step}": Plan("work", "whole", "end")
        for step in ("intent", "call", "result")
    },
    **{
        f"payments.void.after_{step}": Plan("work", "cancelled", "cancel")
        for step in ("intent", "call", "result")
    },
    **{
        f"fleet.link.{step}": Plan("work", "whole", "unlock")
        for step in ("after_claim", "after_publish", "before_ack", "after_ack", "after_store")
    },
    "payments.books.after_post": Plan("work", "whole", "end"),
    "rentals.deadline.after_claim": Plan("work", "expired", "expired"),
    "rentals.deadline.after_expiry": Plan("work", "expired", "expired"),
    **{
        f"pump.{room}.{step}_commit": Plan("work", "whole", stage)
        for room, stage in (
            ("feeds", "end"), ("fleet", "end"), ("notifications", "end"), ("payments", "end"),
            ("pricing", "end"), ("rentals", "unlock"), ("wallet", "end"),
        )
        for step in ("before", "after")
    },
}  # fmt: skip
"""Where each crash point is on the way of a ride."""

IN_THEIR_ROOM = {
    *("payments.debt.after_move", "payments.evidence.after_intent", "payments.evidence.after_call"),
    *(f"payments.transfer.after_{step}" for step in ("intent", "call", "result")),
    *(f"wallet.topup.after_{step}" for step in ("start", "pay", "charge", "grant")),
    *("wallet.auto.after_claim", "wallet.takeback.after_intent"),
    *("wallet.ride.after_hold", "wallet.ride.after_capture"),
    *("pump.tenancy.before_commit", "pump.tenancy.after_commit"),
    *("pump.site.before_commit", "pump.site.after_commit"),
    *("identity.export.after_part", "identity.export.before_ready"),
    *("identity.erasure.after_rows", "identity.erasure.before_done"),
}
"""Not on the way of a ride by card: drilled in tests of payments, wallet, tenancy and identity."""

GIVEN_UP = (
    "rentals.book.after_hold",
    "rentals.book.after_insert",
    "rentals.confirm.after_open",
    "rentals.confirm.after_authorize",
    "rentals.start.after_confirm",
    "payments.authorize.after_call",
)
"""Tried again with a rider who does not: leases alone have to end it (I3, I8, I12)."""

CASES = [(point, plan, False) for point, plan in PLANS.items()]
CASES += [(point, PLANS[point], True) for point in GIVEN_UP]


def points_in_source() -> set[str]:
    """All names that ``crash.point`` is called with, the variable ones written out."""
    listening = {path.parent.name for path in SOURCE.glob("*/handlers.py")}
    fillings = {"self.room": sorted(listening), "attempt.kind": list(get_args(Kind))}
    return {
        name
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _name(node.func) == "point"
        for name in _written_out(node.args[0], fillings)
    }


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def _written_out(node: ast.expr, fillings: dict[str, list[str]]) -> Iterator[str]:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    options = [
        [str(part.value)] if isinstance(part, ast.Constant)
        else fillings[ast.unparse(part.value if isinstance(part, ast.FormattedValue) else part)]
        for part in parts
    ]  # fmt: skip
    yield from map("".join, itertools.product(*options))


@pytest.fixture(scope="module")
async def lanes(
    request: pytest.FixtureRequest,
    server: postgres.EmbeddedPostgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Lanes]:
    """Begins with all cases that were asked for; each test waits for its own."""
    asked = {item.name for item in request.session.items if item.path == request.path}
    cases = [
        case
        for case in CASES
        if f"test_everything_comes_to_a_good_end[{case_name(case[0], gives_up=case[2])}]" in asked
    ]
    # What a worker leaves undone is taken up again after longer leases: begin with that.
    cases.sort(key=lambda case: case[1].process != "work")
    shared = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        shared = shared.parent
    shared = shared / "drills"
    shared.mkdir(exist_ok=True)
    count = min(LANES, len(cases))
    working = Lanes(server, shared, tmp_path_factory.mktemp("lanes"), cases, count)
    yield working
    await working.finish()


@pytest.mark.parametrize(
    "case", [case_name(point, gives_up=gives_up) for point, _, gives_up in CASES]
)
async def test_everything_comes_to_a_good_end(lanes: Lanes, case: str) -> None:
    """I1..I12: whoever dies wherever; with a rider who repeats, or one who gives up."""
    if said := await lanes.result(case):
        pytest.fail(said, pytrace=False)


def test_every_crash_point_has_a_drill() -> None:
    """A new point in the source needs a line in ``PLANS``; a line there, a point."""
    assert points_in_source() == set(PLANS) | IN_THEIR_ROOM
