"""Reading the house: its files, its Python as syntax trees; and how a rule is declared."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]


def stairs() -> list[frozenset[str]]:
    """The steps as ``.importlinter`` declares them, highest first."""
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter")
    lines = config["importlinter:contract:stairs"]["layers"].split("\n")
    return [frozenset(re.findall(r"\w+", line)) for line in lines if line.strip()]


PROGRAMS, *STEPS, _kernel = stairs()
ROOMS = frozenset[str]().union(*STEPS)


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: PurePosixPath
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=str(self.path))

    @cached_property
    def module(self) -> str:
        """``src/fahrwerk/fleet/http.py`` -> ``fahrwerk.fleet.http``; a package is its folder."""
        parts = self.path.with_suffix("").parts
        parts = parts[1:] if parts[0] == "src" else parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def room(self) -> str | None:
        """The room this file stands in, if it stands in one."""
        parts = self.path.parts
        return parts[2] if parts[:2] == ("src", "fahrwerk") and parts[2] in ROOMS else None

    def at(self, node: ast.AST | int, says: str) -> str:
        line = node if isinstance(node, int) else getattr(node, "lineno", 1)
        return f"{self.path}:{line}: {says}"

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        """Each imported name with its line, in full: ``from a import b`` is ``a.b``."""
        package = self.module.split(".")
        if self.path.name != "__init__.py":
            package = package[:-1]
        found: list[tuple[int, str]] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [(node.lineno, name.name) for name in node.names]
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else []
                start = ".".join([*above, *([node.module] if node.module else [])])
                found += [(node.lineno, f"{start}.{name.name}") for name in node.names]
        return found

    @cached_property
    def names(self) -> list[tuple[ast.expr, str]]:
        """Each name that is read, spelled by its origin: after ``from time import time as t``,
        ``t`` is ``time.time``."""
        origin: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for name in node.names:
                    local = name.asname or name.name.split(".")[0]
                    origin[local] = name.name if name.asname else local
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for name in node.names:
                    origin[name.asname or name.name] = f"{node.module}.{name.name}"
        found: list[tuple[ast.expr, str]] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name | ast.Attribute) and (dotted := _dotted(node)):
                first, *rest = dotted.split(".")
                found.append((node, ".".join([origin.get(first, first), *rest])))
        return found


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := _dotted(node.value)):
        return f"{left}.{node.attr}"
    return None


class House:
    """A checkout, or a sample of one."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def files(self) -> list[PurePosixPath]:
        """Everything that is committed or would be, with ``add --all``, now."""
        if (self.root / ".git").exists():
            asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
            answer = subprocess.run(
                asked, cwd=self.root, capture_output=True, check=True, text=True
            )
            paths = [self.root / name for name in sorted(set(answer.stdout.split("\0"))) if name]
        else:
            paths = sorted(self.root.rglob("*"))
        return [PurePosixPath(p.relative_to(self.root).as_posix()) for p in paths if p.is_file()]

    def text(self, path: PurePosixPath) -> str:
        """The file's text; empty for what is none (images, archives)."""
        raw = (self.root / path).read_bytes()
        return "" if b"\0" in raw[:8192] else raw.decode(errors="replace")

    @cached_property
    def python(self) -> list[Source]:
        """Every Python file of ours: src, tests, tools."""
        return [Source(p, self.text(p)) for p in self.files if p.suffix == ".py"]

    @cached_property
    def platform(self) -> list[Source]:
        """What runs at the operator's: everything below ``src/fahrwerk``."""
        return [s for s in self.python if s.path.parts[:2] == ("src", "fahrwerk")]

    def pieces(self, name: str) -> Iterator[Source]:
        """One piece of furniture (``http``, ``rules``, ...) of every room that has it."""
        for source in self.platform:
            below = source.path.parts[3:]
            if source.room and (below == (f"{name}.py",) or below[0] == name):
                yield source


@dataclass(frozen=True)
class Rule:
    """One sentence of the style: how it is checked, and the samples that prove the check."""

    check: Callable[[House], Iterator[str]]
    good: Mapping[str, str]
    bad: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.check.__name__

    @property
    def why(self) -> str:
        return " ".join((self.check.__doc__ or "").split())


RULES: list[Rule] = []


def rule(
    *, good: Mapping[str, str], bad: Mapping[str, str]
) -> Callable[[Callable[[House], Iterator[str]]], Callable[[House], Iterator[str]]]:
    """Declare a rule; its docstring is what someone who broke it will read.

    ``good``: path -> text of a small house it must be content with. ``bad``: path -> text; each
    is put into the good house alone and must be objected to.
    """

    def declare(check: Callable[[House], Iterator[str]]) -> Callable[[House], Iterator[str]]:
        assert check.__doc__, f"{check.__name__} must say why"
        assert bad, f"{check.__name__} must be tried on something bad"
        RULES.append(Rule(check, good, bad))
        return check

    return declare
