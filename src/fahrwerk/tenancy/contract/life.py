"""An operator's life: its plan, suspension and end; and how far its set-up is."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict
from fahrwerk.tenancy.contract import Operator


class Life(msgspec.Struct, frozen=True):
    """Where an operator stands."""

    status: str
    """active | suspended | closing | closed"""
    reason: str | None
    since: datetime | None
    deletes_at: datetime | None
    """When ``closing``: from then on its data may be deleted."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan and its limits; what is left out stays, None is no limit."""

    plan: str | msgspec.UnsetType = msgspec.UNSET
    """A plan of the list sets all three limits, unless they are given beside it."""
    max_vehicles: int | msgspec.UnsetType | None = msgspec.UNSET
    max_users: int | msgspec.UnsetType | None = msgspec.UNSET
    max_requests_per_minute: int | msgspec.UnsetType | None = msgspec.UNSET


class Step(msgspec.Struct, frozen=True):
    """One step of the set-up."""

    name: str
    state: str
    """open | done | skipped"""
    is_needed: bool
    """Without it the operator cannot do business."""
    data: dict[str, Any]
    """What the wizard had typed in so far; what it likes."""


class Setup(msgspec.Struct, frozen=True):
    """How far an operator's set-up is; may be left and taken up again at any time (WEB-16)."""

    steps: list[Step]
    is_ready: bool
    """All that is needed is done."""
    next: str | None


class WrongStatus(Conflict):
    """Not from where the operator stands now."""

    code = "WRONG_TENANT_STATUS"
    message = "This is not possible in the operator's present status."


@query
async def life(call: Call, operator_id: UUID) -> Life:
    """Where an operator stands (permission ``tenancy.operator.read``, or one's own)."""
    raise AssertionError


@action
async def change_limits(call: Call, operator_id: UUID, limits: Limits) -> Operator:
    """Change plan or limits (permission ``tenancy.operator.limit``, the platform's).

    What is above a lowered limit stays; only more is refused. Raises ``UnknownOperator``.
    """
    raise AssertionError


@action
async def suspend_operator(call: Call, operator_id: UUID, reason: str) -> Life:
    """Stop business: nobody books, rides under way end, staff only read, feeds are gone.

    Permission ``tenancy.operator.suspend``, the platform's. Repeatable. Raises ``WrongStatus``
    (closed), ``UnknownOperator``.
    """
    raise AssertionError


@action
async def resume_operator(call: Call, operator_id: UUID) -> Life:
    """Go on with business, also of one that was closing. Permission as :func:`suspend_operator`."""
    raise AssertionError


@action
async def close_operator(call: Call, operator_id: UUID, reason: str, keep_days: int) -> Life:
    """End an operator: as suspended, and after ``keep_days`` (30 to 4000) its data may be deleted.

    Permission ``tenancy.operator.close``, the platform's. ``fahrwerk tenant sweep`` deletes.
    """
    raise AssertionError


@query
async def setup(call: Call) -> Setup:
    """The call's operator's set-up (permission ``tenancy.operator.change``)."""
    raise AssertionError


@action
async def save_step(call: Call, name: str, state: str | None, data: dict[str, Any]) -> Setup:
    """Keep what was typed in, and say that a step is ``done`` or ``skipped`` (None: neither).

    Permission ``tenancy.operator.change``. A step that is needed cannot be skipped: ``Invalid``.
    """
    raise AssertionError
