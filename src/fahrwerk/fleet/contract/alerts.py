"""What may be asked of alerts: what rules on telemetry found, and who deals with it (WEB-10).

A *rule* watches one measurement of each vehicle. Where it stays at ``raise_at`` or beyond for long
enough, an *alert* is raised; it goes when the measurement is back at ``clear_at``. At most one
alert per vehicle and rule is not resolved. More than ``group_above`` vehicles within a minute are
one fleet-wide alert: it is the broker that is out, not each of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, get_args
from uuid import UUID

import msgspec
from msgspec import Meta

from fahrwerk.fleet.contract.maintenance import Severity as TicketSeverity
from fahrwerk.fleet.contract.maintenance import TicketKind
from fahrwerk.fleet.contract.zones import Hours
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound

ALERT_PREFIX = "alert"
"""Of public ids: ``alert_...``."""

AlertKind = Literal[
    "moved_without_ride", "outside_area", "tipped_over", "silent",
    "battery_falling_fast", "battery_low", "temperature_high", "temperature_low",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(AlertKind)
"""What is measured, and in what: metres from where it stood, looks in a row that it was outside,
1 (lies) or 0, seconds, points lost within ``window_s``, percent, degrees Celsius (both)."""

Severity = Literal["info", "warning", "critical"]
AlertState = Literal["open", "acknowledged", "resolved"]
Told = Literal["admin", "provider", "support"]
Scope = Literal["vehicle_and_rule", "vehicle", "rule"]
RuleName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$", max_length=40)]

MOST_RULES = 50
MOST_AT_ONCE = 500


class TicketToOpen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The maintenance ticket that an alert opens."""

    kind: TicketKind
    severity: TicketSeverity | None = None
    """None: as the kind is usually taken. ``safety`` takes the vehicle out of service."""


class AlertRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an alert is raised and cleared, how severe it is, and who is told."""

    name: RuleName
    """Unique; alerts carry it."""
    kind: AlertKind
    severity: Severity
    raise_at: Annotated[float, Meta(ge=-1_000_000, le=1_000_000)]
    """Raised at this value or beyond: below it for battery_low and temperature_low."""
    clear_at: Annotated[float, Meta(ge=-1_000_000, le=1_000_000)]
    """Cleared at this value or better; on the good side of ``raise_at``, or between they flap."""
    hold_s: Annotated[int, Meta(ge=0, le=86_400)] = 0
    """So long it must be the case before it is raised."""
    readings: Annotated[int, Meta(ge=1, le=20)] = 1
    """So many readings must agree; one a look (5 s) counts. Of no use for ``silent``."""
    window_s: Annotated[int, Meta(ge=60, le=86_400)] | None = None
    """Of battery_falling_fast, which must have one: within how long."""
    vehicle_types: Annotated[list[str], Meta(max_length=10)] = []
    """For these only; empty = for all."""
    is_enabled: bool = True
    quiet_hours: Annotated[list[Hours], Meta(max_length=20)] = []
    """Then alerts are raised, but nobody is told before they are over."""
    escalate_after_s: Annotated[int, Meta(ge=60, le=604_800)] | None = None
    """Not acknowledged for so long: one step more severe, and told again; three times at most."""
    tell: Annotated[list[Told], Meta(max_length=3)] = msgspec.field(
        default_factory=lambda: ["admin", "provider"]
    )
    """Which roles are told, beside whoever listens to the events."""
    group_above: Annotated[int, Meta(ge=2, le=100_000)] = 20
    """More vehicles than this within a minute are one fleet-wide alert."""
    opens_ticket: TicketToOpen | None = None
    """An alert of one vehicle also opens this, unless one of this rule or kind is open already. No
    fleet-wide alert does, and none while it is silenced."""


class AlertRules(msgspec.Struct, frozen=True):
    """All rules of an operator."""

    version: int
    """Grows with each change; 0 = the default ones."""
    rules: list[AlertRule]


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it stands now."""

    id: UUID
    rule: str
    kind: str
    vehicle_id: UUID | None
    """None = fleet-wide."""
    vehicle_type: str | None
    identifier: str | None
    severity: str
    state: str
    raised_at: datetime
    last_at: datetime
    """When it was last seen to hold, to some minutes."""
    times: int
    """How often it was raised: what comes back within five minutes is the same alert."""
    value: float
    """When it was raised; in the unit of its kind."""
    worst: float
    vehicles: int
    """How many it speaks of now."""
    escalations: int
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None
    resolved_at: datetime | None
    resolved_by: UUID | None
    """None = by itself."""
    resolution: str | None
    """cleared | person | grouped (into a fleet-wide one) | rule_changed"""
    silenced_until: datetime | None
    version: int


class AlertEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an alert's timeline."""

    at: datetime
    what: str
    """raised | reopened | told | escalated | acknowledged | silenced | unsilenced | note | cleared
    | resolved | grouped"""
    actor: str
    """``usr_...`` or ``room:...``"""
    severity: str | None
    value: float | None
    until: datetime | None
    note: str | None


class Affected(msgspec.Struct, frozen=True):
    """A vehicle of a fleet-wide alert."""

    id: UUID
    vehicle_type: str
    identifier: str


class AlertDetails(msgspec.Struct, frozen=True):
    """An alert with all that happened to it."""

    alert: Alert
    timeline: list[AlertEntry]
    """Oldest first; the newest 500."""
    affected: list[Affected]
    """Of a fleet-wide one: the first 100 by identifier."""


class AlertCounts(msgspec.Struct, frozen=True):
    """How many alerts there are in each state, and of those not resolved in each severity."""

    open: int
    acknowledged: int
    resolved: int
    """Within the last 24 hours."""
    info: int
    warning: int
    critical: int


class AlertPage(msgspec.Struct, frozen=True):
    """One page of a list, how many there are in all, and the counts of the whole operator."""

    alerts: list[Alert]
    total: int
    counts: AlertCounts


class AlertChanges(msgspec.Struct, frozen=True):
    """What changed after a mark, in the order it did; some of it may have been told before."""

    mark: int
    """To go on from."""
    alerts: list[tuple[int, Alert]]
    """Each with a mark from which nothing before it would come again but what changed since."""
    has_more: bool
    counts: AlertCounts


class AlertSilence(msgspec.Struct, frozen=True):
    """Until when nobody is told."""

    vehicle_id: UUID | None
    vehicle_type: str | None
    identifier: str | None
    rule: str | None
    until: datetime
    by: UUID | None


class UnknownAlert(NotFound):
    """No such alert with this operator."""

    code = "UNKNOWN_ALERT"
    message = "There is no such alert."


class AlertOver(Conflict):
    """It has been resolved: there is nothing left to acknowledge or to silence."""

    code = "ALERT_RESOLVED"
    message = "This alert has been resolved."


class RulesChanged(Conflict):
    """Somebody else changed the rules since they were read; ``version`` is the one they have."""

    code = "ALERT_RULES_CHANGED"
    message = "The rules were changed by somebody else. Read them again."


@query
async def alert_page(
    call: Call,
    state: str | None,
    severity: str | None,
    rule: str | None,
    vehicle_id: UUID | None,
    since: datetime | None,
    limit: int,
    offset: int,
) -> AlertPage:
    """A page of the operator's alerts, newest first (permission ``fleet.alert.read``).

    ``state`` may also be ``active``: open or acknowledged. ``since``: raised or last seen then or
    later.
    """
    raise AssertionError


@query
async def alert_details(call: Call, alert_id: UUID) -> AlertDetails:
    """One alert with its timeline (permission ``fleet.alert.read``). Raises ``UnknownAlert``."""
    raise AssertionError


@query
async def alert_changes(call: Call, mark: int | None) -> AlertChanges:
    """Alerts that changed after ``mark``; None = only a mark to begin with.

    Nothing is left out, whatever order transactions commit in. Up to 500 at once. A mark of
    another database is taken as None. Permission ``fleet.alert.read``. Each change is signalled on
    the hub as ``fleet.alert:<tenant>``.
    """
    raise AssertionError


@query
async def alert_rules(call: Call) -> AlertRules:
    """The rules in force (permission ``fleet.alert.read``)."""
    raise AssertionError


@query
async def alert_silences(call: Call) -> list[AlertSilence]:
    """Silences that have not run out, the next to end first; at most 1,000.

    Permission ``fleet.alert.read``.
    """
    raise AssertionError


@action
async def set_alert_rules(call: Call, rules: list[AlertRule], version: int | None) -> AlertRules:
    """Put these rules, up to 50, in place of all there were (permission ``fleet.alert.write``).

    ``version`` is the one that was read; None = whatever it is. Alerts of rules that are gone are
    resolved by the next look. Raises ``RulesChanged``, ``Invalid``.
    """
    raise AssertionError


@action
async def acknowledge_alerts(call: Call, alert_ids: list[UUID], note: str | None) -> list[UUID]:
    """Somebody deals with these, up to 500: they escalate no more (``fleet.alert.write``).

    Answers which became acknowledged by this; those that are already, or are resolved, are passed
    over. Repeating it is harmless. Raises ``Invalid``, ``UnknownAlert`` (one of them).
    """
    raise AssertionError


@action
async def resolve_alert(call: Call, alert_id: UUID, note: str | None) -> Alert:
    """Somebody has dealt with it (``fleet.alert.write``); repeating it is harmless.

    Nothing is raised again before the condition has gone; a vehicle that moved may stand where it
    is now. Raises ``UnknownAlert``.
    """
    raise AssertionError


@action
async def silence_alert(call: Call, alert_id: UUID, scope: Scope, until: datetime | None) -> Alert:
    """Tell nobody until then, at most 90 days (``fleet.alert.write``): of this rule for this
    vehicle, of all rules for this vehicle, or of this rule for all; None lifts that silence.

    Raises ``UnknownAlert``, ``AlertOver``, ``Invalid`` (a fleet-wide alert has no vehicle; a time
    that has passed).
    """
    raise AssertionError


@action
async def note_alert(call: Call, alert_id: UUID, note: str) -> AlertEntry:
    """Write up to 2,000 characters on its timeline (``fleet.alert.write``).

    Raises ``UnknownAlert``, ``Invalid``.
    """
    raise AssertionError
