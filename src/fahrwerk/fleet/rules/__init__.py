"""What may happen to a vehicle, decided from arguments alone.

The state machine (FLT-02)::

    available -> reserved -> in_use -> available
    available <-> maintenance           staff only, never while held
    any of the free ones <-> retired    staff only; out of the fleet
    available <-> offline               silent for five minutes, and heard again

A vehicle that falls silent while it is reserved or in use keeps that status: a rider's lease is
not taken away because of a tunnel. It goes offline when it is given back and still silent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import UNSET

from fahrwerk.fleet.contract import (
    CAPABILITIES,
    PREFIX,
    PROTOCOLS,
    HoldLost,
    NewVehicle,
    NotSupported,
    Place,
    TrackPoint,
    VehicleChange,
    VehicleInUse,
    VehicleUnsafe,
)
from fahrwerk.kernel import geo
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from uuid import UUID

STALE_S = 120
"""Silent for longer: bookable with a warning (C-18, FLT-20)."""
SILENT_S = 300
"""Silent for longer: offline (FLT-19)."""
COMMAND_S = 9
"""A command older than this must not be carried out, and is given up (F9, at most 15 s). Shorter
than a rider is kept waiting, so that nothing opens for who has been told that it failed."""
OWN_CAPABILITIES = ("unlock", "lock", "sound", "lights")
"""What our own protocol promises (docs/protocol.md)."""
LOCKING = ("unlock", "lock")
"""What a vehicle without a device supports: a person opens it with a key."""
FULL_RANGE_KM = {"scooter": 30.0, "ebike": 60.0, "car": 300.0, "van": 250.0}
"""Range with a full battery, per type; ``metadata.full_range_km`` says it for one vehicle."""
LONGEST = {
    "identifier": 50, "model": 100, "brand": 50, "category": 50, "external_id": 50,
    "license_plate": 20, "qr_code": 200, "hardware_version": 20, "firmware_version": 20,
    "address": 200,
}  # fmt: skip
"""Characters; as in the table's checks."""
MOST_KMH = 130
_JITTER_M = 10.0


# --- what a vehicle may be


def flaws(wanted: NewVehicle | VehicleChange) -> list[tuple[str, str]]:
    """What is wrong with a vehicle's master data, as (field, issue)."""
    found: list[tuple[str, str]] = []
    for field, longest in LONGEST.items():
        value = getattr(wanted, field, None)
        if isinstance(value, str):
            found += [(field, issue) for issue in _text_flaws(value, longest)]
    days = wanted.service_interval_days
    if isinstance(days, int) and not 1 <= days <= 3650:
        found.append(("service_interval_days", "must be 1 to 3650"))
    if isinstance(wanted, NewVehicle):
        if wanted.vehicle_type not in PREFIX:
            found.append(("vehicle_type", f"must be one of {', '.join(PREFIX)}"))
        if wanted.battery_level is not None and not 0 <= wanted.battery_level <= 100:
            found.append(("battery_level", "must be 0 to 100"))
        found += _place_flaws(wanted.latitude, wanted.longitude)
    else:
        found += _change_flaws(wanted)
    if isinstance(wanted.metadata, dict):
        found += _metadata_flaws(wanted.metadata)
    return found


def _change_flaws(change: VehicleChange) -> Iterable[tuple[str, str]]:
    if change.capabilities is not UNSET and set(change.capabilities) - set(CAPABILITIES):
        yield "capabilities", f"must be of {', '.join(CAPABILITIES)}"
    # When the next service is due is counted from here: near the ends of the calendar it cannot be.
    if change.last_service_at is not UNSET and not 2000 <= change.last_service_at.year < 2100:
        yield "last_service_at", "must be between the years 2000 and 2100"


def _text_flaws(value: str, longest: int) -> Iterable[str]:
    if not value.strip():
        yield "must not be empty"
    elif value != value.strip():
        yield "must not begin or end with a space"
    if len(value) > longest:
        yield f"must have at most {longest} characters"
    if not value.isprintable():
        yield "must not have control characters or unusual spaces"


def _place_flaws(latitude: float | None, longitude: float | None) -> Iterable[tuple[str, str]]:
    if (latitude is None) != (longitude is None):
        yield ("longitude" if longitude is None else "latitude", "comes together with the other")
    elif latitude is not None and longitude is not None:
        if not -90 <= latitude <= 90:
            yield "latitude", "must be -90 to 90"
        if not -180 <= longitude <= 180:
            yield "longitude", "must be -180 to 180"


def _metadata_flaws(
    metadata: dict[str, str | int | float | bool | None],
) -> Iterable[tuple[str, str]]:
    if len(msgspec.json.encode(metadata)) > 8_000:
        yield "metadata", "must have at most 8,000 bytes"
    text = [*metadata, *(v for v in metadata.values() if isinstance(v, str))]
    if any("\x00" in each for each in text):
        yield "metadata", "must not have control characters"
    full = metadata.get("full_range_km")
    if full is not None and (isinstance(full, str | bool) or not 0 < full <= 5_000):
        yield "metadata.full_range_km", "must be a number above 0 and at most 5000"


def check(wanted: NewVehicle | VehicleChange) -> None:
    """Raise ``Invalid`` for the first flaw."""
    for field, issue in flaws(wanted):
        raise Invalid(field=field, issue=issue)


def check_place(place: Place) -> None:
    """Raise ``Invalid`` unless the place is on the globe."""
    for field, issue in _place_flaws(place.latitude, place.longitude):
        raise Invalid(field=field, issue=issue)
    if place.address is not None:
        for issue in _text_flaws(place.address, LONGEST["address"]):
            raise Invalid(field="address", issue=issue)


def full_range_km(vehicle_type: str, metadata: dict[str, str | int | float | bool | None]) -> float:
    """Range with a full battery."""
    given = metadata.get("full_range_km")
    return float(given) if given is not None else FULL_RANGE_KM[vehicle_type]


def with_qr_code(wanted: NewVehicle) -> NewVehicle:
    """Each vehicle has a QR code: ``SC001-QR`` for SC001 unless another is given (FLT-15)."""
    if wanted.qr_code is not None:
        return wanted
    return msgspec.structs.replace(wanted, qr_code=f"{wanted.identifier}-QR")


# --- status


def free_status(is_connected: bool, is_silent: bool) -> str:
    """The status of a vehicle nobody holds."""
    return "offline" if is_connected and is_silent else "available"


def status_by_staff(status: str, wanted: str, is_connected: bool, is_silent: bool) -> str:
    """The status after staff asked for ``available``, ``maintenance`` or ``retired``.

    Raises ``VehicleInUse`` for a vehicle that somebody holds.
    """
    if status in ("reserved", "in_use"):
        raise VehicleInUse(status=status)
    return wanted if wanted != "available" else free_status(is_connected, is_silent)


# --- commands


def may_send(
    operation: str,
    rental_id: UUID | None,
    *,
    is_connected: bool,
    held_by: UUID | None,
    holds: bool,
    capabilities: Collection[str] = OWN_CAPABILITIES,
    is_unsafe: bool = False,
) -> None:
    """Raise unless this command may go to the vehicle now.

    ``holds``: the vehicle is in use, or its hold has not run out. ``is_unsafe``: reserved, and a
    safety-critical ticket is open. Raises ``HoldLost`` for a rental that does not hold the vehicle,
    ``NotSupported`` for what it cannot do, ``VehicleUnsafe`` where a ride would begin.
    """
    if operation not in (capabilities if is_connected else LOCKING):
        raise NotSupported(f"This vehicle cannot do {operation!r}.", operation=operation)
    if rental_id is not None and (held_by != rental_id or not holds):
        raise HoldLost
    if rental_id is not None and operation == "unlock" and is_unsafe:
        raise VehicleUnsafe


def check_args(operation: str, args: Mapping[str, object]) -> None:
    """Raise ``Invalid`` unless these details belong to the command."""
    if operation == "speed_limit":
        kmh = args.get("kmh")
        if not isinstance(kmh, int) or isinstance(kmh, bool) or not 1 <= kmh <= MOST_KMH:
            raise Invalid(field="args.kmh", issue=f"must be 1 to {MOST_KMH}")
    if operation == "lights" and not isinstance(args.get("on", True), bool):
        raise Invalid(field="args.on", issue="must be true or false")
    known = {"speed_limit": {"kmh"}, "lights": {"on"}}.get(operation, set())
    for name in sorted(set(args) - known):
        raise Invalid(field=f"args.{name}", issue=f"does not belong to {operation!r}"[:100])


def check_device(protocol: str, imei: str) -> None:
    """Raise ``Invalid`` unless a device of this protocol can be called so."""
    if protocol not in PROTOCOLS:
        raise Invalid(field="protocol", issue=f"must be one of {', '.join(PROTOCOLS)}")
    if protocol == "traccar":
        if not re.fullmatch(r"[0-9A-Za-z._:-]{1,64}", imei):
            raise Invalid(field="imei", issue="must be 1 to 64 letters, digits and . _ : -")
    elif not re.fullmatch(r"[0-9]{15}", imei):
        raise Invalid(field="imei", issue="must have 15 digits")


def after_unlock(
    command_state: str, rental_id: UUID | None, status: str, held_by: UUID | None, holds: bool
) -> Literal["begin", "told", "lock"]:
    """What follows when a vehicle says it has unlocked (FLT-25).

    ``begin``: the ride begins. ``told``: nothing but the news (staff, or unlocked again within a
    ride). ``lock``: nobody has a right to it any more, or the rider has been told that it failed:
    it is open in the street and is to be locked at once, and no ride begins.
    """
    if rental_id is None:
        return "told"
    if held_by == rental_id and status == "in_use":
        return "told"
    is_late = command_state in ("failed", "expired")
    return "begin" if held_by == rental_id and holds and not is_late else "lock"


# --- tracks


def length_m(points: Sequence[TrackPoint]) -> int:
    """How long a track is; steps below ten metres are the receiver's noise, not a way."""
    if not points:
        return 0
    total, anchor = 0.0, points[0]
    for point in points[1:]:
        step = geo.distance_m(anchor.latitude, anchor.longitude, point.latitude, point.longitude)
        if step >= _JITTER_M:
            total, anchor = total + step, point
    return round(total)


def thinned(points: Sequence[TrackPoint], most: int) -> list[TrackPoint]:
    """At most ``most`` (2 or more) of the points, evenly chosen, the first and the last kept."""
    if len(points) <= most:
        return list(points)
    return [points[i * (len(points) - 1) // (most - 1)] for i in range(most)]


def utilization(ridden_s: int, in_service_s: float) -> float:
    """The part of its time in service that a vehicle was ridden."""
    if in_service_s <= 0:
        return 0.0
    return round(min(1.0, ridden_s / in_service_s), 4)


def latitude_band(latitude: float, radius_m: float) -> tuple[float, float]:
    """The latitudes within ``radius_m``: the first sieve of wide searches, at any longitude."""
    degrees = radius_m / 111_000  # a little generous: the distance is computed afterwards
    return latitude - degrees, latitude + degrees
