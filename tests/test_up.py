"""``fahrwerk up``: what stands in its way is said plainly, what dies comes back, nothing is left."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import psutil
import pytest

from fahrwerk.kernel.settings import Settings
from fahrwerk.up import obstacles, run
from fahrwerk.up.obstacles import free_port, locked
from fahrwerk.up.processes import Child, Failed
from fahrwerk.up.run import House, Plan
from fahrwerk.up.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Terminal(io.StringIO):
    """A terminal that remembers everything written to it."""

    def isatty(self) -> bool:
        return True


def until(is_so: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


# --- obstacles


def test_a_second_up_on_the_same_data_is_told_of_the_first(tmp_path: Path) -> None:
    with locked(tmp_path, "http://127.0.0.1:8080"):
        with pytest.raises(Failed, match=rf"process {os.getpid()}, http://127.0.0.1:8080") as said:
            with locked(tmp_path, "http://127.0.0.1:9090"):
                pass
    assert "--data" in str(said.value)


def test_the_data_are_free_again_afterwards(tmp_path: Path) -> None:
    for address in ("http://127.0.0.1:8080", "http://127.0.0.1:9090"):
        with locked(tmp_path / "var", address) as path:
            assert address in path.read_text()


def test_a_lock_whose_owner_died_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keeper of a killed run holds the lock until PostgreSQL has ended: no "already up"."""
    monkeypatch.setattr(obstacles, "PREVIOUS_RUN_S", 0.3)
    with locked(tmp_path, "http://127.0.0.1:8080") as path:
        path.write_text('{"pid": 999999999, "address": "http://127.0.0.1:8080"}')
        began = time.monotonic()
        with pytest.raises(Failed, match="Another process holds"), locked(tmp_path, ""):
            pass
        assert time.monotonic() - began >= 0.3


def test_a_data_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failed, match="cannot be used"), locked(tmp_path / "file" / "var", ""):
        pass


def test_a_taken_port_names_its_program_and_the_way_out() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        with pytest.raises(Failed) as said:
            free_port("127.0.0.1", port, "--mqtt-port")
    assert f"Port {port}" in str(said.value)
    assert f"process {os.getpid()}" in str(said.value)
    assert f"--mqtt-port {port + 1}" in str(said.value)
    free_port("127.0.0.1", port, "--mqtt-port")  # it is free now: nothing is said


# --- what is seen


def test_a_terminal_keeps_its_lines_and_changes_one() -> None:
    out = Terminal()
    screen = Screen(out)
    screen.status("12 riding")
    screen.line("serve is back")
    screen.status("13 riding")
    screen.clear()
    shown = out.getvalue()
    assert "serve is back\n" in shown
    assert shown.index("12 riding") < shown.index("serve is back") < shown.rindex("12 riding")
    assert shown.endswith("\r\x1b[K")


def test_a_file_gets_plain_lines() -> None:
    out = io.StringIO()
    screen = Screen(out)
    with screen.step("Broker") as found:
        found.append("mqtt://127.0.0.1:1883")
    screen.status("12 riding")
    screen.box(["Start page", "Stop"])
    assert "\x1b" not in out.getvalue()
    assert "\r" not in out.getvalue()
    assert [line.split()[0] for line in out.getvalue().splitlines()[:2]] == ["Broker", "12"]


def test_a_closed_terminal_is_no_reason_to_fail() -> None:
    out = io.StringIO()
    screen = Screen(out)
    out.close()
    screen.line("still here")


# --- what is looked after


class Puppet:
    """Something tended whose death we decide."""

    name, pid = "puppet", 1

    def __init__(self) -> None:
        self.how: str | None = None
        self.starts = 0

    def start(self) -> None:
        self.starts += 1
        self.how = None

    def ended(self) -> str | None:
        return self.how

    async def stop(self, until: float) -> None:
        self.how = "stopped"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[tuple[House, io.StringIO]]:
    out = io.StringIO()
    settings = Settings(data=tmp_path, database_url="postgresql://nobody@localhost/none")
    yield (
        House(Plan(settings=settings, own_broker=True), Screen(out), tmp_path / "up.lock", -1),
        out,
    )


async def test_what_dies_again_and_again_is_started_with_growing_pauses(
    house: tuple[House, io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    up, out = house
    puppet = Puppet()
    up._keep(puppet)
    now = 1_000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    up._since["puppet"] = now
    pauses = []
    for _ in range(8):
        puppet.how = "killed by SIGKILL"
        await up._look_after(puppet)
        pauses.append(up._lapses["puppet"].pause_s)
        starts = puppet.starts
        now += pauses[-1] - 0.01
        await up._look_after(puppet)
        assert puppet.starts == starts, "not before its time"
        now += 0.02
        await up._look_after(puppet)
        assert puppet.starts == starts + 1
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert "puppet ended (killed by SIGKILL); starting it again in 0.5 s" in out.getvalue()
    assert "puppet is back" in out.getvalue()
    now += run.LASTING_S + 1
    await up._look_after(puppet)  # it has lasted: forgiven
    puppet.how = "exit code 1"
    await up._look_after(puppet)
    assert up._lapses["puppet"].pause_s == 0.5


def test_logs_stay_small(
    house: tuple[House, io.StringIO], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    up, _ = house
    monkeypatch.setattr(run, "LOG_BYTES", 100)
    log = tmp_path / "logs" / "serve.log"
    with open(log, "ab") as child:  # as a child holds it
        child.write(b"x" * 200)
        child.flush()
        up._shorten_logs()
        child.write(b"new")
        child.flush()
    assert log.read_bytes() == b"new"
    assert len(log.with_suffix(".log.1").read_bytes()) == 200


@pytest.mark.process
async def test_a_child_tells_how_it_ended_and_what_it_said(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        child = Child(["broker", "--port", "0"], {}, tmp_path, reading)
        child.start()
        until(lambda: "listening on" in child.last_words())
        assert child.ended() is None
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        until(child.ended)
        assert child.ended() == "killed by SIGKILL"
        child.start()
        until(lambda: child.last_words().count("listening on") == 2)
        await child.stop(time.monotonic() + 5)
        assert child.ended() == "exit code 0"
    finally:
        os.close(reading)
        os.close(writing)


_PARENT = """
import os, sys, time
from pathlib import Path
from fahrwerk.up.processes import Child
reading, writing = os.pipe()
child = Child(["broker", "--port", "0"], {}, Path(sys.argv[1]), reading)
child.start()
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.process
def test_children_end_when_up_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    until(lambda: "listening on" in (tmp_path / "broker.log").read_text())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not psutil.pid_exists(pid))
