"""Omni's protocol for shared scooters and e-bikes: lines of text over TCP.

``*SCOR,OM,<imei>,<XX>,<fields>#`` comes from the device, ``*SCOS,...`` goes to it behind two bytes
0xFF; ``XX`` is the instruction. Unlocking takes four steps::

    platform                                   device
    R0,0,<seconds>,<user>,<number>  ------->
                                    <-------   R0,0,<key>,<user>,<number>
    L0,<key>,<user>,<number>        ------->
                                    <-------   L0,<result>,<user>,<number>   (again until thanked)
    L0                              ------->

Locking is the same with R0,1 and L1. ``user`` and ``number`` are ours to choose and come back, so
they say which order an answer belongs to. The device gives its key for so many seconds as we ask:
those that are left until the order expires. Field order, units and example frames are those of
Omni's document "Scooter IoT communication protocol", as implementations in public use read it.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from msgspec import Struct

from fahrwerk.fleet.protocols import Answer, Heard, Malformed, Order, Reading, Result, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_BYTES: Final = 1_024
"""Longest frame: the longest of the document has about 120 bytes."""
HDOP_M: Final = 5.0
"""What one unit of horizontal dilution is worth in metres, with a usual receiver."""
_FRAME: Final = re.compile(
    r"\*(SCO[RS]),([0-9A-Z]{2}),([0-9]{15}),(?:[0-9]{12},)?([A-Z][0-9])(?:,([ -~]*))?"
)
"""Newer firmware puts the time of sending before the instruction; D0 has one of its own."""
_GAP: Final = b"\r\n\t \x00\xff"
"""What may stand between two frames without being worth a word."""


class Frame(Struct, frozen=True):
    """One line, taken apart."""

    sender: Literal["device", "platform"]
    imei: str
    instruction: str
    fields: tuple[str, ...]
    vendor: str = "OM"


def decode(line: bytes) -> Frame:
    """The frame in ``*...`` (without its ``#``). Raises ``Malformed``."""
    match = _FRAME.fullmatch(line.decode("latin-1"))
    if match is None:
        raise Malformed("not_a_frame")
    sender, vendor, imei, instruction, fields = match.groups()
    return Frame(
        "device" if sender == "SCOR" else "platform", imei, instruction,
        tuple(fields.split(",")) if fields else (), vendor,
    )  # fmt: skip


def encode(frame: Frame) -> bytes:
    """The bytes of a frame, as its sender puts them on the line."""
    head = "*SCOR" if frame.sender == "device" else "*SCOS"
    text = ",".join((head, frame.vendor, frame.imei, frame.instruction, *frame.fields)) + "#\n"
    start = b"" if frame.sender == "device" else b"\xff\xff"
    return start + text.encode("ascii")


# --- what the frames mean


class SignIn(Struct, frozen=True):
    """Q0: who has connected."""

    device_voltage: float
    battery_level: int
    signal_strength: int | None


class Heartbeat(Struct, frozen=True):
    """H0: every few minutes."""

    is_locked: bool
    device_voltage: float
    signal_strength: int | None
    battery_level: int
    is_charging: bool


class Key(Struct, frozen=True):
    """R0: the key with which one lock or unlock may be told."""

    locks: bool
    key: str
    user: int
    number: int


class Turned(Struct, frozen=True):
    """L0 and L1: what became of an unlock or lock."""

    result: int
    user: int
    number: int


class Position(Struct, frozen=True):
    """D0: where it is; ``reading`` is None while it does not know."""

    is_tracking: bool
    reading: Reading | None


class Information(Struct, frozen=True):
    """S6: the state of the vehicle."""

    battery_level: int
    speed_mode: int
    speed_kmh: float
    is_charging: bool
    voltage: float
    is_locked: bool
    signal_strength: int | None


class Code(Struct, frozen=True):
    """W0 (warning), E0 (fault), V0 (sound), S1 (event), D1 (tracking interval): one number."""

    value: int


class Settings(Struct, frozen=True):
    """S4, S5, S7 echo the settings they were sent; 0 = not changed."""

    values: tuple[int, ...]


class Peripheral(Struct, frozen=True):
    """L5: locks beside the main one. 1, 2, 3 unlock battery, wheel, cable; 16 more lock them."""

    operation: int
    result: int


Meaning = (
    SignIn | Heartbeat | Key | Turned | Position | Information | Code | Settings | Peripheral | None
)


def meaning(frame: Frame) -> Meaning:
    """What a device's frame says; None for an instruction that is of no use to us.

    Raises ``Malformed`` when the fields do not fit the instruction.
    """
    read = _READ.get(frame.instruction)
    if read is None:
        return None
    try:
        return read(frame.fields)
    except Malformed as error:
        raise Malformed(error.reason, f"{frame.instruction} {frame.fields!r:.80}") from None
    except (IndexError, ValueError, OverflowError):
        raise Malformed("bad_fields", f"{frame.instruction} {frame.fields!r:.80}") from None


def _int(text: str, low: int = 0, high: int = 2**31 - 1) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
        raise Malformed("bad_fields")
    return int(text)


def _signal_dbm(text: str) -> int | None:
    """CSQ 0..31 as dBm; 99 and whatever else is above means unknown."""
    csq = _int(text)
    return -113 + 2 * csq if csq <= 31 else None


def _key(f: tuple[str, ...]) -> Key:
    _int(f[1])  # a number, but sent back letter by letter: it may begin with a zero
    return Key(_int(f[0], high=1) == 1, f[1], _int(f[2]), _int(f[3], high=2**32))


def _position(f: tuple[str, ...]) -> Position:
    is_tracking, clock, validity = f[0] == "1", f[1], f[2]
    if validity != "A" or not f[3]:
        return Position(is_tracking, None)
    at = datetime.strptime(f[9] + clock[:6], "%d%m%y%H%M%S").replace(tzinfo=UTC)
    hdop = float(f[8]) if f[8] else None
    reading = Reading(
        time=at,
        latitude=_degrees(f[3], f[4], "NS", 90),
        longitude=_degrees(f[5], f[6], "EW", 180),
        accuracy_m=round(hdop * HDOP_M, 1) if hdop and 0 < hdop < 1_000 else None,
    )
    return Position(is_tracking, reading)


def _degrees(text: str, side: str, sides: str, most: int) -> float:
    """``2237.7514`` is 22 degrees and 37.7514 minutes."""
    if not re.fullmatch(r"[0-9]{3,5}(\.[0-9]{1,8})?", text) or side not in tuple(sides):
        raise Malformed("bad_position")
    whole, _, fraction = text.partition(".")
    minutes = float(f"{whole[-2:]}.{fraction or 0}")
    value = int(whole[:-2]) + minutes / 60
    if minutes >= 60 or value > most:
        raise Malformed("bad_position")
    return round(-value if side == sides[1] else value, 7)


def _information(f: tuple[str, ...]) -> Information:
    return Information(
        _int(f[0], high=100), _int(f[1]), _int(f[2], high=5_000) / 10, f[3] == "1",
        _int(f[4], high=15_000) / 10, _int(f[6], high=1) == 1, _signal_dbm(f[7]),
    )  # fmt: skip


def _settings(f: tuple[str, ...]) -> Settings:
    return Settings(tuple(_int(each) for each in f))


_READ: Final[dict[str, Callable[[tuple[str, ...]], Meaning]]] = {
    "Q0": lambda f: SignIn(_int(f[0]) / 100, _int(f[1], high=100), _signal_dbm(f[2])),
    "H0": lambda f: Heartbeat(
        _int(f[0], high=1) == 1, _int(f[1]) / 100, _signal_dbm(f[2]), _int(f[3], high=100),
        f[4] == "1",
    ),
    "R0": _key,
    "L0": lambda f: Turned(_int(f[0]), _int(f[1]), _int(f[2], high=2**32)),
    "L1": lambda f: Turned(_int(f[0]), _int(f[1]), _int(f[2], high=2**32)),
    "L5": lambda f: Peripheral(_int(f[0]), _int(f[1])),
    "D0": _position,
    "S6": _information,
    **dict.fromkeys(("W0", "E0", "V0", "S1", "D1"), lambda f: Code(_int(f[0]))),
    **dict.fromkeys(("S4", "S5", "S7"), _settings),
}  # fmt: skip

WARNINGS: Final = {
    1: "moved", 2: "fallen", 3: "dismantled", 4: "battery_low", 6: "lifted_up", 7: "reassembled",
}  # fmt: skip
_TIPPED: Final = {2: True, 6: False}
FAILURES: Final = {1: "lock_failed", 2: "bad_key", 3: "moving"}
_FIND_ME: Final = "2"
_OPEN_BATTERY: Final = "1"
_SPEEDS: Final = range(6, 26)


class _UnderWay(Struct):
    """An order and how far it has come: ``awaits`` is the instruction of the next frame."""

    order: Order
    awaits: str
    user: int
    number: int

    def is_over(self, now: datetime) -> bool:
        return now >= self.order.expires_at


class Conversation:
    """One device's connection: see ``fahrwerk.fleet.protocols.Conversation``."""

    capabilities: ClassVar[frozenset[str]] = frozenset(
        ("unlock", "lock", "sound", "lights", "speed_limit", "battery_cover")
    )
    most_kept: ClassVar[int] = MOST_BYTES
    refusal: ClassVar[bytes] = b""

    def __init__(self) -> None:
        self._rest = b""
        self._imei: str | None = None
        self._under_way: _UnderWay | None = None
        self._number = 0
        self._spoke_at = datetime.min.replace(tzinfo=UTC)

    @property
    def kept(self) -> int:
        return len(self._rest)

    def is_busy(self, now: datetime) -> bool:
        return self._under_way is not None and not self._under_way.is_over(now)

    # --- in

    def hear(self, data: bytes, now: datetime) -> Iterator[Heard]:
        """See the port. A line that cannot be read is skipped; one that does not end is not."""
        for line in self._lines(data):
            try:
                frame = decode(line)
                self._check_sender(frame)
                yield self._understood(frame, meaning(frame), self._moment(now))
            except Malformed as error:
                if error.reason in ("other_imei", "too_long"):
                    raise
                yield Heard(problem=error.reason)

    def _moment(self, now: datetime) -> datetime:
        """Several frames may come at once, and none may hide another behind the same time."""
        self._spoke_at = max(now, self._spoke_at + timedelta(microseconds=1))
        return self._spoke_at

    def _lines(self, data: bytes) -> Iterator[bytes]:
        *whole, rest = (self._rest + data).split(b"#")
        rest = rest.lstrip(_GAP)
        self._rest = rest[:MOST_BYTES]
        for line in (*whole, rest):
            if len(line) > MOST_BYTES:
                raise Malformed("too_long", f"{len(line)} bytes without an end")
            if line is not rest:
                yield line.strip(_GAP)

    def _check_sender(self, frame: Frame) -> None:
        if frame.sender != "device":
            raise Malformed("not_from_a_device")
        if self._imei not in (None, frame.imei):
            raise Malformed("other_imei", "one connection is one device")

    def _understood(self, frame: Frame, says: Meaning, now: datetime) -> Heard:
        # Every frame has the IMEI: after our restart a device may begin with any of them.
        imei = frame.imei if self._imei is None else None
        self._imei = frame.imei
        match says:
            case Key():
                return Heard(imei=imei, reply=self._with_key(says, now))
            case Turned():
                return self._turned(imei, frame.instruction, says, now)
            case Peripheral():
                ok = says.result == 0
                answer = self._echoed(frame.instruction, "done" if ok else "failed")
                return Heard(imei=imei, answer=answer)
            case Code() if frame.instruction == "W0":
                word = WARNINGS.get(says.value, f"warning_{says.value}")
                tipped = _TIPPED.get(says.value)
                readings = () if tipped is None else (Reading(time=now, is_tipped=tipped),)
                return Heard(imei=imei, notices=(word,), readings=readings, reply=self._frame("W0"))
            case Code() if frame.instruction == "E0":
                return Heard(imei=imei, notices=(f"fault_{says.value}",), reply=self._frame("E0"))
            case Code() | Settings():
                return Heard(imei=imei, answer=self._echoed(frame.instruction, "done"))
            case Position():
                return Heard(imei=imei, readings=(says.reading,) if says.reading else ())
            case None:
                return Heard(imei=imei)
            case _:
                return Heard(imei=imei, readings=(_reading(says, now),))

    def _with_key(self, says: Key, now: datetime) -> bytes:
        """The second half of a handshake, if it is one that we began and still want."""
        turn = self._under_way
        if turn is None or turn.awaits != "R0" or turn.is_over(now):
            return b""
        if (says.locks, says.user, says.number) != (
            turn.order.operation == "lock", turn.user, turn.number,
        ):  # fmt: skip
            return b""
        turn.awaits = "L1" if says.locks else "L0"
        if says.locks:
            return self._frame("L1", says.key)
        return self._frame("L0", says.key, str(turn.user), str(turn.number))

    def _turned(self, imei: str | None, instruction: str, says: Turned, now: datetime) -> Heard:
        """A result is believed also when it is late: the vehicle may stand open."""
        answer: Answer | None = None
        notices: tuple[str, ...] = ("turned_by_other_means",)
        turn = self._under_way
        if turn and (turn.awaits, turn.user, turn.number) == (instruction, says.user, says.number):
            reason = None if says.result == 0 else FAILURES.get(says.result, "failed")
            result: Result = "done" if reason is None else "failed"
            answer, notices = Answer(turn.order.id, result, reason), ()
            self._answered(turn)
        readings = (Reading(time=now, is_locked=instruction == "L1"),) if not says.result else ()
        return Heard(
            imei=imei, answer=answer, readings=readings, notices=notices,
            reply=self._frame(instruction),
        )  # fmt: skip

    def _echoed(self, instruction: str, result: Result) -> Answer | None:
        turn = self._under_way
        if turn is None or turn.awaits != instruction:
            return None
        self._answered(turn)
        return Answer(turn.order.id, result, None if result == "done" else "failed")

    def _answered(self, turn: _UnderWay) -> None:
        """It is over; a lock's result stays known, for it comes again until it is thanked for."""
        if turn.awaits in ("L0", "L1"):
            turn.order = _expired(turn.order)
        else:
            self._under_way = None

    # --- out

    def tell(self, order: Order, now: datetime) -> bytes:
        """See the port. ``lights`` takes ``on``, ``speed_limit`` takes ``kmh`` (6 to 25)."""
        if self._imei is None or self.is_busy(now):
            raise RuntimeError("nobody to talk to, or in the middle of another order")
        instruction, fields = self._first_words(order, now)
        self._under_way = _UnderWay(order, instruction, _user(order), self._number)
        return self._frame(instruction, *fields)

    def _first_words(self, order: Order, now: datetime) -> tuple[str, tuple[str, ...]]:
        match order.operation:
            case "unlock" | "lock":
                # Grows from order to order, also over a restart: a number is never used again.
                self._number = max(self._number + 1, math.floor(now.timestamp()))
                left_s = max(1, math.floor((order.expires_at - now) / timedelta(seconds=1)))
                locks = "1" if order.operation == "lock" else "0"
                return "R0", (locks, str(left_s), str(_user(order)), str(self._number))
            case "sound":
                return "V0", (_FIND_ME,)
            case "lights":
                switch = "1" if order.args.get("on") is False else "2"
                return "S7", (switch, "0", "0", switch)
            case "speed_limit":
                kmh = order.args.get("kmh")
                if not isinstance(kmh, int) or kmh not in _SPEEDS:
                    raise Unsupported("speed_limit", "Omni takes kmh from 6 to 25")
                return "S4", ("0", "0", "0", "0", "0", *[str(kmh)] * 3)
            case "battery_cover":
                return "L5", (_OPEN_BATTERY,)
            case _:
                raise Unsupported(order.operation)

    def _frame(self, instruction: str, *fields: str) -> bytes:
        return encode(Frame("platform", self._imei or "", instruction, fields))


def _user(order: Order) -> int:
    """31 bits of the order's id, in the place of a user's number."""
    return order.id.int & 0x7FFFFFFF


def _expired(order: Order) -> Order:
    return Order(
        id=order.id, operation=order.operation, expires_at=datetime.min.replace(tzinfo=UTC)
    )


def _reading(says: SignIn | Heartbeat | Information, now: datetime) -> Reading:
    """These frames have no time of their own: they are sent as they are measured."""
    level, signal = says.battery_level, says.signal_strength
    match says:
        case SignIn():
            return Reading(time=now, battery_level=level, signal_strength=signal)
        case Heartbeat():
            return Reading(
                time=now, battery_level=level, signal_strength=signal, is_locked=says.is_locked
            )
        case Information():
            return Reading(
                time=now, battery_level=level, signal_strength=signal, is_locked=says.is_locked,
                speed_kmh=says.speed_kmh, voltage=says.voltage,
            )  # fmt: skip
