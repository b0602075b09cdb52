"""The wire protocol: what is signed stays what it is, and bytes from anywhere break nothing."""

# long: one protocol, and every way to break it
from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire

ALGORITHMS: tuple[wire.Algorithm, ...] = ("HS256", "EdDSA")
KEYS = {alg: wire.new_keys(alg) for alg in ALGORITHMS}
OTHER_KEYS = {alg: wire.new_keys(alg) for alg in ALGORITHMS}

SPECIFICATION = Path(__file__).parents[2] / "docs/protocol.md"

algorithms = st.sampled_from(ALGORITHMS)
ids = st.from_regex(r"\A[a-z]{1,6}_[0-9A-Za-z]{1,22}\Z")
words = st.from_regex(r"\A[a-z][a-z0-9_]{0,31}\Z")
references = st.none() | st.from_regex(r"\A[0-9A-Za-z_-]{1,64}\Z")
counters = st.integers(1, wire.MAX_COUNTER)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60)
values = texts | st.integers(-wire.MAX_COUNTER, wire.MAX_COUNTER) | st.booleans() | st.none()
times = st.integers(0, 4_102_444_800_000)


@st.composite
def commands(draw: st.DrawFn) -> wire.Command:
    issued = draw(times)
    return wire.Command(
        id=draw(ids),
        vehicle_id=draw(ids),
        command=draw(words),
        timestamp=issued,
        expires=issued + draw(st.integers(1, 60_000)),
        counter=draw(counters),
        user_id=draw(references),
        booking_id=draw(references),
        rental_id=draw(references),
        args=draw(st.dictionaries(words.filter(lambda word: word != "sig"), values, max_size=5)),
    )


@st.composite
def acks(draw: st.DrawFn) -> wire.Ack:
    result: wire.Result = draw(st.sampled_from(["done", "refused", "failed"]))
    return wire.Ack(
        command_id=draw(st.none() | ids),
        vehicle_id=draw(ids),
        command=draw(st.none() | words),
        result=result,
        reason=None if result == "done" else draw(words),
        counter=draw(st.none() | counters),
        time=draw(times),
    )


@st.composite
def readings(draw: st.DrawFn) -> wire.Reading:
    def maybe(low: float, high: float) -> float | None:
        return draw(st.none() | st.floats(low, high))

    has_place = draw(st.booleans())
    return wire.Reading(
        time=draw(times),
        boot=draw(st.integers(0, 2**32 - 1)),
        seq=draw(st.integers(0, wire.MAX_COUNTER)),
        latitude=draw(st.floats(-90, 90)) if has_place else None,
        longitude=draw(st.floats(-180, 180)) if has_place else None,
        accuracy_m=maybe(0, 100_000),
        speed_kmh=maybe(0, 500),
        battery_level=maybe(0, 100),
        voltage=maybe(0, 1_500),
        temperature=maybe(-100, 200),
        signal_strength=maybe(-200, 0),
        locked=draw(st.none() | st.booleans()),
        odometer_m=maybe(0, 1e10),
    )


def a_command(**changes: Any) -> wire.Command:
    return msgspec.structs.replace(
        wire.Command(
            id="cmd_1",
            vehicle_id="sco_1",
            command="unlock",
            timestamp=1_000,
            expires=16_000,
            counter=7,
            user_id="usr_1",
            booking_id="book_1",
            rental_id="rent_1",
        ),
        **changes,
    )


def reason_of(
    payload: bytes,
    key: wire.VehicleKey,
    vehicle_id: str = "sco_1",
    now_ms: int = 2_000,
    last_counter: int = 6,
) -> str:
    with pytest.raises(wire.Refused) as caught:
        wire.verify_command(payload, key, vehicle_id, now_ms, last_counter)
    return caught.value.reason


def sign_anything(fields: dict[str, Any], key: wire.PlatformKey) -> bytes:
    """As a platform would that does not check what it sends."""
    fields = {**fields, "alg": key.alg}
    signature = wire._signature(key, wire._COMMAND + wire._canonical(fields))
    return wire._canonical({**fields, "sig": signature})


# --- commands


@given(commands(), algorithms)
def test_a_signed_command_arrives_as_it_was_sent(cmd: wire.Command, alg: wire.Algorithm) -> None:
    ours, theirs = KEYS[alg]
    payload = wire.encode_command(cmd, ours)
    heard = wire.verify_command(payload, theirs, cmd.vehicle_id, cmd.timestamp, cmd.counter - 1)
    assert heard == cmd


@given(commands(), algorithms, st.data())
def test_any_changed_byte_is_refused(
    cmd: wire.Command, alg: wire.Algorithm, data: st.DataObject
) -> None:
    ours, theirs = KEYS[alg]
    payload = bytearray(wire.encode_command(cmd, ours))
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] ^= data.draw(st.integers(1, 255))
    reason = reason_of(bytes(payload), theirs, cmd.vehicle_id, cmd.timestamp, cmd.counter - 1)
    assert reason in ("bad_signature", "malformed")


@given(commands(), algorithms, st.data())
def test_bytes_cut_out_or_put_in_are_refused(
    cmd: wire.Command, alg: wire.Algorithm, data: st.DataObject
) -> None:
    ours, theirs = KEYS[alg]
    payload = wire.encode_command(cmd, ours)
    start = data.draw(st.integers(0, len(payload)))
    end = data.draw(st.integers(start, len(payload)))
    inserted = data.draw(st.sampled_from([b" ", b"\n", b"0", b'"a":1,', b'"counter":9,', b"}"]))
    changed = payload[:start] + (inserted if start == end else b"") + payload[end:]
    reason = reason_of(changed, theirs, cmd.vehicle_id, cmd.timestamp, cmd.counter - 1)
    assert reason in ("bad_signature", "malformed")


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_every_single_bit_counts(alg: wire.Algorithm) -> None:
    ours, theirs = KEYS[alg]
    payload = wire.encode_command(a_command(), ours)
    for place in range(len(payload)):
        for bit in range(8):
            changed = bytearray(payload)
            changed[place] ^= 1 << bit
            assert reason_of(bytes(changed), theirs) in ("bad_signature", "malformed")


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_reasons_and_their_order(alg: wire.Algorithm) -> None:
    ours, theirs = KEYS[alg]
    payload = wire.encode_command(a_command(), ours)
    wire.verify_command(payload, theirs, "sco_1", 15_999, 6)
    assert reason_of(payload, theirs, now_ms=16_000) == "expired"
    assert reason_of(payload, theirs, last_counter=7) == "replayed"
    assert reason_of(payload, theirs, last_counter=8, now_ms=99_000) == "replayed"
    assert reason_of(payload, theirs, "sco_2", last_counter=8) == "wrong_vehicle"
    assert reason_of(payload, OTHER_KEYS[alg][1], "sco_2") == "bad_signature"
    assert reason_of(b"open the door", theirs) == "malformed"
    assert reason_of(b'["command"]', theirs) == "malformed"
    assert reason_of(b"{" + b" " * wire.MAX_MESSAGE_BYTES + b"}", theirs) == "malformed"


def test_what_a_refused_command_says_of_itself_can_be_answered() -> None:
    ours, theirs = KEYS["HS256"]
    payload = wire.encode_command(a_command(), OTHER_KEYS["HS256"][0])
    for tried, claim in [
        (payload, wire.Claim("cmd_1", "unlock", 7)),
        (wire.encode_command(a_command(), ours), wire.Claim("cmd_1", "unlock", 7)),
        (b'{"id":"cmd_1","command":"unlock","counter":"many"}', wire.Claim()),
        (b"garbage", wire.Claim()),
    ]:
        with pytest.raises(wire.Refused) as caught:
            wire.verify_command(tried, theirs, "sco_1", 99_000, 0)
        assert caught.value.claim == claim


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_an_unsigned_command_is_refused(alg: wire.Algorithm) -> None:
    """FLT-23: also the bare four fields of the contract."""
    theirs = KEYS[alg][1]
    signed = json.loads(wire.encode_command(a_command(), KEYS[alg][0]))
    for bare in (
        {name: value for name, value in signed.items() if name != "sig"},
        {name: value for name, value in signed.items() if name not in ("sig", "alg")},
        {"command": "unlock", "timestamp": 1_000, "user_id": "usr_1", "booking_id": "book_1"},
        {**signed, "sig": None},
        {**signed, "sig": ""},
        {**signed, "sig": 7},
        {**signed, "sig": "é" * 43},
        {**signed, "alg": "none", "sig": ""},
    ):
        assert reason_of(wire._canonical(bare), theirs) == "bad_signature"


def test_the_key_decides_the_algorithm() -> None:
    """A public key that is taken for a shared secret is the classic mistake."""
    ours, theirs = KEYS["EdDSA"]
    public = theirs.checks_with
    forged = wire.encode_command(a_command(), wire.PlatformKey("HS256", public, public))
    assert reason_of(forged, theirs) == "bad_signature"
    renamed = forged.replace(b'"alg":"HS256"', b'"alg":"EdDSA"')
    assert reason_of(renamed, theirs) == "bad_signature"
    assert reason_of(wire.encode_command(a_command(), ours), KEYS["HS256"][1]) == "bad_signature"


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_one_meaning_has_one_spelling(alg: wire.Algorithm) -> None:
    ours, theirs = KEYS[alg]
    payload = wire.encode_command(a_command(), ours)
    fields = json.loads(payload)
    for spelling in (
        json.dumps(fields, sort_keys=True).encode(),
        json.dumps(dict(reversed(fields.items())), separators=(",", ":")).encode(),
        payload.replace(b"unlock", b"\\u0075nlock"),
        payload.replace(b'"counter":7', b'"counter":7.0'),
        payload.replace(b'"counter":7', b'"counter":7,"counter":7'),
        payload.replace(b'"sig":"', b'"sig":"='),
        payload.replace(b'","timestamp"', b'=","timestamp"'),
        payload + b"\n",
    ):
        assert spelling != payload
        assert reason_of(spelling, theirs) == "bad_signature"


@given(commands(), algorithms)
def test_canonical_bytes_are_what_python_and_the_specification_call_them(
    cmd: wire.Command, alg: wire.Algorithm
) -> None:
    payload = wire.encode_command(cmd, KEYS[alg][0])
    fields = json.loads(payload)
    assert (
        payload
        == json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )
    signature = fields.pop("sig")
    cut_out = payload.replace(f',"sig":"{signature}"'.encode(), b"")
    assert cut_out == wire._canonical(fields)  # what small firmware may do instead of parsing


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "cmd 1"),
        ("id", "cmd_1\n"),
        ("vehicle_id", "sco_+"),
        ("command", "Unlock"),
        ("timestamp", -1),
        ("timestamp", 1.5),
        ("expires", 1_000),
        ("counter", 0),
        ("counter", 2**53),
        ("counter", True),
        ("user_id", "a/b"),
        ("booking_id", 7),
        ("args", {"on": 1.5}),
        ("args", {"on": [1]}),
        ("args", {"On": 1}),
        ("args", {"sig": "x"}),
        ("args", {"text": "bell\x07"}),
        ("args", {"count": 2**53}),
        ("args", None),
    ],
)
def test_nonsense_is_malformed_even_when_signed(
    alg: wire.Algorithm, field: str, value: object
) -> None:
    ours, theirs = KEYS[alg]
    fields = {**msgspec.to_builtins(a_command()), field: value}
    assert reason_of(sign_anything(fields, ours), theirs) == "malformed"
    with pytest.raises((wire.Refused, ValueError), match=rf"malformed.*{field}|`{field}`"):
        wire.encode_command(a_command(**{field: value}), ours)


def test_a_field_that_is_missing_is_named() -> None:
    ours, theirs = KEYS["HS256"]
    for field in ("id", "vehicle_id", "command", "timestamp", "expires", "counter", "user_id"):
        fields = msgspec.to_builtins(a_command())
        del fields[field]
        with pytest.raises(wire.Refused, match=f"malformed.*{field}"):
            wire.verify_command(sign_anything(fields, ours), theirs, "sco_1", 2_000, 0)


def test_fields_of_a_later_version_are_signed_and_ignored() -> None:
    ours, theirs = KEYS["EdDSA"]
    payload = sign_anything({**msgspec.to_builtins(a_command()), "urgency": 0.5}, ours)
    assert wire.verify_command(payload, theirs, "sco_1", 2_000, 6) == a_command()
    assert reason_of(payload.replace(b"0.5", b"0.6"), theirs) == "bad_signature"


def test_a_command_too_large_is_not_sent() -> None:
    with pytest.raises(wire.Refused, match="malformed"):
        wire.encode_command(
            a_command(args={f"text{n}": "x" * 1_000 for n in range(5)}), KEYS["HS256"][0]
        )


# --- acknowledgements


@given(acks(), algorithms, st.data())
def test_an_ack_arrives_as_it_was_sent_or_not_at_all(
    ack: wire.Ack, alg: wire.Algorithm, data: st.DataObject
) -> None:
    ours, theirs = KEYS[alg]
    payload = bytearray(wire.encode_ack(ack, theirs))
    assert wire.verify_ack(bytes(payload), ours, ack.vehicle_id) == ack
    with pytest.raises(wire.Refused, match="wrong_vehicle"):
        wire.verify_ack(bytes(payload), ours, ack.vehicle_id + "x")
    with pytest.raises(wire.Refused, match="bad_signature"):
        wire.verify_ack(bytes(payload), OTHER_KEYS[alg][0], ack.vehicle_id)
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(wire.Refused, match=r"bad_signature|malformed"):
        wire.verify_ack(bytes(payload), ours, ack.vehicle_id)


def test_an_ack_is_never_a_command_and_the_reverse() -> None:
    """With HS256 both are signed with one secret; what keeps them apart is the purpose."""
    ours, theirs = KEYS["HS256"]
    both = {**msgspec.to_builtins(a_command()), "command_id": "cmd_1", "time": 1}
    both |= {"result": "done", "reason": None}
    command = sign_anything(both, ours)
    assert wire.verify_command(command, theirs, "sco_1", 2_000, 6) == a_command()
    with pytest.raises(wire.Refused, match="bad_signature"):
        wire.verify_ack(command, ours, "sco_1")


@pytest.mark.parametrize(("result", "reason"), [("done", "expired"), ("refused", None)])
def test_an_ack_has_a_reason_exactly_when_it_needs_one(
    result: wire.Result, reason: str | None
) -> None:
    with pytest.raises(ValueError, match="reason"):
        wire.Ack(
            command_id="cmd_1",
            vehicle_id="sco_1",
            command="unlock",
            result=result,
            reason=reason,
            counter=1,
            time=1,
        )


# --- status and telemetry


@given(st.lists(readings(), min_size=1, max_size=5))
def test_readings_arrive_as_they_were_sent(sent: list[wire.Reading]) -> None:
    assert wire.decode_readings(wire.encode_readings(sent)) == sent


@pytest.mark.parametrize(
    ("fields", "culprit"),
    [
        ({"latitude": 90.1, "longitude": 0}, "latitude"),
        ({"latitude": 0, "longitude": -180.5}, "longitude"),
        ({"latitude": "52", "longitude": 0}, "latitude"),
        ({"speed_kmh": -1}, "speed_kmh"),
        ({"battery_level": 101}, "battery_level"),
        ({"battery_level": True}, "battery_level"),
        ({"voltage": -3}, "voltage"),
        ({"temperature": 2_000}, "temperature"),
        ({"signal_strength": 3}, "signal_strength"),
        ({"locked": "yes"}, "locked"),
        ({"odometer_m": -1}, "odometer_m"),
        ({"accuracy_m": -1}, "accuracy_m"),
        ({"seq": -1}, "seq"),
        ({"boot": 1.5}, "boot"),
        ({"time": -1}, "time"),
        ({"time": None}, "time"),
    ],
)
def test_a_reading_that_cannot_be_names_its_field(fields: dict[str, Any], culprit: str) -> None:
    good = {"time": 1, "boot": 1, "seq": 1}
    for message, field in [
        ({**good, **fields}, culprit),
        ([good, good, {**good, **fields}], f"[2].{culprit}"),
    ]:
        with pytest.raises(wire.Refused) as caught:
            wire.decode_readings(json.dumps(message).encode())
        assert caught.value.reason == "malformed"
        assert caught.value.field == field


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "1" * 400])
def test_only_finite_numbers_are_readings(number: str) -> None:
    payload = f'{{"time":1,"boot":1,"seq":1,"battery_level":{number}}}'.encode()
    with pytest.raises(wire.Refused, match="malformed"):
        wire.decode_readings(payload)


def test_half_a_position_is_none() -> None:
    for half in ("latitude", "longitude"):
        with pytest.raises(wire.Refused, match="come together"):
            wire.decode_readings(f'{{"time":1,"boot":1,"seq":1,"{half}":1}}'.encode())


def test_readings_have_limits() -> None:
    one = b'{"time":1,"boot":1,"seq":1}'
    assert len(wire.decode_readings(b"[" + b",".join([one] * 1_000) + b"]")) == 1_000
    for payload in (
        b"[" + b",".join([one] * 1_001) + b"]",
        b"[]",
        one + b" " * wire.MAX_TELEMETRY_BYTES,
        b'{"time":1,"boot":1,"seq":1,"x":' + b"[" * 60_000,
    ):
        with pytest.raises(wire.Refused, match="malformed"):
            wire.decode_readings(payload)


def test_a_status_may_be_as_short_as_the_contract_says() -> None:
    """FLT-22: the payload is ``{"status":"unlocked"}``."""
    assert wire.decode_status(b'{"status":"unlocked"}') == wire.Status(status="unlocked")
    full = wire.Status(status="unlock_failed_auth", command_id="cmd_1", time=5)
    assert wire.decode_status(wire.encode_status(full)) == full
    with pytest.raises(wire.Refused) as caught:
        wire.decode_status(b'{"status":"open"}')
    assert caught.value.field == "status"


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["unlock", "sco_1", "HS256", "EdDSA", "done", "locked"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["id", "command", "counter", "alg", "sig", "vehicle_id", "args", "status", "time"]
            )
            | st.sampled_from(["boot", "seq", "latitude", "longitude", "battery_level", "locked"]),
            inner,
            max_size=8,
        )
    ),
    max_leaves=12,
)
garbage = st.binary(max_size=300) | json_like.map(lambda value: json.dumps(value).encode())


@given(garbage, algorithms)
def test_garbage_raises_nothing_but_refused(payload: bytes, alg: wire.Algorithm) -> None:
    ours, theirs = KEYS[alg]
    for read in (
        wire.decode_status,
        wire.decode_readings,
        lambda raw: wire.verify_command(raw, theirs, "sco_1", 0, 0),
        lambda raw: wire.verify_ack(raw, ours, "sco_1"),
        lambda raw: wire.parse_topic(raw.decode(errors="replace")),
    ):
        with contextlib.suppress(wire.Refused):
            read(payload)


def test_refused_is_all_that_deep_or_broken_json_raises() -> None:
    ours, theirs = KEYS["HS256"]
    for payload in (b'{"a":' * 600, b"[" * 4_000, b'{"a":"\xff"}', b'"\\ud800"', b"1" * 4_000, b""):
        for read in (
            wire.decode_status,
            wire.decode_readings,
            lambda raw: wire.verify_command(raw, theirs, "sco_1", 0, 0),
            lambda raw: wire.verify_ack(raw, ours, "sco_1"),
        ):
            with pytest.raises(wire.Refused, match="malformed"):
                read(payload)


# --- topics


@given(ids, words)
def test_topics_are_read_as_they_were_written(vehicle_id: str, operation: str) -> None:
    command = wire.command_topic(vehicle_id, operation)
    assert command == f"vehicles/{vehicle_id}/commands/{operation}"
    assert wire.parse_topic(command) == (vehicle_id, "commands", operation)
    assert wire.command_filter(vehicle_id) == f"vehicles/{vehicle_id}/commands/+"
    for write, channel in (
        (wire.ack_topic, "acks"),
        (wire.status_topic, "status"),
        (wire.telemetry_topic, "telemetry"),
    ):
        assert wire.parse_topic(write(vehicle_id)) == (vehicle_id, channel, None)
        assert wire.vehicle_of(write(vehicle_id)) == vehicle_id


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "vehicles",
        "vehicles/sco_1",
        "vehicles/sco_1/",
        "vehicles/sco_1/status/",
        "vehicles/sco_1/status\n",
        "vehicles/sco_1/commands",
        "vehicles/sco_1/commands/+",
        "vehicles/sco_1/commands/Unlock",
        "vehicles/sco_1/acks/unlock",
        "vehicles/+/status",
        "vehicles/sco1/status",
        "vehicles/SCO_1/status",
        "vehicles/sco_1/x/status",
        "/vehicles/sco_1/status",
        "$share/a/vehicles/sco_1/status",
        f"vehicles/sco_{'1' * 61}/status",
    ],
)
def test_other_topics_are_refused(topic: str) -> None:
    with pytest.raises(wire.Refused, match="malformed"):
        wire.vehicle_of(topic)


@pytest.mark.parametrize("vehicle_id", ["+", "#", "sco_1/commands", "sco_1\n", "", "sco_\x00"])
def test_no_wildcard_comes_in_by_way_of_an_id(vehicle_id: str) -> None:
    for write in (
        wire.ack_topic,
        wire.status_topic,
        wire.telemetry_topic,
        wire.command_filter,
        lambda raw: wire.command_topic(raw, "unlock"),
        lambda raw: wire.command_topic("sco_1", raw),
    ):
        with pytest.raises(wire.Refused, match="malformed"):
            write(vehicle_id)


# --- keys


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_keys_do_not_show_themselves(alg: wire.Algorithm) -> None:
    for key in wire.new_keys(alg):
        assert repr(key.signs_with) not in repr(key)
        assert repr(key) == str(key) == f"{type(key).__name__}({alg}, ...)"
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(key), type=type(key)) == key


def test_halves_of_an_ed25519_key_do_not_sign_for_each_other() -> None:
    ours, theirs = wire.new_keys("EdDSA")
    assert len({ours.signs_with, ours.checks_with, theirs.signs_with, theirs.checks_with}) == 4
    as_if_ours = wire.PlatformKey("EdDSA", theirs.signs_with, theirs.checks_with)
    assert reason_of(wire.encode_command(a_command(), as_if_ours), theirs) == "bad_signature"


def test_keys_of_the_wrong_size_are_no_keys() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        wire.PlatformKey("HS256", b"short", b"short")
    with pytest.raises(ValueError, match="same secret"):
        wire.VehicleKey("HS256", bytes(32), b"x" * 32)


# --- the specification


def from_specification(title: str) -> str:
    """The content of the fenced block below a line ``title``."""
    text = SPECIFICATION.read_text(encoding="utf-8")
    match = re.search(rf"^{re.escape(title)}\n+```[a-z]*\n(.*?)\n```$", text, re.M | re.S)
    assert match, f"docs/protocol.md has no block {title!r}"
    return match.group(1)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_the_worked_example_is_right(alg: wire.Algorithm) -> None:
    """Whoever writes firmware tests it against these bytes; they had better be true."""
    keys = dict(re.findall(r"^(\w+) += ([0-9a-f]{64})$", from_specification(f"Keys, {alg}:"), re.M))
    if alg == "HS256":
        secret = bytes.fromhex(keys["secret"])
        ours, theirs = wire.PlatformKey(alg, secret, secret), wire.VehicleKey(alg, secret, secret)
    else:
        platform, vehicle = (
            bytes.fromhex(keys[f"{side}_private"]) for side in ("platform", "vehicle")
        )
        ours = wire.PlatformKey(alg, platform, bytes.fromhex(keys["vehicle_public"]))
        theirs = wire.VehicleKey(alg, vehicle, bytes.fromhex(keys["platform_public"]))
        assert wire.public_of(platform) == theirs.checks_with
        assert wire.public_of(vehicle) == ours.checks_with

    command = from_specification(f"Command, {alg}:").encode()
    cmd = wire.verify_command(command, theirs, "sco_3kdQ9x7Lw2", 1_796_040_001_000, 41)
    assert wire.encode_command(cmd, ours) == command
    ack = from_specification(f"Acknowledgement, {alg}:").encode()
    answer = wire.verify_ack(ack, ours, "sco_3kdQ9x7Lw2")
    assert wire.encode_ack(answer, theirs) == ack
    assert (answer.command_id, answer.counter, answer.result) == (cmd.id, cmd.counter, "done")

    if alg == "HS256":
        signed = from_specification("Signed bytes of this command:").encode()
        assert signed == wire._COMMAND + re.sub(rb',"sig":"[^"]*"', b"", command)


def test_the_other_examples_are_right() -> None:
    wire.decode_status(from_specification("Status:").encode())
    one, several = (from_specification(f"{title}:").encode() for title in ("Reading", "Readings"))
    assert len(wire.decode_readings(one)) == 1
    assert len(wire.decode_readings(several)) == 3


def test_the_specification_lists_every_field() -> None:
    text = SPECIFICATION.read_text(encoding="utf-8")
    for shape in (wire.Command, wire.Ack, wire.Status, wire.Reading):
        for field in shape.__struct_fields__:
            assert re.search(rf"^\| `{field}` ", text, re.M), f"{shape.__name__}.{field}"
