"""How readings become rows: sorted out, believed within reason, stored; a transaction an operator.

Whoever stores readings of a vehicle holds its row of ``fleet.intake`` meanwhile: it says what has
been heard of it. So two writers of the same vehicle wait for each other, and all others do not.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from prometheus_client import Counter

from fahrwerk.fleet.contract import Measured
from fahrwerk.fleet.rules import intake
from fahrwerk.kernel import clock, db, geo
from fahrwerk.kernel.call import Call, system

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from fahrwerk.fleet.protocols.fahrwerk_mqtt import Reading

odd = Counter("fahrwerk_telemetry_odd", "Readings that are not as they should be", ["kind"])
"""duplicate, late, bad_clock, null_island, jump; missing: a gap in the numbers opened, recovered:
what was missing came after all."""

_DAY_US = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


# --- readings as columns


class Batch(NamedTuple):
    """Readings as columns, as they travel to the database: no object a reading on the way."""

    by_vehicle: dict[UUID, list[int]]
    """Positions in the columns."""
    columns: dict[str, list[Any]]


_MEASURED = tuple(name for name in Measured.__struct_fields__ if name not in ("vehicle_id", "time"))
_AS_HEARD = {"is_locked": "locked", "is_tipped": "tipped", "sequence": "seq"}


def heard(said: Iterable[tuple[UUID, list[Reading]]]) -> Batch:
    """What vehicles said in our own protocol."""
    by_vehicle: dict[UUID, list[int]] = {}
    readings: list[Reading] = []
    for vehicle_id, own in said:
        first = len(readings)
        readings += own
        by_vehicle.setdefault(vehicle_id, []).extend(range(first, len(readings)))
    columns = {
        name: [getattr(each, field) for each in readings]
        for name in _MEASURED
        for field in (_AS_HEARD.get(name, name),)
    }
    columns["time_us"] = [each.time * 1000 for each in readings]
    return Batch(by_vehicle, columns)


def measured(readings: Sequence[Measured]) -> Batch:
    """What others say, or say for them."""
    by_vehicle: dict[UUID, list[int]] = defaultdict(list)
    for at, each in enumerate(readings):
        by_vehicle[each.vehicle_id].append(at)
    columns = {name: [getattr(each, name) for each in readings] for name in _MEASURED}
    columns["time_us"] = [(each.time - _EPOCH) // _US for each in readings]
    return Batch(by_vehicle, columns)


# --- sorted out


class _Vehicle(msgspec.Struct, gc=False):
    """What is known of one vehicle's readings, and what this batch adds."""

    state: intake.State
    places: intake.Places
    kept: list[int] = []
    """Positions of new readings, oldest first."""
    duplicates: int = 0
    late: int = 0
    bad_clock: int = 0


_STATE = msgspec.json.Decoder(intake.State)
_HOLD = """
SELECT vehicle_id, state FROM fleet.intake
WHERE tenant_id = kernel.tenant() AND vehicle_id = ANY($1)
ORDER BY vehicle_id FOR NO KEY UPDATE
"""
_BEGIN = """
INSERT INTO fleet.intake (vehicle_id)
SELECT id FROM fleet.vehicle WHERE id = ANY($1) ORDER BY id ON CONFLICT DO NOTHING
"""


async def _hold(tx: db.Tx, vehicle_ids: list[UUID]) -> dict[UUID, _Vehicle]:
    """What is known of these vehicles; until this transaction ends, nobody else stores theirs."""
    # Not as text: in a condition it would be read again for each row.
    rows = await tx.run(_HOLD, vehicle_ids)
    if len(rows) < len(vehicle_ids):
        await tx.run(_BEGIN, vehicle_ids)
        rows = await tx.run(_HOLD, vehicle_ids)
    found: dict[UUID, _Vehicle] = {}
    for vehicle_id, text in rows:
        state = _STATE.decode(text)
        found[vehicle_id] = _Vehicle(state, intake.Places(state))
    return found


_KNOWN = """
SELECT DISTINCT ON (r.at) r.at
FROM unnest($1::int4[], $2::uuid[], $3::int8[], $4::int8[], $5::int8[])
     AS r (at, vehicle_id, time_us, boot, sequence)
JOIN fleet.telemetry t ON t.tenant_id = kernel.tenant() AND t.vehicle_id = r.vehicle_id
     AND t.time = to_timestamp(r.time_us / 1e6)
     AND t.boot IS NOT DISTINCT FROM r.boot AND t.sequence IS NOT DISTINCT FROM r.sequence
"""


async def _sort_out(
    tx: db.Tx, by_vehicle: dict[UUID, list[int]], vehicles: dict[UUID, _Vehicle], c: _Columns
) -> None:
    """Fill in which readings are new."""
    unsure: list[tuple[int, UUID]] = []
    before = sum(_missing(each) for each in vehicles.values())
    for vehicle_id, own in by_vehicle.items():
        vehicle = vehicles[vehicle_id]
        numbers = [(c.boot[at], c.sequence[at], c.time_us[at]) for at in own]
        # Devices without numbers: what is newer than all there is cannot be known.
        fresh: set[tuple[int | None, ...]] = set()
        for at, number, is_new in zip(
            own, numbers, intake.sort_out(vehicle.state.boots, numbers), strict=True
        ):
            if is_new is None and number[2] > vehicle.state.newest_us:
                is_new = number not in fresh
                fresh.add(number)
            if is_new is None:
                unsure.append((at, vehicle_id))
            elif is_new:
                vehicle.kept.append(at)
            else:
                vehicle.duplicates += 1
    change = sum(_missing(each) for each in vehicles.values()) - before
    odd.labels("missing" if change > 0 else "recovered").inc(abs(change))
    if unsure:
        await _look_up(tx, unsure, vehicles, c)


async def _look_up(
    tx: db.Tx, unsure: list[tuple[int, UUID]], vehicles: dict[UUID, _Vehicle], c: _Columns
) -> None:
    at, of = [each[0] for each in unsure], [each[1] for each in unsure]
    columns = ([column[n] for n in at] for column in (c.time_us, c.boot, c.sequence))
    known = {row["at"] for row in await tx.run(_KNOWN, at, of, *columns)}
    seen: set[tuple[Any, ...]] = set()
    for n, vehicle_id in unsure:
        name = (vehicle_id, c.time_us[n], c.boot[n], c.sequence[n])
        if n in known or name in seen:
            vehicles[vehicle_id].duplicates += 1
        else:
            vehicles[vehicle_id].kept.append(n)
        seen.add(name)


def _missing(vehicle: _Vehicle) -> int:
    return sum(
        intake.missing(each) + each.forgotten for each in vehicle.state.boots if each.missing
    )


class _Columns(NamedTuple):
    """The columns that are looked at before they are stored; times and places as believed."""

    time_us: list[int]
    boot: list[int | None]
    sequence: list[int | None]
    latitude: list[float | None]
    longitude: list[float | None]
    doubted_latitude: list[float | None]
    doubted_longitude: list[float | None]


def _believe(vehicle: _Vehicle, c: _Columns) -> None:
    """Put a vehicle's new readings in order, and take out the places that cannot be right."""
    kept, times, places = vehicle.kept, c.time_us, vehicle.places
    kept.sort(key=times.__getitem__)
    before_us = vehicle.state.newest_us
    for at in kept:
        if times[at] < before_us:
            vehicle.late += 1
        latitude, longitude = c.latitude[at], c.longitude[at]
        if latitude is None or longitude is None:
            continue
        if not places.takes(latitude, longitude, times[at]):
            c.doubted_latitude[at], c.doubted_longitude[at] = latitude, longitude
            c.latitude[at] = c.longitude[at] = None
    if kept:
        vehicle.state.newest_us = max(before_us, times[kept[-1]])


# --- stored


_NEWER = "heard.time > coalesce(v.measured_at, '-infinity')"
_LIVE = {
    "latitude": "float8", "longitude": "float8", "accuracy_m": "float8", "speed_kmh": "float8",
    "battery_level": "float8", "voltage": "float8", "temperature": "float8",
    "signal_strength": "float8", "is_locked": "bool", "odometer_m": "float8", "is_tipped": "bool",
    "cell": "int8",
}  # fmt: skip
_ROUNDED = {"battery_level": "int2", "signal_strength": "int2", "odometer_m": "int8"}
_STORED = {
    "latitude": "float8", "longitude": "float8", "speed_kmh": "float4", "battery_level": "float8",
    "temperature": "float4", "signal_strength": "float8", "odometer_m": "float8",
    "is_tipped": "bool", "boot": "int8", "sequence": "int8", "doubted_latitude": "float8",
    "doubted_longitude": "float8",
}  # fmt: skip
_COUNTS = ("readings", "duplicates", "late", "bad_clock", "null_island", "jumps")


def _unnest(first: int, *types: str) -> str:
    numbered = (f"${first + n}::text::{kind}[]" for n, kind in enumerate(types))
    return f"unnest({', '.join(numbered)})"


def _array(values: Sequence[Any]) -> str:
    """A column as PostgreSQL's text of an array. Written by msgspec and read by the server it costs
    both together half of what asyncpg's binary arrays cost (measured: 60 against 125 ns a value);
    null is NULL, and what else JSON writes PostgreSQL reads: no text of anybody's is in here."""
    return "{" + msgspec.json.encode(values)[1:-1].decode() + "}"


def _value(name: str) -> str:
    return f"heard.{name}::{_ROUNDED[name]}" if name in _ROUNDED else f"heard.{name}"


_SET = ",\n        ".join(
    f"{name} = CASE WHEN {_NEWER} THEN coalesce({_value(name)}, v.{name}) ELSE v.{name} END"
    for name in _LIVE
)
_STORE = f"""
WITH stored AS (
    INSERT INTO fleet.telemetry (vehicle_id, time, {", ".join(_STORED)})
    SELECT ((SELECT $1::text::uuid[]))[heard.vehicle], to_timestamp(heard.time_us / 1e6),
           {", ".join(_value(name) for name in _STORED)}
    FROM {_unnest(2, "int4", "int8", *_STORED.values())}
         AS heard (vehicle, time_us, {", ".join(_STORED)})
), known AS (
    UPDATE fleet.intake i
    SET state = heard.state::json,
        {", ".join(f"{name} = i.{name} + heard.{name}" for name in _COUNTS)}
    FROM {_unnest(16, "uuid", "text", *["int4"] * len(_COUNTS))}
         AS heard (vehicle_id, state, {", ".join(_COUNTS)})
    WHERE i.tenant_id = kernel.tenant() AND i.vehicle_id = heard.vehicle_id
), live AS (
    UPDATE fleet.vehicle v
    SET last_seen_at = kernel.now(), measured_at = greatest(v.measured_at, heard.time),
        address = CASE WHEN {_NEWER} AND heard.cell <> v.cell THEN NULL ELSE v.address END,
        discharged_pct = v.discharged_pct + CASE
            WHEN {_NEWER} AND {_value("battery_level")} < v.battery_low
            THEN v.battery_low - {_value("battery_level")} ELSE 0 END,
        battery_low = CASE
            WHEN NOT ({_NEWER}) OR heard.battery_level IS NULL THEN v.battery_low
            WHEN v.battery_low IS NULL OR {_value("battery_level")} > v.battery_low + 5
            THEN {_value("battery_level")} -- charged, and more than the gauge wavers
            ELSE least(v.battery_low, {_value("battery_level")}) END,
        {_SET}
    FROM (SELECT *, to_timestamp(time_us / 1e6) AS time
          FROM {_unnest(24, "uuid", "int8", *_LIVE.values())}
          AS each (vehicle_id, time_us, {", ".join(_LIVE)})) AS heard
    WHERE v.tenant_id = kernel.tenant() AND v.id = heard.vehicle_id
    RETURNING v.id, v.status
)
SELECT array_agg(id) AS offline FROM live WHERE status = 'offline'
"""


class Kept(NamedTuple):
    """What became of one operator's readings."""

    stored: int
    gone: int
    """Of vehicles that do not exist any more."""
    locks: dict[UUID, bool]
    """What the locks say that said something."""
    offline: list[UUID]
    """Vehicles that were offline, and have just been heard."""


async def keep(call: Call, batch: Batch) -> Kept:
    """Store one operator's readings and bring its live state up to date: one transaction."""
    by_vehicle, given = batch
    columns, bad_clocks = _believed(by_vehicle, given["time_us"], given)
    await _open_days({columns.time_us[at] // _DAY_US for own in by_vehicle.values() for at in own})
    async with db.tx("fleet", call) as tx:
        vehicles = await _hold(tx, list(by_vehicle))
        gone = [own for vehicle_id, own in by_vehicle.items() if vehicle_id not in vehicles]
        by_vehicle = {v: own for v, own in by_vehicle.items() if v in vehicles}
        await _sort_out(tx, by_vehicle, vehicles, columns)
        for vehicle_id, vehicle in vehicles.items():
            vehicle.bad_clock = bad_clocks.get(vehicle_id, 0)
            _believe(vehicle, columns)
        now = {**given, **columns._asdict()}
        live = [_newest(vehicle.kept, now) for vehicle in vehicles.values()]
        whose = _array(list(vehicles))
        rows = map(_array, _rows(list(vehicles.values()), now))
        known = map(_array, zip(*map(_known, vehicles.values()), strict=True))
        newest = map(_array, zip(*live, strict=True))
        row = (
            await tx.one(_STORE, whose, *rows, whose, *known, whose, *newest) if vehicles else None
        )
    _count(vehicles.values())
    locks = zip(vehicles, (each[_LOCK] for each in live), strict=True)
    return Kept(
        sum(len(each.kept) for each in vehicles.values()),
        sum(map(len, gone)),
        {vehicle_id: is_locked for vehicle_id, is_locked in locks if is_locked is not None},
        (row and row["offline"]) or [],
    )


def _believed(
    by_vehicle: dict[UUID, list[int]], claimed_us: list[int], given: dict[str, list[Any]]
) -> tuple[_Columns, dict[UUID, int]]:
    """The columns with times as believed, and whose clock was wrong how often."""
    received_us = (clock.now() - _EPOCH) // _US
    bad: dict[UUID, int] = {}
    if max(claimed_us) > received_us or min(claimed_us) < received_us - intake.LATE_US:
        claimed_us = claimed_us.copy()
        for vehicle_id, own in by_vehicle.items():
            times, count = intake.believed_times([claimed_us[at] for at in own], received_us)
            for at, time_us in zip(own, times, strict=True):
                claimed_us[at] = time_us
            if count:
                bad[vehicle_id] = count
    nowhere: list[float | None] = [None] * len(claimed_us)
    columns = _Columns(
        claimed_us, given["boot"], given["sequence"], given["latitude"].copy(),
        given["longitude"].copy(), nowhere, nowhere.copy(),
    )  # fmt: skip
    return columns, bad


def _rows(vehicles: list[_Vehicle], now: dict[str, list[Any]]) -> list[list[Any]]:
    """The columns of the new readings: whose (from 1), when, and what is stored of it."""
    kept = [at for vehicle in vehicles for at in vehicle.kept]
    whose = [n for n, vehicle in enumerate(vehicles, 1) for _ in vehicle.kept]
    names = ("time_us", *_STORED)
    if kept == list(range(len(now["time_us"]))):
        return [whose, *(now[name] for name in names)]
    return [whose, *([column[at] for at in kept] for column in map(now.__getitem__, names))]


_MEASUREMENTS = tuple(_LIVE)[:-1]
_LOCK = 1 + _MEASUREMENTS.index("is_locked")


def _newest(kept: list[int], now: dict[str, list[Any]]) -> list[Any]:
    """The newest of each measurement, behind the time of the newest reading; then the cell."""
    if not kept:
        return [None] * (2 + len(_MEASUREMENTS))
    found: list[Any] = [now["time_us"][kept[-1]]]
    for name in _MEASUREMENTS:
        column = now[name]
        value = column[kept[-1]]
        if value is None:
            for at in reversed(kept):
                if (value := column[at]) is not None:
                    break
        found.append(value)
    _, latitude, longitude, *_ = found
    found.append(None if latitude is None else geo.cell(latitude, longitude))
    return found


def _known(vehicle: _Vehicle) -> tuple[Any, ...]:
    """The state, and ``_COUNTS``."""
    return (
        msgspec.json.encode(vehicle.state).decode(), len(vehicle.kept), vehicle.duplicates,
        vehicle.late, vehicle.bad_clock, vehicle.places.null_island, vehicle.places.jumps,
    )  # fmt: skip


def _count(vehicles: Iterable[_Vehicle]) -> None:
    for vehicle in vehicles:
        for kind, count in (
            ("duplicate", vehicle.duplicates), ("late", vehicle.late),
            ("bad_clock", vehicle.bad_clock), ("null_island", vehicle.places.null_island),
            ("jump", vehicle.places.jumps),
        ):  # fmt: skip
            if count:
                odd.labels(kind).inc(count)


_open: set[int] = set()
_OPEN_DAYS = "SELECT fleet.open_telemetry_days($1, $1)"


async def _open_days(days: set[int]) -> None:
    """See to it that these days (since 1970) have a partition: asked once per process."""
    for day in days - _open:
        await db.run(
            "fleet", system(None, "fleet"), _OPEN_DAYS, date(1970, 1, 1) + timedelta(days=day)
        )
        _open.add(day)
