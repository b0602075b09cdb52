"""What Teltonika's packets mean, on those that its wiki prints and on some from the field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from fahrwerk.fleet.protocols import Answer, Malformed, teltonika
from fahrwerk.fleet.protocols.teltonika import Record, Records, Text
from tests.fleet.devices import teltonika as trackers
from tests.fleet.orders import LATER, NOW, only, order


def test_teltonika_crc() -> None:
    """The check value of CRC-16/ARC."""
    assert teltonika.crc16(b"123456789") == 0xBB3D


def test_teltonika_records_of_each_codec() -> None:
    first = teltonika.decode(trackers.CODEC_8)
    assert first == Records(
        8,
        (
            Record(
                datetime(2019, 6, 10, 10, 4, 46, tzinfo=UTC), 1, 0.0, 0.0, 0, 0, 0, 0, 1,
                {21: 3, 1: 1, 66: 24079, 241: 24602, 78: 0},
            ),
        ),
    )  # fmt: skip
    two = teltonika.decode(trackers.CODEC_8_TWO)
    assert isinstance(two, Records)
    assert [r.io for r in two.records] == [{1: 0}, {1: 1}]
    extended = teltonika.decode(trackers.CODEC_8E)
    assert isinstance(extended, Records)
    assert extended.records[0].io == {1: 1, 17: 29, 16: 22949000, 11: 893700218, 14: 500686954}
    sixteen = teltonika.decode(trackers.CODEC_16)
    assert isinstance(sixteen, Records)
    assert [r.event for r in sixteen.records] == [11, 11]
    assert [r.io for r in sixteen.records] == [
        {1: 0, 3: 0, 11: 39, 66: 22074}, {1: 0, 3: 0, 11: 38, 66: 22074},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("packet", "records", "latitude", "longitude", "speed_kmh"),
    [
        (trackers.FIELD_8, 1, 56.8255366, 60.4544333, 95),
        (trackers.FIELD_8_THREE, 3, 24.9484381, 67.1363518, 0),
        (trackers.FIELD_8E_TEXTS, 1, 52.0296716, 6.7877833, 19),
        (trackers.FIELD_8E_LONG, 2, 55.365185, 10.2598799, 0),
    ],
)
def test_teltonika_packets_from_the_field(
    packet: bytes, records: int, latitude: float, longitude: float, speed_kmh: int
) -> None:
    """As they are collected in public (traccar's tests): positions, and elements of any length."""
    decoded = teltonika.decode(packet)
    assert isinstance(decoded, Records)
    first = decoded.records[0]
    assert (len(decoded.records), first.speed_kmh) == (records, speed_kmh)
    assert (first.latitude, first.longitude) == (latitude, longitude)


@pytest.mark.parametrize("packet", [trackers.CODEC_7, trackers.CODEC_13])
def test_teltonika_codecs_that_we_do_not_speak(packet: bytes) -> None:
    """Those of other families are counted, and not acknowledged."""
    with pytest.raises(Malformed, match="unknown_codec"):
        teltonika.decode(packet)
    said = only(_tracked().hear(packet, NOW))
    assert (said.problem, said.reply) == ("unknown_codec", b"")


def test_teltonika_outputs_that_few_have() -> None:
    """Capabilities: lights on and off, the catch of a top case or a battery cover."""
    wanted: tuple[tuple[str, dict[str, Any], str, str], ...] = (
        ("lights", {}, "setdigout ??1", "DOUT1:IGNORED DOUT2:IGNORED DOUT3:ON Timeout:INFINITY"),
        ("lights", {"on": False}, "setdigout ??0", "DOUT3:OFF Timeout:INFINITY"),
        ("top_case", {}, "setdigout ???1 ? ? ? 2", "DOUT4:1 Timeout:2s"),
        ("battery_cover", {}, "setdigout ???1 ? ? ? 2", "DOUT4:1 Timeout:2s"),
    )
    for operation, args, text, answer in wanted:
        words = _tracked()
        assert teltonika.decode(words.tell(order(operation, **args), NOW)) == Text(12, 5, text)
        said = only(words.hear(_says(answer), NOW)).answer
        assert said is not None
        assert said.result == "done"
    words = _tracked()
    words.tell(order("lights", on=False), NOW)
    wrong = only(words.hear(_says("DOUT3:ON Timeout:INFINITY"), NOW)).answer
    assert wrong is not None
    assert wrong.result == "failed"


def test_teltonika_commands_as_in_the_documentation() -> None:
    assert teltonika.encode_text(Text(12, 5, "getinfo")) == trackers.GETINFO
    assert teltonika.encode_text(Text(12, 5, "getio")) == trackers.GETIO
    command = Text(14, 5, "getver", "352093081452251")
    assert teltonika.encode_text(command) == trackers.GETVER_14
    assert teltonika.decode(trackers.GETVER_14) == command
    answer = teltonika.decode(trackers.GETVER_14_ANSWER)
    assert isinstance(answer, Text)
    assert (answer.kind, answer.imei, answer.text[:15]) == (6, "352093081452251", "Ver:03.18.14_04")
    # The wiki prints this one with a CRC that is not that of its bytes.
    with pytest.raises(Malformed, match="bad_crc"):
        teltonika.decode(trackers.NACK_14)
    data = trackers.NACK_14[8:-4]
    refused = teltonika.decode(trackers.NACK_14[:-4] + teltonika.crc16(data).to_bytes(4))
    assert isinstance(refused, Text)
    assert (refused.is_refusal, refused.imei) == (True, "352093081452468")
    outputs = teltonika.decode(trackers.GETIO_ANSWER)
    assert isinstance(outputs, Text)
    assert outputs.text == "DI1:1 DI2:0 DI3:0 AIN1:0 AIN2:16924 DO1:0 DO2:1"
    info = teltonika.decode(trackers.GETINFO_ANSWER)
    assert isinstance(info, Text)
    assert info.text.startswith("INI:2019/7/22 7:22 RTC:")


def test_teltonika_readings() -> None:
    [record] = teltonika.decode(trackers.CODEC_8).records  # type: ignore[union-attr]
    reading = teltonika.reading(record)
    assert reading.voltage == pytest.approx(24.079)
    assert reading.signal_strength == -87
    assert (reading.latitude, reading.speed_kmh, reading.is_locked) == (None, None, None)
    fixed = msgspec.structs.replace(
        record, latitude=52.5, longitude=13.4, satellites=9, speed_kmh=17,
        io={16: 1284310, 113: 86, 179: 1, 21: 9},
    )  # fmt: skip
    reading = teltonika.reading(fixed)
    assert (reading.latitude, reading.longitude, reading.speed_kmh) == (52.5, 13.4, 17)
    assert (reading.odometer_m, reading.battery_level) == (1284310, 86)
    assert (reading.is_locked, reading.signal_strength) == (False, None)
    assert teltonika.reading(msgspec.structs.replace(fixed, io={179: 0})).is_locked is True
    assert teltonika.reading(msgspec.structs.replace(fixed, io={113: 200})).battery_level is None


def _broken(packet: bytes, at: int, byte: int) -> bytes:
    """With one byte changed, and the CRC made right again."""
    data = bytearray(packet)
    data[at] = byte
    data[-4:] = teltonika.crc16(bytes(data[8:-4])).to_bytes(4)
    return bytes(data)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (trackers.CODEC_8[:-1] + b"\x00", "bad_crc"),
        (b"\x01" + trackers.CODEC_8[1:], "no_preamble"),
        (trackers.CODEC_8[:-5] + trackers.CODEC_8[-4:], "bad_length"),
        (_broken(trackers.CODEC_8, 9, 2), "counts_differ"),
        (_broken(trackers.CODEC_8, 8, 0x99), "unknown_codec"),
        (_broken(trackers.CODEC_8, 35, 6), "elements_differ"),
        (_broken(trackers.CODEC_8, 36, 200), "too_short"),
        (_broken(trackers.CODEC_8, 10, 0xFF), "out_of_range"),
        (_broken(trackers.CODEC_8, 19, 0x7F), "out_of_range"),
        (_broken(trackers.GETINFO, 10, 0x07), "unknown_kind"),
    ],
)
def test_teltonika_packets_that_are_wrong(packet: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as error:
        teltonika.decode(packet)
    assert error.value.reason == reason


def _tracked(codec: int = 12) -> teltonika.Conversation:
    words = teltonika.Conversation(codec)
    hello = only(words.hear(trackers.LOGIN, NOW))
    assert (hello.imei, hello.reply) == (trackers.IMEI, b"\x01")
    return words


def test_teltonika_acknowledges_by_number_and_not_what_is_broken() -> None:
    words = _tracked()
    assert only(words.hear(trackers.CODEC_8_TWO, NOW)).reply == b"\x00\x00\x00\x02"
    broken = trackers.CODEC_8_TWO[:-1] + b"\x00"
    first, second = words.hear(broken + trackers.CODEC_8, NOW)
    assert (first.problem, first.reply, first.readings) == ("bad_crc", b"", ())
    assert second.reply == b"\x00\x00\x00\x01"
    assert only(words.hear(b"\xff" + trackers.CODEC_8, NOW)).problem is None, "a ping of the line"


def _says(text: str) -> bytes:
    return teltonika.encode_text(Text(12, 6, text))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("DOUT1:1 Timeout:INFINITY", ("done", None)),
        ("DOUT1:ON Timeout:INFINITY DOUT2:IGNORED", ("done", None)),
        ("DOUT1:0 Timeout:INFINITY", ("failed", "unexpected_answer")),
        (
            "DOUT1:1 Timeout:INFINITY Speed is above threshold, queued",
            ("failed", "unexpected_answer"),
        ),
        ("DOUT1 Is disabled from CFG", ("failed", "unexpected_answer")),
    ],
)
def test_teltonika_believes_only_what_names_the_output(text: str, answer: tuple[Any, Any]) -> None:
    words, wanted = _tracked(), order()
    assert teltonika.decode(words.tell(wanted, NOW)) == Text(12, 5, "setdigout 1")
    heard = only(words.hear(_says(text), NOW))
    assert heard.answer == Answer(wanted.id, *answer)


def test_teltonika_a_late_answer_is_not_taken_for_the_next_order() -> None:
    words, unlock, lock = _tracked(), order("unlock"), order("lock", LATER + timedelta(seconds=15))
    words.tell(unlock, NOW)
    words.tell(lock, LATER)
    assert only(words.hear(_says("DOUT1:1 Timeout:INFINITY"), LATER)).answer is None
    assert words.is_busy(LATER)
    done = only(words.hear(_says("DOUT1:0 Timeout:INFINITY"), LATER))
    assert done.answer == Answer(lock.id, "done")


def test_teltonika_a_late_answer_is_told_when_nothing_came_between() -> None:
    words, wanted = _tracked(), order()
    words.tell(wanted, NOW)
    late = only(words.hear(_says("DOUT1:1 Timeout:INFINITY"), LATER + timedelta(seconds=9)))
    assert late.answer == Answer(wanted.id, "done")
    assert only(words.hear(_says("DOUT1:1 Timeout:INFINITY"), LATER)).answer is None


def test_teltonika_codec_14_names_the_device() -> None:
    words, wanted = _tracked(14), order()
    told = teltonika.decode(words.tell(wanted, NOW))
    assert told == Text(14, 5, "setdigout 1", trackers.IMEI)
    refusal = teltonika.encode_text(Text(14, 0x11, "", trackers.IMEI))
    assert only(words.hear(refusal, NOW)).answer == Answer(wanted.id, "refused", "wrong_imei")
    other = teltonika.encode_text(Text(14, 6, "DOUT1:1", "352093081452251"))
    with pytest.raises(Malformed, match="other_imei"):
        list(words.hear(other, NOW))


@pytest.mark.parametrize("login", [b"\x00\x0f35630704244101x", b"\x00\x10", b"\x7f\xff", b"\0\0"])
def test_teltonika_logins_that_are_none(login: bytes) -> None:
    with pytest.raises(Malformed, match="bad_imei"):
        list(teltonika.Conversation().hear(login, NOW))
