"""What may stand in the way of ``up``: another one on the same data, or a port that is taken."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from typing import TYPE_CHECKING

import msgspec
import psutil

from fahrwerk.kernel.postgres import runs
from fahrwerk.up.processes import Failed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = "up.lock"
PREVIOUS_RUN_S = 12.0
"""What a killed run left behind ends within this time; worth waiting for."""


class Owner(msgspec.Struct, frozen=True):
    """The ``up`` that has a data folder, and where its platform and broker are."""

    pid: int
    address: str
    mqtt_url: str


def owner_of(data: Path) -> Owner | None:
    """The ``up`` that runs on this folder now, if one does."""
    try:
        owner = msgspec.json.decode((data / LOCK).read_bytes(), type=Owner)
    except (OSError, msgspec.MsgspecError):
        return None
    return owner if runs(owner.pid) else None


@contextlib.contextmanager
def locked(data: Path, address: str, mqtt_url: str) -> Iterator[Path]:
    """The data folder is ours for the block; yields the lock file.

    Raises ``Failed`` when another ``up`` has it, or when it cannot be written.
    """
    path = data / LOCK
    try:
        data.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+b")  # noqa: SIM115 (closed by the block below)
    except OSError as error:
        raise Failed(f"The data folder {data} cannot be used: {error.strerror}.") from None
    with file:
        _wait_for_lock(file.fileno(), data)
        file.truncate(0)
        file.write(msgspec.json.encode(Owner(os.getpid(), address, mqtt_url)))
        file.flush()
        yield path


def _wait_for_lock(fd: int, data: Path) -> None:
    deadline = time.monotonic() + PREVIOUS_RUN_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            pass
        if (owner := owner_of(data)) is not None:
            raise Failed(
                f"Fahrwerk is already up on {data} (process {owner.pid}, {owner.address}).\n"
                "Stop that one with Ctrl-C, or use another folder and other ports:\n"
                "  fahrwerk up --data other --port 8081 --mqtt-port 1884"
            )
        if time.monotonic() > deadline:
            raise Failed(f"Another process holds {data / LOCK}. Stop it, or use another --data.")
        time.sleep(0.2)


def free_port(host: str, port: int, option: str) -> None:
    """Raises ``Failed`` when the port is taken: by whom, and what to do."""
    deadline = time.monotonic() + PREVIOUS_RUN_S
    while (reason := _occupied(host, port)) is not None:
        holder, is_orphan = _holder(port)
        if not is_orphan or time.monotonic() > deadline:
            raise Failed(
                f"Port {port} on {host} cannot be used: {holder or reason}.\n"
                f"Stop that program, or use another port: fahrwerk up {option} {port + 1}"
            )
        time.sleep(0.2)


def _occupied(host: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return error.strerror or str(error)
    return None


def _holder(port: int) -> tuple[str | None, bool]:
    """The program that listens on a port, and whether it looks like an orphan of ours."""
    try:
        found = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS tells root only
        return None, False
    for connection in found:
        is_listening = connection.status == psutil.CONN_LISTEN
        if not is_listening or getattr(connection.laddr, "port", None) != port:
            continue
        if connection.pid is None:
            return "a program of another user has it", False
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(connection.pid)
            command = " ".join(process.cmdline()) or process.name()
            parent = process.parent()
            is_orphan = "fahrwerk.cli" in command and not (
                parent and "fahrwerk" in " ".join(parent.cmdline())
            )
            return f"process {connection.pid} has it ({command[:80]})", is_orphan
    return None, False
