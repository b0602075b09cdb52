"""How vehicles are spoken to: one file per wire protocol, pure, found by its name.

A protocol turns bytes into values and values into bytes. It opens no connection and asks no
clock, so every rule about what a vehicle may say, or believe, can be tested without one.

What stands here is the port between a protocol that runs over a stream (TCP) and the link. The
link owns the socket and the clock; a ``Conversation`` owns the words. It is fed bytes as they come
and yields what was ``Heard``; it is given an ``Order`` and says what to send. One order at a time
is under way: these protocols have no way to say which order an answer belongs to. Every module
here with a class ``Conversation`` is put through ``tests/fleet/test_devices.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Literal, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

CAPABILITIES: Final = (
    "unlock", "lock", "sound", "lights", "speed_limit", "top_case", "battery_cover",
)  # fmt: skip
"""All that any vehicle can be told; a word of this list is also the operation of its command."""

Result = Literal["done", "refused", "failed"]
Args = dict[str, str | int | bool | None]


class Malformed(Exception):
    """What came is not what it should be. ``reason`` is one word, for counting."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        super().__init__(f"{reason}: {detail}" if detail else reason)


class Unsupported(Exception):
    """This protocol has no words for this order; ``operation`` names it."""

    def __init__(self, operation: str, detail: str = "cannot be said in this protocol") -> None:
        self.operation = operation
        super().__init__(f"{operation}: {detail}")


class Reading(Struct, frozen=True, kw_only=True):
    """What a device measured, as ``rules.Measured`` but by nobody yet. Units last."""

    time: datetime
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    speed_kmh: float | None = None
    battery_level: int | None = None
    voltage: float | None = None
    """Of the battery that drives the vehicle, not of the device's own."""
    temperature: float | None = None
    signal_strength: int | None = None
    """dBm"""
    is_locked: bool | None = None
    odometer_m: int | None = None
    is_tipped: bool | None = None
    """Lies on its side, by its own sensor."""


class Order(Struct, frozen=True, kw_only=True):
    """A command on its way to one device."""

    id: UUID
    operation: str
    expires_at: datetime
    """From here on it must not be carried out, as far as the protocol can say so."""
    args: Args = {}


class Answer(Struct, frozen=True):
    """What became of an order."""

    order_id: UUID
    result: Result
    reason: str | None = None


class Heard(Struct, frozen=True, kw_only=True):
    """One thing that a device said. Record it, and only then send ``reply``.

    A device forgets what it has been thanked for: a reply sent before the readings were stored
    would lose them with the process.
    """

    imei: str | None = None
    """It says who it is. Nothing that follows counts until that is known to be paired."""
    readings: tuple[Reading, ...] = ()
    answer: Answer | None = None
    notices: tuple[str, ...] = ()
    """Alarms and faults, one word each: ``moved``, ``fallen``, ``fault_3``."""
    problem: str | None = None
    """Something was broken and has been skipped: the reason, for counting."""
    reply: bytes = b""


class Conversation(Protocol):
    """What is said over one connection, from its first byte to its last."""

    capabilities: ClassVar[frozenset[str]]
    """What can be said in this protocol; a given device may be able to do less."""
    most_kept: ClassVar[int]
    """Bytes it keeps at most while a message is incomplete."""
    refusal: ClassVar[bytes]
    """Sent to a device that is not paired, before it is hung up on."""

    @property
    def kept(self) -> int:
        """Bytes of a message that is not complete yet."""

    def is_busy(self, now: datetime) -> bool:
        """An order is under way and has not expired: no other may be given."""

    def hear(self, data: bytes, now: datetime) -> Iterator[Heard]:
        """Take in what came, in any pieces.

        Raises ``Malformed``, and nothing else, when the stream cannot be followed any further:
        then hang up. What was whole before that has been yielded.
        """

    def tell(self, order: Order, now: datetime) -> bytes:
        """The bytes that begin to carry out an order. Raises ``Unsupported``."""
