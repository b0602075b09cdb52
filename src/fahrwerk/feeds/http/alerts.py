"""Public alerts over HTTP, for staff; everyone reads them in GBFS."""

from __future__ import annotations

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from fahrwerk.feeds.contract import alerts
from fahrwerk.feeds.contract.alerts import ALERT_PREFIX, NewAlert
from fahrwerk.kernel import clock, ids, web


class PublicAlertShown(msgspec.Struct, frozen=True, kw_only=True):
    """What riders are told."""

    id: str
    kind: str
    summary: dict[str, str]
    description: dict[str, str] | None
    url: str | None
    starts_at: str
    ends_at: str | None
    updated_at: str
    created_by: str


class PublicAlerts(msgspec.Struct, frozen=True):
    """A page of alerts, newest first; those that are over too."""

    alerts: list[PublicAlertShown]
    pagination: web.Pagination


def _shown(found: alerts.PublicAlert) -> PublicAlertShown:
    about = msgspec.structs.asdict(found) | {"id": ids.public(ALERT_PREFIX, found.id)}
    for name in ("starts_at", "ends_at", "updated_at"):
        about[name] = clock.stamp(about[name]) if about[name] else None
    return PublicAlertShown(**about)


@get("/api/v1/feeds/alerts", permission="feeds.alert.read", tags=["feeds"])
async def list_public_alerts(
    call: web.Caller, limit: FromQuery[web.Limit] = 50, offset: FromQuery[web.Offset] = 0
) -> PublicAlerts:
    """What you tell riders by GBFS, newest first."""
    page = await alerts.public_alerts(call, limit, offset)
    shown = [_shown(each) for each in page.alerts]
    return PublicAlerts(shown, web.pagination(page.total, limit, offset, len(shown)))


@post("/api/v1/feeds/alerts", permission="feeds.alert.write", status_code=201, tags=["feeds"])
async def publish_alert(call: web.Caller, data: JSONBody[NewAlert]) -> PublicAlertShown:
    """Tell riders what is beside the ordinary: in GBFS within a minute, until it is over."""
    return _shown(await alerts.publish_alert(call, data))


@delete(
    "/api/v1/feeds/alerts/{public_alert_id:str}",
    permission="feeds.alert.write", status_code=200, tags=["feeds"],
)  # fmt: skip
async def end_alert(call: web.Caller, public_alert_id: FromPath[str]) -> PublicAlertShown:
    """It is over."""
    alert_id = ids.parse(public_alert_id, ALERT_PREFIX)
    return _shown(await alerts.end_alert(call, alert_id))


handlers = [list_public_alerts, publish_alert, end_alert]
