"""Decoders behind their first line of defence: checksums that hold, frames that are well-formed.

``test_devices`` throws any bytes at them; most of those end at the CRC or the frame's shape. Here
that part is right and what it protects is not.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fahrwerk.fleet.protocols import Malformed, omni, teltonika, traccar
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.fleet.protocols.teltonika import Records
from tests.fleet.devices import teltonika as trackers
from tests.fleet.devices.traccar import FORWARDED
from tests.fleet.orders import NOW
from tests.fleet.test_devices import plausible, survives

if TYPE_CHECKING:
    from collections.abc import Mapping

CODECS = (0x08, 0x8E, 0x10, 0x0C, 0x0E, 0x0D, 0x07, 0x00)
RECORDS = (trackers.CODEC_8, trackers.CODEC_8_TWO, trackers.CODEC_8E, trackers.CODEC_16,
           trackers.FIELD_8_THREE, trackers.FIELD_8E_TEXTS)  # fmt: skip


def packet(data: bytes) -> bytes:
    """With a length and a CRC that are right."""
    return bytes(4) + len(data).to_bytes(4) + data + teltonika.crc16(data).to_bytes(4)


def read(whole: bytes) -> None:
    """Nothing but ``Malformed`` is raised, and what is understood can be stored."""
    with contextlib.suppress(Malformed):
        decoded = teltonika.decode(whole)
        if isinstance(decoded, Records):
            for record in decoded.records:
                plausible(teltonika.reading(record))


@given(st.sampled_from(CODECS), st.integers(0, 255), st.binary(max_size=300))
@example(0x08, 255, b"")
@example(0x8E, 1, b"\xff" * 300)
def test_teltonika_any_records_under_a_good_crc(codec: int, count: int, body: bytes) -> None:
    read(packet(bytes((codec, count)) + body + bytes((count,))))


@given(
    st.sampled_from(RECORDS), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=6)
)
def test_teltonika_good_records_with_bytes_changed(
    whole: bytes, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(whole[8:-4])
    for at, byte in changes:
        data[at % len(data)] = byte
    read(packet(bytes(data)))


@given(st.sampled_from(RECORDS), st.integers(0))
def test_teltonika_records_cut_short(whole: bytes, at: int) -> None:
    data = whole[8:-4]
    with pytest.raises(Malformed):
        teltonika.decode(packet(data[: at % len(data)]))


@pytest.mark.parametrize("announced", [0xFFFFFFFF, 0x80000000, 8_181, 1 << 20])
def test_teltonika_a_giant_length_is_not_waited_for(announced: int) -> None:
    words = teltonika.Conversation()
    list(words.hear(trackers.LOGIN, NOW))
    with pytest.raises(Malformed, match="too_long"):
        list(words.hear(bytes(4) + announced.to_bytes(4), NOW))
    assert words.kept == 0


def test_teltonika_no_length_at_all_is_no_endless_loop() -> None:
    words = teltonika.Conversation()
    list(words.hear(trackers.LOGIN, NOW))
    heard = list(words.hear(packet(b"") * 5, NOW))
    assert [each.problem for each in heard] == ["no_preamble"] * 5


INSTRUCTIONS = ("Q0", "H0", "R0", "L0", "L1", "L5", "D0", "D1", "S1", "S4", "S5", "S6", "S7", "V0",
                "W0", "E0", "G0", "Z9")  # fmt: skip
FIELDS = (
    st.sampled_from(["", "0", "1", "2", "100", "4294967296", "9" * 11, "A", "V", "N", "E", "W",
                     "2237.7514", "9999.9999", "18000.0", "1e400", "-1", "nan", "151216", "320000",
                     "124458.00", "996161"])
    | st.text("0123456789.-,AVNSEWx", max_size=12)
)  # fmt: skip


@given(st.sampled_from(INSTRUCTIONS), st.lists(FIELDS, max_size=14))
@example("D0", ["0", "124458.00", "A", "2237.7514", "N", "11408.6214", "E", "6", "1e400", "151216"])
@example("D0", ["0", "246060.00", "A", "2237.7514", "N", "11408.6214", "E", "6", "1", "300213"])
@example("H0", ["1", "9" * 10, "99", "100", "0"])
def test_omni_any_fields_in_a_good_frame(instruction: str, fields: list[str]) -> None:
    frame = omni.encode(omni.Frame("device", "123456789123456", instruction, tuple(fields)))
    survives(omni.Conversation(), frame)


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.sampled_from(sorted(FORWARDED["position"])),
    ANYTHING,
    st.sampled_from(["position", "attributes"]),
)
def test_traccar_any_value_in_a_good_body(field: str, value: Any, where: str) -> None:
    position: Mapping[str, Any] = FORWARDED["position"]
    changed: dict[str, Any] = {**position, field: value}
    if where == "attributes":
        read_ones = ("batteryLevel", "rssi", "power", "odometer", "lock", "ignition", "batteryTemp")
        changed = {**position, where: position[where] | dict.fromkeys(read_ones, value)}
    body = msgspec.json.encode({**FORWARDED, "position": changed})
    with contextlib.suppress(Malformed):
        for report in traccar.decode(body):
            plausible(report.reading)


@given(ANYTHING | st.dictionaries(
    st.sampled_from(["time", "boot", "seq", "latitude", "longitude", "speed_kmh", "battery_level",
                     "locked", "status", "command_id", "firmware", "capabilities"]),
    ANYTHING | st.integers(0, 100), max_size=8,
))  # fmt: skip
def test_own_messages_of_any_shape(value: Any) -> None:
    body = msgspec.json.encode(value)
    for decode in (wire.decode_readings, wire.decode_status):
        with contextlib.suppress(wire.Refused):
            decode(body)
