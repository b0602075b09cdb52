"""What fleet does when rentals have news."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet.actions.alert_tickets import open_for_alert
from fahrwerk.fleet.actions.alerts import forget_place
from fahrwerk.fleet.actions.holds import release_within
from fahrwerk.fleet.actions.returns import count_ride, return_vehicle
from fahrwerk.fleet.actions.rides import check_service, note_cancelled, note_ride
from fahrwerk.fleet.events import AlertRaised, VehicleMoved
from fahrwerk.identity.events import PersonErased
from fahrwerk.kernel import geo, person_keys
from fahrwerk.kernel.events import on
from fahrwerk.rentals.events import RentalCancelled, RentalEnded

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx
    from fahrwerk.kernel.events import Fact


@on(RentalEnded)
async def on_rental_ended(tx: Tx, call: Call, event: RentalEnded, fact: Fact) -> None:
    """The vehicle is free and locked again; usage grows by this ride (FLT-41), and then it is
    checked whether service is due (FLT-35)."""
    end = await _end_of(tx, event)
    if end is not None and not geo.on_globe(*end):
        end = None
    await note_ride(tx, event)
    await return_vehicle(tx, call, event.vehicle_id, event.booking_id, end)
    await forget_place(tx, event.vehicle_id)
    await count_ride(tx, event.vehicle_id, event.distance_m, event.duration_s, event.total_minor)
    await check_service(tx, call, event)


async def _end_of(tx: Tx, event: RentalEnded) -> tuple[float, float] | None:
    """Where a ride ended: sealed, unless it is from before; nowhere, once its rider was erased."""
    if event.end_place is not None:
        key = await person_keys.key_within(tx, event.user_id)
        place = person_keys.unseal_text(key, event.end_place)
        latitude, _, longitude = (place or "").partition(",")
        return (float(latitude), float(longitude)) if place else None
    if event.end_latitude is None or event.end_longitude is None:
        return None
    return event.end_latitude, event.end_longitude


@on(RentalCancelled)
async def on_rental_cancelled(tx: Tx, call: Call, event: RentalCancelled, fact: Fact) -> None:
    """The booking came to nothing: whoever is next may have the vehicle (FLT-38).

    It may have opened in the same moment: then it is in use for a ride that rentals does not know,
    and is taken back and locked like after a ride.
    """
    await note_cancelled(tx, event, fact.at)
    await release_within(tx, call, event.vehicle_id, event.booking_id, event.reason)
    await return_vehicle(tx, call, event.vehicle_id, event.booking_id, None)
    await forget_place(tx, event.vehicle_id)


@on(VehicleMoved)
async def on_vehicle_moved(tx: Tx, call: Call, event: VehicleMoved, fact: Fact) -> None:
    """Staff put it there: it did not move by itself."""
    await forget_place(tx, event.vehicle_id)


@on(AlertRaised)
async def on_alert_raised(tx: Tx, call: Call, event: AlertRaised, fact: Fact) -> None:
    """Where its rule says so, there is work to be done on the vehicle."""
    await open_for_alert(tx, call, event, fact.version)


# The vehicle's history stays; who it was that rode, reported or opened does not.
_FORGET = (
    """UPDATE fleet.ticket SET description = '' WHERE tenant_id = kernel.tenant()
    AND source = 'rider' AND id IN (SELECT ticket_id FROM fleet.fault_report
        WHERE tenant_id = kernel.tenant() AND rider_id = $1)""",
    """UPDATE fleet.fault_report SET rider_id = gen_random_uuid(), description = ''
    WHERE tenant_id = kernel.tenant() AND rider_id = $1""",
    """UPDATE fleet.ride SET rider_id = gen_random_uuid()
    WHERE tenant_id = kernel.tenant() AND rider_id = $1""",
    """UPDATE fleet.command SET user_id = NULL
    WHERE tenant_id = kernel.tenant() AND user_id = $1""",
)


@on(PersonErased)
async def on_person_erased(tx: Tx, call: Call, event: PersonErased, fact: Fact) -> None:
    """Where vehicles were is nobody's way any more."""
    for sql in _FORGET:
        await tx.run(sql, event.user_id)
