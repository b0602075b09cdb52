"""Feeds over HTTP: public ones at addresses that never change, and the switch behind them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, get, patch
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, UnsetType

from fahrwerk.feeds import contract as feeds
from fahrwerk.kernel import clock, web


class Differences(msgspec.Struct, frozen=True):
    """Vehicles shown wrongly, by kind; all 0 when the feeds are right."""

    missing: int
    doubled: int
    in_use: int
    strange: int
    wrong: int


class Vehicles(msgspec.Struct, frozen=True):
    """How many vehicles can be rented, and how many cannot."""

    available: int
    disabled: int


class CheckShown(msgspec.Struct, frozen=True):
    """What the last self-check found."""

    checked_at: str
    is_right: bool
    truth: Vehicles
    feed: Vehicles
    differences: Differences
    unplaced: int
    """Held by nobody, but their place is not known, so they are not shown."""
    moving: int
    """Changed while they were looked at; not judged."""
    mds: list[MdsCheckShown]


class MdsCheckShown(msgspec.Struct, frozen=True):
    """The same for what an agency was told by MDS."""

    agency: str
    checked_at: str
    is_right: bool
    vehicles: int
    shown: int
    missing: int
    strange: int
    wrong: int
    waiting: int
    """Something is still to be told of them; not judged."""


class PastCheckShown(msgspec.Struct, frozen=True):
    """An hour of self-checks of one feed."""

    feed: str
    """``gbfs``, or ``mds:`` and the city's short name."""
    hour: str
    checks: int
    vehicles: int
    shown: int
    differences: int
    """The most of any check in this hour; 0 = all was right."""


class PastChecks(msgspec.Struct, frozen=True):
    """The last seven days, the oldest hour first."""

    hours: list[PastCheckShown]


class SettingShown(msgspec.Struct, frozen=True):
    """What the operator publishes. None = the default: see docs/gbfs.md."""

    is_public: bool
    contact_email: str | None
    license_url: str | None
    has_draft: bool
    micromobility_id: UUID | None
    car_share_id: UUID | None
    mds_days: int
    """So long it is kept what cities were told by MDS."""


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; what is left out stays, null goes back to the default."""

    is_public: bool | UnsetType = UNSET
    contact_email: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    license_url: Annotated[str, Meta(max_length=500)] | UnsetType | None = UNSET
    has_draft: bool | UnsetType = UNSET
    micromobility_id: UUID | UnsetType | None = UNSET
    car_share_id: UUID | UnsetType | None = UNSET
    mds_days: Annotated[int, Meta(ge=30, le=3650)] | UnsetType = UNSET


def _sent(document: feeds.Document) -> Response[bytes]:
    return Response(
        document.body,
        media_type="application/json",
        headers={
            "cache-control": f"public, max-age={document.fresh_s}",
            # Maps in browsers read feeds too; there is nothing in them for one reader alone.
            "access-control-allow-origin": "*",
        },
    )


@get(
    "/gbfs/{slug:str}/manifest.json",
    permission=None, public=True, conditional=True, limit="feeds", tags=["feeds"],
)  # fmt: skip
async def manifest(call: web.Caller, slug: FromPath[str]) -> Response[bytes]:
    """GBFS 3.0 ``manifest.json``: the versions of this operator's feeds. Start here."""
    return _sent(await feeds.document(call, slug, "3.0", "manifest"))


@get(
    "/gbfs/{slug:str}/{version:str}/{file:str}",
    permission=None, public=True, conditional=True, limit="feeds", tags=["feeds"],
)  # fmt: skip
async def feed(
    call: web.Caller, slug: FromPath[str], version: FromPath[str], file: FromPath[str]
) -> Response[bytes]:
    """A GBFS feed: ``3.0``, ``2.3`` or a draft, then ``gbfs.json``, ``vehicle_status.json``, ...

    ``gbfs.json`` lists the others. 404 ``UNKNOWN_FEED`` for what is not published. Send the
    ``ETag`` back as ``If-None-Match`` and an unchanged feed is a 304.
    """
    name = file.removesuffix(".json") if file.endswith(".json") else ""
    if name == "manifest" and version == "3.0":
        raise feeds.UnknownFeed  # one stable address, above
    return _sent(await feeds.document(call, slug, version, name))


@get(
    "/gbfs/{slug:str}/check.json",
    permission=None, public=True, conditional=True, limit="feeds", tags=["feeds"],
)  # fmt: skip
async def check(call: web.Caller, slug: FromPath[str]) -> CheckShown:
    """Whether the feeds say what is: compared with the vehicles themselves every five minutes.

    404 ``NOT_CHECKED_YET`` until the first time.
    """
    found = await feeds.check(call, slug)
    return CheckShown(
        checked_at=clock.stamp(found.checked_at),
        is_right=found.differences == 0,
        truth=Vehicles(found.available, found.disabled),
        feed=Vehicles(found.shown_as_available, found.shown_as_disabled),
        differences=Differences(
            found.missing, found.doubled, found.in_use, found.strange, found.wrong
        ),
        unplaced=found.unplaced,
        moving=found.moving,
        mds=[_mds(each) for each in await feeds.mds_checks(call, slug)],
    )


def _mds(found: feeds.MdsCheck) -> MdsCheckShown:
    about = msgspec.structs.asdict(found) | {"checked_at": clock.stamp(found.checked_at)}
    return MdsCheckShown(is_right=found.differences == 0, **about)


def _setting(found: feeds.Setting) -> SettingShown:
    return SettingShown(**msgspec.structs.asdict(found))


@get("/api/v1/feeds/checks", permission="feeds.setting.read", tags=["feeds"])
async def list_checks(call: web.Caller) -> PastChecks:
    """What the self-checks of the last seven days found, hour by hour."""
    return PastChecks([_past(each) for each in await feeds.past_checks(call)])


def _past(found: feeds.PastCheck) -> PastCheckShown:
    return PastCheckShown(**(msgspec.structs.asdict(found) | {"hour": clock.stamp(found.hour)}))


@get("/api/v1/feeds/setting", permission="feeds.setting.read", tags=["feeds"])
async def read_setting(call: web.Caller) -> SettingShown:
    """What your operator publishes."""
    return _setting(await feeds.setting(call))


@patch("/api/v1/feeds/setting", permission="feeds.setting.write", tags=["feeds"])
async def change_setting(call: web.Caller, data: JSONBody[Change]) -> SettingShown:
    """Switch your feeds off or on, and say who answers for them and on which terms."""
    change = feeds.SettingChange(**msgspec.structs.asdict(data))
    return _setting(await feeds.change_setting(call, change))


handlers = [manifest, feed, check, list_checks, read_setting, change_setting]
