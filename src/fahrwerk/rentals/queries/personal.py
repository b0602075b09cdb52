"""What rentals holds about people: their rides, and what stands against erasing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db, ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.privacy import Holdings, Obstacle, Rule, Section, Text

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_BOOKS = Text(
    "What was ridden and paid are books: eight years (§ 147 AO), under a number, without places.",
    "Was gefahren und bezahlt wurde, sind Belege: acht Jahre (§ 147 AO), unter einer Nummer, ohne "
    "Orte.",
)
_RIDES = Section(
    name="rides",
    title=Text("Your bookings and rides", "Ihre Buchungen und Fahrten"),
    purpose=Text(
        "To rent a vehicle to you and bill it", "Um Ihnen ein Fahrzeug zu vermieten und abzurechnen"
    ),
    basis="contract",
    kept=Text("eight years; the places for two", "acht Jahre; die Orte zwei"),
    fate="kept",
    why_kept=_BOOKS,
    recipients=Text(
        "Cities that ask for it by law, without your name", "Städte, die es per Gesetz verlangen, "
        "ohne Ihren Namen"
    ),
    sql="""SELECT id AS booking_id, vehicle_id, vehicle_type, state, reason, created_at,
        confirmed_at, started_at, ended_at, cancelled_at, start_latitude, start_longitude,
        start_address, end_latitude, end_longitude, end_address, distance_m,
        battery_used_pct, is_business, stars, feedback, terms, rating AS price, secured_by
    FROM rentals.rental WHERE tenant_id = kernel.tenant() AND rider_id = $1
    ORDER BY created_at, id""",
)  # fmt: skip
_PHOTOS = Section(
    name="end_photos",
    title=Text("Pictures of parked vehicles", "Fotos abgestellter Fahrzeuge"),
    purpose=Text("To see how vehicles were parked", "Um zu sehen, wie Fahrzeuge abgestellt wurden"),
    basis="legitimate_interest",
    kept=Text("90 days, unless the operator says otherwise", "90 Tage, wenn der Betreiber nichts "
              "anderes sagt"),
    fate="deleted",
    has_files=True,
    page=5,
    sql="""SELECT p.rental_id AS booking_id, p.created_at, p.image AS picture
    FROM rentals.end_photo p
    JOIN rentals.rental r ON r.tenant_id = p.tenant_id AND r.id = p.rental_id
    WHERE p.tenant_id = kernel.tenant() AND r.rider_id = $1 ORDER BY p.created_at, p.rental_id""",
)  # fmt: skip
_OLD_PHOTOS = """WITH gone AS (
    DELETE FROM rentals.end_photo WHERE tenant_id = kernel.tenant() AND rental_id IN (
        SELECT rental_id FROM rentals.end_photo
        WHERE tenant_id = kernel.tenant() AND created_at < $1 LIMIT $2)
    RETURNING 1) SELECT count(*) AS count FROM gone"""
_OLD_PLACES = """WITH gone AS (
    UPDATE rentals.rental
    SET start_latitude = NULL, start_longitude = NULL, start_address = NULL,
        end_latitude = NULL, end_longitude = NULL, end_address = NULL, feedback = NULL
    WHERE tenant_id = kernel.tenant() AND id IN (
        SELECT id FROM rentals.rental WHERE tenant_id = kernel.tenant() AND created_at < $1
          AND state IN ('completed', 'cancelled')
          AND (start_latitude IS NOT NULL OR end_latitude IS NOT NULL OR start_address IS NOT NULL
               OR end_address IS NOT NULL OR feedback IS NOT NULL) LIMIT $2)
    RETURNING 1) SELECT count(*) AS count FROM gone"""

_UNDER_WAY = """
SELECT id, state FROM rentals.rental WHERE tenant_id = kernel.tenant() AND rider_id = $1
AND state IN ('pending', 'confirmed', 'in_progress') ORDER BY created_at LIMIT 10
"""


async def obstacles(call: Call, person_id: UUID) -> list[Obstacle]:
    """Who has a booking or rides cannot be erased before that is over."""
    asking = system(call.tenant, "rentals", slug=call.tenant_slug)
    rows = await db.run("rentals", asking, _UNDER_WAY, person_id)
    if not rows:
        return []
    return [
        Obstacle(
            "ride_running",
            Text("A booking or ride is not over yet. Please end or cancel it.",
                 "Eine Buchung oder Fahrt ist noch nicht zu Ende. Bitte beenden oder stornieren "
                 "Sie sie."),
            {"bookings": [ids.public("rent", row["id"]) for row in rows]},
        )
    ]  # fmt: skip


PERSONAL = Holdings(
    sections=(_RIDES, _PHOTOS),
    rules=(
        Rule(
            name="end_photos",
            title=Text("Pictures of parked vehicles", "Fotos abgestellter Fahrzeuge"),
            days=90,
            sql=(_OLD_PHOTOS,),
        ),
        Rule(
            name="places",
            title=Text("Where rides began and ended", "Wo Fahrten begannen und endeten"),
            days=730,
            least=30,
            sql=(_OLD_PLACES,),
        ),
    ),
    obstacles=obstacles,
)
