"""SCIM PATCH (RFC 7644, 3.5.2) on a stored resource, and what a user's attributes mean here. Pure.

Tolerant where the great directories need it: operations in any case, whole names as keys,
``active`` as text, and ``emails[type eq "work"].value`` for a value that is not there yet.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from fahrwerk.identity import rules as identity_rules
from fahrwerk.identity.rules import scim_filter
from fahrwerk.identity.rules.scim_schema import (
    ENTERPRISE,
    KINDS,
    Attribute,
    attribute_of,
    checked,
    refuse,
    sub_of,
    taken,
)
from fahrwerk.kernel.errors import Invalid

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MOST_OPERATIONS = 1000
_PATH = re.compile(
    r"(?P<name>(?:urn:[A-Za-z0-9:._-]+:)?[A-Za-z$][A-Za-z0-9$_-]*)"
    r"(?:\[(?P<filter>.*)\])?(?:\.(?P<sub>[A-Za-z$][A-Za-z0-9$_-]*))?",
    re.DOTALL,
)


class Target(msgspec.Struct, frozen=True):
    """What a path of an operation points at."""

    extension: str | None
    attribute: Attribute
    condition: scim_filter.Filter | None
    sub: Attribute | None


def patched(kind: str, resource: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """The resource after all operations, or none of them: an error leaves it as it was."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(resource))
    given = {key.lower(): value for key, value in body.items()}
    operations, schemas = given.get("operations"), given.get("schemas")
    if not (isinstance(schemas, list) and PATCH in schemas and isinstance(operations, list)):
        raise refuse("this is not a PatchOp", "invalidSyntax")
    if not 0 < len(operations) <= MOST_OPERATIONS:
        raise refuse(f"there must be 1 to {MOST_OPERATIONS} operations", "tooMany")
    for each in operations:
        if not isinstance(each, dict):
            raise refuse("an operation must be an object", "invalidSyntax")
        said = {key.lower(): value for key, value in each.items()}
        op, path = str(said.get("op")).lower(), said.get("path")
        if op not in ("add", "replace", "remove"):
            raise refuse(f"there is no operation {op!r}", "invalidSyntax")
        if path is not None and not isinstance(path, str):
            raise refuse("a path must be text", "invalidPath")
        if path:
            _apply(kind, found, op, path, said.get("value"))
        elif op == "remove":
            raise refuse("remove needs a path", "noTarget")
        else:
            _apply_all(kind, found, op, said.get("value"))
    return taken(kind, found)


def _apply_all(kind: str, found: dict[str, Any], op: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise refuse("without a path, value must be an object", "invalidValue")
    for name, each in value.items():
        extension = next((e for e in KINDS[kind][1:] if e.lower() == name.lower()), None)
        if extension is not None and isinstance(each, dict):
            for inner, inside in each.items():
                _apply(kind, found, op, f"{extension}:{inner}", inside)
        elif name.lower() not in ("schemas", "id", "meta"):
            _apply(kind, found, op, name, each)


def target(kind: str, path: str) -> Target | None:
    """What a path points at; None for an attribute that is not kept here."""
    match = _PATH.fullmatch(path.strip()) if len(path) <= scim_filter.LONGEST else None
    if match is None:
        raise refuse("the path cannot be read", "invalidPath")
    known = attribute_of(kind, match["name"])
    if known is None:
        return None
    condition = scim_filter.parsed(match["filter"]) if match["filter"] is not None else None
    if condition is not None and not known[1].is_multi:
        raise refuse(f"{known[1].name} has no values to choose among", "invalidPath")
    sub = sub_of(known[1], match["sub"]) if match["sub"] else None
    if match["sub"] and sub is None:
        raise refuse(f"{known[1].name} has no {match['sub']}", "invalidPath")
    return Target(known[0], known[1], condition, sub)


def _apply(kind: str, found: dict[str, Any], op: str, path: str, value: Any) -> None:
    extension = next((e for e in KINDS[kind][1:] if e.lower() == path.strip().lower()), None)
    if extension is not None:
        if op == "remove":
            found.pop(extension, None)
        else:
            _apply_all(kind, found, op, {extension: value})
        return
    aim = target(kind, path)
    if aim is None:
        return
    if aim.attribute.mutability == "readOnly" or (aim.sub and aim.sub.mutability == "readOnly"):
        raise refuse(f"{aim.attribute.name} cannot be written", "mutability")
    place = found.setdefault(aim.extension, {}) if aim.extension else found
    if aim.condition is not None:
        _on_some(place, aim, op, value)
    elif aim.sub is not None:
        _on_sub(place, aim, op, value)
    elif op == "remove":
        _remove(place, aim.attribute, value)
    else:
        _write(place, aim.attribute, op, value)
    if aim.extension and not place:
        found.pop(aim.extension, None)


def _write(place: dict[str, Any], attribute: Attribute, op: str, value: Any) -> None:
    name = attribute.name
    if value is None:
        place.pop(name, None)
        return
    new = checked(attribute, value)
    if op == "add" and attribute.is_multi:
        there = place.get(name, [])
        added = [each for each in new if each not in there]
        if any(isinstance(each, dict) and each.get("primary") for each in added):
            there = [{**each, "primary": False} if each.get("primary") else each for each in there]
        place[name] = checked(attribute, there + added)
    elif op == "add" and attribute.kind == "complex":
        place[name] = {**place.get(name, {}), **new}
    else:
        place[name] = new


def _remove(place: dict[str, Any], attribute: Attribute, value: Any) -> None:
    if attribute.is_multi and isinstance(value, list) and value:
        # As Entra ID removes members: by path and value.
        gone = [each.get("value") for each in checked(attribute, value)]
        place[attribute.name] = [
            each for each in place.get(attribute.name, []) if each.get("value") not in gone
        ]
    else:
        place.pop(attribute.name, None)
    if not place.get(attribute.name, True):
        place.pop(attribute.name, None)


def _on_sub(place: dict[str, Any], aim: Target, op: str, value: Any) -> None:
    sub, name = aim.sub, aim.attribute.name
    if sub is None:
        return
    if aim.attribute.is_multi:
        targets = place.get(name, [])
    elif op == "remove" and name not in place:
        return
    else:
        targets = [place.setdefault(name, {})]
    for each in targets:
        if op == "remove" or value is None:
            each.pop(sub.name, None)
        else:
            each[sub.name] = checked(sub, value)


def _on_some(place: dict[str, Any], aim: Target, op: str, value: Any) -> None:
    condition, name = aim.condition, aim.attribute.name
    if condition is None:
        return
    there = place.get(name, [])
    chosen = [each for each in there if scim_filter.fits(condition, each)]
    if op == "remove":
        if aim.sub is None:
            place[name] = [each for each in there if each not in chosen]
            if not place[name]:
                place.pop(name)
        for each in chosen if aim.sub is not None else ():
            each.pop(aim.sub.name if aim.sub else "", None)
        return
    if not chosen:
        made = _told_by(condition)
        if made is None:
            raise refuse(f"no value of {name} is such", "noTarget")
        chosen = [checked(aim.attribute, [made])[0]]
        place[name] = [*there, *chosen]
    for each in chosen:
        if aim.sub is not None:
            each[aim.sub.name] = checked(aim.sub, value)
        else:
            new = checked(aim.attribute, [value])[0]
            if op == "replace":
                each.clear()
            each.update(new)


def _told_by(condition: scim_filter.Filter) -> dict[str, Any] | None:
    """The value that a condition of plain equalities describes."""
    if isinstance(condition, scim_filter.Both):
        left, right = _told_by(condition.left), _told_by(condition.right)
        return None if left is None or right is None else left | right
    if isinstance(condition, scim_filter.Compare) and condition.op == "eq":
        return {condition.path: condition.value}
    return None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What a SCIM user says about the account it is."""

    user_name: str
    external_id: str | None
    email: str
    first_name: str | None
    last_name: str | None
    locale: str | None
    department: str | None
    phone: str | None
    is_active: bool


def account_of(data: dict[str, Any], *, was_active: bool) -> Account:
    """The account that a stored user describes. Raises ``Invalid``."""
    emails = [each for each in data.get("emails", []) if each.get("value")]
    primary = next((e for e in emails if e.get("primary")), emails[0] if emails else None)
    try:
        email = identity_rules.email_of(str((primary or {}).get("value") or data["userName"]))
    except Invalid:
        raise refuse("emails must hold a valid e-mail address") from None
    user_name, external = str(data["userName"]).strip(), data.get("externalId")
    if not 0 < len(user_name) <= 255 or len(external or "") > 255:
        raise refuse("userName and externalId have at most 255 characters")
    name, more = data.get("name", {}), data.get(ENTERPRISE, {})
    language = str(data.get("preferredLanguage") or data.get("locale") or "")[:2].lower()
    return Account(
        user_name=user_name,
        external_id=external or None,
        email=email,
        first_name=_line(name.get("givenName")),
        last_name=_line(name.get("familyName")),
        locale=language if language in ("de", "en") else None,
        department=_line(more.get("department")),
        phone=_phone(data.get("phoneNumbers", [])),
        is_active=data.get("active", was_active),
    )


def _phone(numbers: list[dict[str, Any]]) -> str | None:
    """The number to reach somebody at: the primary one, else a mobile one, else the first.

    Directories write numbers as people do: one that is not in full, with its country, is none.
    """
    for each in sorted(numbers, key=lambda n: (not n.get("primary"), n.get("type") != "mobile")):
        try:
            return identity_rules.phone_of(str(each.get("value", "")).removeprefix("tel:"))
        except Invalid:
            continue
    return None


def _line(text: Any) -> str | None:
    line = " ".join(str(text or "").split())[:100]
    return line if line and line.isprintable() else None
