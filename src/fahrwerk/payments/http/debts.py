"""What rides still owe: riders see and pay it, staff sees all of it and decides."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.payments import contract
from fahrwerk.payments.contract import debts as doors
from fahrwerk.payments.contract.debts import DEBT_PREFIX

State = Literal["open", "paid", "written_off", "forgiven"]
Everybody = Annotated[
    bool, QueryParameter(name="all", description="Of all riders, for staff; else one's own")
]
Status = Annotated[State | None, QueryParameter(description="Only these; with `all`")]


class DebtView(msgspec.Struct, frozen=True, kw_only=True):
    """A ride that could not be collected."""

    id: str
    booking_id: str
    payment_id: str
    user_id: str
    status: str
    """open, paid, written_off, forgiven"""
    amount: float
    """What is owed now, fees included."""
    amount_opened: float
    fees: float
    amount_written_off: float
    currency: str
    reason: str
    steps_taken: int
    opened_at: str
    next_step_at: str | None
    closed_at: str | None
    is_collecting: bool
    """A bank account is being debited for it, which takes days."""
    pay_url: str | None
    """Where to pay it: `POST`."""


class DebtsView(msgspec.Struct, frozen=True):
    """A page of debts, newest first."""

    debts: list[DebtView]
    pagination: web.Pagination


class DebtStepView(msgspec.Struct, frozen=True, kw_only=True):
    """What was done about it; number 0 is the opening."""

    number: int
    at: str
    amount: float
    """Owed after it."""
    fee: float
    was_charged: bool
    was_noticed: bool


class DebtDetails(msgspec.Struct, frozen=True):
    """A debt with all that was done about it."""

    debt: DebtView
    steps: list[DebtStepView]


class DebtPayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to pay with; no method = the default one. From the balance: the wallet's endpoint."""

    payment_method_id: Annotated[str, Meta(min_length=1, max_length=80)] | None = None


class DebtClosing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why. Forgiven, it no longer keeps the rider from booking."""

    note: Annotated[str, Meta(min_length=1, max_length=200)]
    forgive: bool = False


class DunningView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How debts are collected. Days are counted from the opening; fees are minor units."""

    steps: Annotated[list[doors.Step], Meta(max_length=10)]
    write_off_days: Annotated[int, Meta(ge=1, le=3650)] | None
    """None: never by itself."""
    block_above_minor: Annotated[int, Meta(ge=0, le=100_000_000)] = 0
    """Who owes more cannot book."""
    dispute_is_owed: bool = False
    """A ride whose charge was lost in a dispute is owed again. The card is not charged for it."""


@get("/api/v1/debts", permission="payments.payment.read", personal=True, tags=["payments"])
async def list_debts(
    call: web.Caller,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
    everybody: Everybody = False,
    status: Status = None,
) -> DebtsView:
    """What the caller's rides still owe; with `all` everybody's, for staff."""
    page = (
        await doors.all_debts(call, status, limit, offset)
        if everybody
        else await doors.own_debts(call, limit, offset)
    )
    rows = [view(each) for each in page.debts]
    return DebtsView(rows, web.pagination(page.total, limit, offset, len(rows)))


@get(
    "/api/v1/debts/{debt_id:str}",
    permission="payments.payment.read",
    personal=True,
    tags=["payments"],
)
async def get_debt(call: web.Caller, debt_id: FromPath[str]) -> DebtDetails:
    """One debt with the steps of its dunning."""
    found = await doors.debt(call, ids.parse(debt_id, DEBT_PREFIX))
    steps = await doors.debt_steps(call, found.id)
    return DebtDetails(
        view(found),
        [
            DebtStepView(
                number=each.number,
                at=clock.stamp(each.at),
                amount=money.to_major(each.owed_minor, found.currency),
                fee=money.to_major(each.fee_minor, found.currency),
                was_charged=each.is_retried,
                was_noticed=each.is_noticed,
            )
            for each in steps
        ],
    )


@post(
    "/api/v1/debts/{debt_id:str}/pay",
    permission="payments.method.write",
    while_suspended=True,
    status_code=200,
    tags=["payments"],
)
async def post_debt_payment(
    call: web.Caller, debt_id: FromPath[str], data: JSONBody[DebtPayment]
) -> DebtView:
    """Pay what is owed, at once. Harmless to repeat: what is paid is not paid again.

    400 PAYMENT_FAILED when refused, 400 PAYMENT_AUTHENTICATION_REQUIRED with `next_action` when the
    bank wants a confirmation, 503 PAYMENT_PENDING while the gateway or another try is under way.
    """
    method = data.payment_method_id
    paid = await doors.pay_debt(
        call,
        ids.parse(debt_id, DEBT_PREFIX),
        None if method is None else await contract.find_method(call, method),
    )
    return view(paid)


@post(
    "/api/v1/debts/{debt_id:str}/write-off",
    permission="payments.debt.settle",
    while_suspended=True,
    status_code=200,
    tags=["payments"],
)
async def post_write_off(
    call: web.Caller, debt_id: FromPath[str], data: JSONBody[DebtClosing]
) -> DebtView:
    """Write a debt off, or forgive it; posted to the write-offs. Money by hand: see by-hand."""
    wanted = ids.parse(debt_id, DEBT_PREFIX)
    return view(await doors.close_debt(call, wanted, data.forgive, data.note))


@get("/api/v1/debt-settings", permission="payments.debt.read", tags=["payments"])
async def get_dunning(call: web.Caller) -> DunningView:
    """How debts are collected."""
    return _dunning(await doors.dunning(call))


@put("/api/v1/debt-settings", permission="payments.debt.write", tags=["payments"])
async def put_dunning(call: web.Caller, data: JSONBody[DunningView]) -> DunningView:
    """Change it; debts go on from where they are."""
    wanted = doors.Dunning(
        steps=data.steps,
        write_off_days=data.write_off_days,
        block_above_minor=data.block_above_minor,
        is_dispute_owed=data.dispute_is_owed,
    )
    return _dunning(await doors.set_dunning(call, wanted))


def _dunning(own: doors.Dunning) -> DunningView:
    return DunningView(own.steps, own.write_off_days, own.block_above_minor, own.is_dispute_owed)


def view(each: doors.Debt) -> DebtView:
    """A debt as its rider and staff see it."""
    public = ids.public(DEBT_PREFIX, each.id)

    def major(amount: int) -> float:
        return money.to_major(amount, each.currency)

    return DebtView(
        id=public,
        booking_id=ids.public("rent", each.reference),
        payment_id=ids.public("pay", each.payment_id),
        user_id=ids.public("usr", each.rider_id),
        status=each.state,
        amount=major(each.owed_minor),
        amount_opened=major(each.opened_minor),
        fees=major(each.fee_minor),
        amount_written_off=major(each.written_off_minor),
        currency=each.currency,
        reason=each.reason,
        steps_taken=each.step,
        opened_at=clock.stamp(each.opened_at),
        next_step_at=None if each.next_at is None else clock.stamp(each.next_at),
        closed_at=None if each.closed_at is None else clock.stamp(each.closed_at),
        is_collecting=each.is_collecting,
        pay_url=f"/api/v1/debts/{public}/pay"
        if each.owed_minor and not each.is_collecting
        else None,
    )


handlers = [
    list_debts,
    get_debt,
    post_debt_payment,
    post_write_off,
    get_dunning,
    put_dunning,
]
