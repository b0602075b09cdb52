"""Teltonika's protocols over TCP: IMEI, AVL records (codecs 8, 8E, 16), commands (12, 14).

A device says its IMEI and waits for one byte, 1 or 0. Then it sends packets::

    00000000  length (4)  codec (1)  count (1)  records or a text  count (1)  CRC-16/IBM (4)

all big-endian, the CRC over codec to second count. Records are acknowledged by their number; what
is not acknowledged is sent again, so a packet with a bad CRC is simply not acknowledged. Commands
are text, and so are their answers, which do not say what they answer: one at a time, and an answer
is believed only if it says of the output what was asked for. Byte layout and example packets are
those of https://wiki.teltonika-gps.com/view/Teltonika_Data_Sending_Protocols.

Wiring this file supposes (docs/devices.md): output 1 releases the vehicle, 2 is its horn, 3 its
lights, 4 the catch of its top case or battery cover; most devices have the first two.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, NoReturn

from msgspec import Struct

from fahrwerk.fleet.protocols import Answer, Heard, Malformed, Order, Reading, Result, Unsupported
from fahrwerk.kernel import clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

MOST_BYTES: Final = 8_192
"""Longest packet that is taken; devices send up to 1,280 bytes, answers to commands may be more."""
CODEC_8, CODEC_8E, CODEC_16, CODEC_12, CODEC_14 = 0x08, 0x8E, 0x10, 0x0C, 0x0E
_FRAMING: Final = 12
"""Preamble, length and CRC."""
_PING: Final = b"\xff"
"""A device sends this byte now and then, so that the mobile network keeps its line open."""
_COMMAND, _RESPONSE, _WRONG_IMEI = 0x05, 0x06, 0x11
_LAST_MS: Final = 253_402_300_799_999
ACCEPTED: Final = b"\x01"
REFUSED: Final = b"\x00"


def crc16(data: bytes) -> int:
    """CRC-16/IBM (ARC): polynomial 0xA001 reflected, start 0."""
    crc = 0
    for byte in data:
        crc = (crc >> 8) ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_CRC: Final = tuple(_crc_of(byte) for byte in range(256))


# --- packets


class Record(Struct, frozen=True):
    """One AVL record. ``io`` is element -> value; elements of variable length are left out."""

    time: datetime
    priority: int
    longitude: float
    latitude: float
    altitude_m: int
    angle: int
    satellites: int
    """0 = no fix: the position is an old one."""
    speed_kmh: int
    event: int
    io: dict[int, int]


class Records(Struct, frozen=True):
    """A packet of AVL records, to be acknowledged by their number."""

    codec: int
    records: tuple[Record, ...]


class Text(Struct, frozen=True):
    """A command or the answer to one. ``imei`` in codec 14 only."""

    codec: int
    kind: int
    text: str
    imei: str | None = None

    @property
    def is_refusal(self) -> bool:
        """Codec 14: the command was for another IMEI."""
        return self.kind == _WRONG_IMEI


def decode(packet: bytes) -> Records | Text:
    """One whole packet, from its preamble to its CRC. Raises ``Malformed``."""
    if len(packet) < _FRAMING + 3 or packet[:4] != bytes(4):
        raise Malformed("no_preamble")
    data = packet[8:-4]
    if len(data) != int.from_bytes(packet[4:8]):
        raise Malformed("bad_length")
    if crc16(data) != int.from_bytes(packet[-4:]):
        raise Malformed("bad_crc")
    if data[1] != data[-1]:
        raise Malformed("counts_differ")
    reader = _Reader(data[2:-1])
    codec, count = data[0], data[1]
    if codec in _LAYOUTS:
        records = tuple(_record(reader, _LAYOUTS[codec]) for _ in range(count))
        reader.at_end()
        return Records(codec, records)
    if codec in (CODEC_12, CODEC_14) and count == 1:
        return _text(reader, codec)
    raise Malformed("unknown_codec", f"{codec:#x}")


def encode_text(text: Text) -> bytes:
    """A command, or a device's answer, as a packet of codec 12 or 14."""
    body = text.text.encode("ascii")
    if text.codec == CODEC_14:
        body = bytes.fromhex((text.imei or "").zfill(16)) + body
    data = bytes((text.codec, 1, text.kind)) + len(body).to_bytes(4) + body + b"\x01"
    return bytes(4) + len(data).to_bytes(4) + data + crc16(data).to_bytes(4)


class _Layout(NamedTuple):
    """Bytes of an element's number, of a count of elements, and what is between."""

    of_number: int
    of_count: int
    has_generation: bool = False
    has_variable: bool = False


_LAYOUTS: Final = {
    CODEC_8: _Layout(1, 1),
    CODEC_8E: _Layout(2, 2, has_variable=True),
    CODEC_16: _Layout(2, 1, has_generation=True),
}


class _Reader:
    """Walks through bytes that may end too early."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise Malformed("too_short")
        self._at += count
        return taken

    def number(self, count: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(count), signed=signed)

    def at_end(self) -> None:
        if self._at != len(self._data):
            raise Malformed("too_long")


def _record(reader: _Reader, layout: _Layout) -> Record:
    millis, priority = reader.number(8), reader.number(1)
    longitude, latitude = (reader.number(4, signed=True) / 1e7 for _ in range(2))
    altitude, angle = reader.number(2, signed=True), reader.number(2)
    satellites, speed = reader.number(1), reader.number(2)
    event = reader.number(layout.of_number)
    if layout.has_generation:
        reader.take(1)
    total, found = reader.number(layout.of_count), 0
    io: dict[int, int] = {}
    for size in (1, 2, 4, 8):
        count = reader.number(layout.of_count)
        found += count
        for _ in range(count):
            element = reader.number(layout.of_number)
            io[element] = reader.number(size)
    if layout.has_variable:
        count = reader.number(2)
        found += count
        for _ in range(count):
            reader.take(2)
            reader.take(reader.number(2))
    if found != total:
        raise Malformed("elements_differ")
    if millis > _LAST_MS or not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        raise Malformed("out_of_range")
    return Record(
        clock.from_millis(millis), priority, longitude, latitude, altitude, angle, satellites,
        speed, event, io,
    )  # fmt: skip


def _text(reader: _Reader, codec: int) -> Text:
    kind = reader.number(1)
    if kind not in (_COMMAND, _RESPONSE, _WRONG_IMEI):
        raise Malformed("unknown_kind", f"{kind:#x}")
    body, imei = reader.take(reader.number(4)), None
    reader.at_end()
    if codec == CODEC_14:
        if len(body) < 8 or not re.fullmatch(r"0[0-9]{15}", body[:8].hex()):
            raise Malformed("bad_imei")
        imei, body = body[:8].hex()[1:], body[8:]
    return Text(codec, kind, body.decode("latin-1"), imei)


# --- what the records mean


class _Element(NamedTuple):
    """Where the value of an IO element goes."""

    field: str
    scale: float = 1
    most: float = float("inf")


ELEMENTS: Final = {
    16: _Element("odometer_m", most=10_000_000_000),
    24: _Element("speed_kmh", most=500),
    66: _Element("voltage", 0.001, most=1_500),
    113: _Element("battery_level", most=100),
}
"""The elements of the FMB, FMC and TFT families that say something about a vehicle; 66 is the
supply, which is the vehicle's own battery."""
GSM_BARS, OUTPUT_1 = 21, 179
_DBM_OF_BARS: Final = (None, -107, -97, -87, -77, -67)


def reading(record: Record) -> Reading:
    """What a record says of the vehicle. Without a fix its position is not believed."""
    found: dict[str, float] = {}
    for number, element in ELEMENTS.items():
        value = record.io.get(number)
        if value is not None and value * element.scale <= element.most:
            found[element.field] = value * element.scale
    bars, output = record.io.get(GSM_BARS), record.io.get(OUTPUT_1)
    has_fix = record.satellites > 0
    speed = found.get("speed_kmh", min(record.speed_kmh, 500) if has_fix else None)
    return Reading(
        time=record.time,
        latitude=record.latitude if has_fix else None,
        longitude=record.longitude if has_fix else None,
        speed_kmh=speed,
        battery_level=_whole(found.get("battery_level")),
        voltage=found.get("voltage"),
        odometer_m=_whole(found.get("odometer_m")),
        signal_strength=_DBM_OF_BARS[bars] if bars is not None and bars <= 5 else None,
        is_locked=None if output is None else output == 0,
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


# --- commands


class _Words(NamedTuple):
    """A command's text and what its answer must say."""

    text: str
    done: re.Pattern[str]


_WORDS: Final = {
    "unlock": _Words("setdigout 1", re.compile(r"\bDOUT1:(1|ON)\b")),
    "lock": _Words("setdigout 0", re.compile(r"\bDOUT1:(0|OFF)\b")),
    "sound": _Words("setdigout ?1 ? 2", re.compile(r"\bDOUT2:(1|ON)\b")),
    "lights": _Words("setdigout ??1", re.compile(r"\bDOUT3:(1|ON)\b")),
    "lights_off": _Words("setdigout ??0", re.compile(r"\bDOUT3:(0|OFF)\b")),
    "top_case": _Words("setdigout ???1 ? ? ? 2", re.compile(r"\bDOUT4:(1|ON)\b")),
    "battery_cover": _Words("setdigout ???1 ? ? ? 2", re.compile(r"\bDOUT4:(1|ON)\b")),
}


TWO_OUTPUTS: Final = frozenset(("unlock", "lock", "sound"))
"""What a device with two outputs can be told, as nearly all have: said of a vehicle that is paired
with one. Staff who have wired more say so (``capabilities``)."""


def _words(order: Order) -> _Words | None:
    is_off = order.operation == "lights" and order.args.get("on") is False
    return _WORDS.get("lights_off" if is_off else order.operation)


class Conversation:
    """One device's connection: see ``fahrwerk.fleet.protocols.Conversation``."""

    capabilities: ClassVar[frozenset[str]] = frozenset(_WORDS) - {"lights_off"}
    most_kept: ClassVar[int] = MOST_BYTES
    refusal: ClassVar[bytes] = REFUSED

    def __init__(self, codec: int = CODEC_12) -> None:
        """``codec`` of the commands: 12 every device knows; 14 checks the IMEI once more."""
        self._codec = codec
        self._rest = b""
        self._imei: str | None = None
        self._order: Order | None = None
        self._unanswered = 0

    @property
    def kept(self) -> int:
        return len(self._rest)

    def is_busy(self, now: datetime) -> bool:
        return self._order is not None and now < self._order.expires_at

    # --- in

    def hear(self, data: bytes, now: datetime) -> Iterator[Heard]:
        """See the port. A packet that cannot be read is skipped and not acknowledged."""
        self._rest += data
        while (packet := self._next_packet()) is not None:
            try:
                if self._imei is None:
                    self._imei = _imei_in(packet)
                    yield Heard(imei=self._imei, reply=ACCEPTED)
                else:
                    yield self._understood(decode(packet))
            except Malformed as error:
                if error.reason in ("bad_imei", "other_imei"):
                    self._rest = b""
                    raise
                yield Heard(problem=error.reason)

    def _next_packet(self) -> bytes | None:
        """The next whole packet, taken out of what is kept; None while there is none."""
        rest = self._rest
        if self._imei is None:
            size = 2 + int.from_bytes(rest[:2]) if len(rest) >= 2 else 0
            if size > 17:
                self._lost("bad_imei", "an IMEI has 15 digits")
        else:
            rest = self._rest = rest.lstrip(_PING)
            if rest[:4] != bytes(len(rest[:4])):
                self._lost("no_preamble", "does not begin with four zero bytes")
            size = _FRAMING + int.from_bytes(rest[4:8]) if len(rest) >= 8 else 0
            if size > MOST_BYTES:
                self._lost("too_long", f"{size} bytes announced")
        if not size or len(rest) < size:
            return None
        self._rest = rest[size:]
        return rest[:size]

    def _lost(self, reason: str, detail: str) -> NoReturn:
        self._rest = b""
        raise Malformed(reason, detail)

    def _understood(self, packet: Records | Text) -> Heard:
        if isinstance(packet, Records):
            return Heard(
                readings=tuple(reading(each) for each in packet.records),
                reply=len(packet.records).to_bytes(4),
            )
        if packet.kind == _COMMAND:
            raise Malformed("not_from_a_device")
        if packet.imei not in (None, self._imei):
            raise Malformed("other_imei")
        return Heard(answer=self._answer(packet))

    def _answer(self, packet: Text) -> Answer | None:
        """What was expected is believed, also late; anything else is a failure, unless it may be
        the answer to an order that we gave up waiting for."""
        order = self._order
        if order is None:
            return None
        says = packet.text
        words = _words(order)
        is_done = bool(words and words.done.search(says)) and "queued" not in says.lower()
        if not is_done and self._unanswered:
            self._unanswered -= 1
            return None
        self._order, self._unanswered = None, 0
        if is_done:
            return Answer(order.id, "done")
        result: Result = "refused" if packet.is_refusal else "failed"
        return Answer(order.id, result, "wrong_imei" if packet.is_refusal else "unexpected_answer")

    # --- out

    def tell(self, order: Order, now: datetime) -> bytes:
        """See the port."""
        if self._imei is None or self.is_busy(now):
            raise RuntimeError("nobody to talk to, or in the middle of another order")
        words = None if order.operation == "lights_off" else _words(order)
        if words is None:
            raise Unsupported(order.operation)
        self._unanswered = min(self._unanswered + (self._order is not None), 3)
        self._order = order
        return encode_text(Text(self._codec, _COMMAND, words.text, self._imei))


def _imei_in(packet: bytes) -> str:
    """The IMEI of a device's first words. Raises ``Malformed``."""
    text = packet[2:].decode("latin-1")
    if not re.fullmatch(r"[0-9]{15}", text):
        raise Malformed("bad_imei")
    return text


__all__ = [
    "ACCEPTED", "CODEC_8", "CODEC_8E", "CODEC_12", "CODEC_14", "CODEC_16", "ELEMENTS",
    "MOST_BYTES", "REFUSED", "Conversation", "Record", "Records", "Text", "crc16", "decode",
    "encode_text", "reading",
]  # fmt: skip
