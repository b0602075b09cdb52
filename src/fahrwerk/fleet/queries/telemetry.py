"""What has been heard of a vehicle, and what is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet.contract import UnknownVehicle
from fahrwerk.fleet.contract.telemetry import Heard, HeardBoot, MissingReadings
from fahrwerk.fleet.rules import intake
from fahrwerk.kernel import db

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_STATE = msgspec.json.Decoder(intake.State)
_HEARD = """
SELECT coalesce(i.state, '{}')::text, coalesce(i.readings, 0), coalesce(i.duplicates, 0),
       coalesce(i.late, 0), coalesce(i.bad_clock, 0), coalesce(i.null_island, 0),
       coalesce(i.jumps, 0)
FROM fleet.vehicle v LEFT JOIN fleet.intake i ON i.tenant_id = v.tenant_id AND i.vehicle_id = v.id
WHERE v.tenant_id = kernel.tenant() AND v.id = $1
"""


async def telemetry_gaps(call: Call, vehicle_id: UUID) -> Heard:
    """See the contract."""
    row = await db.one("fleet", call, _HEARD, vehicle_id)
    if row is None:
        raise UnknownVehicle
    text, *counts = tuple(row)
    state = _STATE.decode(text)
    newest_at = _at(state.newest_us) if state.newest_us else None
    return Heard([_boot(each) for each in state.boots], newest_at, *counts)


def _boot(known: intake.Boot) -> HeardBoot:
    gaps = [MissingReadings(first, last) for first, last in known.missing]
    return HeardBoot(
        known.boot, known.highest, _at(known.newest_us), intake.missing(known), gaps,
        known.forgotten,
    )  # fmt: skip


def _at(time_us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
