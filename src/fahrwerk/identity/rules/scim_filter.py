"""SCIM filters (RFC 7644, 3.4.2.2): read into a tree, with limits, and tried on one value. Pure.

Beyond the standard, ``emails[type eq "work"].value eq "x"``, as Entra ID looks for people.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from fahrwerk.identity.rules.scim_schema import refuse

LONGEST = 2000
DEEPEST = 10
MOST_TERMS = 50
OPERATORS = frozenset(("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"))


class Compare(msgspec.Struct, frozen=True):
    """``path op value``; ``pr`` (present) has no value."""

    path: str
    op: str
    value: str | bool | int | float | None = None


class Both(msgspec.Struct, frozen=True):
    """``left and right``."""

    left: Filter
    right: Filter


class Either(msgspec.Struct, frozen=True):
    """``left or right``."""

    left: Filter
    right: Filter


class Not(msgspec.Struct, frozen=True):
    """``not (inner)``."""

    inner: Filter


class Has(msgspec.Struct, frozen=True):
    """``path[inner]``: some value of it is such."""

    path: str
    inner: Filter


Filter = Compare | Both | Either | Not | Has

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*")
    |(?P<mark>[()\[\]])
    |(?P<sub>\.[A-Za-z$][A-Za-z0-9$_-]*)
    |(?P<word>[A-Za-z$][A-Za-z0-9$_.:-]*)
    |(?P<number>-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?))""",
    re.VERBOSE,
)


def _wrong(text: str) -> Exception:
    return refuse(f"The filter {text}.", "invalidFilter")


class _Reader:
    """Reads from left to right; precedence is not, and, or."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise _wrong(f"cannot be read at {text[at : at + 20]!r}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self.at = 0
        self.terms = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def is_word(self, word: str) -> bool:
        kind, text = self.peek()
        return kind == "word" and text.lower() == word

    def expect(self, mark: str) -> None:
        if self.take() != ("mark", mark):
            raise _wrong(f"lacks a {mark}")

    def either(self, depth: int) -> Filter:
        found = self.both(depth)
        while self.is_word("or"):
            self.take()
            found = Either(found, self.both(depth))
        return found

    def both(self, depth: int) -> Filter:
        found = self.term(depth)
        while self.is_word("and"):
            self.take()
            found = Both(found, self.term(depth))
        return found

    def term(self, depth: int) -> Filter:
        self.terms += 1
        if depth > DEEPEST or self.terms > MOST_TERMS:
            raise _wrong("is too long or nested too deeply")
        if self.is_word("not"):
            self.take()
            self.expect("(")
            inner = self.either(depth + 1)
            self.expect(")")
            return Not(inner)
        if self.peek() == ("mark", "("):
            self.take()
            found = self.either(depth + 1)
            self.expect(")")
            return found
        kind, path = self.take()
        if kind != "word":
            raise _wrong("lacks the name of an attribute")
        if self.peek() == ("mark", "["):
            self.take()
            inner = self.either(depth + 1)
            self.expect("]")
            if self.peek()[0] == "sub":
                inner = Both(inner, self.compare(self.take()[1][1:]))
            return Has(path, inner)
        return self.compare(path)

    def compare(self, path: str) -> Filter:
        kind, op = self.take()
        op = op.lower()
        if kind == "word" and op == "pr":
            return Compare(path, "pr")
        if kind != "word" or op not in OPERATORS:
            raise _wrong(f"knows no operator {op[:20]!r}")
        kind, text = self.take()
        if kind == "text":
            value = str(msgspec.json.decode(text))
            if "\0" in value:
                raise _wrong("holds a NUL character")
            return Compare(path, op, value)
        if kind == "number":
            return Compare(path, op, float(text) if "." in text else int(text))
        named: dict[str, bool | None] = {"true": True, "false": False, "null": None}
        if kind == "word" and text.lower() in named:
            return Compare(path, op, named[text.lower()])
        raise _wrong(f"lacks a value after {op}")


def parsed(text: str) -> Filter:
    """The filter that ``text`` says. Raises ``Invalid`` with ``scim_type`` invalidFilter."""
    if len(text) > LONGEST:
        raise _wrong("is too long")
    reader = _Reader(text)
    found = reader.either(0)
    if reader.peek()[0] != "end":
        raise _wrong(f"goes on after its end: {reader.peek()[1][:20]!r}")
    return found


def fits(condition: Filter, value: Any) -> bool:
    """Whether one value of a multi-valued attribute is such; names in any case."""
    if isinstance(condition, Both):
        return fits(condition.left, value) and fits(condition.right, value)
    if isinstance(condition, Either):
        return fits(condition.left, value) or fits(condition.right, value)
    if isinstance(condition, Not):
        return not fits(condition.inner, value)
    if isinstance(condition, Has):
        raise _wrong("has brackets within brackets")
    there = value if isinstance(value, dict) else {"value": value}
    name = condition.path.lower()
    held = next((v for k, v in there.items() if k.lower() == name), None)
    return _compares(condition.op, held, condition.value)


def _compares(op: str, held: Any, wanted: Any) -> bool:
    if op == "pr":
        return held not in (None, "", [])
    if not (isinstance(held, str) and isinstance(wanted, str)):
        return op in ("eq", "ne") and (held == wanted) is (op == "eq")
    a, b = held.lower(), wanted.lower()
    found = {
        "eq": a == b, "ne": a != b, "co": b in a, "sw": a.startswith(b), "ew": a.endswith(b),
        "gt": a > b, "ge": a >= b, "lt": a < b, "le": a <= b,
    }  # fmt: skip
    return found[op]
