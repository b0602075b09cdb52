"""Bookings and rides over HTTP: two views of one aggregate, one file a contract.

The id of a booking and of its ride is the same. Money is in decimals of its currency, distances of
rides in kilometres, times ISO 8601 in UTC. Paths without ``/api/v1`` are aliases (C-49).
"""

from __future__ import annotations

from fahrwerk.rentals.http import (
    afterwards,
    bookings,
    locks,
    photos,
    receipts,
    rides,
    search,
    tracks,
    vehicles,
)

handlers = [
    search.search,
    *vehicles.handlers,
    bookings.book,
    bookings.confirm_payment,
    bookings.list_bookings,
    bookings.one_booking,
    bookings.cancel,
    locks.unlock,
    locks.lock,
    rides.start,
    rides.list_rides,
    rides.one_ride,
    rides.status,
    rides.live,
    rides.end,
    *afterwards.handlers,
    tracks.track,
    receipts.receipt,
    receipts.receipt_as_page,
    receipts.history,
    receipts.photo,
    *photos.handlers,
]
