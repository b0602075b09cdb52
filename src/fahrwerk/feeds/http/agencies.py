"""Agencies, their tokens and where we push to: for the operator's staff."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post, put
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import UNSET, Meta, UnsetType

from fahrwerk.feeds.contract import agencies
from fahrwerk.feeds.contract.agencies import (
    AGENCY_PREFIX,
    TOKEN_PREFIX,
    Mode,
    NewAgency,
    SubscriptionWish,
    Url,
)
from fahrwerk.kernel import clock, ids, settings, web


class SubscriptionShown(msgspec.Struct, frozen=True, kw_only=True):
    """An agency's own server that we push to, and how far it is."""

    mode: str
    url: str
    has_telemetry: bool
    pushed_at: str | None
    failures: int
    """Turns in a row that failed; 0 = all is well."""
    error: str | None
    refused: int
    """Records it would never take."""
    last_refused: str | None
    events_behind: int
    trips_behind: int


class AgencyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A city or authority that you report to."""

    id: str
    slug: str
    name: str
    is_enabled: bool
    """False: it is told nothing, its tokens open nothing, its policies are not enforced."""
    boundary_id: UUID | None
    """The geography that bounds what it may know; null = it may know all."""
    is_published: bool
    policy_url: str | None
    geography_url: str | None
    jurisdiction_url: str | None
    read_at: str | None
    read_error: str | None
    subscriptions: list[SubscriptionShown]
    provider_apis: dict[str, str]
    """Where it reads, by mode, with a token."""
    created_at: str


class Agencies(msgspec.Struct, frozen=True):
    """All agencies of the operator."""

    agencies: list[AgencyShown]


class AgencyUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays, null takes away."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    is_enabled: bool | UnsetType = UNSET
    boundary_id: UUID | UnsetType | None = UNSET
    is_published: bool | UnsetType = UNSET
    policy_url: Url | UnsetType | None = UNSET
    geography_url: Url | UnsetType | None = UNSET
    jurisdiction_url: Url | UnsetType | None = UNSET


class TokenShown(msgspec.Struct, frozen=True):
    """A token of an agency; the secret is kept nowhere."""

    id: str
    label: str
    created_at: str
    created_by: str
    revoked_at: str | None


class Tokens(msgspec.Struct, frozen=True):
    """A page of tokens, newest first; revoked ones too."""

    tokens: list[TokenShown]
    pagination: web.Pagination


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the token is for."""

    label: Annotated[str, Meta(min_length=1, max_length=100, examples=["Dashboard of the city"])]


class IssuedToken(msgspec.Struct, frozen=True):
    """A new token. ``secret`` is shown this once: hand it to the agency."""

    token: TokenShown
    secret: str


def _agency(call: web.Caller, found: agencies.Agency) -> AgencyShown:
    base = f"{settings.load().address}/mds/{call.tenant_slug}"
    about = {
        name: getattr(found, name)
        for name in (
            "slug", "name", "is_enabled", "boundary_id", "is_published", "policy_url",
            "geography_url", "jurisdiction_url", "read_error",
        )
    }  # fmt: skip
    return AgencyShown(
        id=ids.public(AGENCY_PREFIX, found.id),
        read_at=clock.stamp(found.read_at) if found.read_at else None,
        subscriptions=[_subscription(each) for each in found.subscriptions],
        provider_apis={mode: f"{base}/{mode}" for mode in ("micromobility", "car-share")},
        created_at=clock.stamp(found.created_at),
        **about,
    )


def _subscription(found: agencies.Subscription) -> SubscriptionShown:
    about = msgspec.structs.asdict(found)
    about["pushed_at"] = clock.stamp(found.pushed_at) if found.pushed_at else None
    return SubscriptionShown(**about)


def _token(found: agencies.Token) -> TokenShown:
    return TokenShown(
        ids.public(TOKEN_PREFIX, found.id), found.label, clock.stamp(found.created_at),
        found.created_by, clock.stamp(found.revoked_at) if found.revoked_at else None,
    )  # fmt: skip


def agency_id_of(text: str) -> UUID:
    """Of ``agc_...``"""
    return ids.parse(text, AGENCY_PREFIX)


@get("/api/v1/feeds/agencies", permission="feeds.agency.read", tags=["feeds"])
async def list_agencies(call: web.Caller) -> Agencies:
    """The cities you report to."""
    return Agencies([_agency(call, each) for each in await agencies.agencies(call)])


@post("/api/v1/feeds/agencies", permission="feeds.agency.write", status_code=201, tags=["feeds"])
async def add_agency(call: web.Caller, data: JSONBody[NewAgency]) -> AgencyShown:
    """Report to a city from now on; it also learns what is known of the past."""
    return _agency(call, await agencies.add_agency(call, data))


@get("/api/v1/feeds/agencies/{agency_id:str}", permission="feeds.agency.read", tags=["feeds"])
async def read_one_agency(call: web.Caller, agency_id: FromPath[str]) -> AgencyShown:
    """One city you report to."""
    return _agency(call, await agencies.agency(call, agency_id_of(agency_id)))


@patch("/api/v1/feeds/agencies/{agency_id:str}", permission="feeds.agency.write", tags=["feeds"])
async def change_agency(
    call: web.Caller, agency_id: FromPath[str], data: JSONBody[AgencyUpdate]
) -> AgencyShown:
    """Say what a city may know, and where its policies are read.

    A new boundary holds for what happens from now on.
    """
    change = agencies.AgencyChange(**msgspec.structs.asdict(data))
    return _agency(call, await agencies.change_agency(call, agency_id_of(agency_id), change))


@delete("/api/v1/feeds/agencies/{agency_id:str}", permission="feeds.agency.write", tags=["feeds"])
async def delete_agency(call: web.Caller, agency_id: FromPath[str]) -> None:
    """Report to a city no more: its tokens end at once, and what it was told is forgotten.

    To pause it, ``PATCH`` it with ``"is_enabled": false``: its tokens end as surely.
    """
    await agencies.delete_agency(call, agency_id_of(agency_id))


@put(
    "/api/v1/feeds/agencies/{agency_id:str}/subscriptions/{mode:str}",
    permission="feeds.agency.write", tags=["feeds"],
)  # fmt: skip
async def subscribe(
    call: web.Caller,
    agency_id: FromPath[str],
    mode: FromPath[Mode],
    data: JSONBody[SubscriptionWish],
) -> AgencyShown:
    """Push to the city's own server (MDS Agency API): vehicles, events, trips; readings if wanted.

    In order, until each is taken. The same address again goes on where it was, with the new token.
    """
    found = await agencies.subscribe(call, agency_id_of(agency_id), mode, data)
    return _agency(call, found)


@delete(
    "/api/v1/feeds/agencies/{agency_id:str}/subscriptions/{mode:str}",
    permission="feeds.agency.write", status_code=200, tags=["feeds"],
)  # fmt: skip
async def unsubscribe(
    call: web.Caller, agency_id: FromPath[str], mode: FromPath[Mode]
) -> AgencyShown:
    """Push to that server no more."""
    return _agency(call, await agencies.unsubscribe(call, agency_id_of(agency_id), mode))


@get("/api/v1/feeds/agencies/{agency_id:str}/tokens", permission="feeds.token.read", tags=["feeds"])
async def list_tokens(
    call: web.Caller, agency_id: FromPath[str], limit: FromQuery[web.Limit] = 50,
    offset: FromQuery[web.Offset] = 0,
) -> Tokens:  # fmt: skip
    """With what a city reads: newest first."""
    page = await agencies.tokens(call, agency_id_of(agency_id), limit, offset)
    shown = [_token(each) for each in page.tokens]
    return Tokens(shown, web.pagination(page.total, limit, offset, len(shown)))


@post(
    "/api/v1/feeds/agencies/{agency_id:str}/tokens",
    permission="feeds.token.write", status_code=201, unkeyed=True, tags=["feeds"],
)  # fmt: skip
async def issue_token(
    call: web.Caller, agency_id: FromPath[str], data: JSONBody[NewToken]
) -> IssuedToken:
    """A token with which a city reads the MDS Provider API; it holds until it is revoked."""
    made = await agencies.issue_token(call, agency_id_of(agency_id), data.label)
    return IssuedToken(_token(made.token), made.secret)


@delete(
    "/api/v1/feeds/agencies/{agency_id:str}/tokens/{token_id:str}",
    permission="feeds.token.write", status_code=200, tags=["feeds"],
)  # fmt: skip
async def revoke_token(
    call: web.Caller, agency_id: FromPath[str], token_id: FromPath[str]
) -> TokenShown:
    """It opens nothing any more, at once."""
    token = ids.parse(token_id, TOKEN_PREFIX)
    return _token(await agencies.revoke_token(call, agency_id_of(agency_id), token))


handlers = [
    list_agencies, add_agency, read_one_agency, change_agency, delete_agency, subscribe,
    unsubscribe, list_tokens, issue_token, revoke_token,
]  # fmt: skip
