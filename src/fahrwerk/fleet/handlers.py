"""What fleet does when rentals have news."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet.actions.holds import release_within
from fahrwerk.fleet.actions.returns import count_ride, return_vehicle
from fahrwerk.kernel import geo
from fahrwerk.kernel.events import on
from fahrwerk.rentals.events import RentalCancelled, RentalEnded

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx
    from fahrwerk.kernel.events import Fact


@on(RentalEnded)
async def on_rental_ended(tx: Tx, call: Call, event: RentalEnded, fact: Fact) -> None:
    """The vehicle is free and locked again; usage grows by this ride (FLT-41)."""
    end = None
    if event.end_latitude is not None and event.end_longitude is not None:
        end = (event.end_latitude, event.end_longitude)
    if end is not None and not geo.on_globe(*end):
        end = None
    await return_vehicle(tx, call, event.vehicle_id, event.booking_id, end)
    await count_ride(tx, event.vehicle_id, event.distance_m, event.duration_s, event.total_minor)


@on(RentalCancelled)
async def on_rental_cancelled(tx: Tx, call: Call, event: RentalCancelled, fact: Fact) -> None:
    """The booking came to nothing: whoever is next may have the vehicle (FLT-38).

    It may have opened in the same moment: then it is in use for a ride that rentals does not know,
    and is taken back and locked like after a ride.
    """
    await release_within(tx, call, event.vehicle_id, event.booking_id, event.reason)
    await return_vehicle(tx, call, event.vehicle_id, event.booking_id, None)
