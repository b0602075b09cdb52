"""Pins and what hangs on them."""

from __future__ import annotations

import asyncio
import os
import struct
from pathlib import Path

import pytest

from fahrwerk.device import mechanics, pins, settings
from fahrwerk.device.durable import Unusable
from fahrwerk.device.mechanics import OUTPUTS, Mechanics
from fahrwerk.device.pins import Simulated

WIRED = (*OUTPUTS, "lock_sensor")


def still() -> float:
    return 0.0


async def test_it_turns_the_lock_and_believes_the_sensor(monkeypatch: pytest.MonkeyPatch) -> None:
    """FLT-23: the bolt's own sensor says whether it moved."""
    monkeypatch.setattr(mechanics, "BOLT_WITHIN_S", 0.1)
    board, kept = Simulated(), list[bool]()
    parts = Mechanics(board, WIRED, still, None, kept.append)
    first: bool | None = parts.is_locked
    assert first is None
    assert await parts.carry_out("lock", {}) == ("done", None)
    assert await parts.carry_out("unlock", {}) == ("done", None)
    assert (parts.is_locked, kept) == (False, [True, False])
    board.stuck.add("lock")
    assert await parts.carry_out("lock", {}) == ("failed", "lock_jammed")
    assert parts.is_locked is False


async def test_it_sees_that_it_lies_on_its_side() -> None:
    board = Simulated()
    parts = Mechanics(board, ["lock", "tipped"], still)
    assert parts.is_tipped is None
    board.state["tipped"] = 1
    parts.look()
    assert parts.is_tipped


async def test_it_does_not_lock_while_moving() -> None:
    board = Simulated()
    parts = Mechanics(board, ["lock"], lambda: 12.0)
    assert await parts.carry_out("unlock", {}) == ("done", None)
    assert await parts.carry_out("lock", {}) == ("refused", "moving")
    assert parts.is_locked is False


async def test_everything_else_it_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mechanics, "CATCH_S", 0.05)
    monkeypatch.setattr(mechanics, "HORN_S", 0.05)
    board = Simulated()
    parts = Mechanics(board, WIRED, still)
    for command, args in (
        ("sound", {}), ("top_case", {}), ("battery_cover", {}), ("lights", {"on": True}),
        ("lights", {"on": False}), ("speed_limit", {"kmh": 20}),
    ):  # fmt: skip
        assert await parts.carry_out(command, args) == ("done", None)
    for wrong in ({}, {"kmh": 0}, {"kmh": True}, {"kmh": "20"}, {"kmh": 131}):
        assert await parts.carry_out("speed_limit", wrong) == ("refused", "malformed")
    assert board.written == [
        ("horn", 1), ("top_case", 1), ("battery_cover", 1), ("lights", 1), ("lights", 0),
        ("speed_limit", 20),
    ]  # fmt: skip
    await asyncio.sleep(0.2)
    assert board.written[6:] == [("horn", 0), ("top_case", 0), ("battery_cover", 0)]
    monkeypatch.setattr(mechanics, "HORN_S", 60)
    await parts.carry_out("sound", {})
    parts.close()
    assert board.state["horn"] == 0, "nothing is left pulled"


async def test_what_is_not_wired_cannot_be_told() -> None:
    parts = Mechanics(Simulated(), ["lock"], still)
    assert parts.capabilities == ["unlock", "lock"]
    for command in ("sound", "lights", "speed_limit", "top_case", "fly"):
        assert await parts.carry_out(command, {}) == ("refused", "unsupported")
    assert set(Mechanics(Simulated(), WIRED, still).capabilities) == {
        "unlock", "lock", "sound", "lights", "speed_limit", "top_case", "battery_cover",
    }  # fmt: skip


async def test_a_pin_that_fails_is_an_outcome(tmp_path: Path) -> None:
    board = pins.Files({"lock": str(tmp_path / "nowhere" / "value")})
    assert await Mechanics(board, ["lock"], still).carry_out("unlock", {}) == (
        "failed", "pin_failed",
    )  # fmt: skip


async def test_pins_that_are_files(tmp_path: Path) -> None:
    places = {"lock": str(tmp_path / "17"), "lock_sensor": "!" + str(tmp_path / "17")}
    board = pins.Files(places)
    assert board.read("lock_sensor") is None
    board.write("lock", 1)
    assert ((tmp_path / "17").read_text(), board.read("lock_sensor")) == ("1", 0)
    (tmp_path / "17").write_text("x")
    assert board.read("lock_sensor") is None


class Kernel:
    """Stands for Linux: takes the bytes apart as include/uapi/linux/gpio.h says."""

    def __init__(self) -> None:
        self.lines: dict[int, tuple[int, int]] = {}
        self.values: dict[int, int] = {}

    def control(self, fd: int, request: int, argument: bytearray) -> int:
        if request == 0xC250B407:
            assert len(argument) == 592
            offset = struct.unpack_from("=I", argument, 0)[0]
            assert argument[256:264] == b"fahrwerk"
            flags, attributes = struct.unpack_from("=QI", argument, 288)
            assert struct.unpack_from("=I", argument, 560)[0] == 1, "one line"
            line = os.open(os.devnull, os.O_RDONLY)
            if attributes:
                kind, _, value, mask = struct.unpack_from("=IIQQ", argument, 320)
                assert (kind, mask) == (2, 1)
                self.values[line] = value
            self.lines[line] = (offset, flags)
            struct.pack_into("=i", argument, 588, line)
        elif request == 0xC010B40F:
            bits, mask = struct.unpack("=QQ", argument)
            assert mask == 1
            self.values[fd] = bits
        else:
            assert request == 0xC010B40E
            struct.pack_into("=Q", argument, 0, self.values.get(fd, 1))
        return 0


def test_lines_of_a_gpio_chip() -> None:
    """The layout of the kernel's version 2 interface; a lock does not twitch when it starts."""
    kernel = Kernel()
    board = pins.Chip(
        os.devnull, {"lock": "17", "horn": "!22", "lock_sensor": "27"}, OUTPUTS, {"lock": 1},
        kernel.control,
    )  # fmt: skip
    (lock, (at, flags)), (_, horn), (_, sensor) = kernel.lines.items()
    assert (at, flags, kernel.values[lock]) == (17, 1 << 3, 1)
    assert horn == (22, 1 << 3 | 1 << 1)
    assert sensor == (27, 1 << 2 | 1 << 8)
    board.write("lock", 0)
    assert kernel.values[lock] == 0
    assert board.read("lock_sensor") == 1
    board.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(lock)


def test_settings_name_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "device.toml"
    assert settings.read(path) == settings.Settings()
    for text, message in (
        ("board = 'chip'\n[pins]\nlock = '/sys/17'", "a line's number"),
        ("board = 'chip'", "needs a pin `lock`"),
        ("[pins]\nflux = '1'", "no pin 'flux'"),
        ("idle_s = 900", "idle_s"),
        ("speed = 1", "speed"),
        ("broker = 'http://x'", "broker"),
        ("= 1", "device.toml"),
    ):
        path.write_text(text)
        with pytest.raises(Unusable, match=message):
            settings.read(path)
    path.write_text("board = 'chip'\nhardware = 'pi-zero-2'\n[pins]\nlock = '!17'\n")
    assert settings.read(path).pins == {"lock": "!17"}
