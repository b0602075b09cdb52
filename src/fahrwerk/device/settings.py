"""``device.toml``: how this vehicle is wired and whom it speaks with (docs/device-agent.md)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fahrwerk.device.durable import Unusable
from fahrwerk.device.mechanics import OUTPUTS

BOARDS = ("console", "files", "chip", "sim")
PINS = (*OUTPUTS, "lock_sensor", "tipped")
_Name = Annotated[str, Meta(pattern=r"^[!-~]{1,20}$")]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one vehicle. Seconds, unless said otherwise."""

    broker: Annotated[str, Meta(pattern=r"^mqtts?://")] = "mqtt://127.0.0.1:1883"
    """``mqtts://user:password@host:port``"""
    board: Literal["console", "files", "chip", "sim"] = "console"
    chip: str = "/dev/gpiochip0"
    pins: dict[str, str] = {}
    """Name -> place: see ``fahrwerk.device.pins``. Empty for console and sim: all there are."""
    battery: Path | None = None
    """Such as ``/sys/class/power_supply/BAT0``."""
    gnss: Path | None = None
    """Such as ``/dev/ttyS0``: NMEA 0183."""
    baud: Literal[4800, 9600, 38400, 115200] = 9600
    hardware: _Name = "linux"
    idle_s: Annotated[float, Meta(ge=0.05, le=60)] = 30.0
    """Between readings while locked; silent for longer than five minutes is offline."""
    riding_s: Annotated[float, Meta(ge=0.05, le=60)] = 2.0
    buffer: Annotated[int, Meta(ge=100, le=10_000_000)] = 50_000
    """Readings kept on disk while there is no network."""


def read(path: Path) -> Settings:
    """Raises ``Unusable`` with the field that is wrong. A file that is not there: the defaults."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        settings = msgspec.convert(values, Settings)
    except FileNotFoundError:
        settings = Settings()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise Unusable(f"{path}: {error}") from None
    for name, place in settings.pins.items():
        if name not in PINS:
            raise Unusable(f"{path}: there is no pin {name!r}; there are {', '.join(PINS)}.")
        if settings.board == "chip" and not place.removeprefix("!").isdecimal():
            raise Unusable(f"{path}: pin {name!r} of a chip is a line's number, not {place!r}.")
    if settings.board in ("files", "chip") and "lock" not in settings.pins:
        raise Unusable(f"{path}: board {settings.board!r} needs a pin `lock`.")
    return settings
