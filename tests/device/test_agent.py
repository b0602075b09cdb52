"""The agent against a real broker, with the platform's half of the protocol at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from fahrwerk.device import agent as agents
from fahrwerk.device.buffer import Buffer
from fahrwerk.device.durable import Identity
from fahrwerk.device.pins import Simulated
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from tests import servers
from tests.device.boards import paired, switched_on
from tests.sim.other_end import Platform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from fahrwerk.device.agent import Agent

MOST_RSS = 64_000_000


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with servers.mosquitto_here() as found:
        yield found


@asynccontextmanager
async def street(
    folder: Path, url: str, alg: wire.Algorithm = "EdDSA", **more: Any
) -> AsyncIterator[tuple[Agent, Simulated, Platform]]:
    vehicle_id, key = paired(folder, alg)
    platform = Platform(vehicle_id, key, url)
    await platform.line.open()
    try:
        async with switched_on(folder, url, **more) as (agent, board):
            yield agent, board, platform
    finally:
        await platform.line.close()


@pytest.fixture(scope="module")
def bundled() -> Iterator[str]:
    with servers.bundled_broker_here() as found:
        yield found


@pytest.mark.parametrize(
    ("broker", "alg"), [("url", "HS256"), ("url", "EdDSA"), ("bundled", "EdDSA")]
)
async def test_it_unlocks_and_locks(
    tmp_path: Path, request: pytest.FixtureRequest, broker: str, alg: wire.Algorithm
) -> None:
    """FLT-21..23: signed command in, pin moved, signed answer, status and reading out."""
    url: str = request.getfixturevalue(broker)
    async with street(tmp_path, url, alg) as (_, board, platform):
        said = await platform.status("online")
        assert said.firmware
        assert "speed_limit" in (said.capabilities or [])
        ack = await platform.obeyed("unlock")
        assert (await platform.status("unlocked")).command_id == ack.command_id
        await platform.reading(locked=False)
        await platform.obeyed("speed_limit", args={"kmh": 12})
        await platform.obeyed("lock")
        await platform.status("locked")
        await platform.reading(locked=True)
        assert board.written == [("lock", 0), ("speed_limit", 12), ("lock", 1)]
    assert Identity(tmp_path / "identity").counter == 3


async def test_it_refuses_what_is_forged_late_or_for_another(tmp_path: Path, url: str) -> None:
    async with street(tmp_path, url) as (_, board, platform):
        await platform.status("online")
        forged = wire.encode_command(platform.command("unlock"), wire.new_keys("EdDSA")[0])
        platform.send(forged)
        await platform.refused("bad_signature")
        await platform.status("unlock_failed_auth")
        now = time.time_ns() // 1_000_000
        platform.tell("unlock", timestamp=now - 9_000, expires=now - 1)
        await platform.refused("expired")
        platform.tell("unlock", vehicle_id="sco_other")
        await asyncio.sleep(0)
        assert (await platform.ack()).result == "refused"
        assert board.written == []


async def test_a_replay_after_a_reboot_is_refused(tmp_path: Path, url: str) -> None:
    """The counter is on disk before anything moves."""
    async with street(tmp_path, url) as (_, board, platform):
        recorded = wire.encode_command(platform.command("unlock"), platform.key)
        platform.send(recorded)
        assert (await platform.ack()).result == "done"
        platform.send(recorded)
        assert (await platform.ack()).result == "done", "delivered twice: answered again"
        assert board.written == [("lock", 0)], "but not carried out again"
    vehicle_id = Identity(tmp_path / "identity").vehicle_id
    again = Platform(vehicle_id, platform.key, url)
    await again.line.open()
    try:
        async with switched_on(tmp_path, url) as (_, board):
            again.send(recorded)
            await again.refused("replayed")
            assert board.written == []
    finally:
        await again.line.close()


async def test_no_counter_no_movement(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full or broken disk: the command is not carried out, and may be sent again later."""

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with street(tmp_path, url) as (_, board, platform):
        monkeypatch.setattr(Identity, "store_counter", fails)
        monkeypatch.setattr("fahrwerk.device.durable.write_whole", fails)
        sent = wire.encode_command(platform.command("unlock"), platform.key)
        platform.send(sent)
        await platform.hears_nothing(0.5)
        assert board.written == []
        monkeypatch.undo()


async def test_what_was_measured_offline_arrives_later(tmp_path: Path) -> None:
    """FLT-17: kept on disk over a reboot, delivered in order when there is a network again."""
    vehicle_id, key = paired(tmp_path)
    nowhere = f"mqtt://127.0.0.1:{servers.free_port()}"
    for _ in range(2):
        async with switched_on(tmp_path, nowhere, connects=False, idle_s=0.05):
            await asyncio.sleep(0.4)
    kept = len(Buffer(tmp_path / "readings.db"))
    assert kept >= 6
    async with servers.mosquitto() as url:
        platform = Platform(vehicle_id, key, url)
        await platform.line.open()
        async with switched_on(tmp_path, url, idle_s=60):
            heard = [await asyncio.wait_for(platform.readings.get(), 10) for _ in range(kept)]
            async with asyncio.timeout(10):
                while len(Buffer(tmp_path / "readings.db")):
                    await asyncio.sleep(0.05)
        await platform.line.close()
    assert len({reading.boot for reading in heard}) == 2
    for boot in {reading.boot for reading in heard}:
        numbers = [reading.seq for reading in heard if reading.boot == boot]
        assert numbers == list(range(1, len(numbers) + 1)), "in order, none missing"


async def test_the_broker_speaks_in_its_place(tmp_path: Path, url: str) -> None:
    """The last will, when the connection breaks instead of being closed."""
    async with street(tmp_path, url) as (agent, _, platform):
        await platform.status("online")
        agent._line._client._connection._transport.abort()  # type: ignore[union-attr]
        await platform.status("offline")
        async with asyncio.timeout(10):
            await agent.is_online.wait()
        await platform.status("online")


async def test_it_waits_for_the_time(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In 1970 no command has expired: without the time it does not connect."""
    paired(tmp_path)
    monkeypatch.setattr(agents, "_real_time_ms", lambda: 0)
    monkeypatch.setattr(agents.Agent.__init__, "__kwdefaults__", {"now_ms": lambda: 0})
    async with switched_on(tmp_path, url, connects=False) as (agent, _):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await agent.is_online.wait()
        assert not agent.is_online.is_set()


def test_the_program(tmp_path: Path, url: str) -> None:
    """Pair, run, end: as a process of its own, small, without the platform in its memory."""
    vehicle_id, _ = "sco_program", None
    line = wire.handover(vehicle_id, wire.new_keys("HS256")[1])
    program = [sys.executable, "-m", "fahrwerk.device"]
    folder = ["--folder", str(tmp_path)]
    unpaired = subprocess.run([*program, "run", *folder], capture_output=True, text=True)
    assert (unpaired.returncode, "pair first" in unpaired.stderr) == (1, True)
    done = subprocess.run(
        [*program, "pair", *folder], input=line, capture_output=True, text=True, check=True
    )
    assert "sco_program" in done.stdout
    assert line.rpartition(":")[2] not in done.stdout
    running = subprocess.Popen(
        [*program, "run", *folder, "--mqtt", url, "--board", "sim"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    try:
        assert "connected" in running.stderr.readline()
        time.sleep(0.5)
        rss = psutil.Process(running.pid).memory_info().rss
        assert rss < MOST_RSS, f"the agent takes {rss / 1e6:.1f} MB"
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 0
        running.stderr.close()
    told = subprocess.run(
        [*program, "status", *folder], capture_output=True, text=True, check=True
    ).stdout
    assert "counter   0" in told
    modules = subprocess.run(
        [sys.executable, "-c", "import fahrwerk.device.run, sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    heavy = ("asyncpg", "litestar", "h3", "structlog", "prometheus_client", "httpx")
    kernel = [name for name in modules if name.startswith((*heavy, "fahrwerk.kernel."))]
    assert sorted(kernel) == ["fahrwerk.kernel.clock", "fahrwerk.kernel.errors"]
