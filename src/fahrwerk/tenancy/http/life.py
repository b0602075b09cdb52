"""Plans, suspension, the end, and the set-up of an operator over HTTP (TEN-03..09, WEB-16)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import get, patch, post, put
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, UnsetType

from fahrwerk.kernel import clock, ids, web
from fahrwerk.tenancy import contract as tenancy
from fahrwerk.tenancy.contract import life as contract

Reason = Annotated[str, Meta(min_length=1, max_length=500)]
Allowed = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class LimitsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plan (Trial, Starter, Business, Enterprise, or one of another name), limits, or both.

    Null is no limit; what is left out stays, or is as the plan says.
    """

    plan: Annotated[str, Meta(min_length=1, max_length=50)] | UnsetType = UNSET
    max_vehicles: Allowed | UnsetType | None = UNSET
    max_users: Allowed | UnsetType | None = UNSET
    max_requests_per_minute: Allowed | UnsetType | None = UNSET


class LimitsView(msgspec.Struct, frozen=True):
    """A plan and what it allows; null is no limit."""

    plan: str
    max_vehicles: int | None
    max_users: int | None
    max_requests_per_minute: int | None


class LifeView(msgspec.Struct, frozen=True):
    """Where an operator stands: active, suspended, closing (until ``deletes_at``) or closed."""

    status: str
    reason: str | None
    since: str | None
    deletes_at: str | None


class Suspension(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why; the operator's staff see it."""

    reason: Reason


class Closing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why, and how long the data are kept: 30 to 4000 days. Books are kept ten years by law."""

    reason: Reason
    keep_days: Annotated[int, Meta(ge=30, le=4000)] = 90


class StepBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was typed in so far, and whether the step is over."""

    state: Literal["done", "skipped"] | None = None
    data: dict[Annotated[str, Meta(max_length=50)], str | int | float | bool | None] = {}


class StepView(msgspec.Struct, frozen=True):
    """One step: open, done or skipped."""

    name: str
    state: str
    is_needed: bool
    data: dict[str, Any]


class SetupView(msgspec.Struct, frozen=True):
    """The wizard's state: left at any time, taken up again at ``next``."""

    steps: list[StepView]
    is_ready: bool
    next: str | None


@patch(
    "/api/v1/tenants/{tenant_id:str}/limits", permission="tenancy.operator.limit", tags=["tenancy"]
)
async def change_limits(
    call: web.Caller, tenant_id: FromPath[str], data: JSONBody[LimitsBody]
) -> LimitsView:
    """Change an operator's plan or limits. What is above a lowered limit stays."""
    wished = contract.Limits(**msgspec.structs.asdict(data))
    return _limits(await contract.change_limits(call, ids.parse(tenant_id, "ten"), wished))


@get("/api/v1/tenant/limits", permission="tenancy.operator.change", tags=["tenancy"])
async def own_limits(call: web.Caller) -> LimitsView:
    """What your plan allows. Over it: 422 ``PLAN_LIMIT_REACHED``, and 429 for requests."""
    return _limits(await tenancy.operator(call))


@get("/api/v1/tenants/{tenant_id:str}/status", permission="tenancy.operator.read", tags=["tenancy"])
async def tenant_status(call: web.Caller, tenant_id: FromPath[str]) -> LifeView:
    """Where an operator stands, and why."""
    return _life(await contract.life(call, ids.parse(tenant_id, "ten")))


@post(
    "/api/v1/tenants/{tenant_id:str}/suspend",
    permission="tenancy.operator.suspend",
    status_code=200,
    tags=["tenancy"],
)
async def suspend(
    call: web.Caller, tenant_id: FromPath[str], data: JSONBody[Suspension]
) -> LifeView:
    """Stop an operator's business: nobody books, rides end, staff only read, feeds are gone."""
    where = ids.parse(tenant_id, "ten")
    return _life(await contract.suspend_operator(call, where, data.reason))


@post(
    "/api/v1/tenants/{tenant_id:str}/resume",
    permission="tenancy.operator.suspend",
    status_code=200,
    tags=["tenancy"],
)
async def resume(call: web.Caller, tenant_id: FromPath[str]) -> LifeView:
    """Let an operator go on, also one that was closing."""
    return _life(await contract.resume_operator(call, ids.parse(tenant_id, "ten")))


@post(
    "/api/v1/tenants/{tenant_id:str}/close",
    permission="tenancy.operator.close",
    status_code=200,
    tags=["tenancy"],
)
async def close(call: web.Caller, tenant_id: FromPath[str], data: JSONBody[Closing]) -> LifeView:
    """End an operator: suspended at once, and deleted when the time has run out."""
    where = ids.parse(tenant_id, "ten")
    return _life(await contract.close_operator(call, where, data.reason, data.keep_days))


@get("/api/v1/tenant/setup", permission="tenancy.operator.change", tags=["tenancy"])
async def get_setup(call: web.Caller) -> SetupView:
    """How far your set-up is: what is done, what is missing, where to go on (WEB-16)."""
    return _setup(await contract.setup(call))


@put("/api/v1/tenant/setup/{step:str}", permission="tenancy.operator.change", tags=["tenancy"])
async def put_step(call: web.Caller, step: FromPath[str], data: JSONBody[StepBody]) -> SetupView:
    """Keep what was typed in at a step, or say that it is over. Steps also see what was done."""
    return _setup(await contract.save_step(call, step, data.state, dict(data.data)))


def _limits(operator: tenancy.Operator) -> LimitsView:
    return LimitsView(
        operator.plan, operator.max_vehicles, operator.max_users, operator.max_requests_per_minute
    )


def _life(life: contract.Life) -> LifeView:
    return LifeView(
        life.status, life.reason, clock.stamp(life.since) if life.since else None,
        clock.stamp(life.deletes_at) if life.deletes_at else None,
    )  # fmt: skip


def _setup(setup: contract.Setup) -> SetupView:
    steps = [StepView(s.name, s.state, s.is_needed, s.data) for s in setup.steps]
    return SetupView(steps, setup.is_ready, setup.next)


handlers = [
    change_limits,
    own_limits,
    tenant_status,
    suspend,
    resume,
    close,
    get_setup,
    put_step,
]
