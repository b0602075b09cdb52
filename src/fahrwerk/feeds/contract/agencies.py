"""What may be asked of agencies: the cities an operator reports to by MDS, and their tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound

AGENCY_PREFIX, TOKEN_PREFIX = "agc", "mdt"
Mode = Literal["micromobility", "car-share"]
Url = Annotated[str, Meta(max_length=500)]


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """An agency's own server that we push to (MDS Agency API), for one mode."""

    mode: str
    url: str
    has_telemetry: bool
    pushed_at: datetime | None
    """When it last took something."""
    failures: int
    """Turns in a row that failed; 0 = all is well."""
    error: str | None
    """Why the last turn failed."""
    refused: int
    """Records it would never take."""
    last_refused: str | None
    events_behind: int
    trips_behind: int


class Agency(msgspec.Struct, frozen=True, kw_only=True):
    """A city or authority."""

    id: UUID
    slug: str
    """Short name, in addresses."""
    name: str
    is_enabled: bool
    """False: it is told nothing, its tokens open nothing, its policies are not enforced."""
    boundary_id: UUID | None
    """The geography that bounds what it may know; None = it may know all."""
    is_published: bool
    """We serve its policies to the public, as its delegate."""
    policy_url: str | None
    geography_url: str | None
    jurisdiction_url: str | None
    read_at: datetime | None
    """When its policies were last read in."""
    read_error: str | None
    """Why that failed; what was read before still holds."""
    subscriptions: list[Subscription]
    created_at: datetime


class NewAgency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it takes to add an agency."""

    slug: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$", examples=["berlin"])]
    name: Annotated[str, Meta(min_length=1, max_length=200, examples=["Land Berlin"])]
    is_published: bool = False
    policy_url: Url | None = None
    geography_url: Url | None = None
    jurisdiction_url: Url | None = None


class AgencyChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays as it is."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    is_enabled: bool | UnsetType = UNSET
    """Of use again, it is also told what happened meanwhile."""
    boundary_id: UUID | UnsetType | None = UNSET
    """Of a geography that was read in."""
    is_published: bool | UnsetType = UNSET
    policy_url: Url | UnsetType | None = UNSET
    geography_url: Url | UnsetType | None = UNSET
    jurisdiction_url: Url | UnsetType | None = UNSET


class SubscriptionWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to push to, and what we show there."""

    url: Annotated[str, Meta(min_length=8, max_length=500)]
    """Of its Agency API, up to where ``/vehicles`` follows."""
    token: Annotated[str, Meta(min_length=8, max_length=4096)]
    """What the agency gave out to us; kept sealed, shown to nobody."""
    has_telemetry: bool = False


class Token(msgspec.Struct, frozen=True):
    """With what an agency reads; the token itself is kept nowhere."""

    id: UUID
    label: str
    created_at: datetime
    created_by: str
    revoked_at: datetime | None


class TokenPage(msgspec.Struct, frozen=True):
    """One page of a list and how many there are in all."""

    tokens: list[Token]
    total: int


class IssuedToken(msgspec.Struct, frozen=True):
    """A new token: ``secret`` is shown this once."""

    token: Token
    secret: str

    def __repr__(self) -> str:
        return f"IssuedToken({self.token.label}, ...)"  # secrets must not end in a log


class UnknownAgency(NotFound):
    """No such agency with this operator."""

    code = "UNKNOWN_AGENCY"
    message = "There is no such agency."


class UnknownToken(NotFound):
    """No such token of this agency."""

    code = "UNKNOWN_TOKEN"
    message = "There is no such token."


class AgencySlugTaken(Conflict):
    """Another agency of this operator has this short name."""

    code = "SLUG_TAKEN"
    message = "Another agency already has this short name."


class TooManyTokens(Conflict):
    """An agency may have 20 tokens that hold."""

    code = "TOO_MANY_TOKENS"
    message = "There are too many tokens. Revoke one first."


class TooManyAgencies(Conflict):
    """An operator may have 200 agencies."""

    code = "TOO_MANY_AGENCIES"
    message = "There are too many agencies."


@query
async def agencies(call: Call) -> list[Agency]:
    """All agencies of the operator, at most 200, by slug (permission ``feeds.agency.read``)."""
    raise AssertionError


@query
async def agency(call: Call, agency_id: UUID) -> Agency:
    """One agency (permission ``feeds.agency.read``). Raises ``UnknownAgency``."""
    raise AssertionError


@query
async def tokens(call: Call, agency_id: UUID, limit: int, offset: int) -> TokenPage:
    """An agency's tokens, revoked ones too, newest first (permission ``feeds.token.read``).

    Raises ``UnknownAgency``.
    """
    raise AssertionError


@action
async def add_agency(call: Call, wanted: NewAgency) -> Agency:
    """Report to an agency (permission ``feeds.agency.write``).

    It is told all that is known of the past, as far as readings are kept. With an
    ``Idempotency-Key`` a repeat finds the first try's. Raises ``AgencySlugTaken``,
    ``TooManyAgencies``, ``Invalid`` (an address that is none).
    """
    raise AssertionError


@action
async def change_agency(call: Call, agency_id: UUID, change: AgencyChange) -> Agency:
    """Change an agency (permission ``feeds.agency.write``).

    A new boundary holds for what happens from now on. One that is not ``is_enabled`` is told
    nothing, from this moment on, and its policies are no zones any more. Raises ``UnknownAgency``,
    ``Invalid`` (an address that is none, a geography that is not there).
    """
    raise AssertionError


@action
async def delete_agency(call: Call, agency_id: UUID) -> None:
    """Report to it no more and forget what it was told (permission ``feeds.agency.write``).

    Its tokens, pushes and zones end at once; its rows are removed by a job. Its short name may be
    used again. Raises ``UnknownAgency``.
    """
    raise AssertionError


@action
async def subscribe(call: Call, agency_id: UUID, mode: str, wish: SubscriptionWish) -> Agency:
    """Push to the agency's own server from now on (permission ``feeds.agency.write``).

    Vehicles, events and trips from the first one on, in order, until each is taken. The same
    address again goes on where it was. Raises ``UnknownAgency``, ``Invalid``.
    """
    raise AssertionError


@action
async def unsubscribe(call: Call, agency_id: UUID, mode: str) -> Agency:
    """Push no more (permission ``feeds.agency.write``); harmless where nothing is pushed.

    Raises ``UnknownAgency``.
    """
    raise AssertionError


@action
async def issue_token(call: Call, agency_id: UUID, label: str) -> IssuedToken:
    """A token for the MDS Provider API (permission ``feeds.token.write``); it does not expire.

    Raises ``UnknownAgency``, ``TooManyTokens``, ``Invalid`` (the label).
    """
    raise AssertionError


@action
async def revoke_token(call: Call, agency_id: UUID, token_id: UUID) -> Token:
    """A token opens nothing any more, at once (permission ``feeds.token.write``). Repeatable.

    Raises ``UnknownToken``.
    """
    raise AssertionError
