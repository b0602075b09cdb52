"""Alerts for the people who deal with them: lists, timelines, verbs, rules, and a live stream."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, get, post, put
from litestar.datastructures import State
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import Meta

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import PREFIX
from fahrwerk.fleet.contract import alerts as contract
from fahrwerk.fleet.contract.alerts import (
    ALERT_PREFIX,
    MOST_AT_ONCE,
    MOST_RULES,
    Alert,
    AlertChanges,
    AlertCounts,
    AlertRule,
    Scope,
    Severity,
    UnknownAlert,
)
from fahrwerk.identity import contract as identity
from fahrwerk.kernel import clock, crypto, ids, web
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Invalid, NotFound, Problem
from fahrwerk.kernel.live import hub, rung
from fahrwerk.kernel.stream import HEARTBEAT_S, LONGEST_S, serve

AnyRequest = Request[Any, Any, State]
MOST_STREAMS = 500
"""Of one operator, in one process."""
LOOK_EVERY_S = 5.0
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

Note = Annotated[str, Meta(min_length=1, max_length=2_000)]
AlertId = Annotated[str, Meta(max_length=60)]
StateFilter = Literal["open", "acknowledged", "resolved", "active"]

# --- shapes


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """An alert; values are in the unit of their kind (docs/alerts.md)."""

    id: str
    rule: str
    kind: str
    severity: str
    state: str
    is_fleet_wide: bool
    vehicle_id: str | None
    identifier: str | None
    """The vehicle's, as it is written on it."""
    vehicles: int
    """How many it speaks of now."""
    value: float
    worst: float
    times: int
    escalations: int
    raised_at: str
    last_at: str
    acknowledged_at: str | None
    acknowledged_by: str | None
    resolved_at: str | None
    resolved_by: str | None
    resolution: str | None
    silenced_until: str | None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a timeline."""

    at: str
    what: str
    actor: str
    severity: str | None
    value: float | None
    until: str | None
    note: str | None


class AffectedVehicle(msgspec.Struct, frozen=True):
    """A vehicle of a fleet-wide alert."""

    id: str
    identifier: str


class AlertWithTimeline(msgspec.Struct, frozen=True):
    """An alert and all that happened to it."""

    alert: AlertView
    timeline: list[Line]
    affected: list[AffectedVehicle]
    """Of a fleet-wide alert: the first 100."""


class AlertList(msgspec.Struct, frozen=True):
    """A page of alerts."""

    alerts: list[AlertView]
    counts: AlertCounts
    pagination: web.Pagination


class NoteBody(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be said about it."""

    note: Note | None = None


class TextBody(msgspec.Struct, forbid_unknown_fields=True):
    """A note."""

    note: Note


class ManyBody(msgspec.Struct, forbid_unknown_fields=True):
    """Several alerts at once."""

    alert_ids: Annotated[list[AlertId], Meta(min_length=1, max_length=MOST_AT_ONCE)]
    note: Note | None = None


class Acknowledged(msgspec.Struct, frozen=True):
    """Which alerts became acknowledged by this request."""

    acknowledged: list[str]


class SilenceBody(msgspec.Struct, forbid_unknown_fields=True):
    """Until when nobody is told, and of what."""

    until: Annotated[datetime, Meta(tz=True)] | None
    """At most 90 days ahead; null lifts the silence."""
    scope: Scope = "vehicle_and_rule"


class SilenceView(msgspec.Struct, frozen=True):
    """A silence that has not run out."""

    vehicle_id: str | None
    identifier: str | None
    rule: str | None
    until: str
    by: str | None


class Silences(msgspec.Struct, frozen=True):
    """All silences, the next to end first."""

    silences: list[SilenceView]


class RulesBody(msgspec.Struct, forbid_unknown_fields=True):
    """All rules, in place of those there were."""

    rules: Annotated[list[AlertRule], Meta(max_length=MOST_RULES)]
    version: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    """Of the rules that were read: 409 when somebody else has changed them since."""


def _view(alert: Alert) -> AlertView:
    plain = {n: getattr(alert, n) for n in AlertView.__struct_fields__ if n in _PLAIN}
    return AlertView(
        **plain,
        id=ids.public(ALERT_PREFIX, alert.id),
        value=round(alert.value, 2),
        worst=round(alert.worst, 2),
        is_fleet_wide=alert.vehicle_id is None,
        vehicle_id=_vehicle(alert.vehicle_type, alert.vehicle_id),
        raised_at=clock.stamp(alert.raised_at),
        last_at=clock.stamp(alert.last_at),
        acknowledged_at=_stamp(alert.acknowledged_at),
        acknowledged_by=_person(alert.acknowledged_by),
        resolved_at=_stamp(alert.resolved_at),
        resolved_by=_person(alert.resolved_by),
        silenced_until=_stamp(alert.silenced_until),
    )


_PLAIN = frozenset(
    {"rule", "kind", "severity", "state", "identifier", "vehicles", "times",
     "escalations", "resolution"}
)  # fmt: skip


def _vehicle(vehicle_type: str | None, vehicle_id: UUID | None) -> str | None:
    if vehicle_type is None or vehicle_id is None:
        return None
    return ids.public(PREFIX[vehicle_type], vehicle_id)


def _person(user: UUID | None) -> str | None:
    return ids.public("usr", user) if user else None


def _stamp(at: datetime | None) -> str | None:
    return clock.stamp(at) if at is not None else None


def _line(entry: contract.AlertEntry) -> Line:
    return Line(
        at=clock.stamp(entry.at), what=entry.what, actor=entry.actor, severity=entry.severity,
        value=round(entry.value, 2) if entry.value is not None else None,
        until=_stamp(entry.until), note=entry.note,
    )  # fmt: skip


def _id_in(text: str) -> UUID:
    try:
        return ids.parse(text, ALERT_PREFIX)
    except NotFound:
        raise UnknownAlert from None


def _moment(field: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        # A plus sign that was not escaped arrives as a space.
        at = msgspec.convert(text.replace(" ", "+"), datetime, strict=False)
    except msgspec.ValidationError:
        raise Invalid(field=field, issue="must be an ISO 8601 time") from None
    if at.tzinfo is None:
        raise Invalid(field=field, issue="must name its offset from UTC")
    if not _FIRST <= at < _LAST:
        raise Invalid(field=field, issue="must be between the years 2000 and 2100")
    return at


# --- reading


@get("/api/v1/alerts", permission="fleet.alert.read", scoped=True, tags=["fleet"])
async def list_alerts(
    call: web.Caller,
    in_state: Annotated[
        StateFilter | None, QueryParameter(name="state", description="active: not resolved")
    ] = None,
    severity: Annotated[Severity | None, QueryParameter()] = None,
    rule: Annotated[str | None, QueryParameter(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = None,
    vehicle: Annotated[
        str | None, QueryParameter(min_length=1, max_length=300, description="id or identifier")
    ] = None,
    since: Annotated[
        str | None, QueryParameter(max_length=40, description="last seen then or later; ISO 8601")
    ] = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> AlertList:
    """Alerts, newest first (WEB-10), with counts of all there are."""
    vehicle_id = (await fleet.find_vehicle(call, vehicle)).id if vehicle is not None else None
    page = await contract.alert_page(
        call, in_state, severity, rule, vehicle_id, _moment("since", since), limit, offset
    )
    shown = [_view(each) for each in page.alerts]
    return AlertList(shown, page.counts, web.pagination(page.total, limit, offset, len(shown)))


@get("/api/v1/alerts/{alert_id:str}", permission="fleet.alert.read", scoped=True, tags=["fleet"])
async def one_alert(call: web.Caller, alert_id: FromPath[str]) -> AlertWithTimeline:
    """One alert with its timeline."""
    found = await contract.alert_details(call, _id_in(alert_id))
    affected = [
        AffectedVehicle(ids.public(PREFIX[each.vehicle_type], each.id), each.identifier)
        for each in found.affected
    ]
    return AlertWithTimeline(_view(found.alert), [_line(e) for e in found.timeline], affected)


# --- verbs


@post(
    "/api/v1/alerts/{alert_id:str}/acknowledge",
    permission="fleet.alert.write",
    scoped=True,
    status_code=200,
    tags=["fleet"],
)
async def acknowledge_alert(
    call: web.Caller, alert_id: FromPath[str], data: JSONBody[NoteBody | None] = None
) -> AlertView:
    """You deal with it: it escalates no more. Repeating it is harmless; 409 once it is resolved."""
    wanted = _id_in(alert_id)
    await contract.acknowledge_alerts(call, [wanted], data.note if data else None)
    alert = (await contract.alert_details(call, wanted)).alert
    if alert.state == "resolved":
        raise contract.AlertOver
    return _view(alert)


@post(
    "/api/v1/alerts/acknowledge",
    permission="fleet.alert.write",
    scoped=True,
    status_code=200,
    tags=["fleet"],
)
async def acknowledge_alerts(call: web.Caller, data: JSONBody[ManyBody]) -> Acknowledged:
    """Acknowledge up to 500 at once; those that are not open are passed over."""
    wanted = [_id_in(each) for each in data.alert_ids]
    done = await contract.acknowledge_alerts(call, wanted, data.note)
    return Acknowledged([ids.public(ALERT_PREFIX, each) for each in done])


@post(
    "/api/v1/alerts/{alert_id:str}/resolve",
    permission="fleet.alert.write",
    scoped=True,
    status_code=200,
    tags=["fleet"],
)
async def resolve_alert(
    call: web.Caller, alert_id: FromPath[str], data: JSONBody[NoteBody | None] = None
) -> AlertView:
    """It is dealt with; raised again only after the condition has gone. Repeating is harmless."""
    note = data.note if data else None
    return _view(await contract.resolve_alert(call, _id_in(alert_id), note))


@post(
    "/api/v1/alerts/{alert_id:str}/silence",
    permission="fleet.alert.write",
    scoped=True,
    status_code=200,
    tags=["fleet"],
)
async def silence_alert(
    call: web.Caller, alert_id: FromPath[str], data: JSONBody[SilenceBody]
) -> AlertView:
    """Tell nobody until then; alerts are raised all the same."""
    return _view(await contract.silence_alert(call, _id_in(alert_id), data.scope, data.until))


@post(
    "/api/v1/alerts/{alert_id:str}/note",
    permission="fleet.alert.write",
    scoped=True,
    status_code=201,
    tags=["fleet"],
)
async def note_alert(call: web.Caller, alert_id: FromPath[str], data: JSONBody[TextBody]) -> Line:
    """Write something on its timeline."""
    return _line(await contract.note_alert(call, _id_in(alert_id), data.note))


@get("/api/v1/alert-silences", permission="fleet.alert.read", scoped=True, tags=["fleet"])
async def list_silences(call: web.Caller) -> Silences:
    """Silences that have not run out; at most 1,000."""
    return Silences(
        [
            SilenceView(
                _vehicle(each.vehicle_type, each.vehicle_id), each.identifier, each.rule,
                clock.stamp(each.until), _person(each.by),
            )
            for each in await contract.alert_silences(call)
        ]
    )  # fmt: skip


# --- rules


@get("/api/v1/alert-rules", permission="fleet.alert.read", scoped=True, tags=["fleet"])
async def alert_rules(call: web.Caller) -> contract.AlertRules:
    """The rules in force; a new operator has the default ones."""
    return await contract.alert_rules(call)


@put("/api/v1/alert-rules", permission="fleet.alert.write", tags=["fleet"])
async def set_alert_rules(call: web.Caller, data: JSONBody[RulesBody]) -> contract.AlertRules:
    """Put these rules in place of all there were.

    What a rule that is gone had found is resolved within seconds. A rule keeps its kind.
    """
    return await contract.set_alert_rules(call, data.rules, data.version)


# --- live


@get(
    "/api/v1/alerts/stream",
    permission="fleet.alert.read",
    scoped=True,
    media_type="text/event-stream",
    tags=["fleet"],
)
async def stream_alerts(
    call: web.Caller,
    request: AnyRequest,
    last_event_id: Annotated[
        str, HeaderParameter(name="Last-Event-ID", required=False, max_length=40)
    ] = "",
) -> Stream:
    """Server-sent events: ``alert`` for each that changed, ``counts`` at first and as they change.

    Connect, then read the list: nothing falls between. With ``Last-Event-ID`` it goes on where it
    broke off, and an alert may come twice. An id that is not known any more gives ``reset``: read
    the list again. Ends after an hour, connect again; or with ``end``, when you were logged out.
    """
    mark = int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 19 else None
    patient = msgspec.structs.replace(call, deadline=float("inf"))
    first = await contract.alert_changes(patient, mark)
    is_lost = bool(last_event_id) and (mark is None or first.mark < mark)
    _, _, token = request.headers.get("authorization", "").partition(" ")
    session = crypto.read_token(token.strip()).session
    signal = f"fleet.alert:{call.tenant}"
    return serve(_told(patient, first, is_lost, session), signal=signal, most=MOST_STREAMS)


async def _told(
    call: Call, first: AlertChanges, is_lost: bool, session: UUID
) -> AsyncIterator[bytes]:
    changes, counts, spoke = first, None, time.monotonic()
    sent: dict[UUID, bytes] = {}
    end = spoke + LONGEST_S
    with hub.listening(f"fleet.alert:{call.tenant}") as bell:
        yield b"retry: 2000\n\n"
        if is_lost:
            yield f"id: {changes.mark}\nevent: reset\ndata: {{}}\n\n".encode()
        while time.monotonic() < end:
            now_sent: dict[UUID, bytes] = {}
            for mark, alert in changes.alerts:
                data = now_sent[alert.id] = msgspec.json.encode(_view(alert))
                if sent.get(alert.id) != data:
                    spoke = time.monotonic()
                    yield f"id: {mark}\nevent: alert\ndata: ".encode() + data + b"\n\n"
            sent = now_sent
            if changes.counts != counts:
                counts, spoke = changes.counts, time.monotonic()
                data = msgspec.json.encode(counts)
                yield f"id: {changes.mark}\nevent: counts\ndata: ".encode() + data + b"\n\n"
            elif time.monotonic() - spoke > HEARTBEAT_S:
                spoke = time.monotonic()
                yield b": still here\n\n"
            if not changes.has_more:
                await rung(bell, LOOK_EVERY_S)
                bell.clear()
            try:
                if session in await identity.ended_sessions(call):
                    yield b"event: end\ndata: {}\n\n"
                    return
                changes = await contract.alert_changes(call, changes.mark)
            except Problem as problem:
                text = msgspec.json.encode({"code": problem.error_code})
                yield b"event: error\ndata: " + text + b"\n\n"
                return


handlers = [
    list_alerts,
    stream_alerts,
    one_alert,
    acknowledge_alert,
    acknowledge_alerts,
    resolve_alert,
    silence_alert,
    note_alert,
    list_silences,
    alert_rules,
    set_alert_rules,
]
