"""Starts the platform's processes in a third of a second: Python's libraries are read only once.

``python -m tests.journeys.nursery`` reads every library that Fahrwerk needs, and nothing of
Fahrwerk itself; for each line of JSON on its input it forks a process that then runs a module as
``python -m`` would. What is forked is a process like any other: it reads its own environment and
dies its own death. When the input ends, everything that was forked is killed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_LOOK_S = 0.02


class Child:
    """A forked process, handled like ``subprocess.Popen``."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        self._nursery.listen(0)
        return self._nursery.ended.get(self.pid)

    def send_signal(self, number: int) -> None:
        """Harmless when it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float = 30) -> int:
        """The exit code, at last. Raises ``TimeoutError``."""
        end = time.monotonic() + seconds
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise TimeoutError(f"process {self.pid} does not end")
            time.sleep(_LOOK_S)
        return code


class Nursery:
    """This test process's nursery."""

    def __init__(self) -> None:
        self.ended: dict[int, int] = {}
        self._born: list[int] = []
        self._rest = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def fork(self, arguments: list[str], environment: dict[str, str], log: Path) -> Child:
        """``python -m`` these arguments with this environment; what it says goes to ``log``."""
        assert self._process.stdin is not None
        wish = {"arguments": arguments, "environment": environment, "log": str(log)}
        self._process.stdin.write(json.dumps(wish).encode() + b"\n")
        self._process.stdin.flush()
        end = time.monotonic() + 60
        while not self._born:
            assert time.monotonic() < end, "the nursery does not answer"
            self.listen(0.1)
        return Child(self, self._born.pop())

    def listen(self, seconds: float) -> None:
        """Take in who was born and who has ended."""
        assert self._process.stdout is not None
        out = self._process.stdout.fileno()
        while select.select([out], [], [], seconds)[0]:
            news = os.read(out, 4096)
            assert news, "the nursery is gone"
            *lines, self._rest = (self._rest + news).split(b"\n")
            for line in lines:
                what, pid, *code = line.split()
                if what == b"born":
                    self._born.append(int(pid))
                else:
                    self.ended[int(pid)] = int(code[0])
            seconds = 0

    def close(self) -> None:
        """End it, and whoever is left in it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


# --- the other side


def _read_libraries() -> None:
    """All modules that a platform process ends up with, but its own."""
    find = (
        "import sys; from fahrwerk import app; from fahrwerk.kernel import settings; "
        "app.load_rooms(); app.furniture('link'); "
        "app.create_http_app(settings.load(), own_ground=False); "
        "print(*[name for name in sys.modules if name.partition('.')[0] != 'fahrwerk'])"
    )
    names = subprocess.run([sys.executable, "-c", find], stdout=subprocess.PIPE, check=True)
    for name in names.stdout.decode().split():
        # Some are parts of others under a made-up name; those come with the whole.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _become(wish: dict[str, Any]) -> None:
    os.setpgid(0, 0)
    with open(os.devnull) as nothing, open(wish["log"], "ab") as log:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ.clear()
    os.environ.update(wish["environment"])
    module, *arguments = wish["arguments"]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main() -> None:
    """Fork for each line; say who is born and who has ended."""
    _read_libraries()
    alive: set[int] = set()
    rest = b""
    while True:
        if select.select([0], [], [], _LOOK_S)[0]:
            news = os.read(0, 65536)
            if not news:
                break
            *lines, rest = (rest + news).split(b"\n")
            for line in lines:
                pid = os.fork()
                if pid == 0:
                    _become(json.loads(line))
                    return
                alive.add(pid)
                os.write(1, b"born %d\n" % pid)
        with contextlib.suppress(ChildProcessError):
            while (gone := os.waitpid(-1, os.WNOHANG))[0]:
                alive.discard(gone[0])
                os.write(1, b"ended %d %d\n" % (gone[0], os.waitstatus_to_exitcode(gone[1])))
    for pid in alive:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
