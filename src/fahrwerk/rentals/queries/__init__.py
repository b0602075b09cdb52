"""What can be read of rentals; what the contract declares stands here under its name."""

from __future__ import annotations

from fahrwerk.rentals.queries.personal import PERSONAL
from fahrwerk.rentals.queries.photos import end_photos
from fahrwerk.rentals.queries.rows import (
    COLUMNS,
    END_ANY,
    FIND,
    READ_ANY,
    broken_invariants,
    check_may,
    check_own,
    details,
    find,
    history,
    photo,
    read,
    receipt,
    rental,
    rental_of,
    rental_page,
    rentals,
    ride,
    rides_of_vehicle,
)
from fahrwerk.rentals.queries.search import search
from fahrwerk.rentals.queries.tracks import ride_track

__all__ = [
    "COLUMNS",
    "END_ANY",
    "FIND",
    "PERSONAL",
    "READ_ANY",
    "broken_invariants",
    "check_may",
    "check_own",
    "details",
    "end_photos",
    "find",
    "history",
    "photo",
    "read",
    "receipt",
    "rental",
    "rental_of",
    "rental_page",
    "rentals",
    "ride",
    "ride_track",
    "rides_of_vehicle",
    "search",
]
