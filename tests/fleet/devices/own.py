"""Our own protocol, seen as the others are: whole messages, and a key that vouches for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from fahrwerk.fleet import rules
from fahrwerk.fleet.protocols import Answer, Heard, Malformed, Order, Reading, Unsupported
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.kernel import clock, ids
from tests.fleet.devices import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

VEHICLE = "sco_3kdQ9x7Lw2"
OURS, THEIRS = wire.new_keys("HS256")
EXAMPLES = (
    b'{"time":1796040001300,"boot":2841906177,"seq":17,"latitude":52.5219184,'
    b'"longitude":13.4132147,"accuracy_m":4.5,"speed_kmh":0,"battery_level":86,"voltage":40.3,'
    b'"temperature":19.5,"signal_strength":-71,"locked":false,"odometer_m":1284310}',
    b'[{"time":1796040003000,"boot":2841906177,"seq":20,"speed_kmh":17.2}]',
)
"""From docs/protocol.md."""


class Messages:
    """A view of acknowledgements and telemetry as a conversation."""

    capabilities: ClassVar[frozenset[str]] = frozenset(rules.OWN_CAPABILITIES)
    most_kept: ClassVar[int] = 0
    refusal: ClassVar[bytes] = b""
    kept = 0

    def __init__(self) -> None:
        self._counter = 0

    def is_busy(self, now: datetime) -> bool:
        return False

    def hear(self, data: bytes, now: datetime) -> Iterator[Heard]:
        try:
            if data.startswith(b'{"alg"'):
                ack = wire.verify_ack(data, OURS, VEHICLE)
                order = ids.parse(ack.command_id or "", "cmd")
                yield Heard(answer=Answer(order, ack.result, ack.reason))
            else:
                yield Heard(readings=tuple(map(_reading, wire.decode_readings(data))))
        except wire.Refused as error:
            raise Malformed(error.reason) from None

    def tell(self, order: Order, now: datetime) -> bytes:
        if order.operation not in self.capabilities:
            raise Unsupported(order.operation)
        self._counter += 1
        command = wire.Command(
            id=ids.public("cmd", order.id), vehicle_id=VEHICLE, command=order.operation,
            timestamp=clock.millis(now), expires=clock.millis(order.expires_at),
            counter=self._counter, user_id=None, booking_id=None, rental_id=None,
            args=dict(order.args),
        )  # fmt: skip
        return wire.encode_command(command, OURS)


def _reading(said: wire.Reading) -> Reading:
    return Reading(time=clock.from_millis(said.time), is_locked=said.locked)


class Vehicle:
    """Checks what it is told and signs what it did."""

    def __init__(self) -> None:
        self.is_locked = True
        self._counter = 0

    def hello(self) -> bytes:
        return EXAMPLES[0]

    def take(self, data: bytes) -> bytes:
        command = wire.verify_command(data, THEIRS, VEHICLE, 0, self._counter)
        self._counter = command.counter
        self.is_locked = {"unlock": False, "lock": True}.get(command.command, self.is_locked)
        ack = wire.Ack(
            command_id=command.id, vehicle_id=VEHICLE, command=command.command, result="done",
            reason=None, counter=command.counter, time=command.timestamp,
        )  # fmt: skip
        return wire.encode_ack(ack, THEIRS)


SUBJECT = Subject("own", Messages, Vehicle, EXAMPLES, is_stream=False)
