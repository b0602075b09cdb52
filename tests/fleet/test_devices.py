"""One suite over all protocols of devices: what the link relies on, whatever is spoken.

A new protocol is in it as soon as tests/fleet/devices has a file for it.
"""

from __future__ import annotations

import contextlib
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.fleet import rules
from fahrwerk.fleet.contract import CAPABILITIES as PUBLIC_CAPABILITIES
from fahrwerk.fleet.protocols import CAPABILITIES, Heard, Malformed, Order, Unsupported
from fahrwerk.kernel import ids
from tests.fleet.devices import Subject, subjects

if TYPE_CHECKING:
    from fahrwerk.fleet.protocols import Answer, Conversation, Reading
    from tests.fleet.devices import Device

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
ARGS: dict[str, dict[str, str | int | bool | None]] = {"speed_limit": {"kmh": 20}}
ALL = subjects()
each_protocol = pytest.mark.parametrize("subject", ALL, ids=lambda s: s.name)
each_stream = pytest.mark.parametrize(
    "subject", [s for s in ALL if s.is_stream], ids=lambda s: s.name
)


def order(operation: str, seconds: float = 15) -> Order:
    return Order(
        id=ids.new(), operation=operation, expires_at=NOW + timedelta(seconds=seconds),
        args=ARGS.get(operation, {}),
    )  # fmt: skip


def introduced(subject: Subject) -> tuple[Conversation, Device]:
    """A conversation with a device that has said who it is."""
    words, device = subject.talk(), subject.device()
    heard = list(words.hear(device.hello(), NOW))
    assert next((h.imei for h in heard if h.imei), None) == subject.imei
    for said in heard:
        if said.reply:
            device.take(said.reply)
    return words, device


def carried_out(words: Conversation, device: Device, wanted: Order) -> list[Answer]:
    """Let both sides speak until nobody has anything to say; the answers that came."""
    answers: list[Answer] = []
    to_device = words.tell(wanted, NOW)
    for _ in range(10):
        if not (to_platform := device.take(to_device)):
            return answers
        heard = list(words.hear(to_platform, NOW))
        assert not [h.problem for h in heard if h.problem]
        answers += [h.answer for h in heard if h.answer]
        to_device = b"".join(h.reply for h in heard)
        if not to_device:
            return answers
    raise AssertionError("they do not stop talking")


def survives(words: Conversation, data: bytes) -> list[Heard]:
    """Whatever comes, nothing but ``Malformed`` is raised, and little is kept."""
    heard: list[Heard] = []
    with contextlib.suppress(Malformed):
        heard.extend(words.hear(data, NOW))
    assert words.kept <= words.most_kept
    assert len(heard) <= len(data) + 1
    for said in heard:
        for reading in said.readings:
            plausible(reading)
    return heard


def plausible(reading: Reading) -> None:
    """What the table takes, and what can be."""
    for name, low, high in (
        ("latitude", -90, 90), ("longitude", -180, 180), ("accuracy_m", 0, 1e5),
        ("speed_kmh", 0, 500), ("battery_level", 0, 100), ("voltage", 0, 1_500),
        ("temperature", -100, 200), ("signal_strength", -200, 0), ("odometer_m", 0, 1e10),
    ):  # fmt: skip
        value = getattr(reading, name)
        assert value is None or low <= value <= high, name
    assert (reading.latitude is None) == (reading.longitude is None)
    assert reading.time.tzinfo is not None


def test_there_is_one_list_of_capabilities() -> None:
    assert CAPABILITIES == PUBLIC_CAPABILITIES
    assert set(rules.OWN_CAPABILITIES) <= set(CAPABILITIES)
    assert {s.name for s in ALL} >= {"omni", "own", "teltonika", "traccar"}


@each_protocol
def test_examples_of_the_documentation_are_understood(subject: Subject) -> None:
    words, _ = introduced(subject)
    for example in subject.examples:
        heard = list(words.hear(example, NOW))
        assert heard
        assert not [h.problem for h in heard if h.problem], example
        assert words.kept == 0


@each_protocol
def test_what_it_can_be_told_is_done_and_answered(subject: Subject) -> None:
    """Every capability: the device does it, and the answer is to this order."""
    assert subject.talk().capabilities <= set(CAPABILITIES)
    words, device = introduced(subject)
    for operation in sorted(words.capabilities):
        wanted = order(operation)
        [answer] = carried_out(words, device, wanted)
        assert (answer.order_id, answer.result, answer.reason) == (wanted.id, "done", None)
        assert not words.is_busy(NOW)
    for operation, is_locked in (("unlock", False), ("lock", True)):
        if operation in words.capabilities:
            carried_out(words, device, order(operation))
            assert device.is_locked is is_locked


@each_protocol
def test_what_it_cannot_be_told_is_refused_by_name(subject: Subject) -> None:
    for operation in {*CAPABILITIES, "fly"} - subject.talk().capabilities:
        words, _ = introduced(subject)
        with pytest.raises(Unsupported, match=operation):
            words.tell(order(operation), NOW)
        assert not words.is_busy(NOW)


@each_stream
def test_one_order_at_a_time_and_none_for_ever(subject: Subject) -> None:
    words, _ = introduced(subject)
    words.tell(order("lock", seconds=15), NOW)
    assert words.is_busy(NOW)
    with pytest.raises(RuntimeError):
        words.tell(order("unlock"), NOW)
    late = NOW + timedelta(seconds=15)
    assert not words.is_busy(late)
    words.tell(Order(id=ids.new(), operation="unlock", expires_at=late + timedelta(15)), late)


@each_stream
def test_nobody_is_told_anything_before_it_says_who_it_is(subject: Subject) -> None:
    with pytest.raises(RuntimeError):
        subject.talk().tell(order("unlock"), NOW)


@each_stream
@given(seed=st.integers(0, 2**32))
def test_however_it_is_cut_the_same_is_heard(subject: Subject, seed: int) -> None:
    """Half messages: TCP keeps no boundaries."""
    chance = random.Random(seed)
    whole = subject.device().hello() + b"".join(subject.examples)
    expected = list(subject.talk().hear(whole, NOW))
    words, heard, at = subject.talk(), [], 0
    while at < len(whole):
        step = chance.choice((1, 2, 3, 7, 40, 400))
        heard += list(words.hear(whole[at : at + step], NOW))
        assert words.kept <= words.most_kept
        at += step
    assert heard == expected


@each_protocol
@given(data=st.binary(max_size=300), tail=st.binary(max_size=100))
def test_any_bytes_at_all(subject: Subject, data: bytes, tail: bytes) -> None:
    survives(subject.talk(), data)
    words, _ = introduced(subject)
    survives(words, data)
    survives(words, tail)


@each_protocol
@given(seed=st.integers(0, 2**32))
def test_examples_with_bytes_changed(subject: Subject, seed: int) -> None:
    """Close to the truth is where decoders stumble."""
    chance = random.Random(seed)
    words, _ = introduced(subject)
    if subject.is_stream and chance.random() < 0.7:
        words.tell(order("unlock"), NOW)
    data = bytearray(chance.choice(subject.examples))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data))
        match chance.randrange(3):
            case 0:
                data[at] = chance.choice((chance.randrange(256), *b"0,#-.*"))
            case 1:
                del data[at]
            case _:
                data.insert(at, chance.randrange(256))
        if not data:
            break
    survives(words, bytes(data))


@each_stream
def test_what_never_ends_is_not_kept(subject: Subject) -> None:
    for start in (b"", subject.device().hello()):
        words = subject.talk()
        list(words.hear(start, NOW))
        with pytest.raises(Malformed):
            for _ in range(words.most_kept // 50 + 2):
                list(words.hear(b"*" * 50, NOW))
                assert words.kept <= words.most_kept
        assert words.kept <= words.most_kept
