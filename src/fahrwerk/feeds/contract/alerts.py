"""What may be asked of public alerts: what riders are told beside the ordinary (GBFS)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import NotFound

ALERT_PREFIX = "pal"
"""Of public ids: ``pal_...``."""
AlertKind = Literal["system_closure", "other"]


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same in German and English."""

    de: Annotated[str, Meta(min_length=1, max_length=500)]
    en: Annotated[str, Meta(min_length=1, max_length=500)]


class NewAlert(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to tell riders, and how long it holds."""

    kind: AlertKind = "other"
    summary: Words
    description: Words | None = None
    url: Annotated[str, Meta(max_length=500)] | None = None
    starts_at: Annotated[datetime, Meta(tz=True)] | None = None
    """None = now."""
    ends_at: Annotated[datetime, Meta(tz=True)] | None = None
    """None = until it is ended."""


class PublicAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as everyone may read it."""

    id: UUID
    kind: str
    summary: dict[str, str]
    description: dict[str, str] | None
    url: str | None
    starts_at: datetime
    ends_at: datetime | None
    updated_at: datetime
    created_by: str


class AlertPage(msgspec.Struct, frozen=True):
    """One page of a list and how many there are in all."""

    alerts: list[PublicAlert]
    total: int


class UnknownAlert(NotFound):
    """No such alert of this operator."""

    code = "UNKNOWN_ALERT"
    message = "There is no such alert."


@query
async def public_alerts(call: Call, limit: int, offset: int) -> AlertPage:
    """All alerts, over or not, newest first (permission ``feeds.alert.read``)."""
    raise AssertionError


@action
async def publish_alert(call: Call, wanted: NewAlert) -> PublicAlert:
    """Tell riders something (permission ``feeds.alert.write``).

    With an ``Idempotency-Key`` a repeat finds the first try's. Raises ``Invalid`` (times, address).
    """
    raise AssertionError


@action
async def end_alert(call: Call, alert_id: UUID) -> PublicAlert:
    """It is over now, or never was if it has not begun (permission ``feeds.alert.write``).

    Repeatable. Raises ``UnknownAlert``.
    """
    raise AssertionError
