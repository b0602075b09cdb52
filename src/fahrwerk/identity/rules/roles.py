"""What an operator's own roles and scoped grants add to the built-in ones. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.identity import rules
from fahrwerk.kernel.call import RIDERS, Rights
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from fahrwerk.kernel.call import Call

MOST_ROLES = 100
MOST_GRANTS = 50
EVERYBODY = frozenset({"identity.self"})
"""What everybody may who has a role: look at himself, change his own names, log out."""
_NAME = re.compile(r"[a-z][a-z0-9_-]{1,48}")
_DEPARTMENT = re.compile(r"[^\x00-\x1f\x7f]{1,100}")

BEYOND: dict[str, str] = {
    "rentals.rental.read_any": "See every rider's bookings and rides",
    "rentals.rental.end_any": "End any ride",
    "payments.payment.read_any": "See every rider's payments",
    "payments.payment.write_any": "Authorise payments of any rider",
    "payments.refund.approve": "Decide on refunds above the limit that others asked for",
    "wallet.account.read_any": "See every rider's wallet",
    "identity.key.manage_any": "See and end API keys that others made",
    "site.view.delete_any": "Delete saved views that others share",
    "clock.move": "Say when something happened that is recorded later",
}
"""Permissions that no endpoint declares, because they only widen one."""


class Directory(msgspec.Struct, frozen=True):
    """What the front door must know of an operator's people beyond their tokens."""

    roles: dict[str, frozenset[str]] = {}
    """The operator's own roles and what they may."""
    changed: dict[UUID, frozenset[str]] = {}
    """Who got or lost roles while tokens are about that say what was; their roles now."""
    scoped: dict[UUID, tuple[tuple[str, str], ...]] = {}
    """Person to (role, scope)."""
    made: dict[frozenset[str], Rights] = {}
    """What sets of roles come to with the operator's own ones: put together once."""


@lru_cache(maxsize=4096)
def _plain(roles: frozenset[str]) -> Rights:
    may_all = rules.permissions_of(roles)
    return Rights(roles, may_all | EVERYBODY if may_all else may_all)


def rights(directory: Directory, user: UUID, roles: frozenset[str]) -> Rights:
    """What a person may whose token says ``roles``."""
    roles = directory.changed.get(user, roles)
    grants = directory.scoped.get(user, ())
    if not grants and not (directory.roles and roles & directory.roles.keys()):
        return _plain(roles)
    if not grants:
        known = directory.made.get(roles)
        if known is None:
            known = Rights(roles, may(directory.roles, roles) | EVERYBODY)
            if len(directory.made) < MOST_ROLES:
                directory.made[roles] = known
        return known
    scoped: dict[str, set[str]] = {}
    for role, scope in grants:
        for permission in may(directory.roles, [role]):
            scoped.setdefault(permission, set()).add(scope)
    return Rights(
        roles | {role for role, _ in grants},
        may(directory.roles, roles) | EVERYBODY,
        {permission: frozenset(where) for permission, where in scoped.items()},
    )


def may(own: dict[str, frozenset[str]], roles: Iterable[str]) -> frozenset[str]:
    """All that these roles may together, built-in ones and the operator's ``own``.

    A built-in name always means the built-in role.
    """
    held = frozenset(roles)
    more = (own[role] for role in held if role in own and role not in rules.PERMISSIONS)
    return rules.permissions_of(held).union(*more)


def has_all(call: Call, permissions: Collection[str]) -> bool:
    """True when the caller may all of it, everywhere: nobody gives more than he has."""
    return call.scope is None and all(call.may(each) for each in permissions)


def check_role(name: str, title: str, permissions: Collection[str], known: Collection[str]) -> None:
    """Raise ``Invalid`` unless an operator may have such a role."""
    if not _NAME.fullmatch(name):
        _refuse("name", "must be 2 to 49 characters: a small letter, then letters, digits, - and _")
    if name in rules.PERMISSIONS:
        _refuse("name", "is a built-in role, which cannot be changed")
    if not 1 <= len(title.strip()) <= 100 or not title.isprintable():
        _refuse("title", "must have 1 to 100 printable characters")
    if not permissions:
        _refuse("permissions", "at least one is needed")
    if unknown := sorted(set(permissions) - set(known)):
        _refuse("permissions", f"there is no permission {unknown[0]!r}"[:200])


def check_scope(role: str, scope: str) -> None:
    """Raise ``Invalid`` for a scope that is malformed, or of a role that riders have."""
    kind, _, what = scope.partition(":")
    if role in RIDERS or role in ("platform", "recorder"):
        _refuse("grants", f"{role} cannot be limited to a part of the operator")
    if kind in ("area", "group"):
        try:
            if str(UUID(what)) == what:
                return
        except ValueError:
            pass
    elif kind == "department" and _DEPARTMENT.fullmatch(what):
        return
    _refuse("grants", "a scope is area:<id>, group:<id> or department:<name>")


def _refuse(field: str, issue: str) -> None:
    raise Invalid(field=field, issue=issue)
