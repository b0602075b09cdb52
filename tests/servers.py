"""Servers that tests start for themselves: private, on loopback, gone when the block ends.

    async with mosquitto() as url: ...          # in a coroutine
    with mosquitto_here() as url: ...           # in plain code and fixtures

A machine without Mosquitto (``apt install mosquitto``) gets the bundled broker instead, so that
``make test`` works everywhere; what needs MQTT 5 then asks ``has_mosquitto()`` and skips.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

START_WITHIN_S = 20
STOP_WITHIN_S = 10

NO_MOSQUITTO = (
    "mosquitto is not installed (Debian: apt install mosquitto): these tests use the bundled broker"
    " instead, which speaks MQTT 3.1.1 only\n"
)


def mosquitto_program() -> str | None:
    """Where Mosquitto is; Debian keeps it where ordinary users do not look."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def has_mosquitto() -> bool:
    return mosquitto_program() is not None


@asynccontextmanager
async def mosquitto(
    *, accounts: Mapping[str, str] | None = None, lines: Sequence[str] = ()
) -> AsyncIterator[str]:
    """A private Mosquitto; yields ``mqtt://127.0.0.1:<port>``. ``accounts``: only these may in.
    ``lines``: more of its configuration."""
    async with _in_thread(mosquitto_here(accounts=accounts, lines=lines)) as url:
        yield url


@asynccontextmanager
async def bundled_broker() -> AsyncIterator[str]:
    """The bundled broker as a process of its own, as ``fahrwerk up`` starts it."""
    async with _in_thread(bundled_broker_here()) as url:
        yield url


@contextmanager
def mosquitto_here(
    *, accounts: Mapping[str, str] | None = None, lines: Sequence[str] = ()
) -> Iterator[str]:
    """:func:`mosquitto` for plain code."""
    program = mosquitto_program()
    if program is None:
        if accounts:
            raise RuntimeError("accounts need Mosquitto: ask has_mosquitto() first")
        sys.stderr.write(NO_MOSQUITTO)
        with bundled_broker_here() as url:
            yield url
        return
    with tempfile.TemporaryDirectory(prefix="fahrwerk-mosquitto-") as place:
        process, port = _start_mosquitto(program, Path(place), accounts, lines)
        try:
            yield f"mqtt://127.0.0.1:{port}"
        finally:
            stop(process)


@contextmanager
def bundled_broker_here() -> Iterator[str]:
    """:func:`bundled_broker` for plain code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fahrwerk.broker", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = first_line(process)
        if not line.startswith("listening on "):
            raise RuntimeError(f"the bundled broker did not start: {line!r}")
        yield line.removeprefix("listening on ").strip()
    finally:
        stop(process)


def has_redis() -> bool:
    return shutil.which("redis-server") is not None


@contextmanager
def redis_here(port: int | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A private Redis that keeps nothing: its URL and its process."""
    port = port or free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, text=True)
    try:
        if not _answers(process, port):
            raise RuntimeError("redis-server did not start")
        yield f"redis://127.0.0.1:{port}/0", process
    finally:
        stop(process)


def stop(process: subprocess.Popen[str]) -> int:
    """End a process by its id, politely first; its exit code."""
    process.terminate()
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
    return process.returncode


def first_line(process: subprocess.Popen[str]) -> str:
    """What a process says first; empty if it ends, or says nothing in time."""
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    threading.Thread(target=lambda out: lines.put(out.readline()), args=[process.stdout]).start()
    try:
        return lines.get(timeout=START_WITHIN_S)
    except queue.Empty:
        process.kill()
        return ""


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start_mosquitto(
    program: str, place: Path, accounts: Mapping[str, str] | None, lines: Sequence[str] = ()
) -> tuple[subprocess.Popen[str], int]:
    settings = ["persistence false", "set_tcp_nodelay true", "log_dest stderr", *lines]
    if os.getuid() == 0:
        settings.append("user root")  # or it becomes a user who may not read our files
    if accounts:
        passwords = place / "passwords"
        passwords.touch(mode=0o600)
        for name, password in accounts.items():
            command = ["mosquitto_passwd", "-b", str(passwords), name, password]
            subprocess.run(command, check=True, capture_output=True)
        settings.append(f"password_file {passwords}")
    settings.append(f"allow_anonymous {'false' if accounts else 'true'}")
    config, log = place / "mosquitto.conf", place / "log"
    for _ in range(5):  # another process may take the port between looking and listening
        port = free_port()
        config.write_text("\n".join([f"listener {port} 127.0.0.1", *settings, ""]))
        with log.open("w") as said:
            process = subprocess.Popen([program, "-c", str(config)], stderr=said, text=True)
        if _answers(process, port):
            return process, port
        stop(process)
    raise RuntimeError(f"mosquitto did not start:\n{log.read_text()}")


def _answers(process: subprocess.Popen[str], port: int) -> bool:
    until = time.monotonic() + START_WITHIN_S
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return process.poll() is None
        time.sleep(0.02)
    return False


@asynccontextmanager
async def _in_thread(server: AbstractContextManager[str]) -> AsyncIterator[str]:
    url = await asyncio.to_thread(server.__enter__)
    try:
        yield url
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)
