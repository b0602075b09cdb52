"""Available vehicles by neighbourhood, as this process read them within the last half minute.

People search from everywhere, but from the same few square kilometres: hardly two searches are the
same, and all of them are about the same vehicles. So what is kept is not only answers but what they
are put together from: per neighbourhood (an H3 cell of resolution 8, 0.7 km2) the places of its
vehicles and the two pieces of JSON between which only the distance is missing. A search from a new
place is then a distance per vehicle, a sort and a join, and no question to the database.

Nothing here may be believed for longer than ``TTL_S`` (RNT-05), nor after fleet has said that what
is available in a cell has changed (C-31): whatever was made of a neighbourhood holds its ``Seal``.
"""

from __future__ import annotations

import time
from array import array
from typing import TYPE_CHECKING
from uuid import UUID

from fahrwerk.kernel import geo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

TTL_S = 30.0
"""How old what is shown may get without a sign that it changed: a position, a battery, a price."""
MOST_BYTES = 16 << 20
"""For all operators in this process: about 60,000 vehicles."""
_OVERHEAD_B, _VEHICLE_B = 900, 88
"""What a neighbourhood and each of its vehicles take beside the text, measured."""
_MOST_TAILS = 4_096

Piece = tuple[float, float, str, bytes, bytes]
"""Of one vehicle: latitude, longitude, type, JSON up to the distance, JSON from there on."""


class Seal:
    """Unbroken as long as what was read under it is not known to have changed."""

    __slots__ = ("is_broken",)

    def __init__(self) -> None:
        self.is_broken = False


class Neighbourhood:
    """The available vehicles of one area at one moment, column by column.

    Columns and not a tuple a vehicle: 270 bytes instead of 380, and nothing for the garbage
    collector to walk through. Filled once, then never changed: who is in the middle of answering
    from it may go on when it is forgotten.
    """

    __slots__ = ("area", "heads", "is_known", "lats", "lons", "seal", "size", "tails", "types",
                 "until")  # fmt: skip

    def __init__(self, area: int, until: float) -> None:
        self.area, self.until, self.seal = area, until, Seal()
        self.is_known = False
        self.size = _OVERHEAD_B
        self.lats, self.lons = array("d"), array("d")
        self.types: list[str] = []
        self.heads: list[bytes] = []
        self.tails: list[bytes] = []


class Surroundings:
    """The neighbourhoods this process knows, of all operators; the oldest are forgotten first.

    By age and not by use: after ``TTL_S`` they are worthless anyway. Operators are the integers of
    their ids, which a dictionary compares several times as fast as UUIDs.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.bytes = 0
        self._now = now
        self._kept: dict[tuple[int, int], Neighbourhood] = {}
        self._wide: dict[int, Seal] = {}
        self._tails: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, tenant: int, areas: Sequence[int]) -> list[Neighbourhood]:
        """Those of ``areas``, known or not; ``fill`` those that are not.

        What is not known takes its place before anybody asks the database. So a change that comes
        while the question is under way finds it and breaks its seal, and the answer, which may be
        from before the change, is used by those who asked before it and then forgotten.
        """
        now, found = self._now(), []
        for area in areas:
            there = self._kept.get((tenant, area))
            if there is None or there.until <= now:
                there = self._placed(tenant, area, now)
            found.append(there)
        return found

    def _placed(self, tenant: int, area: int, now: float) -> Neighbourhood:
        self._forget((tenant, area))  # and the new one stands at the end, in the order of age
        placed = self._kept[tenant, area] = Neighbourhood(area, now + TTL_S)
        self._grow(placed.size)
        return placed

    def fill(self, neighbourhood: Neighbourhood, pieces: Iterable[Piece]) -> None:
        """Put in what was found there, unless somebody who asked at the same time already has."""
        if neighbourhood.is_known:
            return
        size = 0
        for lat, lon, vehicle_type, head, tail in pieces:
            neighbourhood.lats.append(lat)
            neighbourhood.lons.append(lon)
            neighbourhood.types.append(vehicle_type)
            neighbourhood.heads.append(head)
            neighbourhood.tails.append(self._shared(tail))
            size += len(head) + _VEHICLE_B
        neighbourhood.is_known = True
        if not neighbourhood.seal.is_broken:
            neighbourhood.size += size
            self._grow(size)

    def _grow(self, size: int) -> None:
        self.bytes += size
        while self.bytes > MOST_BYTES:
            self._forget(next(iter(self._kept)))

    def _shared(self, tail: bytes) -> bytes:
        """Prices and range are the same few texts for a whole fleet: one object for all of them."""
        if len(self._tails) > _MOST_TAILS:
            self._tails.clear()
        return self._tails.setdefault(tail, tail)

    def _forget(self, key: tuple[int, int]) -> None:
        # Its seal is broken too: no change would be heard for what is not kept.
        if (gone := self._kept.pop(key, None)) is not None:
            gone.seal.is_broken = True
            self.bytes -= gone.size

    def wide(self, tenant: int) -> Seal:
        """A seal on all vehicles of an operator: the next change anywhere breaks it."""
        return self._wide.setdefault(tenant, Seal())

    def changed(self, signal: str) -> None:
        """Hear ``fleet.cell:<tenant>:<cell>``: what is known of this cell is no longer true.

        Nor of the cells next to it: a vehicle's position may have gone over a border since it was
        read, unsaid because it stayed available, and the cell that is named is where it is now.
        """
        _, operator, cell = signal.split(":")
        tenant = UUID(operator).int
        for area in geo.areas_next_to(int(cell)):
            self._forget((tenant, area))
        if (seal := self._wide.pop(tenant, None)) is not None:
            seal.is_broken = True
