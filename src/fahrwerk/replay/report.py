"""What was asked for and what the platform says has happened, side by side. Pure.

The first column comes from the file alone, the second from the platform's lists after everything
has settled; any row in which they differ is a difference.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from fahrwerk.kernel.money import formatted as shown
from fahrwerk.replay.trips import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fahrwerk.replay.plan import Plan, Ride
    from fahrwerk.replay.trips import Recorded


class Ridden(msgspec.Struct, frozen=True, kw_only=True):
    """A ride as the platform lists it; amounts are minor units."""

    id: str
    vehicle: str
    started_at: datetime
    ended_at: datetime
    start: str
    end: str
    billed_minutes: int
    total_minor: int

    @property
    def seconds(self) -> int:
        """How long it was."""
        return int((self.ended_at - self.started_at).total_seconds())


class Outcome(msgspec.Struct):
    """What became of one ride of the plan: ``rental_id``, or what was said instead."""

    rental_id: str = ""
    refusal: str = ""


class Told(msgspec.Struct, frozen=True):
    """A finding and what happened then."""

    line: int
    trip_id: str
    rule: str
    meaning: str
    detail: str
    outcome: str


class Count(msgspec.Struct, frozen=True):
    """Something counted twice: from the file, and by the platform."""

    recorded: int
    ridden: int


class Paid(msgspec.Struct, frozen=True):
    """What was captured for a rental, in minor units; ``is_open``: it is not over yet."""

    captured_minor: int
    is_open: bool


class Money(msgspec.Struct, frozen=True):
    """Sums in minor units."""

    currency: str
    receipts_minor: int
    captured_minor: int
    payments: int
    open_payments: int


class About(msgspec.Struct, frozen=True, kw_only=True):
    """The replay itself."""

    tenant: str
    url: str
    zone: str
    currency: str
    longest_s: int
    """The operator's limit for one ride."""
    took_s: float
    requests: int
    rate_limited: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, as written to ``--report``. Nothing differs when ``differences`` is empty."""

    about: About
    rows: int
    bikes: int
    riders: int
    moved: int
    rides: Count
    seconds: Count
    billed_minutes: int
    days: dict[str, Count]
    starts: dict[str, Count]
    ends: dict[str, Count]
    money: Money
    findings: list[Told]
    differences: list[str]


def side_by_side(recorded: Iterable[str], ridden: Iterable[str]) -> dict[str, Count]:
    """Two tallies of the same things, in order of their names."""
    one, two = Counter(recorded), Counter(ridden)
    return {name: Count(one[name], two[name]) for name in sorted(one.keys() | two.keys())}


def told(
    recorded: Recorded, plan: Plan, outcomes: Sequence[Outcome], rides: Sequence[Ridden]
) -> list[Told]:
    """Every finding by line, with what the platform made of it."""
    lasted = {ride.id: ride.seconds for ride in rides}
    by_line = {
        ride.trip.line: _happened(ride, outcome, lasted)
        for ride, outcome in zip(plan.rides, outcomes, strict=True)
    }
    return [
        Told(f.line, f.trip_id, f.rule, RULES[f.rule], f.detail, by_line.get(f.line, "not ridden"))
        for f in sorted([*recorded.findings, *plan.findings], key=lambda f: (f.line, f.rule))
    ]


def _happened(ride: Ride, outcome: Outcome, lasted: dict[str, int]) -> str:
    if outcome.refusal:
        return f"refused by the platform: {outcome.refusal}"
    seconds = lasted.get(outcome.rental_id)
    if seconds is None:
        return "not ended"
    return f"ridden, {seconds} s" + (", although impossible" if ride.is_refusal_expected else "")


def _wrong_rides(
    plan: Plan, outcomes: Sequence[Outcome], rides: Sequence[Ridden], longest_s: int
) -> Iterator[str]:
    """Rides that were not taken as they had to be, one sentence each."""
    by_id = {ride.id: ride for ride in rides}
    for ride, outcome in zip(plan.rides, outcomes, strict=True):
        trip = ride.trip
        where = f"line {trip.line} (trip {trip.trip_id})"
        listed = by_id.get(outcome.rental_id)
        if ride.is_refusal_expected:
            if not outcome.refusal:
                yield f"{where}: accepted although bike {trip.bike} was in another ride"
        elif outcome.refusal:
            yield f"{where}: refused, {outcome.refusal}"
        elif listed is None:
            yield f"{where}: not among the platform's completed rides"
        elif listed.started_at != ride.starts_at:
            yield f"{where}: began {listed.started_at}, recorded {ride.starts_at}"
        elif (
            listed.seconds != trip.duration_s and not trip.duration_s > longest_s >= listed.seconds
        ):
            # A ride over the limit may be ended by the platform; the rest is as long as it was.
            yield f"{where}: took {listed.seconds} s, recorded {trip.duration_s} s"


def _wrong_counts(report: Report) -> Iterator[str]:
    for name, tallies in (("on", report.days), ("from", report.starts), ("to", report.ends)):
        for key, both in tallies.items():
            if both.recorded != both.ridden:
                yield f"rides {name} {key}: {both.recorded} recorded, {both.ridden} ridden"
    for name, both in (("rides", report.rides), ("seconds", report.seconds)):
        if both.recorded != both.ridden:
            yield f"{name}: {both.recorded} recorded, {both.ridden} ridden"
    money = report.money
    if money.receipts_minor != money.captured_minor:
        yield f"money: receipts {money.receipts_minor}, captured {money.captured_minor}"
    if money.open_payments:
        yield f"money: {money.open_payments} payments have not come to an end"


def _wrong_money(rides: Sequence[Ridden], paid: Mapping[str, Paid]) -> Iterator[str]:
    """Sums may agree by chance: so ride by ride as well."""
    for ride in rides:
        captured = paid[ride.id].captured_minor if ride.id in paid else 0
        if captured != ride.total_minor:
            yield f"money of {ride.id}: receipt {ride.total_minor}, captured {captured}"
    if lost := {i for i, each in paid.items() if each.captured_minor} - {r.id for r in rides}:
        yield f"money: captured for {len(lost)} rentals that are no completed rides"


def report(
    recorded: Recorded,
    plan: Plan,
    outcomes: Sequence[Outcome],
    rides: Sequence[Ridden],
    paid: Mapping[str, Paid],
    about: About,
) -> Report:
    """Put everything side by side. ``rides``: all that the platform lists for this tenant."""
    zone = ZoneInfo(about.zone)
    wanted = [ride for ride in plan.rides if not ride.is_refusal_expected]
    # A ride over the limit counts with the length the platform gave it.
    lasted = {ride.id: ride.seconds for ride in rides}
    seconds = sum(
        lasted.get(outcome.rental_id, ride.trip.duration_s)
        if ride.trip.duration_s > about.longest_s
        else ride.trip.duration_s
        for ride, outcome in zip(plan.rides, outcomes, strict=True)
        if not ride.is_refusal_expected
    )
    made = Report(
        about=about,
        rows=recorded.rows,
        bikes=len(plan.bikes),
        riders=plan.riders,
        moved=sum(ride.moved_from is not None for ride in plan.rides),
        rides=Count(len(wanted), len(rides)),
        seconds=Count(seconds, sum(lasted.values())),
        billed_minutes=sum(ride.billed_minutes for ride in rides),
        days=side_by_side(
            (f"{ride.starts_at.astimezone(zone):%Y-%m-%d}" for ride in wanted),
            (f"{ride.started_at.astimezone(zone):%Y-%m-%d}" for ride in rides),
        ),
        starts=side_by_side((r.trip.start.name for r in wanted), (r.start for r in rides)),
        ends=side_by_side((r.trip.end.name for r in wanted), (r.end for r in rides)),
        money=Money(
            currency=about.currency,
            receipts_minor=sum(ride.total_minor for ride in rides),
            captured_minor=sum(each.captured_minor for each in paid.values()),
            payments=len(paid),
            open_payments=sum(each.is_open for each in paid.values()),
        ),
        findings=told(recorded, plan, outcomes, rides),
        differences=list(_wrong_rides(plan, outcomes, rides, about.longest_s)),
    )
    wrong = [*made.differences, *_wrong_counts(made), *_wrong_money(rides, paid)]
    return msgspec.structs.replace(made, differences=wrong)


def in_words(report: Report) -> str:
    """The report for a terminal."""
    money, about = report.money, report.about
    lines = [
        f"{report.rows} records, {report.rides.recorded} rides of {report.bikes} bikes by "
        f"{report.riders} riders, bikes moved {report.moved} times",
        f"{report.rides.ridden} rides in {report.seconds.ridden / 3600:,.1f} hours, "
        f"{report.billed_minutes:,} minutes billed",
        f"receipts {shown(money.receipts_minor, money.currency)}, "
        f"captured {shown(money.captured_minor, money.currency)}",
        *(f"  {day}  {both.ridden:>6} rides" for day, both in report.days.items()),
        f"{about.requests:,} requests in {about.took_s:,.0f} s",
    ]
    if report.findings:
        lines.append(f"{len(report.findings)} findings in the records:")
        lines += [
            f"  line {f.line}: {f.meaning} ({f.detail}): {f.outcome}" for f in report.findings
        ]
    if report.differences:
        lines.append(f"{len(report.differences)} DIFFERENCES:")
        lines += [f"  {each}" for each in report.differences]
    else:
        lines.append("Nothing differs.")
    return "\n".join(lines)
