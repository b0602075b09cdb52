"""``fahrwerk device``: pair a board, run it, see how it is."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.device import durable, pins, settings
from fahrwerk.device.agent import Agent
from fahrwerk.device.buffer import Buffer
from fahrwerk.device.durable import Identity, Unusable, write_whole
from fahrwerk.device.mechanics import OUTPUTS, Mechanics
from fahrwerk.device.zones import ZonesOnBoard
from fahrwerk.kernel import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FOLDER = Path("/var/lib/fahrwerk-device")


def agent(folder: Path, chosen: settings.Settings, board: pins.Pins | None = None) -> Agent:
    """The agent of this folder. Raises ``Unusable``."""
    identity = Identity(folder / "identity")
    was_locked = _was_locked(folder)
    try:
        taken = board or _board(chosen, was_locked)
    except OSError as error:
        raise Unusable(f"board {chosen.board!r}: {error}") from None
    wired = chosen.pins or ({*OUTPUTS, "lock_sensor"} if chosen.board in ("sim", "console") else ())
    made = partial(_mechanics, folder, taken, tuple(wired), was_locked)
    return Agent(
        identity, chosen, made, Buffer(folder / "readings.db", chosen.buffer),
        firmware=version("fahrwerk")[:20], zones=ZonesOnBoard(folder / "zones.json"),
    )  # fmt: skip


def _mechanics(
    folder: Path,
    board: pins.Pins,
    wired: Sequence[str],
    was_locked: bool | None,
    speed_kmh: Callable[[], float],
) -> Mechanics:
    def keep(is_locked: bool) -> None:
        write_whole(folder / "lock", b"locked\n" if is_locked else b"unlocked\n")

    return Mechanics(board, wired, speed_kmh, was_locked, keep)


def _was_locked(folder: Path) -> bool | None:
    """Where the bolt was left: after a power cut it is neither moved nor guessed."""
    with contextlib.suppress(OSError):
        return {b"locked\n": True, b"unlocked\n": False}.get((folder / "lock").read_bytes())
    return None


def _board(chosen: settings.Settings, was_locked: bool | None) -> pins.Pins:
    match chosen.board:
        case "files":
            return pins.Files(chosen.pins)
        case "chip":
            starts = {"lock": int(was_locked is not False)}
            return pins.Chip(chosen.chip, chosen.pins, OUTPUTS, starts)
        case "sim":
            return pins.Simulated()
        case _:
            return pins.Console()


def _pair(args: argparse.Namespace) -> None:
    given = sys.stdin.read() if args.key is None else Path(args.key).read_text(encoding="utf-8")
    identity = durable.pair(args.folder / "identity", given, clock.millis(clock.now()))
    sys.stdout.write(f"This is {identity.vehicle_id} from now on ({identity.key.alg}).\n")


def _run(args: argparse.Namespace) -> None:
    chosen = settings.read(args.folder / "device.toml")
    if args.mqtt:
        chosen = msgspec.structs.replace(chosen, broker=args.mqtt)
    if args.board:
        chosen = msgspec.structs.replace(chosen, board=args.board)
    logging.basicConfig(level="INFO", format="%(levelname)s %(message)s", stream=sys.stderr)

    async def live() -> None:
        running = asyncio.create_task(agent(args.folder, chosen).run())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, running.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(live())


def _status(args: argparse.Namespace) -> None:
    identity = Identity(args.folder / "identity")
    buffer = Buffer(args.folder / "readings.db")
    was_locked = {True: "locked", False: "unlocked", None: "not known"}[_was_locked(args.folder)]
    sys.stdout.write(
        f"vehicle   {identity.vehicle_id} ({identity.key.alg})\n"
        f"counter   {identity.counter}\n"
        f"lock      {was_locked}\n"
        f"buffered  {len(buffer)} readings, {buffer.dropped} dropped so far\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """One command; the exit code."""
    parser = argparse.ArgumentParser(
        prog="fahrwerk device", description="Be a vehicle (docs/device-agent.md)."
    )
    commands = parser.add_subparsers(title="commands", metavar="<command>", required=True)
    pair = commands.add_parser("pair", help="take over the key that the platform made")
    pair.add_argument("key", nargs="?", help="file with it (default: standard input)")
    run = commands.add_parser("run", help="connect, obey and report")
    run.add_argument("--mqtt", help="broker, instead of the one in device.toml")
    run.add_argument("--board", choices=settings.BOARDS, help="likewise")
    status = commands.add_parser("status", help="say who this is and what waits to be sent")
    for each, does in ((pair, _pair), (run, _run), (status, _status)):
        each.add_argument("--folder", type=Path, default=FOLDER, help=f"all it keeps ({FOLDER})")
        each.set_defaults(does=does)
    args = parser.parse_args(arguments)
    try:
        args.does(args)
    except (Unusable, OSError) as error:
        sys.stderr.write(f"fahrwerk device: {error}\n")
        return 1
    return 0
