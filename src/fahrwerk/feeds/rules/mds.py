"""From what happened to a vehicle to what an agency is told of it (MDS 2.0 Events). Pure.

Each agency has a story of its own: of what lies outside its area it learns nothing but that a
vehicle left or came, and still its story must keep to the state machine. So each step goes from
the state that *this* agency believes the vehicle in, to the one it should believe: by the event
types that fit what happened, or by the fewest that lead there.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.feeds.rules import places, states
from fahrwerk.feeds.rules.states import CAR_SHARE, IN_PUBLIC_SPACE, MICROMOBILITY
from fahrwerk.kernel import ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fahrwerk.fleet.contract import Standing

STATE_OF = {
    "available": "available",
    "reserved": "reserved",
    "in_use": "on_trip",
    "maintenance": "non_operational",
    "offline": "non_contactable",
    "retired": "removed",
}
"""vehicle_state of each of fleet's statuses."""
_STATUS_AFTER = {
    "created": "available",
    "reserved": "reserved",
    "released": "available",
    "started": "in_use",
    "paused": "in_use",
    "resumed": "in_use",
    "returned": "available",
    "cancelled": "available",
    "silent": "offline",
    "heard": "available",
    "drained": "maintenance",
    "charged": "available",
    "retired": "retired",
}
"""Where the happening itself does not say."""

_TYPES: dict[str, dict[str, tuple[str, ...]]] = {
    MICROMOBILITY: {
        "created": ("provider_drop_off",),
        "reserved": ("reservation_start",),
        "released": ("reservation_cancel",),
        "started": ("trip_start",),
        "returned": ("trip_end",),
        "cancelled": ("trip_cancel",),
        "silent": ("comms_lost",),
        "heard": ("comms_restored",),
        "changed": ("maintenance",),
        "drained": ("battery_low",),
        "charged": ("battery_charged",),
        "retired": ("decommissioned",),
    },
    CAR_SHARE: {
        "created": ("recommissioned", "service_start"),
        "reserved": ("reservation_start",),
        "released": ("customer_cancellation",),
        "started": ("reservation_stop", "trip_start"),
        "paused": ("trip_stop",),
        "resumed": ("trip_resume",),
        "returned": ("trip_stop", "trip_end"),
        "cancelled": ("trip_stop", "provider_cancellation"),
        "silent": ("comms_lost",),
        "heard": ("comms_restored",),
        "retired": ("decommissioned",),
    },
}
"""What we say of a happening where it fits; otherwise a way is looked for."""
_THEN = {
    MICROMOBILITY: {"non_contactable": ("comms_lost",), "non_operational": ("maintenance",)},
    CAR_SHARE: {"non_contactable": ("comms_lost",), "non_operational": ("service_end",)},
}
"""And then, when a vehicle that came back cannot be rented."""
_PICK_UP = {
    MICROMOBILITY: ("rebalance_pick_up",),
    CAR_SHARE: ("service_end", "maintenance_pick_up"),
}
_LAST = {
    MICROMOBILITY: (),
    CAR_SHARE: (("service_end", "decommissioned"), ("comms_restored", "decommissioned")),
}
"""Ways to say that it is retired, where one word does not lead there."""
_AGAIN = {
    MICROMOBILITY: (("provider_drop_off",),),
    CAR_SHARE: (("recommissioned", "service_start"), ("recommissioned",)),
}
"""And that it is back."""
_DROP_OFF = {
    MICROMOBILITY: ("provider_drop_off",),
    CAR_SHARE: ("maintenance_end", "service_start"),
}
ONE_MS = timedelta(milliseconds=1)


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a vehicle, in the order of fleet's stream."""

    vehicle_id: UUID
    version: int
    kind: str
    at: datetime
    trip_id: UUID | None = None
    status: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    battery_pct: int | None = None


class Belief(msgspec.Struct, frozen=True, kw_only=True):
    """What an agency knows of a vehicle."""

    mode: str
    version: int = 0
    status: str = "available"
    state: str | None = None
    trip_id: UUID | None = None
    at: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None
    deployed_at: datetime | None = None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event for one agency."""

    vehicle_id: UUID
    version: int
    part: int
    """Counts the events of one happening."""
    state: str
    types: tuple[str, ...]
    at: datetime
    latitude: float
    longitude: float
    battery_pct: int | None
    trip_id: UUID | None


def keyed_id(key: bytes, *parts: object) -> UUID:
    """A UUID that only this house can link to what it was made from."""
    mac = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), key=key, digest_size=16)
    return ids.derived(mac.hexdigest())


def rider_mark(key: bytes, rider_id: UUID, at: datetime) -> str:
    """Under what a rider's trips of one month can be told from others'."""
    return keyed_id(key, "rider", rider_id, at.strftime("%Y-%m")).hex


def rider_marks(key: bytes, rider_id: UUID, until: datetime, months: int = 130) -> list[str]:
    """All marks of a rider, back as far as trips may be kept."""
    found, month = [], until.replace(day=1)
    for _ in range(months):
        found.append(rider_mark(key, rider_id, month))
        month = (month - timedelta(days=1)).replace(day=1)
    return found


def status_after(status: str, happening: Happening) -> str:
    """The vehicle's status in fleet's words, once this has happened."""
    return happening.status or _STATUS_AFTER.get(happening.kind, status)


class _Story:
    """One vehicle's way through the happenings, for one agency."""

    def __init__(self, belief: Belief, boundary: places.Area | None) -> None:
        self.belief = belief
        self.boundary = boundary
        self.told: list[Told] = []

    def is_inside(self, latitude: float, longitude: float) -> bool:
        return self.boundary is None or places.within(self.boundary, latitude, longitude)

    def know(self, **changes: object) -> None:
        self.belief = msgspec.structs.replace(self.belief, **changes)

    def tell(
        self, of: Happening, target: str, preferred: Iterable[tuple[str, ...]],
        place: tuple[float, float],
    ) -> None:  # fmt: skip
        """One event that leads the agency to ``target``, by the first preferred way that fits."""
        belief = self.belief
        # Who hears of a vehicle for the first time takes it for one that was not in the streets.
        state = belief.state or "removed"
        trip = of.trip_id or belief.trip_id
        fitting = (
            types
            for types in preferred
            if states.leads(belief.mode, state, types, target)
            and (trip is not None or not states.needs_trip(belief.mode, types))
        )
        types = next(fitting, None)
        if types is None:
            types = states.way(belief.mode, state, target, trip is not None)
        at = of.at if belief.at is None or of.at > belief.at else belief.at + ONE_MS
        if types:
            part = sum(each.version == of.version for each in self.told)
            self.told.append(
                Told(
                    vehicle_id=of.vehicle_id, version=of.version, part=part, state=target,
                    types=types, at=at, latitude=place[0], longitude=place[1],
                    battery_pct=of.battery_pct,
                    trip_id=trip if belief.trip_id or states.needs_trip(belief.mode, types)
                    else None,
                )
            )  # fmt: skip
            deployed = at if target in IN_PUBLIC_SPACE else belief.deployed_at
            self.know(state=target, at=at, deployed_at=deployed)

    def take(self, happening: Happening) -> None:
        """Follow one happening."""
        belief = self.belief
        status = status_after(belief.status, happening)
        self.know(version=happening.version)
        if happening.kind in ("started", "paused", "resumed"):
            self.know(trip_id=happening.trip_id or belief.trip_id)
        latitude, longitude = happening.latitude, happening.longitude
        if latitude is None or longitude is None:
            latitude, longitude = belief.latitude, belief.longitude
        if latitude is not None and longitude is not None:
            self._take_at(happening, status, (latitude, longitude))
        self.know(status=status)
        if status not in ("in_use", "reserved"):
            self.know(trip_id=None)

    def _take_at(self, happening: Happening, status: str, place: tuple[float, float]) -> None:
        belief, kind = self.belief, happening.kind
        if kind == "moved":
            self._pick_up(happening)
        if not self.is_inside(*place):
            self._outside(happening)
            return
        target = STATE_OF[status]
        if kind == "paused" and belief.mode == CAR_SHARE:
            target = "stopped"
        elif kind in ("paused", "resumed") and belief.mode == MICROMOBILITY:
            target = "on_trip"
        self.tell(happening, target, _preferred(belief.mode, kind, self.belief, target), place)
        self.know(latitude=place[0], longitude=place[1])

    def _pick_up(self, happening: Happening) -> None:
        """Staff took the vehicle from where the agency saw it last."""
        belief = self.belief
        if belief.state in ("available", "non_operational", "non_contactable"):
            assert belief.latitude is not None  # noqa: S101 - it was told with a place
            assert belief.longitude is not None  # noqa: S101
            ways = [_PICK_UP[belief.mode], ("maintenance_pick_up",), ("unspecified",)]
            self.tell(happening, "removed", ways, (belief.latitude, belief.longitude))

    def _outside(self, happening: Happening) -> None:
        """It is out of the area: the agency learns no more than that, and where it left."""
        belief = self.belief
        if belief.state is None:
            self.know(state="elsewhere")  # without a word: there is nothing to leave
        elif belief.state not in ("removed", "elsewhere"):
            assert belief.latitude is not None  # noqa: S101 - it was told with a place
            assert belief.longitude is not None  # noqa: S101
            left = (belief.latitude, belief.longitude)
            ways = [("trip_leave_jurisdiction",), ("trip_stop", "trip_leave_jurisdiction")]
            self.tell(happening, "elsewhere", ways, left)


def _preferred(mode: str, kind: str, belief: Belief, target: str) -> list[tuple[str, ...]]:
    """Ways of saying what happened, best first."""
    first = _DROP_OFF[mode] if kind == "moved" else _TYPES[mode].get(kind, ())
    ways = [first] if first else []
    ways += [(*first, *_THEN[mode][target])] if target in _THEN[mode] else []
    if belief.state == "elsewhere":
        came = ("trip_enter_jurisdiction",)
        ways = [(*came, *each) for each in ways] + [came, (*_PICK_UP[mode], *_DROP_OFF[mode])]
    if kind == "retired":
        ways += _LAST[mode]
    elif belief.status == "retired":
        ways = [*_AGAIN[mode], *ways]
    if mode == CAR_SHARE:
        ways += [("trip_end",), ("trip_start",), ("provider_cancellation",), ("trip_resume",)]
        ways += [("service_start",), ("service_end",)]
    return ways


def follow(
    belief: Belief, boundary: places.Area | None, happenings: Iterable[Happening]
) -> tuple[Belief, list[Told]]:
    """What an agency is told of these happenings, and what it then knows.

    Happenings are in order; those it was told before are passed over.
    """
    story = _Story(belief, boundary)
    for happening in happenings:
        if happening.version > story.belief.version:
            story.take(happening)
    return story.belief, story.told


def seen(
    belief: Belief, boundary: places.Area | None, sight: Happening
) -> tuple[Belief, list[Told]]:
    """A vehicle under way is looked at: whether it has crossed the border since.

    ``sight`` has the belief's version; ``kind`` says nothing here.
    """
    story = _Story(belief, boundary)
    latitude, longitude = sight.latitude, sight.longitude
    if latitude is None or longitude is None or belief.state is None or belief.status != "in_use":
        return belief, []
    if not story.is_inside(latitude, longitude):
        story._outside(sight)
        return story.belief, story.told
    if belief.state == "elsewhere":
        ways = [("trip_enter_jurisdiction",)]
        story.tell(sight, "on_trip", ways, (latitude, longitude))
    story.know(latitude=latitude, longitude=longitude)
    return story.belief, story.told


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What an agency believes against what is; all numbers are vehicles."""

    vehicles: int
    """In truth: with a place."""
    shown: int
    """That it was told of."""
    missing: int
    strange: int
    """That no operator has."""
    wrong: int
    """In another state than they are in."""
    waiting: int
    """Of which something is still to be told; not judged."""

    @property
    def differences(self) -> int:
        """0 when it knows what is."""
        return self.missing + self.strange + self.wrong


class Shown(msgspec.Struct, frozen=True, gc=False):
    """One vehicle as an agency believes it to be."""

    vehicle_id: UUID
    state: str | None
    is_waiting: bool


def compared(
    before: Iterable[Standing], after: Iterable[Standing], shown: Iterable[Shown],
    is_bounded: bool,
) -> Compared:  # fmt: skip
    """An agency's states against the truth read just before and just after them.

    With a boundary, what it was not told of, or what left, is not judged: it may be elsewhere.
    """
    earlier = {each.id: each for each in before}
    truth = {e.id: e for e in after if earlier.get(e.id) == e}
    moving = earlier.keys() - truth.keys()
    listed = {each.vehicle_id: each for each in shown}
    waiting = {each.vehicle_id for each in listed.values() if each.is_waiting} | moving
    told = {v: s.state for v, s in listed.items() if s.state is not None}
    placed = {v for v, e in truth.items() if e.is_placed and e.status != "retired"}
    wrong = 0
    for vehicle_id, state in told.items():
        if vehicle_id in waiting or vehicle_id not in truth:
            continue
        expected = STATE_OF[truth[vehicle_id].status]
        states_then = {expected, "stopped"} if expected == "on_trip" else {expected}
        if is_bounded:
            states_then |= {"elsewhere", "removed"}
        wrong += state not in states_then
    return Compared(
        vehicles=len(placed),
        shown=len(told),
        missing=0 if is_bounded else len(placed - told.keys() - waiting),
        strange=len(told.keys() - truth.keys() - waiting),
        wrong=wrong,
        waiting=len(waiting),
    )
