"""What ``up`` looks after: a process of ours, or PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol

from fahrwerk.kernel import postgres
from fahrwerk.up import leash as leashes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Failed(Exception):
    """Why it does not go on: a plain sentence, and what to do."""


class Tended(Protocol):
    """Something that is kept alive."""

    @property
    def name(self) -> str:
        """As people are told."""

    @property
    def pid(self) -> int | None:
        """Of its process, if it has one now."""

    def start(self) -> None:
        """Start it; returns before it is ready. Raises ``Failed``."""

    def ended(self) -> str | None:
        """None while it lives; then how it ended."""

    async def stop(self, until: float) -> None:
        """End it and wait; by force when it still lives at ``until`` (monotonic)."""


class Child:
    """``fahrwerk <arguments>`` as a process of its own, its output in ``logs/<name>.log``."""

    def __init__(
        self, arguments: Sequence[str], env: Mapping[str, str], logs: Path, leash: int
    ) -> None:
        self.name = arguments[0]
        self.log = logs / f"{self.name}.log"
        self._command = [sys.executable, "-m", "fahrwerk.cli", *arguments]
        self._env = {**os.environ, **env, leashes.VARIABLE: str(leash), "PYTHONUNBUFFERED": "1"}
        self._leash = leash
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that runs now, if one does."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it; whether it is ready is for others to find out."""
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(self._leash,),
                start_new_session=True,  # Ctrl-C is ours: they are stopped in our own order
            )

    def ended(self) -> str | None:
        """None while it lives; then how it ended."""
        code = self._process.poll() if self._process else 0
        if code is None:
            return None
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    async def stop(self, until: float) -> None:
        """SIGTERM, and SIGKILL when it still lives at ``until``."""
        if self._process is None or self.ended() is not None:
            return
        self._process.terminate()
        while self.ended() is None:
            if time.monotonic() > until:
                self._process.kill()
                self._process.wait()
            await asyncio.sleep(0.02)

    def last_words(self, lines: int = 6) -> str:
        """The end of its log, for an error message."""
        with contextlib.suppress(OSError):
            text = self.log.read_bytes()[-4096:].decode(errors="replace").strip()
            return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
        return ""


class Database:
    """The embedded PostgreSQL, and the keeper that ends it should ``up`` be killed."""

    name = "PostgreSQL"

    def __init__(self, folder: Path, lock: Path, leash: int) -> None:
        self._folder, self._lock, self._leash = folder, lock, leash
        self._server: postgres.EmbeddedPostgres | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()
        self.pid: int | None = None

    def start(self) -> None:
        """Start the server, or take over one that a killed run left. Raises ``Failed``."""
        with self._starting:
            try:
                self._server = postgres.start(self._folder)
            except SystemExit as error:
                raise Failed(str(error)) from None
            self._take_over(self._server)

    def _take_over(self, server: postgres.EmbeddedPostgres) -> None:
        self.pid = server.pid
        self._dismiss_keeper()
        pid_file = server.folder / "postmaster.pid"
        self._keeper = subprocess.Popen(
            [
                *(sys.executable, "-m", leashes.__name__),
                *(str(self._leash), str(self._lock), str(pid_file)),
            ],
            stdin=subprocess.DEVNULL,
            pass_fds=(self._leash,),
            start_new_session=True,
        )

    @property
    def server(self) -> postgres.EmbeddedPostgres:
        """Once started."""
        if self._server is None:
            raise RuntimeError("PostgreSQL was not started")
        return self._server

    def ended(self) -> str | None:
        """None while it lives; then how it ended."""
        if self.pid is None:
            return "it did not start"
        with contextlib.suppress(ChildProcessError):
            # Ours to bury if we started it: until then a dead process still looks alive.
            os.waitpid(self.pid, os.WNOHANG)
        return None if postgres.runs(self.pid) else "it is gone"

    async def stop(self, until: float) -> None:
        """Cleanly; as after a power cut when that takes too long, which costs no data either."""
        # A start under way is not interrupted: half a start is what nobody could clean up.
        await asyncio.to_thread(self._starting.acquire)
        self._starting.release()
        if self._server is not None and self.ended() is None:
            self._signal(signal.SIGINT)
            is_asked_only = True
            while self.ended() is None:
                if is_asked_only and time.monotonic() > until:
                    self._signal(signal.SIGQUIT)
                    is_asked_only = False
                await asyncio.sleep(0.02)
            with contextlib.suppress(OSError):
                self._server.socket_dir.rmdir()  # empty when it ended cleanly
        self._dismiss_keeper()

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _dismiss_keeper(self) -> None:
        if self._keeper is not None:
            self._keeper.kill()
            self._keeper.wait()
            self._keeper = None
