"""What a vehicle does when it is told: pins moved, sensors believed.

Wiring: output ``lock`` on = locked; input ``lock_sensor`` on = the bolt is in, ``tipped`` on = the
vehicle lies on its side. ``horn`` and
``lights`` are what they say; ``top_case`` and ``battery_cover`` release their catch for a second;
``speed_limit`` takes a number (board ``files``): the lower of what was commanded and what the zones
on board say. What is not wired cannot be told.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from fahrwerk.device.pins import Pins
    from fahrwerk.fleet.protocols.fahrwerk_mqtt import Result

    Outcome = tuple[Result, str | None]

OUTPUTS = ("lock", "horn", "lights", "top_case", "battery_cover", "speed_limit")
_COMMANDS = {"lock": ("unlock", "lock"), "horn": ("sound",)}
HORN_S, CATCH_S = 2.0, 1.0
BOLT_WITHIN_S = 3.0
LOOK_S = 0.05
MOST_KMH = 130
"""Written where nothing limits the speed any more."""
MOVES_KMH = 3.0
"""Below this a receiver's noise may look like moving."""
_log = logging.getLogger(__name__)


class Mechanics:
    """One vehicle's moving parts.

    ``is_locked`` is where the bolt was last, as far as known; ``keep`` is told where it is.
    """

    def __init__(
        self,
        pins: Pins,
        wired: Collection[str],
        speed_kmh: Callable[[], float],
        is_locked: bool | None = None,
        keep: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._pins, self._wired, self._speed_kmh = pins, frozenset(wired), speed_kmh
        self._keep = keep
        self._pulses: dict[str, asyncio.TimerHandle] = {}
        self._commanded_kmh = self._zone_kmh = MOST_KMH
        self.is_tipped: bool | None = None
        self.is_locked = is_locked
        """What the sensor says, else what was done last; None = not known."""
        self.look()

    @property
    def capabilities(self) -> list[str]:
        """The commands that it is wired for."""
        return [c for pin in OUTPUTS if pin in self._wired for c in _COMMANDS.get(pin, (pin,))]

    def look(self) -> None:
        """See where the bolt is, and whether the vehicle stands."""
        if "tipped" in self._wired:
            state = self._pins.read("tipped")
            self.is_tipped = None if state is None else bool(state)
        if "lock_sensor" in self._wired:
            state = self._pins.read("lock_sensor")
            self.is_locked = None if state is None else bool(state)

    def slow_to(self, zone_kmh: int | None) -> None:
        """The zones on board say so, here and now; None = nothing. Not wired: nothing happens."""
        kmh = zone_kmh or MOST_KMH
        if kmh == self._zone_kmh or "speed_limit" not in self._wired:
            return
        try:
            self._pins.write("speed_limit", min(kmh, self._commanded_kmh))
        except OSError as error:
            _log.error("speed_limit: %s", error)  # tried again with the next look
        else:
            self._zone_kmh = kmh

    async def carry_out(self, command: str, args: Mapping[str, object]) -> Outcome:
        """Do it. Whatever goes wrong with a pin is an outcome, not an error."""
        if command not in self.capabilities:
            return "refused", "unsupported"
        try:
            return await self._do(command, args)
        except OSError as error:
            _log.error("%s: %s", command, error)
            return "failed", "pin_failed"

    async def _do(self, command: str, args: Mapping[str, object]) -> Outcome:
        match command:
            case "lock" | "unlock":
                return await self._turn(command == "lock")
            case "sound":
                self._pulse("horn", HORN_S)
            case "lights":
                self._pins.write("lights", int(args.get("on", True) is not False))
            case "speed_limit":
                kmh = args.get("kmh")
                if not isinstance(kmh, int) or isinstance(kmh, bool) or not 1 <= kmh <= 130:
                    return "refused", "malformed"
                self._commanded_kmh = kmh
                self._pins.write("speed_limit", min(kmh, self._zone_kmh))
            case _:
                self._pulse(command, CATCH_S)
        return "done", None

    async def _turn(self, locks: bool) -> Outcome:
        if locks and self._speed_kmh() >= MOVES_KMH:
            return "refused", "moving"
        self._pins.write("lock", int(locks))
        self._keep(locks)
        if "lock_sensor" not in self._wired:
            self.is_locked = locks
            return "done", None
        loop = asyncio.get_running_loop()
        until = loop.time() + BOLT_WITHIN_S
        while True:
            self.look()
            if self.is_locked is locks:
                return "done", None
            if loop.time() >= until:
                return "failed", "lock_jammed"
            await asyncio.sleep(LOOK_S)

    def _pulse(self, pin: str, seconds: float) -> None:
        """On now, off after a while: the next command need not wait for it."""
        self._pins.write(pin, 1)
        if before := self._pulses.pop(pin, None):
            before.cancel()
        self._pulses[pin] = asyncio.get_running_loop().call_later(seconds, self._let_go, pin)

    def _let_go(self, pin: str) -> None:
        self._pulses.pop(pin).cancel()
        try:
            self._pins.write(pin, 0)
        except OSError as error:
            _log.error("%s stays on: %s", pin, error)

    def close(self) -> None:
        """Nothing is left pulled when the agent ends; the lock stays as it is."""
        for pin in list(self._pulses):
            self._let_go(pin)
