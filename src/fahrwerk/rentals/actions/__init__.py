"""The verbs of rentals, one file each; what the contract declares stands here under its name."""

from __future__ import annotations

from fahrwerk.rentals.actions.afterwards import add_photo, rate
from fahrwerk.rentals.actions.book import book
from fahrwerk.rentals.actions.cancel import cancel
from fahrwerk.rentals.actions.confirm import confirm
from fahrwerk.rentals.actions.end import end
from fahrwerk.rentals.actions.review import review_photo
from fahrwerk.rentals.actions.start import start
from fahrwerk.rentals.actions.unlock import lock, unlock

__all__ = [
    "add_photo",
    "book",
    "cancel",
    "confirm",
    "end",
    "lock",
    "rate",
    "review_photo",
    "start",
    "unlock",
]
