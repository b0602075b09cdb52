"""What a SCIM user and group are made of (RFC 7643), and a resource checked against it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from fahrwerk.kernel.errors import Invalid

CORE = "urn:ietf:params:scim:schemas:core:2.0"
USER, GROUP = f"{CORE}:User", f"{CORE}:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
LONGEST_TEXT = 2000
MOST_VALUES = 100
MOST_MEMBERS = 10_000
COMMON = ("id", "schemas", "meta", "externalId")


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute (RFC 7643, 7)."""

    name: str
    kind: str = "string"
    is_multi: bool = False
    is_required: bool = False
    is_exact: bool = False
    mutability: str = "readWrite"
    uniqueness: str = "none"
    references: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    subs: tuple[Attribute, ...] = ()
    about: str = ""


def _many(name: str, *types: str, is_required: bool = False) -> Attribute:
    subs = (
        Attribute(name="value", is_required=is_required),
        Attribute(name="display"),
        Attribute(name="type", values=types),
        Attribute(name="primary", kind="boolean"),
    )
    return Attribute(name=name, kind="complex", is_multi=True, is_required=is_required, subs=subs)


_NAME = ("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix")
_ADDRESS = ("formatted", "streetAddress", "locality", "region", "postalCode", "country")
_READ = "readOnly"
SCHEMAS: dict[str, tuple[Attribute, ...]] = {
    USER: (
        Attribute(name="userName", is_required=True, uniqueness="server", about="Its log-in name."),
        Attribute(name="name", kind="complex", subs=tuple(Attribute(name=n) for n in _NAME)),
        *(Attribute(name=n) for n in ("displayName", "nickName", "title", "userType")),
        *(Attribute(name=n) for n in ("preferredLanguage", "locale", "timezone")),
        Attribute(name="active", kind="boolean", about="False: cannot log in."),
        _many("emails", "work", "home", "other", is_required=True),
        _many("phoneNumbers", "work", "home", "mobile", "fax", "pager", "other"),
        Attribute(
            name="addresses",
            kind="complex",
            is_multi=True,
            subs=(
                *(Attribute(name=n) for n in _ADDRESS),
                Attribute(name="type", values=("work", "home", "other")),
                Attribute(name="primary", kind="boolean"),
            ),
        ),
        _many("entitlements"),
        _many("roles"),
        Attribute(
            name="groups",
            kind="complex",
            is_multi=True,
            mutability=_READ,
            subs=(
                Attribute(name="value", mutability=_READ),
                Attribute(name="$ref", kind="reference", references=("Group",), mutability=_READ),
                Attribute(name="display", mutability=_READ),
                Attribute(name="type", values=("direct",), mutability=_READ),
            ),
        ),
    ),
    ENTERPRISE: (
        *(Attribute(name=n) for n in ("employeeNumber", "costCenter", "organization")),
        *(Attribute(name=n) for n in ("division", "department")),
        Attribute(
            name="manager",
            kind="complex",
            subs=(
                Attribute(name="value"),
                Attribute(name="$ref", kind="reference", references=("User",)),
                Attribute(name="displayName", mutability=_READ),
            ),
        ),
    ),
    GROUP: (
        Attribute(name="displayName", is_required=True, about="Roles are given by this name."),
        Attribute(
            name="members",
            kind="complex",
            is_multi=True,
            subs=(
                Attribute(name="value", mutability="immutable", is_required=True),
                Attribute(
                    name="$ref", kind="reference", references=("User",), mutability="immutable"
                ),
                Attribute(name="type", values=("User",), mutability="immutable"),
            ),
        ),
    ),
}
KINDS: dict[str, tuple[str, ...]] = {"User": (USER, ENTERPRISE), "Group": (GROUP,)}
"""A kind of resource: its own schema, then its extensions."""
_ABOUT = {USER: "User", GROUP: "Group", ENTERPRISE: "EnterpriseUser"}
_EXTERNAL = Attribute(name="externalId", is_exact=True)


def refuse(text: str, scim_type: str = "invalidValue") -> Invalid:
    """A refusal with the error type that RFC 7644 (3.12) gives it."""
    return Invalid(text[:300], scim_type=scim_type)


def attribute_of(kind: str, name: str) -> tuple[str | None, Attribute] | None:
    """An attribute of a kind by its name, whatever its case; None for one that is not there.

    A name may begin with its schema. With it comes the extension it belongs to, or None.
    """
    core, *extensions = KINDS[kind]
    lower = name.lower()
    if lower.startswith(f"{core.lower()}:"):
        lower = lower[len(core) + 1 :]
    if lower == "externalid":
        return None, _EXTERNAL
    for each in SCHEMAS[core]:
        if each.name.lower() == lower:
            return None, each
    for extension in extensions:
        if lower.startswith(f"{extension.lower()}:"):
            wanted = lower[len(extension) + 1 :]
            for each in SCHEMAS[extension]:
                if each.name.lower() == wanted:
                    return extension, each
    return None


def sub_of(attribute: Attribute, name: str) -> Attribute | None:
    """A sub-attribute by its name, whatever its case."""
    return next((each for each in attribute.subs if each.name.lower() == name.lower()), None)


def taken(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """A resource as it may be stored: our names, right types, nothing unknown and nothing that only
    we may say. Raises ``Invalid``."""
    core, *extensions = KINDS[kind]
    found: dict[str, Any] = {}
    for key, value in body.items():
        extension = next((e for e in extensions if e.lower() == key.lower()), None)
        if extension is not None:
            if value is None:
                continue
            if not isinstance(value, dict):
                raise refuse(f"{extension} must be an object", "invalidSyntax")
            inner: dict[str, Any] = {}
            for name, each in value.items():
                known = attribute_of(kind, f"{extension}:{name}")
                if known is not None:
                    _put(inner, known[1], each)
            if inner:
                found[extension] = inner
        elif (known := attribute_of(kind, key)) is not None and known[0] is None:
            _put(found, known[1], value)
        elif known is not None and known[0] is not None:  # the whole name, not nested
            _put(found.setdefault(known[0], {}), known[1], value)
    for each in SCHEMAS[core]:
        if each.is_required and found.get(each.name) in (None, "", []):
            raise refuse(f"{each.name} is needed")
    return found


def _put(place: dict[str, Any], attribute: Attribute, value: Any) -> None:
    if attribute.mutability == _READ or value in (None, []):
        return
    place[attribute.name] = checked(attribute, value)


def checked(attribute: Attribute, value: Any) -> Any:
    """A value of an attribute, with the right type. Raises ``Invalid``."""
    if not attribute.is_multi:
        return _single(attribute, value)
    each = value if isinstance(value, list) else [value]
    most = MOST_MEMBERS if attribute.name == "members" else MOST_VALUES
    if len(each) > most:
        raise refuse(f"{attribute.name} has more than {most} values", "tooMany")
    values = [_single(attribute, v) for v in each]
    if sum(isinstance(v, dict) and v.get("primary") is True for v in values) > 1:
        raise refuse(f"of {attribute.name} only one can be primary")
    return values


def _text(attribute: Attribute, value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or "\0" in value:
        raise refuse(f"{attribute.name} must be text of at most {LONGEST_TEXT} characters")
    return value


def _truth(attribute: Attribute, value: Any) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):  # as Entra ID sends it
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise refuse(f"{attribute.name} must be true or false")
    return value


def _object(attribute: Attribute, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        if sub_of(attribute, "value") is None:
            raise refuse(f"{attribute.name} must be an object")
        value = {"value": value}
    found: dict[str, Any] = {}
    for key, each in value.items():
        sub = sub_of(attribute, key)
        if sub is not None and sub.mutability != _READ and each is not None:
            found[sub.name] = checked(sub, each)
    return found


_SINGLE: dict[str, Callable[[Attribute, Any], Any]] = {
    "string": _text,
    "reference": _text,
    "boolean": _truth,
    "complex": _object,
}


def _single(attribute: Attribute, value: Any) -> Any:
    return _SINGLE[attribute.kind](attribute, value)


def limited(
    kind: str, resource: dict[str, Any], wanted: list[str], unwanted: list[str]
) -> dict[str, Any]:
    """Only the attributes that were asked for (``attributes``, ``excludedAttributes``)."""
    if not wanted and not unwanted:
        return resource
    paths = [_path(kind, name) for name in (wanted or unwanted)]
    chosen = [path for path in paths if path]
    if wanted:
        always = ("schemas", "id", "meta")
        found: dict[str, Any] = {name: resource[name] for name in always if name in resource}
        for path in chosen:
            _copy(resource, found, path)
        return found
    found = msgspec.json.decode(msgspec.json.encode(resource))
    for path in chosen:
        if path[0] not in ("id", "schemas"):
            _drop(found, path)
    return dict(found)


def _path(kind: str, name: str) -> list[str]:
    """An attribute's name as keys in a resource; empty for one that is not known."""
    lower = name.strip().lower()
    for common in COMMON:
        if lower == common.lower() or lower.startswith(f"{common.lower()}."):
            return [common]
    for extension in KINDS[kind][1:]:
        if lower == extension.lower():
            return [extension]
    # The dots of a schema's version are not those between attributes.
    schema, colon, rest = name.strip().rpartition(":")
    first, _, second = rest.partition(".")
    known = attribute_of(kind, f"{schema}{colon}{first}")
    if known is None:
        return []
    path = [known[0], known[1].name] if known[0] else [known[1].name]
    if second and (sub := sub_of(known[1], second)):
        path.append(sub.name)
    return path


def _copy(source: Any, target: dict[str, Any], path: list[str]) -> None:
    key, rest = path[0], path[1:]
    if key not in source:
        return
    value = source[key]
    if not rest:
        target[key] = value
    elif isinstance(value, list):
        there = target.setdefault(key, [{} for _ in value])
        for each, into in zip(value, there, strict=True):
            _copy(each, into, rest)
    else:
        _copy(value, target.setdefault(key, {}), rest)


def _drop(target: Any, path: list[str]) -> None:
    key, rest = path[0], path[1:]
    if not rest:
        target.pop(key, None)
    elif key in target:
        for each in target[key] if isinstance(target[key], list) else [target[key]]:
            _drop(each, rest)


def described(schema: str) -> dict[str, Any]:
    """A schema as ``/Schemas`` shows it."""
    return {
        "schemas": [f"{CORE}:Schema"],
        "id": schema,
        "name": _ABOUT[schema],
        "description": _ABOUT[schema],
        "attributes": [_described(each) for each in SCHEMAS[schema]],
    }


def _described(each: Attribute) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": each.name,
        "type": each.kind,
        "multiValued": each.is_multi,
        "description": each.about or each.name,
        "required": each.is_required,
        "mutability": each.mutability,
        "returned": "default",
    }
    if each.kind != "complex" and each.kind != "boolean":
        found |= {"caseExact": each.is_exact or each.kind == "reference"}
        found |= {"uniqueness": each.uniqueness}
    if each.values:
        found["canonicalValues"] = list(each.values)
    if each.references:
        found["referenceTypes"] = list(each.references)
    if each.subs:
        found["subAttributes"] = [_described(sub) for sub in each.subs]
    return found
