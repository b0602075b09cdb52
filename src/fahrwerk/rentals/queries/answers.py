"""Whole answers of searches, encoded, for riders who stand together or look again."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fahrwerk.rentals.queries.around import Seal

MOST_BYTES = 8 << 20
"""In this process: some 500 answers of 50 vehicles."""
_OVERHEAD_B = 600

Key = tuple[int, float, float, *tuple[object, ...]]
"""Operator, place, and what else was asked."""


class _Answer(msgspec.Struct, frozen=True, gc=False):
    body: bytes
    until: float
    seals: Sequence[Seal]

    @property
    def size(self) -> int:
        return len(self.body) + _OVERHEAD_B


class Answers:
    """Bounded by bytes; the least recently used go first.

    An answer is good until the oldest thing it was made of is too old, and while all seals under
    which those were read are unbroken. So nothing has to be looked for here when a vehicle is
    booked: an answer that shows it is noticed when somebody asks for it.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._kept: OrderedDict[Key, _Answer] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> bytes | None:
        """The answer, if it is still good."""
        answer = self._kept.get(key)
        if answer is None:
            return None
        if answer.until <= time.monotonic() or _is_any_broken(answer.seals):
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return answer.body

    def keep(self, key: Key, body: bytes, until: float, seals: Sequence[Seal]) -> None:
        """Store an answer, unless a change came while it was worked out."""
        if _is_any_broken(seals):
            return
        self._drop(key)
        answer = self._kept[key] = _Answer(body, until, seals)
        self.bytes += answer.size
        while self.bytes > MOST_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        if (gone := self._kept.pop(key, None)) is not None:
            self.bytes -= gone.size


def _is_any_broken(seals: Sequence[Seal]) -> bool:
    for seal in seals:  # noqa: SIM110 - any() with a generator takes four times as long
        if seal.is_broken:
            return True
    return False
