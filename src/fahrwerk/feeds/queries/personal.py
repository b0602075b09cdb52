"""What feeds holds about people: trips that cities are told of, under a mark of the month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fahrwerk.feeds.rules import mds
from fahrwerk.kernel import clock, crypto
from fahrwerk.kernel.privacy import Holdings, Section, Text

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call


def _marks(call: Call, person_id: UUID) -> tuple[Any, ...]:
    key = crypto.lasting_key_for(f"feeds.trip:{call.tenant}")
    return (mds.rider_marks(key, person_id, clock.now()),)


PERSONAL = Holdings(
    sections=(
        Section(
            name="trips",
            title=Text("Trips that cities are told of", "Fahrten, die Städte erfahren"),
            purpose=Text("Duty to report trips to cities (MDS)", "Pflicht zur Meldung an Städte"),
            basis="legal_obligation",
            kept=Text("two years, unless the operator says otherwise", "zwei Jahre, wenn der "
                      "Betreiber nichts anderes sagt"),
            fate="deleted",
            recipients=Text("The city's agency, without your name", "Die Behörde der Stadt, ohne "
                            "Ihren Namen"),
            sql="""SELECT id AS trip_id, started_at, ended_at, distance_m, start_latitude,
                start_longitude, end_latitude, end_longitude
            FROM feeds.trip WHERE tenant_id = kernel.tenant() AND $1::uuid IS NOT NULL
              AND rider_mark = ANY($2) ORDER BY started_at, id""",
            arguments=_marks,
        ),
    )
)  # fmt: skip
