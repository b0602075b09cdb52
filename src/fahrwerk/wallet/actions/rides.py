"""Rides paid from the balance: money kept while they run, stop at balance, settled once.

Settling is written down first (the price, then what the balance bears beyond the holds), so that
whoever goes on after a crash asks the ledger for exactly the same.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.kernel import clock, db
from fahrwerk.kernel.crash import point
from fahrwerk.kernel.errors import Conflict, NotFound, Unpaid
from fahrwerk.kernel.live import hub
from fahrwerk.payments.contract import debts, ledger
from fahrwerk.wallet import rules
from fahrwerk.wallet.actions._book import RETRY_S, book, open_account
from fahrwerk.wallet.contract import Cover, Settled, WalletFrozen
from fahrwerk.wallet.queries import account_signal

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

MOST_TRIES = 5

_OPEN_RIDE = """
INSERT INTO wallet.ride (rental_id, rider_id, currency)
SELECT $1, rider_id, currency FROM wallet.account WHERE rider_id = $2 AND frozen_reason IS NULL
ON CONFLICT DO NOTHING
"""
_RIDE = """
SELECT rental_id, rider_id, currency, held, state, total_minor, rest_minor, paid_minor, version
FROM wallet.ride WHERE rental_id = $1
"""
_HELD = """
UPDATE wallet.ride SET held = array_append(held, $2), version = version + 1
WHERE rental_id = $1 AND version = $3 AND state = 'open'
"""


class _Ride(msgspec.Struct, frozen=True):
    rental_id: UUID
    rider_id: UUID
    currency: str
    held: list[int]
    state: str
    total_minor: int | None
    rest_minor: int | None
    paid_minor: int | None
    version: int

    def key(self, number: int) -> str:
        """Of its hold of this number, from 1."""
        return f"ride:{self.rental_id}:{number}"


async def _find(call: Call, rental_id: UUID) -> _Ride:
    row = await db.one("wallet", call, _RIDE, rental_id)
    if row is None:
        raise NotFound
    return _Ride(*row)


async def hold_ride(
    call: Call, rental_id: UUID, rider_id: UUID, amount_minor: int, lease_s: float
) -> Cover:
    """See the contract."""
    rules.check_amount(amount_minor)
    await open_account(call, rider_id)
    await db.run("wallet", call, _OPEN_RIDE, rental_id, rider_id)
    try:
        ride = await _find(call, rental_id)
    except NotFound:
        raise WalletFrozen from None
    if ride.state != "open":
        raise Conflict("This ride is over, or was called off.", code="RIDE_CLOSED")
    if not ride.held:
        await _hold(call, ride, amount_minor, lease_s)
    return await _cover(call, rental_id, must_stop=False)


async def _hold(call: Call, ride: _Ride, amount_minor: int, lease_s: float) -> None:
    await ledger.place_hold(
        call, ride.key(len(ride.held) + 1), str(ride.rider_id), ride.currency, amount_minor,
        lease_s, "bonus", ride.rental_id,
    )  # fmt: skip
    point("wallet.ride.after_hold")
    await db.run("wallet", call, _HELD, ride.rental_id, amount_minor, ride.version)


async def _cover(call: Call, rental_id: UUID, *, must_stop: bool) -> Cover:
    ride = await _find(call, rental_id)
    purse = await ledger.purse(call, str(ride.rider_id), ride.currency)
    return Cover(held_minor=sum(ride.held), left_minor=purse.available_minor, must_stop=must_stop)


async def cover_ride(
    call: Call, rental_id: UUID, cost_minor: int, ahead_minor: int, lease_s: float
) -> Cover:
    """See the contract."""
    ride = await _find(call, rental_id)
    if ride.state != "open":
        return Cover(held_minor=0, left_minor=0, must_stop=True)
    for number in range(1, len(ride.held) + 1):
        try:
            await ledger.extend_hold(call, ride.key(number), lease_s)
        except (Conflict, NotFound):
            # It ran out while nobody asked: what it kept may be gone.
            return await _cover(call, rental_id, must_stop=True)
    wanted = cost_minor + ahead_minor
    for _ in range(MOST_TRIES):
        purse = await ledger.purse(call, str(ride.rider_id), ride.currency)
        more = rules.to_hold(sum(ride.held), cost_minor, ahead_minor, purse.available_minor)
        if more <= 0:
            break
        with suppress(Unpaid, Conflict):  # spent, or held by somebody else meanwhile: look again
            await _hold(call, ride, more, lease_s)
        ride = await _find(call, rental_id)
        if sum(ride.held) >= wanted:
            break
    return await _cover(call, rental_id, must_stop=sum(ride.held) < wanted)


# Written down for the worker, who waits until whoever wrote it may have died.
SETTLE = """
WITH settling AS (
    UPDATE wallet.ride SET state = 'settling', total_minor = $2
    WHERE rental_id = $1 AND state = 'open' RETURNING rental_id
)
INSERT INTO wallet.work (kind, subject, at)
SELECT 'ride', rental_id, kernel.now() + make_interval(secs => $3) FROM settling
ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
"""
_REST = """
UPDATE wallet.ride SET rest_minor = $2 WHERE rental_id = $1 AND rest_minor IS NOT DISTINCT FROM $3
"""
_SETTLED = """
WITH settled AS (
    UPDATE wallet.ride SET state = 'settled', paid_minor = $2
    WHERE rental_id = $1 AND state = 'settling' RETURNING rental_id
)
DELETE FROM wallet.work w USING settled s WHERE w.kind = 'ride' AND w.subject = s.rental_id
"""


async def settle_ride(call: Call, rental_id: UUID, total_minor: int) -> Settled:
    """See the contract."""
    rules.check_amount(total_minor, least=0)
    await db.run("wallet", call, SETTLE, rental_id, total_minor, RETRY_S)
    return await settle(call, rental_id)


async def settle(call: Call, rental_id: UUID) -> Settled:
    """Settle a ride whose price is written down."""
    ride = await _find(call, rental_id)
    total = ride.total_minor or 0
    if ride.state == "settled":
        return Settled(ride.paid_minor or 0, total - (ride.paid_minor or 0))
    if ride.state != "settling":
        raise Conflict("This ride is not paid from the wallet any more.")
    paid = await _captured(call, ride, total)
    point("wallet.ride.after_capture")
    if paid < total:
        paid += await _rest(call, ride, total - paid)
    if paid > 0:
        key = f"ride:{rental_id}"
        entry = rules.Entry(
            id=rules.transaction_id(call.tenant, ride.rider_id, key),
            rider_id=ride.rider_id, key=key, type="usage", amount_minor=-paid,
            currency=ride.currency, description="Ride", reference=rental_id, at=clock.now(),
        )  # fmt: skip
        await book(partial(db.run, "wallet", call), call, entry, None)
    if paid < total:
        await debts.owe(call, rental_id, ride.rider_id, total - paid, ride.currency)
    await db.run("wallet", call, _SETTLED, rental_id, paid)
    hub.signal(account_signal(ride.rider_id))
    return Settled(paid, total - paid)


def _journal(ride: _Ride, key: str, amount_minor: int) -> ledger.NewJournal:
    return ledger.NewJournal(
        key=f"wallet:{key}",
        kind="wallet_usage",
        currency=ride.currency,
        lines=[ledger.Line("receivables", -amount_minor, str(ride.rider_id))],
        at=clock.now(),
        reference=ride.rental_id,
    )


async def _captured(call: Call, ride: _Ride, total: int) -> int:
    """Take the price from the holds in their order; those that are not needed are let go."""
    paid = 0
    for number, amount in enumerate(ride.held, start=1):
        part = min(total - paid, amount)
        try:
            if part <= 0:
                await ledger.release_hold(call, ride.key(number))
            else:
                await ledger.capture_hold(
                    call, ride.key(number), _journal(ride, ride.key(number), part)
                )
                paid += part
        except (Conflict, NotFound) as problem:
            if problem.error_code == ledger.KeyReused.code:
                raise
            continue  # it had run out: what it kept is in the balance, if it is still there
    # One that was placed, but not written down before a crash.
    with suppress(NotFound):
        await ledger.release_hold(call, ride.key(len(ride.held) + 1))
    return paid


async def _rest(call: Call, ride: _Ride, missing: int) -> int:
    """What the balance bears of what the holds did not cover."""
    for _ in range(MOST_TRIES):
        rest = (await _find(call, ride.rental_id)).rest_minor
        if rest is None:
            purse = await ledger.purse(call, str(ride.rider_id), ride.currency)
            rest = min(missing, purse.available_minor)
            await db.run("wallet", call, _REST, ride.rental_id, rest, None)
            rest = (await _find(call, ride.rental_id)).rest_minor
        if rest is None:
            continue
        if rest == 0:
            return 0
        try:
            key = f"{ride.key(0)}:rest"
            await ledger.spend(call, str(ride.rider_id), "bonus", _journal(ride, key, rest))
            return rest
        except Unpaid:
            await db.run("wallet", call, _REST, ride.rental_id, None, rest)
    return 0


_RELEASED = "UPDATE wallet.ride SET state = 'released' WHERE rental_id = $1 AND state = 'open'"


async def release_ride(call: Call, rental_id: UUID) -> None:
    """See the contract."""
    row = await db.one("wallet", call, _RIDE, rental_id)
    if row is None:
        return
    ride = _Ride(*row)
    if ride.state in ("settling", "settled"):
        return
    for number in range(1, len(ride.held) + 2):
        with suppress(NotFound):
            await ledger.release_hold(call, ride.key(number))
    await db.run("wallet", call, _RELEASED, rental_id)
