"""The setup and the fence: what people see when their machine is not as expected."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from tools import setup
from tools.setup import Python, SetupError

from tests.house.reading import ROOT

if TYPE_CHECKING:
    from pathlib import Path

OLD = Python("python3", (3, 9, 2), "/usr/bin/python3")
NEW = Python("python", (3, 15, 0), "/opt/python")
GOOD = Python("python3.12", (3, 12, 1), "/usr/bin/python3.12")
PARTIAL = Python("python3.11", (3, 11, 2), "/usr/bin/python3.11", ("ensurepip",))


def test_the_first_suitable_python_is_taken() -> None:
    assert setup.choose([OLD, PARTIAL, GOOD, NEW]) == GOOD


def test_without_a_suitable_python_the_message_shows_what_there_is() -> None:
    with pytest.raises(SetupError) as told:
        setup.choose([OLD, NEW])
    assert "3.9.2, /usr/bin/python3" in str(told.value)
    assert "3.15.0, /opt/python" in str(told.value)
    with pytest.raises(SetupError, match="nothing"):
        setup.choose([])


def test_a_python_without_venv_is_named_with_the_package_that_is_missing() -> None:
    with pytest.raises(SetupError, match=r"apt install python3\.11-venv"):
        setup.choose([OLD, PARTIAL])


def test_what_is_no_python_is_not_taken_for_one(tmp_path: Path) -> None:
    assert setup.ask("/bin/true") is None
    assert setup.ask(str(tmp_path / "python3")) is None
    found = setup.ask(sys.executable)
    assert found
    assert found.version == sys.version_info[:3]


@pytest.mark.parametrize(
    ("pip_said", "told"),
    [
        ("Retrying after connection broken by 'NewConnectionError'\nNo matching", "did not answer"),
        ("ERROR: Could not install packages: [Errno 28] No space left", "disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", "not the one that was locked"),
        ("No matching distribution found for uvloop==1", "no ready-made package"),
        ("SSLError(CERTIFICATE_VERIFY_FAILED) connection broken by", "PIP_CERT"),
        ("[Errno 13] Permission denied: '.venv/lib'", "may not be written"),
        ("Segmentation fault", "not a usual one"),
    ],
)
def test_failures_are_told_in_plain_words_with_pips_own_last(pip_said: str, told: str) -> None:
    assert told in setup.diagnose(pip_said)
    assert pip_said.splitlines()[-1] in setup.diagnose(pip_said)


def test_an_installation_is_redone_when_its_lock_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    for name in ("pyproject.toml", *setup.LOCKS.values()):
        (tmp_path / name).write_text("as it was")
    script = tmp_path / ".venv" / "bin" / "fahrwerk"
    stamp = tmp_path / ".venv" / "fahrwerk-setup.json"
    script.parent.mkdir(parents=True)
    assert not setup.is_done(stamp, "run")
    stamp.write_text(json.dumps({"run": setup.digest("run")}))
    assert not setup.is_done(stamp, "run"), "the program itself is not there"
    script.touch(mode=0o755)
    assert setup.is_done(stamp, "run")
    assert not setup.is_done(stamp, "dev"), "the smaller set does not hold the larger"
    (tmp_path / "requirements.lock").write_text("a newer version")
    assert not setup.is_done(stamp, "run")
    stamp.write_text('{"run": "half a fi')
    assert not setup.is_done(stamp, "run")


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="orphans are found through Linux")


def fence(*command: str, minutes: float = 1) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, str(ROOT / "tools" / "fence.py"), "--grace", "0.3"]
    asked += ["--minutes", str(minutes), "--", *command]
    return subprocess.run(asked, capture_output=True, text=True, timeout=60)


def test_the_fence_gives_back_what_the_command_said() -> None:
    assert fence("sh", "-c", "exit 3").returncode == 3
    done = fence("echo", "12 passed")
    assert (done.returncode, done.stdout, done.stderr) == (0, "12 passed\n", "")


@on_linux
def test_nothing_outlives_the_fence() -> None:
    """Not even what left its session and lost its parent, as servers do."""
    left = fence("sh", "-c", "setsid sh -c 'sleep 61 >/dev/null 2>&1 & echo $!' & sleep 0.2")
    assert left.returncode == 70
    pid = int(left.stdout)
    assert f"sleep ({pid})" in left.stderr
    assert not psutil.pid_exists(pid)


@on_linux
def test_the_fence_ends_what_takes_too_long() -> None:
    began = time.monotonic()
    late = fence("sh", "-c", "sleep 62 & echo $!; wait", minutes=0.005)
    assert late.returncode == 124
    assert "not done after" in late.stderr
    assert not psutil.pid_exists(int(late.stdout))
    assert time.monotonic() - began < 10
