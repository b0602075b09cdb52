"""The permissions there are: read off the endpoints, so that none is forgotten (IDN-26, IDN-28).

A permission is ``room.noun.verb``. Every endpoint declares the one it needs (``kernel.web``), and
what these declare is the catalogue from which an operator's own roles are put together.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
from typing import Any

import msgspec

from fahrwerk.kernel.settings import ROOMS


class Permission(msgspec.Struct, frozen=True):
    """One permission and the endpoints that need it."""

    name: str
    endpoints: list[str]
    """``GET /api/v1/vehicles``"""
    says: list[str]
    """The first sentence of each of them."""
    is_scoped: bool
    """All of its endpoints can be limited to a part of the operator."""


@functools.cache
def catalogue() -> dict[str, Permission]:
    """Every permission that an endpoint of this build declares, by name."""
    found: dict[str, list[Any]] = {}
    for room in ROOMS:
        if importlib.util.find_spec(f"fahrwerk.{room}.http"):
            for handler in importlib.import_module(f"fahrwerk.{room}.http").handlers:
                if permission := handler.opt.get("permission"):
                    found.setdefault(permission, []).append(handler)
    return {name: _permission(name, found[name]) for name in sorted(found)}


def _permission(name: str, handlers: list[Any]) -> Permission:
    return Permission(
        name,
        sorted({_endpoint(each) for each in handlers}),
        sorted({_sentence(each) for each in handlers} - {""}),
        all(each.opt.get("scoped") for each in handlers),
    )


def _endpoint(handler: Any) -> str:
    path = min(handler.paths, key=lambda p: (not p.startswith("/api/"), len(p), p))
    return f"{next(iter(sorted(handler.http_methods)))} {path.replace(':str', '')}"


def _sentence(handler: Any) -> str:
    doc = inspect.getdoc(handler.fn) or ""
    return " ".join(doc.split("\n\n")[0].split()).partition(". ")[0].rstrip(".")
