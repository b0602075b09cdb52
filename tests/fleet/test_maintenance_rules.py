"""When service is due, what a ticket may become, what work costs (FLT-34)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.fleet.contract.maintenance import (
    Part,
    SafetyTicketOpen,
    ServiceInterval,
    ServiceStanding,
    TicketClosed,
)
from fahrwerk.fleet.rules import maintenance
from fahrwerk.kernel import ids
from fahrwerk.kernel.errors import Conflict, Invalid

NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)


def standing(
    days_ago: float = 10,
    *,
    km: int = 0,
    rides: int = 0,
    days: int = 30,
    every_km: int | None = 600,
    every_rides: int | None = None,
) -> ServiceStanding:
    return maintenance.standing(
        ids.new(),
        now=NOW,
        created_at=NOW - timedelta(days=400),
        last_service_at=NOW - timedelta(days=days_ago),
        interval_days=days,
        interval=ServiceInterval(
            vehicle_type="scooter",
            days=days,
            distance_m=None if every_km is None else every_km * 1_000,
            rides=every_rides,
        ),
        since_m=km * 1_000,
        since_rides=rides,
    )


def test_whatever_comes_first_is_due() -> None:
    """FLT-34: days, kilometres, rides."""
    assert standing().next_service_at == NOW + timedelta(days=20)
    assert standing(km=300).next_service_at == NOW + timedelta(days=10), "at this use"
    assert standing(km=300, rides=75, every_rides=100).next_service_at == NOW + timedelta(
        days=10 / 3
    )
    assert standing(km=299).due == []
    assert standing(km=600).due == ["distance"]
    assert standing(31, km=601, rides=1, every_rides=1).due == ["days", "distance", "rides"]
    assert standing(30).due == ["days"]
    assert standing(km=10**9, every_km=None).due == []


@given(
    days_ago=st.floats(0, 3_000), km=st.integers(0, 10**6), rides=st.integers(0, 10**6),
    days=st.integers(1, 3_650), every_km=st.none() | st.integers(1, 10**6),
    every_rides=st.none() | st.integers(1, 10**6),
)  # fmt: skip
def test_due_and_its_date_agree(
    days_ago: float, km: int, rides: int, days: int, every_km: int | None, every_rides: int | None
) -> None:
    """FLT-34: due means the date is not in the future; more use never makes it later."""
    at = standing(
        days_ago, km=km, rides=rides, days=days, every_km=every_km, every_rides=every_rides
    )
    if at.due:
        assert at.next_service_at <= NOW + timedelta(seconds=1)
    else:
        assert at.next_service_at > NOW - timedelta(seconds=1)
    more = standing(
        days_ago, km=km + 1, rides=rides + 1, days=days, every_km=every_km,
        every_rides=every_rides,
    )  # fmt: skip
    assert more.next_service_at <= at.next_service_at + timedelta(seconds=1)
    assert set(at.due) <= set(more.due)


STATES = st.sampled_from(["open", "assigned", "in_progress", "done", "cancelled"])


@given(state=STATES, wanted=st.none() | STATES, assignee=st.none() | st.just("Mia"))
def test_a_closed_ticket_stays_closed(state: str, wanted: str | None, assignee: str | None) -> None:
    """Nothing leads out of done and cancelled; assigned always has somebody."""
    try:
        after = maintenance.next_state(state, wanted, assignee)
    except TicketClosed:
        assert state in ("done", "cancelled")
    except Conflict:
        assert wanted == "assigned"
        assert not assignee
    else:
        assert after == (wanted or after)
        assert state not in ("done", "cancelled") or after == state
        assert after != "assigned" or assignee


def test_an_assignee_makes_a_ticket_assigned() -> None:
    assert maintenance.next_state("open", None, "Mia") == "assigned"
    assert maintenance.next_state("assigned", None, None) == "open"
    assert maintenance.next_state("in_progress", None, "Mia") == "in_progress"


def test_serious_kinds_are_safety_critical() -> None:
    for kind in ("brakes", "lights", "tyre", "lock"):
        assert maintenance.severity_of(kind) == "safety"
    assert maintenance.severity_of("damage") == "normal"
    assert maintenance.severity_of("damage", is_unsafe=True) == "safety"
    assert maintenance.worse("low", "safety") == maintenance.worse("safety", "high") == "safety"


@given(reasons=st.sets(st.sampled_from(["staff", "battery"])))
def test_staffs_word_outweighs_all_but_safety(reasons: set[str]) -> None:
    assert maintenance.out_by_staff(sorted(reasons), "available") == []
    assert set(maintenance.out_by_staff(sorted(reasons), "maintenance")) == reasons | {"staff"}
    with pytest.raises(SafetyTicketOpen):
        maintenance.out_by_staff([*reasons, "ticket"], "available")


def test_costs_are_whole_cents() -> None:
    assert maintenance.labour_minor(50, 4_500) == 3_750
    assert maintenance.labour_minor(1, 4_550) == 76  # 75.83
    parts = [Part(name="Tyre", quantity=2, unit_cost_minor=1_299), Part(name="Valve")]
    assert maintenance.parts_minor(parts) == 2_598


@given(text=st.text(max_size=30))
def test_texts_are_for_people(text: str) -> None:
    """No control characters reach the database, and line breaks do."""
    try:
        maintenance.check_text("description", text, 20)
    except Invalid:
        assert len(text) > 20 or any(not c.isprintable() for c in text)
    else:
        assert "\x00" not in text
    maintenance.check_text("description", "Zeile 1\nZeile 2", 20)


def test_availability_is_a_part_of_the_fleets_time() -> None:
    assert maintenance.availability(3_600, 2, 7_200) == 0.75
    assert maintenance.availability(0, 0, 7_200) == 1
    assert maintenance.availability(99_999, 1, 1) == 0
