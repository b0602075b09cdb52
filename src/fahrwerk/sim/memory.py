"""What simulated vehicles keep across restarts, as real ones keep it in flash: key and counter.

One file, readable by its owner only: whoever has a vehicle's key can answer in its name. It is
written whole and renamed into place, so that a crash leaves the old one or the new one.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire

if TYPE_CHECKING:
    from pathlib import Path


class Unreadable(Exception):
    """The file is there, but it is not what was written."""


class Kept(msgspec.Struct):
    """One vehicle: its half of the key, the last command's counter, and how it stood."""

    alg: wire.Algorithm
    signs_with: bytes
    checks_with: bytes
    counter: int = 0
    latitude: float | None = None
    longitude: float | None = None
    battery_level: float = 100.0
    is_locked: bool = True
    odometer_m: float = 0.0

    @property
    def key(self) -> wire.VehicleKey:
        """As the vehicle uses it."""
        return wire.VehicleKey(self.alg, self.signs_with, self.checks_with)


class Book(msgspec.Struct):
    """Everything that is kept."""

    riders_secret: str
    """What the simulated riders' passwords are made from."""
    vehicles: dict[str, Kept] = {}


def load(path: Path) -> Book:
    """What was kept, or an empty book on first use. Raises ``Unreadable``."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Book)
    except FileNotFoundError:
        return Book(secrets.token_urlsafe(24))
    except (OSError, msgspec.MsgspecError) as error:
        raise Unreadable(
            f"{path} cannot be read ({error}). Without it the simulated vehicles have no keys: "
            "move it away, and they are paired anew."
        ) from None


def save(path: Path, book: Book) -> None:
    """Keep ``book``; under a millisecond for a city's fleet, so it may happen at each command."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(book))
    new.replace(path)
