"""A SCIM filter as a condition in SQL. Names come from the schema, values go as parameters."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fahrwerk.identity.rules import scim_filter as rules
from fahrwerk.identity.rules.scim_schema import KINDS, Attribute, attribute_of, refuse, sub_of
from fahrwerk.kernel import ids
from fahrwerk.kernel.errors import NotFound

PREFIX = {"User": "scu", "Group": "scg"}
"""Of the ids of resources."""
_OPERATORS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_PATTERNS = {"co": "%{}%", "sw": "{}%", "ew": "%{}"}
_TIMES = {"meta.created": "u.created_at", "meta.lastmodified": "u.updated_at"}
# Where an index helps: a directory asks by these for each of its people.
_COLUMNS = {
    "User": {"username": "lower(u.user_name)", "externalid": "u.external_id"},
    "Group": {"displayname": "lower(u.display_name)", "externalid": "u.external_id"},
}


class Condition:
    """SQL over a row ``u`` with ``data``, and what its parameters are."""

    def __init__(self, kind: str, given: list[Any]) -> None:
        self.kind = kind
        self.given = given

    def parameter(self, value: Any, kind: str = "text") -> str:
        self.given.append(value)
        return f"${len(self.given)}::{kind}"

    def of(self, condition: rules.Filter) -> str:
        """The condition in brackets."""
        if isinstance(condition, rules.Both):
            return f"({self.of(condition.left)} AND {self.of(condition.right)})"
        if isinstance(condition, rules.Either):
            return f"({self.of(condition.left)} OR {self.of(condition.right)})"
        if isinstance(condition, rules.Not):
            return f"(NOT coalesce({self.of(condition.inner)}, false))"
        if isinstance(condition, rules.Has):
            return self._has(condition)
        return self._compare(condition)

    def _has(self, condition: rules.Has) -> str:
        known = attribute_of(self.kind, condition.path)
        if known is None or not known[1].is_multi:
            raise refuse(f"{condition.path} has no values to choose among", "invalidFilter")
        if known[1].name in ("members", "groups"):
            return self._belongs(condition.inner)
        return self._some(known, lambda each: self._inside(known[1], condition.inner, each))

    def _some(self, known: tuple[str | None, Attribute], inside: Any) -> str:
        path = [known[0], known[1].name] if known[0] else [known[1].name]
        place = f"u.data #> {self.parameter(path, 'text[]')}"
        values = f"CASE jsonb_typeof({place}) WHEN 'array' THEN {place} ELSE '[]' END"
        return f"EXISTS (SELECT FROM jsonb_array_elements({values}) AS e WHERE {inside('e')})"

    def _inside(self, attribute: Attribute, condition: rules.Filter, each: str) -> str:
        if isinstance(condition, rules.Both | rules.Either):
            word = "AND" if isinstance(condition, rules.Both) else "OR"
            left = self._inside(attribute, condition.left, each)
            return f"({left} {word} {self._inside(attribute, condition.right, each)})"
        if isinstance(condition, rules.Not):
            inner = self._inside(attribute, condition.inner, each)
            return f"(NOT coalesce({inner}, false))"
        if isinstance(condition, rules.Has):
            raise refuse("brackets cannot stand within brackets", "invalidFilter")
        sub = sub_of(attribute, condition.path)
        if sub is None:
            raise refuse(f"{attribute.name} has no {condition.path}", "invalidFilter")
        return self._values(f"{each} ->> {self.parameter(sub.name)}", sub, condition)

    def _compare(self, condition: rules.Compare) -> str:
        lower = condition.path.lower()
        for schema in KINDS[self.kind][:1]:
            lower = lower.removeprefix(f"{schema.lower()}:")
        if lower == "id":
            return self._id(condition)
        if lower == "active" and self.kind == "User":
            return self._values(
                "u.is_active::text", Attribute(name="active", kind="boolean"), condition
            )
        if lower in _TIMES:
            return self._time(_TIMES[lower], condition)
        column = _COLUMNS[self.kind].get(lower)
        if column and condition.op == "eq" and isinstance(condition.value, str):
            value = self.parameter(condition.value)
            return f"({column} = {f'lower({value})' if 'lower' in column else value})"
        schema, colon, rest = condition.path.rpartition(":")
        first, _, second = rest.partition(".")
        known = attribute_of(self.kind, f"{schema}{colon}{first}")
        if known is None:
            raise refuse(f"there is no attribute {condition.path}", "invalidFilter")
        attribute = known[1]
        if attribute.name in ("members", "groups"):
            return self._belongs(rules.Compare(second or "value", condition.op, condition.value))
        sub = sub_of(attribute, second or "value") if attribute.subs else None
        if second and sub is None:
            raise refuse(f"{attribute.name} has no {second}", "invalidFilter")
        if attribute.is_multi:
            if condition.op == "pr" and not second:
                return self._some(known, lambda _: "true")
            if sub is None:
                raise refuse(f"{attribute.name} has no value to compare", "invalidFilter")
            named = sub
            return self._some(
                known,
                lambda each: self._values(
                    f"{each} ->> {self.parameter(named.name)}", named, condition
                ),
            )
        path = [
            *([known[0]] if known[0] else []),
            attribute.name,
            *([sub.name] if second and sub else []),
        ]
        place = f"u.data #>> {self.parameter(path, 'text[]')}"
        return self._values(place, sub if second and sub else attribute, condition)

    def _values(self, place: str, attribute: Attribute, condition: rules.Compare) -> str:
        op, value = condition.op, condition.value
        if op == "pr":
            return f"(coalesce({place}, '') <> '')"
        if value is None:
            if op not in ("eq", "ne"):
                raise refuse(f"null cannot be compared by {op}", "invalidFilter")
            return f"(({place}) IS {'NOT ' if op == 'ne' else ''}NULL)"
        if attribute.kind == "boolean":
            if not isinstance(value, bool) or op not in ("eq", "ne"):
                raise refuse(f"{attribute.name} is true or false", "invalidFilter")
            truth = f"coalesce({place}, 'false')"
            return f"({truth} {_OPERATORS[op]} {self.parameter(str(value).lower())})"
        if not isinstance(value, str):
            raise refuse(f"{attribute.name} is text", "invalidFilter")
        if attribute.kind == "complex":
            raise refuse(f"{attribute.name} has parts; name one", "invalidFilter")
        if op in _PATTERNS:
            plain = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            return f"({place} ILIKE {self.parameter(_PATTERNS[op].format(plain))})"
        if op == "ne":
            return f"(lower({place}) IS DISTINCT FROM lower({self.parameter(value)}))"
        return f"(lower({place}) {_OPERATORS[op]} lower({self.parameter(value)}))"

    def _id(self, condition: rules.Compare) -> str:
        if condition.op == "pr":
            return "true"
        if condition.op not in ("eq", "ne") or not isinstance(condition.value, str):
            raise refuse("id is equal or not", "invalidFilter")
        try:
            found = ids.parse(condition.value, PREFIX[self.kind])
        except NotFound:
            return "false" if condition.op == "eq" else "true"
        return f"(u.id {_OPERATORS[condition.op]} {self.parameter(found, 'uuid')})"

    def _time(self, column: str, condition: rules.Compare) -> str:
        if condition.op == "pr":
            return "true"
        try:
            at = datetime.fromisoformat(str(condition.value).replace("Z", "+00:00"))
            if at.tzinfo is None or condition.op not in _OPERATORS:
                raise ValueError
        except ValueError:
            raise refuse("a time is needed, with its offset from UTC", "invalidFilter") from None
        # As it is shown: to the second.
        return f"(date_trunc('second', {column}) {_OPERATORS[condition.op]} " + (
            f"{self.parameter(at, 'timestamptz')})"
        )

    def _belongs(self, condition: rules.Filter) -> str:
        """Members of a group, groups of a user: only by who it is."""
        mine, other = ("group_id", "user_id") if self.kind == "Group" else ("user_id", "group_id")
        there = f"SELECT FROM identity.scim_member m WHERE m.{mine} = u.id"
        if isinstance(condition, rules.Compare) and condition.op == "pr":
            return f"EXISTS ({there})"
        if (
            not isinstance(condition, rules.Compare)
            or condition.path.lower() != "value"
            or condition.op != "eq"
        ):
            raise refuse("of members and groups, only value eq is understood", "invalidFilter")
        prefix = PREFIX["User" if self.kind == "Group" else "Group"]
        try:
            found = ids.parse(str(condition.value), prefix)
        except NotFound:
            return "false"
        return f"EXISTS ({there} AND m.{other} = {self.parameter(found, 'uuid')})"


def condition(kind: str, text: str, given: list[Any]) -> str:
    """A filter as SQL; its values are added to ``given``. Raises ``Invalid``."""
    return Condition(kind, given).of(rules.parsed(text)) if text.strip() else "true"
