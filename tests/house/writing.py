"""How code is written here, as far as ruff does not know it already."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.house.imports import is_in
from tests.house.reading import House, Source, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOCKS = frozenset(
    (
        *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"),
        *("datetime.date.today", "time.time", "time.time_ns", "time.localtime", "time.gmtime"),
    )
)
OWN_CLOCK = (
    "fahrwerk.kernel.clock",  # the one clock
    "fahrwerk.kernel.ids",  # an id's time part only sorts; it must not move when tests move time
    "fahrwerk.sim",  # stand outside, as riders, vehicles and operators do
    "fahrwerk.cli",
)
SPEAKS = ("fahrwerk.cli", "fahrwerk.up", "fahrwerk.sim")

LONGEST_FUNCTION, LONGEST_FILE = 80, 500
LONG = re.compile(r"(#|--)\s*long:\s*\S+\s+\S+")
"""``# long: one table of the standard, row by row``: at least two words of reason."""


@rule(
    good={
        "src/fahrwerk/kernel/clock.py": "from datetime import datetime\ndatetime.now()\n",
        "src/fahrwerk/fleet/jobs.py": (
            "import time\nfrom datetime import datetime\nfrom fahrwerk.kernel import clock\n"
            "began = time.monotonic()\nclock.now()\ndatetime.fromisoformat('2026-01-01')\n"
        ),
        "src/fahrwerk/sim/city.py": "import time\ntime.time()\n",
    },
    bad={
        "src/fahrwerk/fleet/actions.py": "from datetime import UTC, datetime\ndatetime.now(UTC)\n",
        "src/fahrwerk/fleet/queries.py": "import datetime as dt\ndt.datetime.utcnow()\n",
        "src/fahrwerk/fleet/http.py": "from time import time as t\nt()\n",
        "src/fahrwerk/fleet/contract.py": "import time\nfield(default_factory=time.time)\n",
        "src/fahrwerk/fleet/handlers.py": "from datetime import date\ndate.today()\n",
    },
)
def time_comes_from_the_clock(house: House) -> Iterator[str]:
    """There is one clock, fahrwerk.kernel.clock, and tests move it. (Durations are measured with
    time.monotonic; whether a hold has run out is decided by the database's clock.)"""
    for source in house.platform:
        if not is_in(source.module, OWN_CLOCK):
            for node, name in source.names:
                if name in CLOCKS:
                    yield source.at(node, f"{name} instead of clock.now")


@rule(
    good={
        "src/fahrwerk/cli.py": "print('ready')\n",
        "src/fahrwerk/sim/city.py": "print('a ride')\n",
        "src/fahrwerk/fleet/http.py": "def f(printer):\n    return printer.print()\n",
    },
    bad={
        "src/fahrwerk/fleet/actions.py": "def f():\n    print('here')\n",
        "src/fahrwerk/kernel/observe.py": "hook = print\n",
    },
)
def only_programs_print(house: House) -> Iterator[str]:
    """What a person watches may print (cli, up, sim); everything else writes log lines with a trace
    (kernel.observe), which can be searched."""
    for source in house.platform:
        if not is_in(source.module, SPEAKS):
            for node, name in source.names:
                if name == "print":
                    yield source.at(node, "print")


def _is_broad(caught: ast.expr | None) -> bool:
    caught_names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        isinstance(each, ast.Name) and each.id in ("Exception", "BaseException")
        for each in caught_names
    )


def _does_nothing(statement: ast.stmt) -> bool:
    is_words = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_words or isinstance(statement, ast.Pass | ast.Continue)


@rule(
    good={
        "src/fahrwerk/fleet/jobs.py": (
            "try:\n    f()\nexcept KeyError:\n    pass\n"
            "try:\n    f()\nexcept Exception as error:\n    log(error)\n"
            "with suppress(KeyError):\n    f()\n"
        )
    },
    bad={
        "src/fahrwerk/fleet/actions.py": "try:\n    f()\nexcept:\n    log()\n    raise\n",
        "src/fahrwerk/fleet/queries.py": "try:\n    f()\nexcept Exception:\n    pass\n",
        "src/fahrwerk/fleet/http.py": "try:\n    f()\nexcept (OSError, BaseException):\n    ...\n",
        "src/fahrwerk/fleet/rules.py": (
            "for x in y:\n    try:\n        f()\n    except Exception:\n        continue\n"
        ),
        "src/fahrwerk/kernel/pump.py": "import contextlib as c\nwith c.suppress(Exception): f()\n",
    },
)
def errors_are_not_swallowed(house: House) -> Iterator[str]:
    """An error nobody expected is somebody's lost money. Catch what you expect, by name; whoever
    catches everything (a loop that must go on) logs it."""
    for source in house.platform:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ExceptHandler):
                if node.type is None:
                    yield source.at(node, "a bare except also catches cancellation and exit")
                elif _is_broad(node.type) and all(map(_does_nothing, node.body)):
                    yield source.at(node, "any error at all is swallowed")
            elif isinstance(node, ast.Call) and any(map(_is_broad, node.args)):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if called == "suppress":
                    yield source.at(node, "any error at all is suppressed")


@rule(
    good={"src/fahrwerk/fleet/rules.py": "TODOS = 1  # a list of things to do\n"},
    bad={
        "src/fahrwerk/fleet/actions.py": "# TODO: later\n",
        "src/fahrwerk/fleet/migrations/0001_vehicle.sql": "-- FIXME\n",
    },
)
def nothing_is_left_for_later(house: House) -> Iterator[str]:
    """What is left for later stands in an issue, where it is found again, not in the source."""
    for path in house.files:
        if path.parts[0] == "src":
            for number, line in enumerate(house.text(path).splitlines(), start=1):
                if re.search(r"\b(TODO|FIXME)\b", line):
                    yield f"{path}:{number}: {line.strip()}"


def _first_after_docstring(body: list[ast.stmt]) -> int:
    """Line of the first statement that is not the docstring: what stands above it is the top."""
    first = body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1].lineno if is_docstring and len(body) > 1 else (first.end_lineno or first.lineno)


def _long_functions(source: Source) -> Iterator[str]:
    lines = source.text.splitlines()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            above = min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 1
            top = lines[max(above - 1, 0) : _first_after_docstring(node.body)]
            if length > LONGEST_FUNCTION and not any(map(LONG.search, top)):
                yield source.at(node, f"{node.name} has {length} lines")


@rule(
    good={
        "src/fahrwerk/fleet/queries.py": "def f():\n" + "    x = 1\n" * 70,
        "src/fahrwerk/fleet/actions.py": (
            'def f():\n    """Does it."""\n    # long: one state machine, read top down\n'
            + "    x = 1\n" * 90
        ),
        "src/fahrwerk/fleet/http.py": "# long: sixty small endpoints\n" + "x = 1\n" * 600,
        "tests/fleet/test_hold.py": (
            "# long: one journey, step by step\n@mark\ndef test_f():\n" + "    x = 1\n" * 90
        ),
    },
    bad={
        "src/fahrwerk/wallet/actions.py": "def f():\n" + "    x = 1\n" * 90,
        "src/fahrwerk/wallet/queries.py": "class A:\n    # long:\n    def f():\n"
        + "     x = 1\n" * 90,
        "src/fahrwerk/wallet/jobs.py": "def f():\n" + "    x = 1\n" * 90 + "    # long: too late\n",
        "src/fahrwerk/wallet/http.py": "x = 1\n" * 600,
        "src/fahrwerk/wallet/migrations/0001_account.sql": "SELECT 1;\n" * 600,
        "tools/measure.py": "x = 1\n" * 600 + "# long: said too late\n",
    },
)
def nothing_is_long_without_a_reason(house: House) -> Iterator[str]:
    """Up to 80 lines a function and 500 a file. Longer is fine where splitting would hurt: say why
    at its top, as "# long: reason" ("-- long: reason" in SQL)."""
    for source in house.python:
        yield from _long_functions(source)
    for path in house.files:
        if path.suffix in (".py", ".sql"):
            lines = house.text(path).splitlines()
            top = 30  # below the docstring of even a talkative module
            if len(lines) > LONGEST_FILE and not any(map(LONG.search, lines[:top])):
                yield f"{path}:1: {len(lines)} lines"
