"""The state machine of MDS 2.0: whatever the fleet does, each agency reads a legal story."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.feeds.rules import mds, places, states
from fahrwerk.kernel import ids

# The tables of the specification once more, typed off by themselves: from, event type, to.
_ANY = ("available", "elsewhere", "non_operational", "on_trip", "removed", "reserved")
MICROMOBILITY = {
    *(("available", t, "non_operational") for t in
      ("battery_low", "maintenance", "off_hours", "system_suspend", "unspecified")),
    ("available", "reservation_start", "reserved"),
    *((s, t, "non_contactable") for s in _ANY for t in ("comms_lost", "unspecified")),
    *((s, "unspecified", "non_operational") for s in ("non_contactable", "missing")),
    *((s, t, "removed") for s in ("available", "non_operational", "elsewhere") for t in
      ("compliance_pick_up", "maintenance_pick_up", "rebalance_pick_up", "agency_pick_up",
       "decommissioned", "unspecified")),
    *((s, t, "removed") for s in ("non_contactable", "missing") for t in
      ("agency_pick_up", "decommissioned", "unspecified")),
    *((s, "trip_start", "on_trip") for s in ("available", "reserved")),
    ("elsewhere", "trip_enter_jurisdiction", "on_trip"),
    *(("missing", "located", s) for s in _ANY),
    *(("non_contactable", "comms_restored", s) for s in _ANY),
    *(("non_contactable", t, "missing") for t in ("not_located", "unspecified")),
    *((s, "unspecified", t) for s in ("non_contactable", "missing") for t in
      ("elsewhere", "on_trip", "reserved")),
    *(("non_operational", t, "available") for t in
      ("battery_charged", "maintenance", "on_hours", "system_resume")),
    *((s, "unspecified", "available") for s in ("non_operational", "non_contactable", "missing")),
    ("on_trip", "changed_geographies", "on_trip"),
    ("on_trip", "trip_cancel", "available"),
    ("on_trip", "trip_end", "available"),
    ("on_trip", "trip_leave_jurisdiction", "elsewhere"),
    *((s, t, "available") for s in ("removed", "non_contactable", "missing") for t in
      ("agency_drop_off", "provider_drop_off")),
    ("reserved", "reservation_cancel", "available"),
}  # fmt: skip
_ALL = (*_ANY, "stopped")
CAR_SHARE = {
    *((s, "trip_leave_jurisdiction", "elsewhere") for s in
      ("available", "non_operational", "on_trip", "reserved")),
    *((s, "comms_lost", "non_contactable") for s in _ALL),
    ("available", "service_end", "non_operational"),
    ("available", "reservation_start", "reserved"),
    *(("elsewhere", "trip_enter_jurisdiction", s) for s in
      ("available", "non_operational", "on_trip", "reserved")),
    *(("non_contactable", "comms_restored", s) for s in _ALL),
    ("non_operational", "service_start", "available"),
    *(("non_operational", t, "removed") for t in
      ("decommissioned", "maintenance_pick_up", "maintenance")),
    ("on_trip", "trip_stop", "stopped"),
    *(("removed", t, "non_operational") for t in ("maintenance_end", "recommissioned")),
    *((s, t, "available") for s in ("reserved", "stopped") for t in
      ("driver_cancellation", "customer_cancellation", "provider_cancellation")),
    ("reserved", "reservation_stop", "stopped"),
    ("stopped", "trip_end", "available"),
    ("stopped", "trip_resume", "on_trip"),
    ("stopped", "trip_start", "on_trip"),
    *(("stopped", f"{what}_{edge}", "stopped") for what in ("charging", "fueling", "remote")
      for edge in ("start", "end")),
}  # fmt: skip
TABLES = {"micromobility": MICROMOBILITY, "car-share": CAR_SHARE}
TRIP_NEEDED = {
    "micromobility": {"trip_start", "trip_end", "trip_cancel", "trip_enter_jurisdiction",
                      "trip_leave_jurisdiction"},
    "car-share": {"reservation_start", "reservation_stop", "trip_start", "trip_resume",
                  "trip_stop", "trip_end", "customer_cancellation", "provider_cancellation",
                  "driver_cancellation"},
}  # fmt: skip
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SQUARE = places.area([[[(13.0, 52.0), (14.0, 52.0), (14.0, 53.0), (13.0, 53.0), (13.0, 52.0)]]])


def may_lead(mode: str, state: str, types: tuple[str, ...]) -> set[str]:
    """All states that these event types may lead to, by the specification's table."""
    now = {state}
    for each in types:
        now = {to for s, kind, to in TABLES[mode] if s in now and kind == each}
    return now


def test_the_tables_are_the_specifications() -> None:
    for mode, table in TABLES.items():
        ours = {(s, kind, to) for s, edges in states.EDGES[mode].items() for kind, to in edges}
        assert ours == table


@given(st.sampled_from(sorted(TABLES)), st.data())
def test_there_is_a_legal_way_from_each_state_to_each(mode: str, data: st.DataObject) -> None:
    known = sorted({s for s, _, _ in TABLES[mode]} - {"missing"})
    state, target = data.draw(st.sampled_from(known)), data.draw(st.sampled_from(known))
    types = states.way(mode, state, target, data.draw(st.booleans()))
    assert target in may_lead(mode, state, types)


# What fleet can tell of a vehicle, by the status it is in: kind, status afterwards.
_NEXT = {
    "available": [("reserved", None), ("silent", None), ("changed", "maintenance"),
                  ("changed", "available"), ("moved", None), ("drained", "maintenance"),
                  ("retired", "retired")],
    "reserved": [("released", None), ("released", "offline"), ("started", None)],
    "in_use": [("paused", None), ("resumed", None), ("returned", "available"),
               ("returned", "offline"), ("returned", "maintenance"), ("cancelled", "available"),
               ("seen", None)],
    "maintenance": [("changed", "available"), ("changed", "offline"), ("moved", None),
                    ("changed", "maintenance"), ("charged", "available"), ("retired", "retired")],
    "offline": [("heard", None), ("changed", "maintenance"), ("moved", None),
                ("retired", "retired")],
    "retired": [("changed", "available"), ("changed", "maintenance"), ("changed", "offline"),
                ("moved", None), ("retired", "retired")],
}  # fmt: skip


@st.composite
def lives(draw: st.DrawFn) -> list[mds.Happening]:
    """What a vehicle goes through, at places within and without, some not known, clocks jumping."""
    vehicle, trip = ids.new(), None
    status, at, version, life = "available", NOW, 0, []
    for n in range(draw(st.integers(1, 25))):
        kind, after = ("created", None) if n == 0 else draw(st.sampled_from(_NEXT[status]))
        at += timedelta(seconds=draw(st.integers(-5, 600)))
        if kind == "reserved":
            trip = ids.new()
        place = draw(st.sampled_from([(52.5, 13.5), (51.0, 13.5), (52.5, 13.9), (None, None)]))
        version += kind != "seen"
        life.append(
            mds.Happening(
                vehicle_id=vehicle, version=version, kind=kind, at=at, trip_id=trip, status=after,
                latitude=place[0], longitude=place[1], battery_pct=draw(st.integers(0, 100)),
            )
        )  # fmt: skip
        status = mds.status_after(status, life[-1])
    return life


@given(lives(), st.sampled_from(sorted(TABLES)), st.booleans())
def test_every_life_of_a_vehicle_is_a_legal_story(
    life: list[mds.Happening], mode: str, is_bounded: bool
) -> None:
    """Issue 3, point 8: from the first event on, for agencies with and without a boundary; times
    grow, trips are named where they must be, and nothing lies outside the boundary."""
    boundary = SQUARE if is_bounded else None
    belief, told = mds.Belief(mode=mode), []
    for happening in life:
        if happening.kind == "seen":
            belief, events = mds.seen(belief, boundary, happening)
        else:
            belief, events = mds.follow(belief, boundary, [happening])
        told += events
    states_now = {"removed", "elsewhere"}  # unknown to the agency: not in its streets
    last = None
    for event in told:
        reached = {to for s in states_now for to in may_lead(mode, s, event.types)}
        assert event.state in reached, (states_now, event)
        states_now = {event.state}
        assert last is None or event.at > last
        last = event.at
        if TRIP_NEEDED[mode] & set(event.types):
            assert event.trip_id is not None, event
        assert boundary is None or places.within(boundary, event.latitude, event.longitude)
    if told:
        assert belief.state == told[-1].state
    assert len({(e.version, e.part) for e in told if e.version}) >= len(told) - sum(
        h.kind == "seen" for h in life
    )


@given(lives(), st.sampled_from(sorted(TABLES)))
def test_without_a_boundary_the_state_is_the_truth(life: list[mds.Happening], mode: str) -> None:
    """An agency that may see all believes every vehicle with a place in the state it is in."""
    placed = [_placed(h) for h in life if h.kind != "seen"]
    belief, _ = mds.follow(mds.Belief(mode=mode), None, placed)
    status = "available"
    for happening in placed:
        status = mds.status_after(status, happening)
    is_paused = mode == "car-share" and placed[-1].kind == "paused"
    assert belief.state == ("stopped" if is_paused else mds.STATE_OF[status])
    assert belief.status == status


def _placed(happening: mds.Happening) -> mds.Happening:
    return msgspec.structs.replace(happening, latitude=52.5, longitude=13.5)


@given(lives(), st.sampled_from(sorted(TABLES)), st.integers(0, 25))
def test_following_twice_changes_nothing(life: list[mds.Happening], mode: str, cut: int) -> None:
    """A worker that died comes again with what was told already: the story is the same."""
    life = [h for h in life if h.kind != "seen"]
    whole, told = mds.follow(mds.Belief(mode=mode), SQUARE, life)
    first, one = mds.follow(mds.Belief(mode=mode), SQUARE, life[:cut])
    second, two = mds.follow(first, SQUARE, life)
    assert (second, one + two) == (whole, told)


def test_a_ride_in_the_specifications_words() -> None:
    vehicle, trip = ids.new(), ids.new()

    def story(mode: str, *kinds: str) -> list[tuple[tuple[str, ...], str]]:
        life = [
            mds.Happening(
                vehicle_id=vehicle, version=n, kind=kind, at=NOW + timedelta(minutes=n),
                trip_id=trip, latitude=52.5, longitude=13.5,
            )
            for n, kind in enumerate(kinds, 1)
        ]  # fmt: skip
        return [(e.types, e.state) for e in mds.follow(mds.Belief(mode=mode), None, life)[1]]

    assert story("micromobility", "created", "reserved", "started", "paused", "returned") == [
        (("provider_drop_off",), "available"),
        (("reservation_start",), "reserved"),
        (("trip_start",), "on_trip"),
        (("trip_end",), "available"),
    ]
    assert story(
        "car-share", "created", "reserved", "started", "paused", "resumed", "returned"
    ) == [
        (("recommissioned", "service_start"), "available"),
        (("reservation_start",), "reserved"),
        (("reservation_stop", "trip_start"), "on_trip"),
        (("trip_stop",), "stopped"),
        (("trip_resume",), "on_trip"),
        (("trip_stop", "trip_end"), "available"),
    ]
    assert story("micromobility", "created", "drained", "charged")[1:] == [
        (("battery_low",), "non_operational"),
        (("battery_charged",), "available"),
    ]
    assert story("micromobility", "created", "moved")[1:] == [
        (("rebalance_pick_up",), "removed"),
        (("provider_drop_off",), "available"),
    ]


def test_a_trip_across_the_border() -> None:
    """It leaves, comes back, and ends outside: the agency learns where it left, and no more."""
    vehicle, trip = ids.new(), ids.new()
    n = 0

    def at(kind: str, latitude: float) -> mds.Happening:
        nonlocal n
        n += kind != "seen"
        return mds.Happening(
            vehicle_id=vehicle, version=n, kind=kind, at=NOW, trip_id=trip,
            latitude=latitude, longitude=13.5,
        )  # fmt: skip

    belief, told = mds.follow(
        mds.Belief(mode="micromobility"),
        SQUARE,
        [at("created", 52.5), at("reserved", 52.5), at("started", 52.5)],
    )
    for latitude in (52.1, 51.9, 51.5, 52.2, 51.0):
        belief, more = mds.seen(belief, SQUARE, at("seen", latitude))
        told += more
    belief, more = mds.follow(belief, SQUARE, [at("returned", 51.0)])
    assert [(e.types, e.state, e.latitude) for e in told[3:] + more] == [
        (("trip_leave_jurisdiction",), "elsewhere", 52.1),
        (("trip_enter_jurisdiction",), "on_trip", 52.2),
        (("trip_leave_jurisdiction",), "elsewhere", 52.2),
    ]
    assert all(e.trip_id == trip for e in told[3:])


def test_within_an_area_with_a_hole_and_an_island() -> None:
    ring = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0), (0.0, 0.0)]
    hole = [(4.0, 4.0), (4.0, 6.0), (6.0, 6.0), (6.0, 4.0), (4.0, 4.0)]
    island = [(20.0, 20.0), (21.0, 20.0), (20.0, 21.0), (20.0, 20.0)]
    area = places.area([[ring, hole], [island]])
    inside = [(1, 1), (9, 5), (3, 5), (20.2, 20.2)]
    outside = [(5, 5), (11, 5), (-1, 5), (20.9, 20.9), (15, 15)]
    assert all(places.within(area, lat, lon) for lat, lon in inside)
    assert not any(places.within(area, lat, lon) for lat, lon in outside)


def test_out_of_the_fleet_and_back_in_the_specifications_words() -> None:
    """Retired is decommissioned, from wherever a vehicle stood."""
    said = {}
    for mode in TABLES:
        for before in ("available", "maintenance", "offline"):
            life = [
                ("created", "available"), ("changed", before), ("retired", "retired"),
                ("moved", None), ("changed", "available"),
            ]  # fmt: skip
            vehicle = ids.new()
            happenings = [
                mds.Happening(
                    vehicle_id=vehicle, version=n, kind=kind, status=status, latitude=52.5,
                    longitude=13.5, at=NOW + timedelta(minutes=n),
                )
                for n, (kind, status) in enumerate(life, 1)
            ]  # fmt: skip
            belief, told = mds.follow(mds.Belief(mode=mode), None, happenings)
            assert belief.state == "available"
            by_version = {event.version: (event.types, event.state) for event in told}
            assert 4 not in by_version, "what is put elsewhere in the yard is nobody's news"
            said[mode, before] = (by_version[3], by_version[5])
    scooter = ((("decommissioned",), "removed"), (("provider_drop_off",), "available"))
    assert {said["micromobility", each] for each in ("available", "maintenance", "offline")} == {
        scooter
    }
    back = (("recommissioned", "service_start"), "available")
    assert said["car-share", "available"] == ((("service_end", "decommissioned"), "removed"), back)
    assert said["car-share", "maintenance"] == ((("decommissioned",), "removed"), back)
    assert said["car-share", "offline"] == ((("comms_restored", "decommissioned"), "removed"), back)
