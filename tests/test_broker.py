"""The bundled broker: bounded, quiet, and gone when it is told to go."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from gmqtt import Client

from fahrwerk import broker
from tests import servers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WITHIN_S = 10
PUBLISH_RETAINED = b"\x31\x05\x00\x01tHi"
SUBSCRIBE = b"\x82\x06\x00\x01\x00\x01t\x00"
SUBACK = b"\x90\x03\x00\x01\x00"
PING, PONG = b"\xc0\x00", b"\xd0\x00"
ACCEPTED = b"\x20\x02\x00\x00"
WRONG_VERSION = b"\x20\x02\x00\x01"


@pytest.fixture(scope="module")
async def port() -> AsyncIterator[int]:
    async with broker.running() as url:
        found = urlsplit(url).port
        assert found
        yield found


def connect_packet(
    level: int = 4, *, flags: int = 0x02, keep_alive_s: int = 60, rest: bytes = b""
) -> bytes:
    body = b"\x00\x04MQTT" + bytes([level, flags]) + keep_alive_s.to_bytes(2, "big") + rest
    return b"\x10" + bytes([len(body)]) + body


def named(client_id: bytes) -> bytes:
    return len(client_id).to_bytes(2, "big") + client_id


def publish(topic: bytes) -> bytes:
    return b"\x30" + bytes([len(topic) + 4]) + named(topic) + b"{}"


def subscribe(topic: bytes) -> bytes:
    return b"\x82" + bytes([len(topic) + 5]) + b"\x00\x01" + named(topic) + b"\x01"


async def talk(port: int, *sent: bytes, length: int = 1) -> bytes:
    """Send, and read ``length`` bytes, or what there is until the broker closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"".join(sent))
        async with asyncio.timeout(WITHIN_S):
            return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        return error.partial
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


# --- as a process


def run(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fahrwerk.broker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.process
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_listens_and_ends_when_told(sign: signal.Signals) -> None:
    free = servers.free_port()
    process = run("--port", str(free))
    assert servers.first_line(process) == f"listening on mqtt://127.0.0.1:{free}\n"
    with socket.create_connection(("127.0.0.1", free), WITHIN_S) as client:
        client.sendall(connect_packet(rest=named(b"a")))
        assert client.recv(9) == ACCEPTED
        process.send_signal(sign)
        output, errors = process.communicate(timeout=WITHIN_S)
        assert client.recv(9) == b""
    assert (process.returncode, output, errors) == (0, "", "")


@pytest.mark.process
def test_a_port_that_is_taken_is_one_clear_line(port: int) -> None:
    process = run("--port", str(port))
    output, errors = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 1
    assert output == ""
    assert errors == f"cannot listen on 127.0.0.1:{port}: another program has it\n"


# --- what it takes from clients


async def test_mqtt_5_is_told_to_come_back_with_3_1_1(port: int) -> None:
    credentials = b"\x00\x01u\x00\x01p"
    for flags, rest in [
        (0x02, b"\x00" + named(b"a")),
        (0xC2, b"\x00" + named(b"a") + credentials),
        (0x02, b"\x05\x11\x00\x00\x00\x00" + named(b"a")),
    ]:
        assert (
            await talk(port, connect_packet(5, flags=flags, rest=rest), length=9) == WRONG_VERSION
        )


async def test_who_does_not_speak_mqtt_is_hung_up_on(port: int) -> None:
    for opening in (
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3,
        PING,
        connect_packet()[:4] + b"HTTP" + connect_packet()[8:],
        b"\x10\xff\xff\xff\xff\x7f",
        b"\x10\x02\x00\x04",
    ):
        assert await talk(port, opening, length=9) == b""


async def test_who_lies_about_lengths_is_hung_up_on(port: int) -> None:
    opening = connect_packet(rest=named(b"liar"))
    assert await talk(port, connect_packet(rest=b"\xff\xff"), PING, length=6) in (b"", ACCEPTED)
    for lie in (b"\x30\x02\xff\xff", b"\x32\x03\x00\x01t", b"\x82\x04\x00\x01\x00\x09"):
        assert await talk(port, opening, lie, PING, length=6) == ACCEPTED


async def test_who_says_nothing_is_hung_up_on(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "CONNECT_WITHIN_S", 0.1)
    assert await talk(port, length=9) == b""
    assert await talk(port, connect_packet()[:5], length=9) == b""


async def test_who_falls_silent_is_hung_up_on(port: int) -> None:
    opening = connect_packet(keep_alive_s=1, rest=named(b"silent"))
    assert await talk(port, opening, length=9) == ACCEPTED


async def test_a_packet_too_large_ends_the_connection(port: int) -> None:
    opening = connect_packet(rest=named(b"large"))
    fits = b"\x30\x84\x80\x04" + b"\x00\x01t" + b"x" * 65_537
    assert await talk(port, opening, fits, PING, length=6) == ACCEPTED + PONG
    too_large = b"\x30\x80\x80\x80\x01" + b"\x00\x01t" + b"x" * 1_000
    assert await talk(port, opening, too_large, PING, length=6) == ACCEPTED


async def test_nothing_is_retained(port: int) -> None:
    opening = connect_packet(rest=named(b"keeper"))
    assert await talk(port, opening, PUBLISH_RETAINED, PING, length=6) == ACCEPTED + PONG
    will = connect_packet(flags=0x26, rest=named(b"dead") + named(b"t") + named(b"gone"))
    await talk(port, will, length=4)  # leaves without a goodbye
    await asyncio.sleep(0.1)
    answer = await talk(port, opening, SUBSCRIBE, PING, length=11)
    assert answer in (ACCEPTED + SUBACK + PONG, ACCEPTED + PONG + SUBACK)


VEHICLE = b"sco_0123456789012345678901"


@pytest.mark.parametrize(
    ("packet", "is_own"),
    [
        (publish(b"vehicles/" + VEHICLE + b"/telemetry"), True),
        (publish(b"vehicles/" + VEHICLE[:-1] + b"2/telemetry"), False),
        (publish(b"vehicles/" + VEHICLE), False),
        (publish(b"anything"), False),
        (subscribe(b"vehicles/" + VEHICLE + b"/commands/+"), True),
        (subscribe(b"vehicles/+/commands/+"), False),
        (subscribe(b"#"), False),
    ],
)
async def test_a_vehicle_has_its_own_topic_only(port: int, packet: bytes, is_own: bool) -> None:
    """Topic spoofing: who calls itself a vehicle and touches another's topic is hung up on."""
    opening = connect_packet(rest=named(VEHICLE))
    answer = await talk(port, opening, packet, PING, length=11 if packet[0] == 0x82 else 6)
    assert answer.endswith(PONG) is is_own
    assert answer.startswith(ACCEPTED)


async def test_a_vehicles_last_will_is_its_own_too(port: int) -> None:
    will = named(b"vehicles/sco_another/status") + named(b"gone")
    opening = connect_packet(flags=0x06, rest=named(VEHICLE) + will)
    assert await talk(port, opening, length=4) == b""


async def test_there_is_an_end_to_connections(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "MAX_CONNECTIONS", 0)
    assert await talk(port, connect_packet(rest=named(b"a")), length=4) == b""


async def test_a_client_that_does_not_read_is_left_behind(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "MAX_UNREAD_BYTES", 100_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_000)
    writer.write(connect_packet(rest=named(b"deaf")) + SUBSCRIBE)
    await reader.readexactly(len(ACCEPTED + SUBACK))
    talker = Client("talker")
    await talker.connect("127.0.0.1", port, version=4)
    heard = asyncio.Event()
    talker.on_message = lambda *_: heard.set()
    talker.subscribe("other")
    for _ in range(200):
        talker.publish("t", b"x" * 60_000)
        await asyncio.sleep(0)
    talker.publish("other", b"still here")
    await asyncio.wait_for(heard.wait(), WITHIN_S)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(200 * 60_000), WITHIN_S)
    writer.close()
    await talker.disconnect()


async def test_a_flood_is_carried_and_held_back(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "MAX_WAITING_MESSAGES", 20)
    listener, talker = Client("listener"), Client("flood")
    heard = 0

    def on_message(*_: object) -> None:
        nonlocal heard
        heard += 1

    listener.on_message = on_message
    for client in (listener, talker):
        await client.connect("127.0.0.1", port, version=4)
    listener.subscribe("flood/#", qos=1)
    await asyncio.sleep(0.1)
    for number in range(2_000):
        talker.publish(f"flood/{number}", b"x" * 100, qos=1)
    async with asyncio.timeout(60):
        while heard < 2_000:
            await asyncio.sleep(0.05)
    await talker.disconnect()
    await listener.disconnect()
