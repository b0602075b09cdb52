"""MDS 2.0 Policy, Geography and Jurisdiction: what agencies publish, read strictly where we act on
it. Fields that we do not know are passed over: a newer patch of the specification may have more.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from fahrwerk.kernel.errors import Invalid

KINDS = ("policies", "geographies", "jurisdictions")
MOST_BYTES = 8 << 20
_Text = Annotated[str, Meta(max_length=255)]
_Long = Annotated[str, Meta(max_length=10_000)]
Millis = Annotated[int, Meta(ge=0, le=7_258_118_400_000)]
"""Until the year 2200."""
_TimeOfDay = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$")]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of a policy: earlier ones go before later ones."""

    name: _Text
    rule_id: UUID
    rule_type: Literal["count", "time", "speed", "user"]
    geographies: Annotated[list[UUID], Meta(max_length=1_000)]
    states: dict[_Text, list[_Text] | None] | None = None
    rule_units: Literal["seconds", "minutes", "hours", "days", "mph", "kph", "devices"] | None = (
        None
    )
    vehicle_types: list[_Text] | None = None
    propulsion_types: list[_Text] | None = None
    minimum: float | None = None
    maximum: float | None = None
    inclusive_maximum: bool | None = None
    start_time: _TimeOfDay | None = None
    end_time: _TimeOfDay | None = None
    days: list[Day] | None = None
    messages: dict[_Text, _Long] | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy; published ones never change, they are superseded."""

    name: _Text
    policy_id: UUID
    description: _Long
    start_date: Millis
    published_date: Millis
    rules: Annotated[list[Rule], Meta(max_length=500)]
    mode_id: _Text = "micromobility"
    end_date: Millis | None = None
    provider_ids: list[UUID] | None = None
    prev_policies: list[UUID] | None = None


class Geography(msgspec.Struct, frozen=True, kw_only=True):
    """An area with a name that never changes."""

    geography_id: UUID
    name: _Text
    published_date: Millis
    geography_json: dict[str, Any]
    geography_type: _Text | None = None
    effective_date: Millis | None = None
    retire_date: Millis | None = None


class Jurisdiction(msgspec.Struct, frozen=True, kw_only=True):
    """What an agency has authority over."""

    jurisdiction_id: UUID
    agency_key: _Text
    agency_name: _Text | None = None
    description: _Long | None = None
    geography_id: UUID | None = None
    mode_ids: list[_Text] = []
    timestamp: Millis | None = None


_Version = Annotated[str, Meta(pattern=r"^2\.\d+(\.\d+)?$")]


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """``policies.json``"""

    version: _Version
    policies: Annotated[list[Policy], Meta(max_length=2_000)]
    last_updated: Any = None
    end_date: Millis | None = None


class Geographies(msgspec.Struct, frozen=True, kw_only=True):
    """``geographies.json``"""

    version: _Version
    geographies: Annotated[list[Geography], Meta(max_length=5_000)]
    last_updated: Any = None


class Jurisdictions(msgspec.Struct, frozen=True, kw_only=True):
    """``jurisdictions.json``"""

    version: _Version
    jurisdictions: Annotated[list[Jurisdiction], Meta(max_length=1_000)]
    last_updated: Any = None


Document = Policies | Geographies | Jurisdictions
_TYPES: dict[str, type[Policies] | type[Geographies] | type[Jurisdictions]] = {
    "policies": Policies,
    "geographies": Geographies,
    "jurisdictions": Jurisdictions,
}


def read(kind: str, body: bytes) -> Document:
    """A document as its agency publishes it. Raises ``Invalid`` with the place of the mistake."""
    if len(body) > MOST_BYTES:
        raise Invalid(field=kind, issue=f"must be at most {MOST_BYTES >> 20} MB")
    try:
        return msgspec.json.decode(body, type=_TYPES[kind])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        issue, _, where = str(error).partition(" - at `$")
        field = where.strip(".`") or kind
        raise Invalid(field=field, issue=issue or "is nested too deeply") from None


def whole(body: bytes, kind: str) -> list[dict[str, Any]]:
    """The items of a document with all their fields, as they were published."""
    items: list[dict[str, Any]] = msgspec.json.decode(body)[kind]
    return items
