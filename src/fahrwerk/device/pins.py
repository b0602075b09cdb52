"""The wires of a board, behind two verbs; what is connected to them is ``mechanics``' business.

A pin has a name from the wiring (``lock``, ``horn``, ...) and a place: a path for ``files``, a
line's number for ``chip``. ``!`` before the place turns its sense around (active low).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


class Pins(Protocol):
    """What a board must be able to do. Both may block for a few milliseconds, no longer."""

    def write(self, name: str, value: int) -> None:
        """Set an output: 0 or 1, or a number for what takes one. Raises ``OSError``."""

    def read(self, name: str) -> int | None:
        """The state of an input; None = it cannot be told now."""


class Console:
    """A board made of a person: prints what happens, and believes what was printed."""

    def __init__(self) -> None:
        self._state: dict[str, int] = {}

    def write(self, name: str, value: int) -> None:
        self._state[name] = value
        sys.stdout.write(f"[board] {name} = {value}\n")
        sys.stdout.flush()

    def read(self, name: str) -> int | None:
        return self._state.get(name.removesuffix("_sensor"))


class Simulated:
    """A board for tests and demonstrations. ``stuck`` pins do not move, as a jammed bolt."""

    def __init__(self) -> None:
        self.state: dict[str, int] = {}
        self.written: list[tuple[str, int]] = []
        self.stuck: set[str] = set()

    def write(self, name: str, value: int) -> None:
        self.written.append((name, value))
        if name not in self.stuck:
            self.state[name] = value

    def read(self, name: str) -> int | None:
        return self.state.get(name.removesuffix("_sensor"))


class Files:
    """Each pin is a file that holds a number: /sys/class/gpio, or a motor controller's driver."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def write(self, name: str, value: int) -> None:
        place, is_turned = _sense(self._places[name])
        Path(place).write_text(str(int(not value) if is_turned else value))

    def read(self, name: str) -> int | None:
        place, is_turned = _sense(self._places[name])
        try:
            value = int(Path(place).read_text().strip())
        except (OSError, ValueError):
            return None
        return int(not value) if is_turned else value


# The character device of Linux (include/uapi/linux/gpio.h, version 2 of the interface): sizes and
# numbers are part of the kernel's promise to programs and the same on every architecture.
_GET_LINE = 0xC250B407
_GET_VALUES, _SET_VALUES = 0xC010B40E, 0xC010B40F
_ACTIVE_LOW, _INPUT, _OUTPUT, _PULL_UP = 1 << 1, 1 << 2, 1 << 3, 1 << 8
_OUTPUT_VALUES = 2
_REQUEST = struct.Struct("=64I32sQI5I240sII5Ii")
_ATTRIBUTE = struct.Struct("=IIQQ")


def _ioctl(fd: int, request: int, argument: bytearray) -> int:
    return int(fcntl.ioctl(fd, request, argument, True))


class Chip:
    """Lines of a GPIO chip such as ``/dev/gpiochip0``. An output keeps its value while this runs.

    ``starts`` is what outputs are set to when they are taken: a lock that is to stay as it is must
    not twitch when the agent starts.
    """

    def __init__(
        self,
        chip: str,
        places: Mapping[str, str],
        outputs: Collection[str],
        starts: Mapping[str, int] | None = None,
        control: Callable[[int, int, bytearray], int] = _ioctl,
    ) -> None:
        """Raises ``OSError`` when a line is not there or taken by somebody else."""
        self._control = control
        self._lines: dict[str, int] = {}
        fd = os.open(chip, os.O_RDWR | os.O_CLOEXEC)
        try:
            for name, place in places.items():
                start = (starts or {}).get(name, 0) if name in outputs else None
                self._lines[name] = self._take(fd, *_sense(place), start)
        except OSError:
            self.close()
            raise
        finally:
            os.close(fd)

    def _take(self, fd: int, offset: str, is_turned: bool, start: int | None) -> int:
        flags = (_INPUT | _PULL_UP if start is None else _OUTPUT) | (
            _ACTIVE_LOW if is_turned else 0
        )
        attributes = b"" if start is None else _ATTRIBUTE.pack(_OUTPUT_VALUES, 0, start, 1)
        request = bytearray(
            _REQUEST.pack(
                int(offset), *[0] * 63, b"fahrwerk", flags, 0 if start is None else 1, *[0] * 5,
                attributes, 1, 0, *[0] * 5, -1,
            )
        )  # fmt: skip
        self._control(fd, _GET_LINE, request)
        return int(_REQUEST.unpack(request)[-1])

    def write(self, name: str, value: int) -> None:
        self._control(self._lines[name], _SET_VALUES, bytearray(struct.pack("=QQ", value & 1, 1)))

    def read(self, name: str) -> int | None:
        values = bytearray(struct.pack("=QQ", 0, 1))
        try:
            self._control(self._lines[name], _GET_VALUES, values)
        except OSError:
            return None
        return int(struct.unpack("=QQ", values)[0] & 1)

    def close(self) -> None:
        """Give the lines back; what their outputs do then is for the chip to decide."""
        for line in self._lines.values():
            with contextlib.suppress(OSError):
                os.close(line)
        self._lines.clear()


def _sense(place: str) -> tuple[str, bool]:
    return place.removeprefix("!"), place.startswith("!")
