"""What each protocol's frames mean, on the examples that its documentation prints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from fahrwerk.fleet.protocols import (
    Answer,
    Malformed,
    Unsupported,
    omni,
    traccar,
)
from tests.fleet.devices import omni as scooters
from tests.fleet.devices.traccar import BATCH, BODY, FORWARDED
from tests.fleet.orders import LATER, NOW, only, order

# --- Omni


def said(rest: str) -> omni.Meaning:
    return omni.meaning(omni.decode(f"*SCOR,OM,123456789123456,{rest}".encode()))


def test_omni_frames_mean_what_the_document_says() -> None:
    assert said("Q0,412,80,28") == omni.SignIn(4.12, 80, -57)
    assert said("H0,0,412,28,80,0") == omni.Heartbeat(False, 4.12, -57, 80, False)
    assert said("R0,0,55,1234,1497689816") == omni.Key(False, "55", 1234, 1497689816)
    assert said("L1,0,1234,1497689816,3") == omni.Turned(0, 1234, 1497689816)
    assert said("S6,80,3,221,0,372,372,0,28,460-00,0x27A6,220486467") == omni.Information(
        80, 3, 22.1, False, 37.2, False, -57
    )
    assert said("W0,2") == omni.Code(2)
    assert said("S5,3,1,240,10") == omni.Settings((3, 1, 240, 10))
    assert said("L5,1,0") == omni.Peripheral(1, 0)
    assert said("G0,110,Jul 4 2018,1101") is None


@pytest.mark.parametrize(
    ("rest", "latitude", "longitude", "accuracy_m", "time"),
    [
        (
            "D0,0,124458.00,A,2237.7514,N,11408.6214,E,6,0.21,151216,10,M,A",
            22.6291900, 114.143690, 1.05, datetime(2016, 12, 15, 12, 44, 58, tzinfo=UTC),
        ),
        (
            "D0,1,012102.00,A,0608.00062,S,10659.70331,E,12,0.69,151118,30.3,M,A",
            -6.1333437, 106.9950552, 3.45, datetime(2018, 11, 15, 1, 21, 2, tzinfo=UTC),
        ),
    ],
)  # fmt: skip
def test_omni_positions(
    rest: str, latitude: float, longitude: float, accuracy_m: float, time: datetime
) -> None:
    position = said(rest)
    assert isinstance(position, omni.Position)
    assert position.reading is not None
    assert position.reading.latitude == pytest.approx(latitude, abs=1e-6)
    assert position.reading.longitude == pytest.approx(longitude, abs=1e-6)
    assert position.reading.accuracy_m == pytest.approx(accuracy_m, abs=0.1)
    assert position.reading.time == time


@pytest.mark.parametrize(
    "rest",
    [
        "H0,0,412,28", "H0,2,412,28,80,0", "H0,0,412,28,101,0", "H0,x,412,28,80,0",
        "D0,0,124458.00,A,9937.7514,N,11408.6214,E,6,0.21,151216,10,M,A",
        "D0,0,124458.00,A,2260.0001,N,11408.6214,E,6,0.21,151216,10,M,A",
        "D0,0,124458.00,A,2237.7514,X,11408.6214,E,6,0.21,151216,10,M,A",
        "D0,0,254458.00,A,2237.7514,N,11408.6214,E,6,0.21,151216,10,M,A",
        "D0,0,124458.00,A,2237.7514,N,11408.6214,E,6,0.21,321316,10,M,A",
        "R0,0,five,1234,1497689816", "L0", "S6,80,3", "W0,", "Q0,412,80,28.5",
    ],
)  # fmt: skip
def test_omni_fields_that_do_not_fit(rest: str) -> None:
    with pytest.raises(Malformed, match=r"bad_(fields|position)"):
        said(rest)


def test_omni_without_a_fix_there_is_no_position() -> None:
    assert said("D0,0,033724.00,V,,,,,,,120517,,,N") == omni.Position(False, None)


def test_omni_words_of_the_platform() -> None:
    """Two bytes 0xFF first, a line feed at the end."""
    words = omni.Conversation()
    list(words.hear(scooters.SIGN_IN, NOW))
    expected = {
        "sound": b"V0,2", "lights": b"S7,2,0,0,2", "battery_cover": b"L5,1",
    }  # fmt: skip
    for operation, text in expected.items():
        told = words.tell(order(operation, NOW), NOW)
        assert told == b"\xff\xff*SCOS,OM,123456789123456," + text + b"#\n"
    assert b"S7,1,0,0,1#" in words.tell(order("lights", NOW, on=False), NOW)
    assert b"S4,0,0,0,0,0,15,15,15#" in words.tell(order("speed_limit", NOW, kmh=15), NOW)
    for kmh in (5, 26, None, "20"):
        with pytest.raises(Unsupported, match="6 to 25"):
            words.tell(order("speed_limit", NOW, kmh=kmh), NOW)


def _key(told: bytes, key: str = "55") -> bytes:
    """The device's answer to an R0."""
    frame = omni.decode(told[2:-2])
    locks, _, user, number = frame.fields
    return omni.encode(omni.Frame("device", frame.imei, "R0", (locks, key, user, number)))


def _result(told: bytes, instruction: str = "L0", result: str = "0") -> bytes:
    frame = omni.decode(told[2:-2])
    return omni.encode(omni.Frame("device", frame.imei, instruction, (result, *frame.fields[2:])))


def _talk() -> omni.Conversation:
    words = omni.Conversation()
    list(words.hear(scooters.SIGN_IN, NOW))
    return words


def test_omni_unlocks_in_four_steps() -> None:
    """R0 -> R0 with a key -> L0 with it -> result -> thanks; the key is asked for what is left."""
    words, wanted = _talk(), order()
    asked = words.tell(wanted, NOW + timedelta(seconds=3.5))
    assert omni.decode(asked[2:-2]).fields[:2] == ("0", "11")
    with_key = only(words.hear(_key(asked), NOW)).reply
    user, number = omni.decode(asked[2:-2]).fields[2:]
    assert omni.decode(with_key[2:-2]).fields == ("55", user, number)
    done = only(words.hear(_result(asked), NOW))
    assert done.answer == Answer(wanted.id, "done")
    assert [r.is_locked for r in done.readings] == [False]
    assert done.reply == b"\xff\xff*SCOS,OM,123456789123456,L0#\n"
    again = only(words.hear(_result(asked), NOW))
    assert (again.answer, again.reply) == (done.answer, done.reply), "it was not thanked in time"


@pytest.mark.parametrize(("code", "reason"), [("1", "lock_failed"), ("2", "bad_key")])
def test_omni_a_lock_that_does_not_open(code: str, reason: str) -> None:
    words, wanted = _talk(), order()
    asked = words.tell(wanted, NOW)
    list(words.hear(_key(asked), NOW))
    failed = only(words.hear(_result(asked, result=code), NOW))
    assert (failed.answer, failed.readings) == (Answer(wanted.id, "failed", reason), ())


def test_omni_a_key_that_comes_too_late_opens_nothing() -> None:
    words = _talk()
    asked = words.tell(order(), NOW)
    assert only(words.hear(_key(asked), LATER)).reply == b""


def test_omni_a_key_that_nobody_asked_for_opens_nothing() -> None:
    words = _talk()
    foreign = b"*SCOR,OM,123456789123456,R0,0,55,1234,1497689816#"
    assert only(words.hear(foreign, NOW)).reply == b""
    asked = words.tell(order(), NOW)
    for wrong in (foreign, _key(asked).replace(b"R0,0", b"R0,1")):
        assert only(words.hear(wrong, NOW)).reply == b""
    assert b"L0,55," in only(words.hear(_key(asked), NOW)).reply
    assert only(words.hear(_key(asked), NOW)).reply == b"", "a key is used once"


def test_omni_a_result_that_comes_too_late_is_still_told() -> None:
    """The vehicle stands open: who asked must hear of it (F9)."""
    words, wanted = _talk(), order()
    asked = words.tell(wanted, NOW)
    list(words.hear(_key(asked), NOW))
    assert only(words.hear(_result(asked), LATER + timedelta(seconds=9))).answer == Answer(
        wanted.id, "done"
    )


def test_omni_a_result_of_something_else_answers_nothing() -> None:
    words = _talk()
    asked = words.tell(order(), NOW)
    list(words.hear(_key(asked), NOW))
    other = b"*SCOR,OM,123456789123456,L0,0,1234,1497689816#"
    heard = only(words.hear(other, NOW))
    assert (heard.answer, heard.notices) == (None, ("turned_by_other_means",))
    assert words.is_busy(NOW)


def test_omni_numbers_are_never_used_again() -> None:
    words, numbers = _talk(), []
    for second in (0, 0, 0, 1):
        told = words.tell(order(expires_at=NOW), NOW + timedelta(seconds=second))
        numbers.append(int(omni.decode(told[2:-2]).fields[3]))
    assert len(set(numbers)) == 4
    assert numbers == sorted(numbers)


def test_omni_alarms_are_told_and_thanked_for() -> None:
    words = _talk()
    fallen = only(words.hear(b"*SCOR,OM,123456789123456,W0,2#", NOW))
    assert (fallen.notices, fallen.reply[-5:]) == (("fallen",), b",W0#\n")
    assert [each.is_tipped for each in fallen.readings] == [True]
    lifted = only(words.hear(b"*SCOR,OM,123456789123456,W0,6#", NOW))
    assert [each.is_tipped for each in lifted.readings] == [False]
    fault = only(words.hear(b"*SCOR,OM,123456789123456,E0,14#", NOW))
    assert (fault.notices, fault.reply[-5:]) == (("fault_14",), b",E0#\n")


def test_omni_frames_that_come_at_once_have_a_time_each() -> None:
    """What is measured later must not look as old as what came before it in the same segment."""
    twice = omni.Conversation().hear(scooters.SIGN_IN + scooters.EXAMPLES[0], NOW)
    first, second = (heard.readings[0].time for heard in twice)
    assert NOW <= first < second < NOW + timedelta(milliseconds=1)


def test_omni_one_connection_is_one_device() -> None:
    words = _talk()
    with pytest.raises(Malformed, match="other_imei"):
        list(words.hear(b"*SCOR,OM,999999999999999,H0,0,412,28,80,0#", NOW))
    assert only(_talk().hear(b"*SCOS,OM,123456789123456,L0#", NOW)).problem == "not_from_a_device"


# --- Traccar


def test_traccar_positions() -> None:
    [report] = traccar.decode(BODY)
    assert report.unique_id == "356307042441013"
    reading = report.reading
    assert reading.time == datetime(2018, 9, 14, 15, 34, 17, tzinfo=UTC)
    assert (reading.latitude, reading.longitude, reading.accuracy_m) == (
        49.0156556, 8.3975169, 4.5,
    )  # fmt: skip
    assert reading.speed_kmh == pytest.approx(18.52), "ten knots"
    assert (reading.battery_level, reading.voltage, reading.odometer_m) == (83, 40.3, 1284310)
    assert reading.is_locked is False, "its ignition is on"
    assert reading.signal_strength is None, "four bars are not dBm"
    assert len(traccar.decode(BATCH)) == 2


def _with(part: str = "position", **fields: Any) -> bytes:
    return msgspec.json.encode(FORWARDED | {part: FORWARDED[part] | fields})


def test_traccar_what_is_not_known_is_left_out() -> None:
    [report] = traccar.decode(_with(valid=False, attributes={"ignition": False}, accuracy=0.0))
    reading = report.reading
    assert (reading.latitude, reading.speed_kmh, reading.accuracy_m) == (None, None, None)
    assert (reading.is_locked, reading.battery_level) == (None, None)
    wild = {"batteryLevel": 900, "lock": True, "odometer": "far", "rssi": -71, "power": 1e400}
    [report] = traccar.decode(_with(attributes=wild | {"power": True}))
    reading = report.reading
    assert (reading.battery_level, reading.odometer_m, reading.voltage) == (None, None, None)
    assert (reading.is_locked, reading.signal_strength) == (True, -71)


@pytest.mark.parametrize("time", ["2018-09-14T15:34:17.000+00:00", "2018-09-14T17:34:17+0200"])
def test_traccar_ways_to_write_the_time(time: str) -> None:
    [report] = traccar.decode(_with(deviceTime=time))
    assert report.reading.time == datetime(2018, 9, 14, 15, 34, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_a_position"), (b"{}", "not_a_position"), (b"[]", "too_many"),
        (_with("device", uniqueId=7), "not_a_position"), (_with(latitude=91), "out_of_range"),
        (_with(latitude="north"), "not_a_position"),
        (_with(deviceTime="yesterday"), "bad_time"),
        (b"[" * 10_000, "not_a_position"), (b" " * 1_000_001, "too_long"),
    ],
)  # fmt: skip
def test_traccar_bodies_that_are_wrong(body: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as error:
        traccar.decode(body)
    assert error.value.reason == reason
