"""Many zones at once: a GeoJSON file, or a city's policy. All of them are written, or none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet.actions.zones import (
    LOCK,
    WRITE,
    Wanted,
    finish,
    known_zone,
    sound,
    write,
)
from fahrwerk.fleet.contract.zones import (
    BadZones,
    FeatureProblem,
    PolicyOutcome,
    PolicyZone,
    Zone,
    ZoneImport,
)
from fahrwerk.fleet.queries.zones import ZONE_COLUMNS, read_zone
from fahrwerk.fleet.rules import zones as zone_rules
from fahrwerk.fleet.rules.geojson import MOST_PROBLEMS, read_collection
from fahrwerk.kernel import db, ids
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

IMPORT_BYTES = 10_000_000
MOST_POLICY_ZONES = 2_000

_THESE = f"SELECT {ZONE_COLUMNS} FROM fleet.zone WHERE id = ANY($1)"


async def import_zones(call: Call, dry_run: bool, geojson: bytes) -> ZoneImport:
    call.require(WRITE)
    if len(geojson) > IMPORT_BYTES:
        raise Invalid(field="body", issue=f"must have at most {IMPORT_BYTES:,} bytes")
    wanted, problems, features = await asyncio.to_thread(read_collection, geojson, call.currency)
    named = [each.zone_id for each in wanted if each.zone_id is not None]
    known = {zone.id: zone for zone in map(read_zone, await db.run("fleet", call, _THESE, named))}
    for each in wanted:
        if (issue := _unwritable(each.zone_id, known)) is not None:
            problems.append(FeatureProblem(each.number, each.rules.name, "id", issue))
    problems.sort(key=lambda problem: problem.feature)
    done = ZoneImport(
        features, sum(each.zone_id is None for each in wanted),
        sum(each.zone_id in known for each in wanted), len(problems), problems[:MOST_PROBLEMS],
        dry_run,
    )  # fmt: skip
    if dry_run:
        return done
    if problems:
        raise BadZones(**msgspec.to_builtins(done))
    async with db.tx("fleet", call) as tx:
        await tx.run(LOCK)
        for each in wanted:
            new = Wanted(each.zone_id or ids.new(), each.rules, each.polygons)
            before = await known_zone(tx, new.zone_id)
            if before is None:
                await write(tx, call, new, "created")
            elif not zone_rules.is_same(before, new.rules, new.polygons):
                await write(tx, call, new, "restored" if before.is_deleted else "replaced")
        await finish(tx, call)
    return done


def _unwritable(zone_id: UUID | None, known: dict[UUID, Zone]) -> str | None:
    """Why a feature cannot be written, where that is its id's fault."""
    if zone_id is None:
        return None
    if zone_id not in known:
        return "there is no such zone; leave the id out for a new one"
    return "belongs to a city's policy" if known[zone_id].source != "own" else None


_OF_SCOPE = f"""
SELECT {ZONE_COLUMNS} FROM fleet.zone
WHERE tenant_id = kernel.tenant() AND source = 'policy' AND scope = $1 FOR UPDATE
"""


async def put_policy_zones(
    call: Call, scope: str, zones: list[PolicyZone], *, complete: bool = True
) -> PolicyOutcome:
    call.require(WRITE)
    wanted = await _policy_zones(call, scope, zones)
    counts = dict.fromkeys(("created", "replaced", "deleted", "unchanged"), 0)
    async with db.tx("fleet", call) as tx:
        await tx.run(LOCK)
        known = {zone.external_id: zone for zone in map(read_zone, await tx.run(_OF_SCOPE, scope))}
        for name, each in wanted.items():
            before = known.pop(name, None)
            if before is None:
                await write(tx, call, each, "created")
                counts["created"] += 1
            elif zone_rules.is_same(before, each.rules, each.polygons):
                counts["unchanged"] += 1
            else:
                await write(tx, call, each, "restored" if before.is_deleted else "replaced")
                counts["replaced"] += 1
        for gone in known.values() if complete else ():
            if not gone.is_deleted:
                await write(tx, call, Wanted(gone.id, gone.rules, gone.polygons), "deleted")
                counts["deleted"] += 1
        if len(wanted) > counts["unchanged"] or counts["deleted"]:
            await finish(tx, call)
    return PolicyOutcome(**counts)


async def _policy_zones(call: Call, scope: str, zones: list[PolicyZone]) -> dict[str, Wanted]:
    """What is to be written, by the city's names for it, checked before anything is."""
    if not 1 <= len(scope) <= 200 or not scope.isprintable():
        raise Invalid(field="scope", issue="must have 1 to 200 printable characters")
    if len(zones) > MOST_POLICY_ZONES:
        raise Invalid(field="zones", issue=f"must be at most {MOST_POLICY_ZONES}")
    wanted: dict[str, Wanted] = {}
    for n, each in enumerate(zones):
        name = each.external_id
        if not 1 <= len(name) <= 200 or not name.isprintable() or name in wanted:
            raise Invalid(field=f"zones[{n}].external_id", issue="must be there, and once")
        zone_rules.check_rules(each.rules, f"zones[{n}].rules")
        polygons = await sound(each.polygons, f"zones[{n}].polygons")
        zone_id = ids.derived("policy zone", call.tenant, scope, name)
        wanted[name] = Wanted(zone_id, each.rules, polygons, "policy", scope, name)
    return wanted
