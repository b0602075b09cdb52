"""Verbs for the tests of the ledger: post, top up, look; break rows as only a superuser can."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import asyncpg

from fahrwerk.kernel import clock, db, ids
from fahrwerk.payments.contract import ledger
from fahrwerk.payments.contract.ledger import Grant, Line, NewJournal
from fahrwerk.payments.rules import ledger as rules

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract.ledger import LotKind, Spent

_numbers = itertools.count(1)


def new_key() -> str:
    return f"test:{next(_numbers)}"


def entered(
    *lines: tuple[str, int] | tuple[str, int, str], key: str | None = None, **fields: Any
) -> NewJournal:
    """A journal of lines ``(code, amount)`` or ``(code, amount, owner)``."""
    values: dict[str, Any] = {"kind": "test", "currency": "EUR", "at": clock.now()}
    return NewJournal(
        key=key or new_key(), lines=[Line(*line) for line in lines], **(values | fields)
    )


async def top_up(
    call: Call, owner: str, paid: int = 0, bonus: int = 0, key: str | None = None, **ends: Any
) -> UUID:
    """Paid money through the gateway, and a bonus; ``bonus_ends``: when that runs out."""
    lines = [("gateway_clearing", paid, "sandbox")] if paid else []
    lines += [("goodwill", bonus, "")] if bonus else []
    amounts: list[tuple[LotKind, int]] = [("paid", paid), ("bonus", bonus)]
    grants = [Grant(kind, amount, ends.get(f"{kind}_ends")) for kind, amount in amounts if amount]
    return await ledger.grant(call, owner, grants, entered(*lines, key=key, kind="top_up"))


async def use(
    call: Call, owner: str, amount: int, key: str | None = None, first: LotKind = "bonus"
) -> Spent:
    """A ride from the purse, taxed with 19 %."""
    return await ledger.spend(call, owner, first, for_a_ride(amount, key))


def for_a_ride(amount: int, key: str | None = None) -> NewJournal:
    tax = rules.tax_in(amount, 1900)
    return entered(("revenue.1900", tax - amount), ("vat.1900", -tax), key=key, kind="usage")


async def balances(call: Call) -> dict[tuple[str, str], int]:
    """``(code, owner)`` -> balance, of all accounts that are not zero."""
    staff = call_of_staff(call)
    page = await ledger.accounts(staff, None, None, None, 100, 0)
    return {(a.code, a.owner): a.balance_minor for a in page.accounts if a.balance_minor}


def call_of_staff(call: Call) -> Call:
    """As an administrator of the same operator."""
    from msgspec.structs import replace

    return replace(
        call, user=ids.new(), roles=frozenset({"admin"}), permissions=frozenset({"payments.*"})
    )


async def break_rows(database: db.Database, *statements: str, args: tuple[Any, ...] = ()) -> None:
    """Do to the rows what no role of ours could: triggers, keys and walls are out of the way.

    The statements take ``args``, as far as they name them; check constraints stay.
    """
    raw = await asyncpg.connect(database.dsn.replace("fahrwerk_app", "postgres"))
    try:
        async with raw.transaction():
            await raw.execute("SET LOCAL session_replication_role = replica")
            for statement in statements:
                await raw.execute(statement, *args[: statement.count("$")])
    finally:
        await raw.close()
