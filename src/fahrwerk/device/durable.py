"""What must outlive a power cut: written whole or not at all (docs/protocol.md, section 3)."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet.protocols.fahrwerk_mqtt import VehicleKey, handover, taken_over

if TYPE_CHECKING:
    from pathlib import Path


class Unusable(Exception):
    """What is kept cannot be used; the text says what to do."""


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file so that after a power cut it is the old one or the new one, never half.

    Returns when it is on the medium. Readable by its owner only.
    """
    beside = path.with_name(f"{path.name}.new")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name is on the medium only now
    finally:
        os.close(folder)


class Identity:
    """Who this vehicle is, its key, and the counter of the last command it was told.

    One file, because a counter that goes back while the key stays would let an old command be
    played again.
    """

    def __init__(self, path: Path) -> None:
        """Read it. Raises ``Unusable``."""
        self._path = path
        try:
            text = path.read_text(encoding="ascii")
        except FileNotFoundError:
            raise Unusable(f"{path} is not there: pair first (fahrwerk device pair).") from None
        except ValueError:
            text = ""
        match = re.fullmatch(r"(fahrwerk:1:\S+)\npaired (\d+)\ncounter (\d+)\n", text)
        if match is None:
            # Never begin again from zero by oneself: every old command would open the lock.
            raise Unusable(f"{path} is damaged: pair this vehicle anew.")
        try:
            self.vehicle_id, self.key = taken_over(match[1])
        except ValueError as error:
            raise Unusable(f"{path}: {error}. Pair this vehicle anew.") from None
        self.paired_ms, self.counter = int(match[2]), int(match[3])

    def store_counter(self, counter: int) -> None:
        """Return when it outlives a power cut. Raises ``OSError``: then do nothing."""
        _write(self._path, self.vehicle_id, self.key, self.paired_ms, counter)
        self.counter = counter


def _write(path: Path, vehicle_id: str, key: VehicleKey, paired_ms: int, counter: int) -> None:
    text = f"{handover(vehicle_id, key)}\npaired {paired_ms}\ncounter {counter}\n"
    write_whole(path, text.encode("ascii"))


def pair(path: Path, given: str, now_ms: int) -> Identity:
    """Take over a key: the line that a QR code holds, or the platform's answer as JSON.

    The counter of the same vehicle goes on, as the platform's does. Raises ``Unusable``.
    """
    try:
        vehicle_id, key = taken_over(_line(given))
    except ValueError as error:
        raise Unusable(f"This is not a key: {error}.") from None
    counter = 0
    if path.exists():
        try:
            before = Identity(path)
        except Unusable:
            before = None  # damaged: with a new key no old command is believed
        if before is not None and before.vehicle_id == vehicle_id:
            counter = before.counter
        elif before is None:
            _refuse_old_key(path, key)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(path, vehicle_id, key, now_ms, counter)
    return Identity(path)


def _refuse_old_key(path: Path, key: VehicleKey) -> None:
    """A lost counter must not begin from zero under the key it was counted with."""
    known = path.read_bytes()
    if handover("x_1", key).rpartition(":")[2].encode() in known:
        raise Unusable("The counter of this key is lost: have the platform make a new key.")


def _line(given: str) -> str:
    text = given.strip()
    if not text.startswith("{"):
        return text
    try:
        return str(msgspec.json.decode(text)["handover"])
    except (msgspec.DecodeError, KeyError):
        raise ValueError("no `handover` in this JSON") from None
