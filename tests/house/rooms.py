"""The same furniture in every room (ARCHITECTURE.md, section 4), and each thing in its place."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.house.imports import ADAPTERS, is_in
from tests.house.reading import ROOMS, STEPS, House, Source, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

FURNITURE = frozenset(
    ("__init__", "contract", "events", "rules", "queries", "actions", "http", "handlers", "jobs")
) | {"link"}  # a line that stays open to things outside, such as vehicles
FOLDERS = frozenset(
    (
        "contract",
        "rules",
        "actions",
        "queries",
        "http",
        "link",
        "migrations",
        "pages",  # templates, texts, styles and scripts beside the endpoints that show them
        "templates",
        *ADAPTERS,
    )
)

VAGUE = frozenset(
    (
        *("util", "utils", "helper", "helpers", "common", "base", "misc", "impl"),
        *("manager", "managers", "service", "services", "factory", "factories"),
        *("repository", "repositories"),
    )
)

ROUTES = frozenset(("get", "post", "put", "patch", "delete", "head", "route", "websocket"))

SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|MERGE INTO|TRUNCATE)\s")
"""In capitals, as SQL is written in this house; a message may well say "select" or "update"."""

IMPURE_MODULES = (
    *(f"fahrwerk.kernel.{name}" for name in ("db", "clock", "outside", "events", "jobs")),
    *("asyncio", "os", "random", "secrets", "time"),
)


@rule(
    good={
        "src/fahrwerk/fleet/__init__.py": '"""Vehicles."""\n',
        "src/fahrwerk/fleet/http.py": "",
        "src/fahrwerk/fleet/actions/hold_vehicle.py": "",
        "src/fahrwerk/fleet/protocols/sandbox.py": "",
        "src/fahrwerk/fleet/link/tcp.py": "",
        "src/fahrwerk/fleet/pages/__init__.py": "",
        "src/fahrwerk/fleet/pages/map.html": "",
        "src/fahrwerk/fleet/templates/map.html": "",
        "src/fahrwerk/fleet/migrations/0001_vehicle.sql": "",
        "src/fahrwerk/kernel/db.py": "",
    },
    bad={
        "src/fahrwerk/fleet/zones.py": "",
        "src/fahrwerk/fleet/views/list.py": "",
        "src/fahrwerk/fleet/notes.md": "",
        "src/fahrwerk/fleet/views/vehicles.py": "",
    },
)
def rooms_hold_only_the_known_furniture(house: House) -> Iterator[str]:
    """Who knows one room knows all: the same names everywhere. Find the piece of furniture that
    your code belongs to; actions.py may become the folder actions/, one file a verb."""
    for path in house.files:
        if path.parts[:2] == ("src", "fahrwerk") and path.parts[2] in ROOMS:
            name, *below = path.parts[3:]
            if below and name not in FOLDERS:
                yield f"{path}: a room has no folder {name}/"
            elif not below and (path.suffix != ".py" or path.stem not in FURNITURE):
                yield f"{path}: not a piece of furniture"


@rule(
    good={"src/fahrwerk/fleet/protocols/basemap.py": ""},
    bad={
        "src/fahrwerk/kernel/utils.py": "",
        "src/fahrwerk/fleet/protocols/base.py": "",
        "src/fahrwerk/rentals/actions/booking_service.py": "",
        "tests/helpers/__init__.py": "",
        "tools/common.py": "",
    },
)
def no_name_is_vague(house: House) -> Iterator[str]:
    """A file is named for what stands in it. Drawers labelled utils, manager or service fill up
    with everything."""
    for source in house.python:
        for part in source.module.split("."):
            if part in VAGUE or part.rpartition("_")[2] in VAGUE:
                yield f"{source.path}: {part!r} says nothing about what is inside"


@rule(
    good={
        "src/fahrwerk/fleet/__init__.py": '"""Vehicles: what they are and where they stand."""\n',
        "src/fahrwerk/fleet/http.py": "",
    },
    bad={
        "src/fahrwerk/fleet/__init__.py": '"""Vehicles."""\n\nfrom . import contract\n',
        "src/fahrwerk/wallet/__init__.py": "",
        "src/fahrwerk/wallet/http.py": "",
    },
)
def rooms_introduce_themselves(house: House) -> Iterator[str]:
    """A room's __init__.py is its door plate: a docstring (what for, its words, its tables, whom it
    asks, what it tells) and nothing else, so that importing a room does nothing."""
    present = {path.parts[2] for path in house.files if path.parts[:2] == ("src", "fahrwerk")}
    plates = {s.room: s for s in house.platform if s.path.parts[3:] == ("__init__.py",)}
    for room in sorted(present & ROOMS):
        if room not in plates:
            first = next(p for p in house.files if p.parts[:3] == ("src", "fahrwerk", room))
            yield f"{first}: {room} has no __init__.py"
        elif not ast.get_docstring(plates[room].tree):
            yield plates[room].at(1, "no docstring")
        elif len(plates[room].tree.body) > 1:
            yield plates[room].at(plates[room].tree.body[1], "more than a docstring")


@rule(
    good={
        "src/fahrwerk/fleet/contract.py": (
            'async def hold_vehicle():\n    """Hold it."""\n\n\ndef _inner(): ...\n'
        ),
        "src/fahrwerk/fleet/queries.py": "async def hold_vehicle(): ...\n",
    },
    bad={
        "src/fahrwerk/wallet/contract.py": "@query\nasync def balance(): ...\n",
        "src/fahrwerk/billing/contract.py": 'def due():\n    return "a string, not a docstring"\n',
    },
)
def contracts_are_written_for_their_caller(house: House) -> Iterator[str]:
    """Each public function of a contract says in its docstring what its caller must know: units,
    errors, whether a repeat is safe, limits."""
    for source in house.pieces("contract"):
        for node in source.tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
                not node.name.startswith("_") and not ast.get_docstring(node)
            ):
                yield source.at(node, f"{node.name} has no docstring")


def _step(room: str) -> int:
    """How high the room stands: 0 is the lowest step, just above the kernel."""
    return next(n for n, step in enumerate(reversed(STEPS)) if room in step)


def _listed_rooms(settings: Source) -> tuple[ast.stmt, list[str]]:
    """The ``ROOMS`` of the settings, with the statement that lists them."""
    for node in settings.tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ROOMS":
            return node, list(ast.literal_eval(node.value))
    return settings.tree.body[0], []


@rule(
    good={
        "src/fahrwerk/kernel/settings.py": 'ROOMS = ("tenancy", "pricing", "rentals")\n',
        "src/fahrwerk/rentals/contract.py": "",
    },
    bad={
        "src/fahrwerk/kernel/settings.py": 'ROOMS = ("rentals", "pricing")\n',
        "src/fahrwerk/wallet/contract.py": "",
    },
)
def rooms_are_listed_in_the_order_of_the_stairs(house: House) -> Iterator[str]:
    """The rooms of this build (kernel/settings.py) are those that exist, lowest first as on the
    stairs in .importlinter: migrations are applied in this order."""
    for settings in house.platform:
        if settings.module == "fahrwerk.kernel.settings":
            statement, listed = _listed_rooms(settings)
            steps = [_step(room) for room in listed if room in ROOMS]
            if len(steps) < len(listed) or steps != sorted(steps):
                yield settings.at(statement, "not in the order of the stairs")
            for source in house.pieces("contract"):
                if source.room not in listed:
                    yield f"{source.path}: {source.room} is not among the rooms in {settings.path}"


def _declares_permission(decorator: ast.expr) -> bool:
    if not isinstance(decorator, ast.Call):
        return False
    given = {
        word.arg: word.value.value
        for word in decorator.keywords
        if isinstance(word.value, ast.Constant)
    }
    permission, public = given.get("permission", ...), given.get("public", False)
    if isinstance(permission, str):
        return bool(permission) and public is False
    return permission is None and public is True


@rule(
    good={
        "src/fahrwerk/fleet/http.py": (
            '@get("/vehicles", permission="fleet:read")\nasync def list_vehicles(): ...\n\n\n'
            '@web.get("/health", permission=None, public=True)\nasync def health(): ...\n\n\n'
            "@lru_cache\ndef shape(): ...\n"
        ),
    },
    bad={
        "src/fahrwerk/wallet/http.py": '@get("/wallet")\nasync def wallet(): ...\n',
        "src/fahrwerk/shop/http.py": "@get\nasync def cart(): ...\n",
        "src/fahrwerk/rentals/http.py": (
            'class Rides:\n    @litestar.post("/", permission=None)\n    async def start(): ...\n'
        ),
        "src/fahrwerk/pricing/http.py": (
            '@patch("/", permission="pricing:write", public=True)\nasync def change(): ...\n'
        ),
        "src/fahrwerk/identity/http.py": '@put("/", permission="")\nasync def change(): ...\n',
        "src/fahrwerk/ml/http.py": '@delete("/", public=True)\nasync def forget(): ...\n',
    },
)
def endpoints_declare_who_may(house: House) -> Iterator[str]:
    """Each endpoint says on its own line who may call it: permission="room:verb" as a plain string,
    or permission=None together with public=True. Nobody should have to guess or to search."""
    for source in house.pieces("http"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for decorator in node.decorator_list:
                    named = decorator.func if isinstance(decorator, ast.Call) else decorator
                    name = getattr(named, "attr", getattr(named, "id", ""))
                    if name in ROUTES and not _declares_permission(decorator):
                        yield source.at(decorator, f"{node.name} does not say who may call it")


def _constants(source: Source) -> Iterator[ast.Constant]:
    """Constants, those inside f-strings included, docstrings not."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        node.body[0].value
        for node in ast.walk(source.tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and node not in docstrings:
            yield node


@rule(
    good={
        "src/fahrwerk/fleet/queries.py": 'NEARBY = "SELECT id FROM fleet.vehicle"\n',
        "src/fahrwerk/fleet/http.py": (
            'def f():\n    """SELECT is not ours."""\n    return "Select a vehicle to UPDATE_IT"\n'
        ),
    },
    bad={
        "src/fahrwerk/wallet/http.py": 'Q = "SELECT 1"\n',
        "src/fahrwerk/wallet/rules.py": 'def q(t):\n    return f"DELETE FROM {t}"\n',
        "src/fahrwerk/billing/rules.py": 'Q = """\n  INSERT INTO billing.receipt\n"""\n',
    },
)
def sql_stands_with_queries_and_actions(house: House) -> Iterator[str]:
    """SQL stands in a constant above the function that runs it, in queries or actions: an endpoint
    shapes, a rule decides, neither reads or writes rows."""
    for source in (*house.pieces("http"), *house.pieces("rules")):
        for constant in _constants(source):
            if isinstance(constant.value, str) and SQL.search(constant.value):
                yield source.at(constant, "SQL does not belong here")


@rule(
    good={
        "src/fahrwerk/rentals/rules.py": (
            "from datetime import datetime\nfrom fahrwerk.kernel.errors import Refused\n\n\n"
            "def start(now: datetime) -> Refused | None: ...\n"
        ),
        "src/fahrwerk/rentals/actions.py": "import asyncio\nasync def start(): ...\n",
    },
    bad={
        "src/fahrwerk/wallet/rules.py": "async def decide(): ...\n",
        "src/fahrwerk/shop/rules.py": "from fahrwerk.kernel import clock\n",
        "src/fahrwerk/fleet/rules.py": "from fahrwerk.kernel.db import run\n",
        "src/fahrwerk/pricing/rules.py": "import random\n",
        "src/fahrwerk/billing/rules.py": "def f(rows):\n    return [r async for r in rows]\n",
    },
)
def rules_are_pure(house: House) -> Iterator[str]:
    """rules.py decides from its arguments alone: no await, no clock, no chance, no database. What
    it needs is handed in (the time as well), so every case can be tried without a set-up."""
    awaiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    for source in house.pieces("rules"):
        for line, name in source.imports:
            if is_in(name, IMPURE_MODULES):
                yield source.at(line, f"a rule does not import {name}")
        for node in ast.walk(source.tree):
            if isinstance(node, awaiting):
                yield source.at(node, "a rule does not wait")
            elif isinstance(node, ast.comprehension) and node.is_async:
                yield source.at(node.target, "a rule does not wait")
