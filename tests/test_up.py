"""``fahrwerk up``: obstacles are said plainly, what dies comes back, nothing is left behind."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from fahrwerk.kernel.settings import Settings
from fahrwerk.up import obstacles, run
from fahrwerk.up.obstacles import Owner, free_port, locked, owner_of
from fahrwerk.up.processes import Child, Failed
from fahrwerk.up.run import House, Plan
from fahrwerk.up.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATA = "FAHRWERK_DATA"


class Terminal(io.StringIO):
    """A terminal that remembers everything written to it."""

    def isatty(self) -> bool:
        return True


def is_gone(pid: int) -> bool:
    """Ended, even if whoever inherited it has not yet asked how: below `.ci/run` that may last."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def until(is_so: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


# --- obstacles


HERE, MQTT = "http://127.0.0.1:8080", "mqtt://127.0.0.1:1883"


def test_a_second_up_on_the_same_data_is_told_of_the_first(tmp_path: Path) -> None:
    with (
        locked(tmp_path, HERE, MQTT),
        pytest.raises(Failed, match=rf"process {os.getpid()}, {HERE}") as said,
        locked(tmp_path, "http://127.0.0.1:9090", MQTT),
    ):
        pass
    assert "--data" in str(said.value)


def test_who_runs_on_the_data_is_known_while_it_runs(tmp_path: Path) -> None:
    """So `fahrwerk ride` and `doctor` find the ports by themselves."""
    assert owner_of(tmp_path) is None
    for address in (HERE, "http://127.0.0.1:9090"):
        with locked(tmp_path / "var", address, MQTT):
            assert owner_of(tmp_path / "var") == Owner(os.getpid(), address, MQTT)


def test_a_lock_whose_owner_died_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keeper of a killed run holds the lock until PostgreSQL has ended: no "already up"."""
    monkeypatch.setattr(obstacles, "PREVIOUS_RUN_S", 0.3)
    with locked(tmp_path, HERE, MQTT) as path:
        path.write_text(path.read_text().replace(str(os.getpid()), "999999999"))
        assert owner_of(tmp_path) is None
        began = time.monotonic()
        with pytest.raises(Failed, match="Another process holds"), locked(tmp_path, HERE, MQTT):
            pass
        assert time.monotonic() - began >= 0.3


def test_a_data_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    impossible = tmp_path / "file" / "var"
    with pytest.raises(Failed, match="cannot be used"), locked(impossible, HERE, MQTT):
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
def house(tmp_path: Path) -> tuple[House, io.StringIO]:
    out = io.StringIO()
    settings = Settings(data=tmp_path, database_url="postgresql://nobody@localhost/none")
    return (
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
    until(lambda: is_gone(pid))


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        servers = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


def _fahrwerk(command: str, data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fahrwerk.cli", command],
        env=_environment(data),
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def _environment(data: Path) -> dict[str, str]:
    others = {k: v for k, v in os.environ.items() if not k.startswith("FAHRWERK_")}
    return {**others, DATA: str(data)}


def _running_on(data: Path) -> list[psutil.Process]:
    """Every process that has to do with a data folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if str(data) in " ".join([*process.cmdline(), process.environ().get(DATA, "")]):
                found.append(process)
    return found


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that PostgreSQL's own system user reaches too, as pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="fahrwerk-up-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


_KEPT = """
import os, sys, time
from pathlib import Path
from fahrwerk.up.obstacles import locked
from fahrwerk.up.processes import Database
place = Path(sys.argv[1])
reading, writing = os.pipe()
with locked(place, "http://127.0.0.1:1", "mqtt://127.0.0.1:1") as lock:
    database = Database(place / "postgres", lock, reading)
    database.start()
    print(database.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.process
def test_postgresql_ends_when_up_is_killed(place: Path) -> None:
    """It holds no leash; its keeper does, and the folder stays locked until it has ended."""
    parent = subprocess.Popen(
        [sys.executable, "-c", _KEPT, str(place)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: is_gone(pid))
    until(lambda: _running_on(place) == [])
    with locked(place, HERE, MQTT):
        assert not (place / "postgres" / "postmaster.pid").exists(), "it ended cleanly"


@pytest.mark.process
@pytest.mark.timeout(180)
def test_the_whole_platform_comes_up_heals_and_goes_down(place: Path) -> None:
    """From nothing to a ride with a receipt; a killed process comes back; nothing is left."""
    data = place / "var"
    port, mqtt_port = _free_ports(2)
    asked = ("--port", str(port), "--mqtt-port", str(mqtt_port), "--vehicles", "0.2")
    with open(place / "out", "wb") as out:
        up = subprocess.Popen(
            [sys.executable, "-m", "fahrwerk.cli", "up", *asked],
            env=_environment(data),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    said = (place / "out").read_text
    try:
        until(lambda: "Try a ride" in said() or up.poll() is not None, 60)
        assert up.poll() is None, said()
        second = _fahrwerk("up", data=data)
        assert second.returncode == 1
        assert f"already up on {data} (process {up.pid}, http://127.0.0.1:{port})" in second.stderr
        [serve] = [p for p in psutil.Process(up.pid).children() if "serve" in p.cmdline()]
        serve.kill()
        until(lambda: "serve is back" in said(), 20)
        until(lambda: "200 OK" in _answer(port), 20)
        ride = _fahrwerk("ride", data=data)
        assert ride.returncode == 0, ride.stdout + ride.stderr
        assert "payment processed" in ride.stdout
        assert "commands/unlock" in ride.stdout, "what the broker carried was shown"
        assert "RideReceipt: " in ride.stdout
        seeded = _fahrwerk("seed", data=data)
        assert "400 vehicles, 320 of them new" in seeded.stdout, "only what is missing"
        doctor = _fahrwerk("doctor", data=data)
        assert doctor.returncode == 0, doctor.stdout
        assert "invariants     all hold" in doctor.stdout
    finally:
        began = time.monotonic()
        up.terminate()
        code = up.wait(30)
    assert code == 0, said()
    assert time.monotonic() - began < 10
    assert _running_on(data) == []
    assert "PostgreSQL" in said().splitlines()[-2], "the database goes last"


def _answer(port: int) -> str:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as line:
        line.sendall(b"GET /ready HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        return line.recv(100).decode()
    return ""
