"""What two people decide: approved by the second, then carried out under the approval's own key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import structlog

from fahrwerk.identity.contract import approvals
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Problem, Unavailable

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.identity.contract.approvals import Approval
    from fahrwerk.kernel.call import Call

T = TypeVar("T")
Deed = Callable[["Call", "Approval", str], Awaitable[T]]
"""Does what was wished for; under the key given whoever repeats it finds what there is."""
log = structlog.get_logger()


async def approve(call: Call, approval_id: UUID, note: str | None, kind: str, deed: Deed[T]) -> T:
    """Say yes to a wish of ``kind`` and carry it out; again by the same person: the same result."""
    wish = await approvals.approval(call, approval_id)
    if wish.kind != kind:
        raise approvals.UnknownApproval
    if wish.state != "done" or wish.decided_by != call.user:
        wish = await approvals.decide_approval(call, approval_id, True, note)
    return await _carry_out(call, wish, deed)


async def carry_out_owed(kind: str, deed: Deed[T]) -> bool:
    """Carry out what was approved while its process died; True when there may be more."""
    owed = await approvals.owed(system(None, "payments"), kind)
    for each in owed:
        call = system(each.tenant, "payments")
        wish = await approvals.approval(call, each.id)
        with suppress(Unavailable):
            try:
                await _carry_out(call, wish, deed)
            except Unavailable:
                raise
            except Problem as problem:
                code = problem.error_code
                log.error("approved and refused", kind=kind, approval=str(each.id), reason=code)
    return len(owed) == 100


async def _carry_out(call: Call, wish: Approval, deed: Deed[T]) -> T:
    try:
        done = await deed(call, wish, f"apr-{wish.id}")
    except Unavailable:
        raise  # nobody knows yet: it is tried again
    except Problem as problem:
        await approvals.finish_approval(call, wish.id, problem.error_code)
        raise
    await approvals.finish_approval(call, wish.id, None)
    return done
