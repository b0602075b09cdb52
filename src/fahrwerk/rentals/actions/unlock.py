"""Unlock the booked vehicle; lock and unlock it during the ride (FLT-24..26, RNT-27).

The rider waits for the vehicle's own confirmation, at most ten seconds. Commands of an attempt have
one id, made from the rental and the attempt's number: pressing twice sends one command.

Crash points: ``rentals.unlock.after_command``, ``rentals.unlock.after_attempt``.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import VehicleMoving, VehicleSilent
from fahrwerk.kernel import db, ids
from fahrwerk.kernel.crash import point
from fahrwerk.kernel.live import hub, rung
from fahrwerk.rentals import rules
from fahrwerk.rentals.contract import WrongState
from fahrwerk.rentals.queries import check_own, find

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.fleet.contract import Command
    from fahrwerk.kernel.call import Call
    from fahrwerk.rentals.contract import Rental

WAIT_S = 10.0
_LOOK_AGAIN_S = (0.05, 0.25)
"""Without a signal: at first soon, since most vehicles answer within a second."""
_RETRY_AFTER_S = 60  # RNT-27
_DONE = ("acknowledged", "verified")
_IN_VAIN = ("failed", "expired")
_MOVING = "moving"
"""The device's reason (docs/protocol.md) for a lock it refuses."""


async def unlock(call: Call, rental_id: UUID) -> Rental:
    rental = await find(call, rental_id)
    check_own(call, rental)
    if rental.state == "in_progress":
        return await _command_during_ride(call, rental, "unlock")
    if rules.move("unlock", rental.state) is None:
        return rental
    command = await _attempt(call, rental)
    point("rentals.unlock.after_command")
    return await _begun(call, rental_id, command)


_ATTEMPT = "SELECT unlock_attempt FROM rentals.rental WHERE id = $1"
_NEXT_ATTEMPT = """
UPDATE rentals.rental SET unlock_attempt = unlock_attempt + 1 WHERE id = $1 AND unlock_attempt = $2
"""


async def _attempt(call: Call, rental: Rental) -> Command:
    """The command of the attempt under way, or of a new one when the last came to nothing."""
    while True:
        row = await db.one("rentals", call, _ATTEMPT, rental.id)
        number = row["unlock_attempt"] if row else 1
        command = await fleet.send_command(
            call, rental.vehicle_id, "unlock", rental.id, ids.derived(rental.id, "unlock", number)
        )
        if command.state not in _IN_VAIN:
            return command
        await db.run("rentals", call, _NEXT_ATTEMPT, rental.id, number)
        point("rentals.unlock.after_attempt")


async def _begun(call: Call, rental_id: UUID, command: Command) -> Rental:
    """The rental once its ride has begun. Raises ``VehicleSilent``, ``WrongState``."""
    until = time.monotonic() + WAIT_S
    wait_s = _LOOK_AGAIN_S[0]
    with ExitStack() as listening:
        bell = listening.enter_context(hub.listening(f"fleet.command:{command.id}"))
        begun = listening.enter_context(hub.listening(f"rentals.rental:{rental_id}"))
        while True:
            bell.clear()
            rental = await find(call, rental_id)
            if rules.move("unlock", rental.state) is None:
                return rental
            command = await fleet.command(call, command.id)
            if command.state in _IN_VAIN or time.monotonic() >= until:
                raise VehicleSilent(retry_after=_RETRY_AFTER_S)
            # Confirmed by the vehicle: the handler is about to begin the ride, and will say so.
            await rung(begun if command.state in _DONE else bell, wait_s)
            begun.clear()
            wait_s = min(wait_s * 1.5, _LOOK_AGAIN_S[1])


async def lock(call: Call, rental_id: UUID) -> Rental:
    rental = await find(call, rental_id)
    check_own(call, rental)
    if rental.state != "in_progress":
        raise WrongState(state=rental.state, wanted=["in_progress"])
    return await _command_during_ride(call, rental, "lock")


async def _command_during_ride(call: Call, rental: Rental, operation: str) -> Rental:
    """Send and wait for the vehicle; nothing to do when it already stands as wanted."""
    vehicle = await fleet.vehicle(call, rental.vehicle_id)
    if vehicle.is_locked == (operation == "lock"):
        return rental
    command_id = ids.new()
    until = time.monotonic() + WAIT_S
    with hub.listening(f"fleet.command:{command_id}") as bell:
        command = await fleet.send_command(
            call, rental.vehicle_id, operation, rental.id, command_id
        )
        while command.state not in _DONE:
            if command.state == "failed" and command.reason == _MOVING:
                raise VehicleMoving
            if command.state in _IN_VAIN or time.monotonic() >= until:
                raise VehicleSilent(retry_after=_RETRY_AFTER_S)
            await rung(bell, _LOOK_AGAIN_S[1])
            bell.clear()
            command = await fleet.command(call, command_id)
    return rental
