"""A storm: processes die at random while riders ride, load money, spend it and get it back.

    .venv/bin/python -m tests.journeys.storm --minutes 5 [--seed 7] [--database]

Every few seconds a process is killed as by a power cut, now and then PostgreSQL too
(``--database``); what dies is started again. Everybody repeats each step with its key until it is
answered. Afterwards everything has to come to an end, and the books have to be right: the proof of
``fahrwerk books verify``, every invariant, and not a cent taken twice at the gateway.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from fahrwerk.kernel import ids
from fahrwerk.kernel.call import system
from fahrwerk.payments.contract import ledger
from tests.journeys.invariants import at_rest, broken
from tests.journeys.load import Own, own_server, ride
from tests.journeys.people import City, Persistent, found
from tests.journeys.platform import Platform, platform

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

PROCESSES = ("serve", "work", "work-2")
CALM_S = (1.0, 4.0)
"""Between two deaths."""
DATABASE_EVERY = 12
"""Of so many deaths one is PostgreSQL's."""
AGAIN_S = 0.1
OFTEN_REFUSED = frozenset({400, 402, 409})
"""Not enough money, a double click, a wallet that is under way: answers like any other."""


class Storm:
    """Riders of one operator, each with a wallet and a scooter, until ``stop``."""

    def __init__(self, city: City, seed: int, say: Callable[[str], None]) -> None:
        self.city = city
        self.luck = random.Random(seed)
        self.say = say
        self.done: Counter[str] = Counter()
        self.deaths: Counter[str] = Counter()
        self.is_over = False
        self.tasks: list[asyncio.Task[None]] = []

    async def begin(self, riders: int) -> None:
        """Everybody gets a card, a scooter and something to begin with."""
        for number in range(riders):
            client = await self.city.rider()
            scooter = await self.city.by_hand(f"ST{number:03}")
            self.tasks.append(asyncio.create_task(self._live(client, scooter, number)))

    async def _live(self, client: httpx.AsyncClient, scooter: str, number: int) -> None:
        luck = random.Random(f"{self.luck.random()}{number}")
        rider, office = Persistent(client), Persistent(self.city.admin)
        user = str((await rider.get("/api/v1/users/me"))["id"])
        while not self.is_over:
            match luck.choice(("ride", "ride", "topup", "usage", "usage", "adjust", "refund")):
                case "ride":
                    await ride(rider, scooter)
                    self.done["ride"] += 1
                case "topup":
                    amount = luck.choice((10, 25, 100))
                    wish = {"amount": amount, "payment_method_id": await _card(rider)}
                    await self._tried(rider, "topup", "/api/v1/wallet/topups", wish)
                case "usage":
                    body = {"user_id": user, "amount": luck.randint(1, 9), "description": "storm"}
                    await self._tried(office, "usage", "/api/v1/wallet/usage", body)
                case "adjust":
                    path = f"/api/v1/wallets/{user}/adjustments"
                    await self._tried(office, "adjust", path, {"amount": 1, "reason": "storm"})
                case "refund":
                    await self._refund(rider, office, luck)

    async def _tried(self, who: Persistent, what: str, path: str, body: object) -> None:
        answer = await who.post(path, body)
        assert answer.is_success or answer.status_code in OFTEN_REFUSED, answer.text
        self.done[what if answer.is_success else f"{what} refused"] += 1

    async def _refund(self, rider: Persistent, office: Persistent, luck: random.Random) -> None:
        """Some of what the rider has paid, ride or top-up, goes back."""
        payments = (await rider.get("/api/v1/payments?limit=20"))["payments"]
        paid = [each for each in payments if each["status"] == "completed"]
        if not paid:
            return
        path = f"/api/v1/payments/{luck.choice(paid)['id']}/refunds"
        body = {"amount": luck.choice((0.5, 1)), "reason": "storm"}
        await self._tried(office, "refund", path, body)

    async def rage(self, seconds: float, own: Own | None) -> None:
        """Kill something every few seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, self.luck.uniform(*CALM_S)))
            if own is not None and self.luck.randrange(DATABASE_EVERY) == 0:
                await own.kill()
                await own.start()
                self.deaths["postgresql"] += 1
            else:
                name = self.luck.choice(PROCESSES)
                if (process := self.city.platform.processes.get(name)) is not None:
                    process.send_signal(signal.SIGKILL)  # the healer starts it again
                    self.deaths[name] += 1
            self._check()
            self.say(f"{end - time.monotonic():5.0f} s left; {_counted(self.deaths)} died")

    def _check(self) -> None:
        for task in self.tasks:
            if task.done():
                task.result()

    async def stop(self) -> None:
        """Everybody comes home; an error on the way is raised."""
        self.is_over = True
        await asyncio.gather(*self.tasks)
        self.say(f"done: {_counted(self.done)}")


async def _card(rider: Persistent) -> str:
    return str((await rider.get("/api/v1/payment-methods"))["payment_methods"][0]["id"])


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counter.items())) or "nothing"


async def findings(city: City) -> list[str]:
    """What is wrong afterwards: books, invariants, gateway. Empty when all is well."""
    await at_rest(city)
    async with city.platform.inside():
        wrong = [str(each) for each in await ledger.proof(system(city.tenant, "storm"))]
    return wrong + [str(each) for each in await broken(city)]


async def storm(
    running: Platform, seconds: float, *, riders: int, seed: int, own: Own | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Storm, list[str]]:  # fmt: skip
    """Let it rage over a fresh operator; what was done, and what is wrong afterwards."""
    running.spawn("work-2")
    running.heal()
    city = await found(running)
    made = Storm(city, seed, say)
    try:
        await made.begin(riders)
        await made.rage(seconds, own)
        await made.stop()
        say("everything comes to an end ...")
        return made, await findings(city)
    finally:
        await city.close()


async def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--riders", type=int, default=8)
    parser.add_argument("--seed", type=int, default=ids.new().int % 10_000)
    parser.add_argument("--database", action="store_true", help="kill PostgreSQL now and then too")
    wanted = parser.parse_args()

    def say(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    say(f"a storm of {wanted.minutes} minutes, seed {wanted.seed}")
    with tempfile.TemporaryDirectory(prefix="fahrwerk-storm-") as folder:
        async with own_server() as own, platform(own.server, Path(folder)) as running:
            _, wrong = await storm(
                running, wanted.minutes * 60, riders=wanted.riders, seed=wanted.seed,
                own=own if wanted.database else None, say=say,
            )  # fmt: skip
    for each in wrong:
        say(f"BROKEN {each}")
    say("the books hold" if not wrong else f"{len(wrong)} findings")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
