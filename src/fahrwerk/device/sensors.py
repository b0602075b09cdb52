"""What a vehicle measures: battery, position, speed. Whatever fails is left out of the reading."""

from __future__ import annotations

import contextlib
import os
import stat
import termios
import time
from pathlib import Path
from typing import NamedTuple

from fahrwerk.device import nmea

FRESH_S = 10.0
"""A position older than this is not reported: it is where the vehicle was."""
MOST_LINE = 4_096
_SPEEDS = {
    4800: termios.B4800, 9600: termios.B9600, 38400: termios.B38400, 115200: termios.B115200,
}  # fmt: skip


class Battery(NamedTuple):
    """State of the battery that drives the vehicle."""

    level: float | None = None
    voltage: float | None = None
    temperature: float | None = None


def battery(folder: Path) -> Battery:
    """As Linux shows it in ``/sys/class/power_supply/<name>``: %, microvolts, tenths of degrees."""
    level = _number(folder / "capacity", 1, 0, 100)
    voltage = _number(folder / "voltage_now", 1e-6, 0, 1_500)
    return Battery(level, voltage, _number(folder / "temp", 0.1, -100, 200))


def _number(path: Path, scale: float, low: float, high: float) -> float | None:
    try:
        value = int(path.read_text().strip()) * scale
    except (OSError, ValueError):
        return None
    return round(value, 3) if low <= value <= high else None


class Gnss:
    """A receiver on a serial line, a pipe, or a file that somebody appends to."""

    def __init__(self, path: Path, baud: int = 9600) -> None:
        self._path, self._baud = path, baud
        self._fd: int | None = None
        self._rest = b""
        self._fix: nmea.Fix | None = None
        self._at = self._speed_at = float("-inf")
        self._speed_kmh: float | None = None

    def poll(self) -> None:
        """Take in what has come. A receiver that is not there is looked for again the next time."""
        try:
            fd = self._open() if self._fd is None else self._fd
            for _ in range(64):
                data = os.read(fd, MOST_LINE)
                if not data:
                    return
                self._hear(data)
        except BlockingIOError:
            return
        except OSError:
            self.close()

    def _open(self) -> int:
        fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        self._fd = fd
        if stat.S_ISCHR(os.fstat(fd).st_mode):
            with contextlib.suppress(termios.error):  # not a terminal, but it may still speak
                attributes = termios.tcgetattr(fd)
                attributes[0] = attributes[1] = attributes[3] = 0
                attributes[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
                attributes[4] = attributes[5] = _SPEEDS[self._baud]
                termios.tcsetattr(fd, termios.TCSANOW, attributes)
        return fd

    def _hear(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-MOST_LINE:]
        for line in lines:
            found = nmea.parse(line.decode("latin-1"))
            if found is None:
                continue
            now, before = time.monotonic(), self._fix
            if found.speed_kmh is not None:
                self._speed_kmh, self._speed_at = found.speed_kmh, now
            accuracy_m = found.accuracy_m or (before.accuracy_m if before else None)
            self._fix, self._at = found._replace(accuracy_m=accuracy_m), now

    def fix(self) -> nmea.Fix | None:
        """Where it is now, as far as it has said lately."""
        if self._fix is None or time.monotonic() - self._at > FRESH_S:
            return None
        return self._fix._replace(speed_kmh=self.speed_kmh)

    @property
    def speed_kmh(self) -> float | None:
        return self._speed_kmh if time.monotonic() - self._speed_at <= FRESH_S else None

    def close(self) -> None:
        """Let go of the line."""
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.close(self._fd)
        self._fd, self._rest = None, b""
