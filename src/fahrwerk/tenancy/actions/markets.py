"""Areas and market rules are made and ended. What held when can always be said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.kernel import audit, clock, db
from fahrwerk.kernel.errors import Invalid
from fahrwerk.tenancy.actions.setup import step_done
from fahrwerk.tenancy.contract.markets import (
    Area,
    AreaInUse,
    Market,
    UnknownArea,
    UnknownMarket,
)
from fahrwerk.tenancy.queries import CHANGED
from fahrwerk.tenancy.queries.markets import AREA_COLUMNS, MARKET_COLUMNS, changed
from fahrwerk.tenancy.rules import markets as rules

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call

MOST_AREAS = 500
MOST_MARKETS = 5_000
_MAY = "tenancy.operator.change"

_SAVE_AREA = f"""
INSERT INTO tenancy.area ({AREA_COLUMNS}, created_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
WHERE (SELECT count(*) FROM tenancy.area WHERE id <> $1) < {MOST_AREAS}
ON CONFLICT (tenant_id, id) DO UPDATE
SET name = excluded.name, country = excluded.country, south = excluded.south,
    west = excluded.west, north = excluded.north, east = excluded.east
RETURNING id
"""
_AREA = f"SELECT {AREA_COLUMNS} FROM tenancy.area WHERE id = $1 FOR UPDATE"
_SAME_NAME = "SELECT id FROM tenancy.area WHERE lower(name) = lower($1) AND id <> $2"


async def save_area(call: Call, area: Area) -> Area:
    call.require(_MAY)
    rules.check_area(area)
    wanted = msgspec.structs.replace(area, name=area.name.strip())
    async with db.tx("tenancy", call) as tx:
        row = await tx.one(_AREA, area.id)
        if await tx.one(_SAME_NAME, wanted.name, area.id) is not None:
            raise AreaInUse
        if not await tx.run(_SAVE_AREA, *msgspec.structs.astuple(wanted), clock.now()):
            raise Invalid(field="name", issue=f"there can be {MOST_AREAS} areas")
        await step_done(tx, call, "area")
        tx.signal(changed(call.tenant))
    before = _told(Area(**row)) if row else None
    audit.changed(f"area:{area.id}", before, _told(wanted))
    return wanted


def _told(value: Area | Market) -> dict[str, object]:
    return dict(msgspec.to_builtins(value, str_keys=True))


_FORGET = """
DELETE FROM tenancy.area a WHERE id = $1
  AND NOT EXISTS (SELECT FROM tenancy.market m WHERE m.area_id = a.id)
RETURNING id
"""


async def remove_area(call: Call, area_id: UUID) -> None:
    call.require(_MAY)
    async with db.tx("tenancy", call) as tx:
        row = await tx.one(_AREA, area_id)
        if row is None:
            raise UnknownArea
        if not await tx.run(_FORGET, area_id):
            raise AreaInUse
        tx.signal(changed(call.tenant))
    audit.changed(f"area:{area_id}", _told(Area(**row)), None)


_ADD = f"""
INSERT INTO tenancy.market ({MARKET_COLUMNS}, created_by, created_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
WHERE (SELECT count(*) FROM tenancy.market) < {MOST_MARKETS}
ON CONFLICT DO NOTHING
"""
_MARKET = f"SELECT {MARKET_COLUMNS} FROM tenancy.market WHERE id = $1 FOR UPDATE"


async def add_market(call: Call, wanted: Market) -> Market:
    call.require(_MAY)
    rules.check_market(wanted)
    async with db.tx("tenancy", call) as tx:
        if wanted.area_id is not None and await tx.one(_AREA, wanted.area_id) is None:
            raise UnknownArea
        await tx.run(_ADD, *msgspec.structs.astuple(wanted), call.actor, clock.now())
        row = await tx.one(_MARKET, wanted.id)
        if row is None:
            raise Invalid(field="id", issue=f"there can be {MOST_MARKETS} rules")
        await step_done(tx, call, "market")
        tx.signal(changed(call.tenant))
        tx.signal(CHANGED)  # the operator's tax may be another now
    made = Market(**row)
    audit.changed(f"market:{made.id}", None, _told(made))
    return made


_END = f"""
UPDATE tenancy.market SET valid_until = $2 WHERE id = $1 RETURNING {MARKET_COLUMNS}
"""
_NEVER = "DELETE FROM tenancy.market WHERE id = $1"


async def end_market(call: Call, market_id: UUID, at: datetime | None) -> Market:
    call.require(_MAY)
    until = at or clock.now()
    if until.tzinfo is None:
        raise Invalid(field="valid_until", issue="must name its offset from UTC")
    async with db.tx("tenancy", call) as tx:
        row = await tx.one(_MARKET, market_id)
        if row is None:
            raise UnknownMarket
        before = Market(**row)
        if at is None and before.valid_from >= until:
            await tx.run(_NEVER, market_id)  # it had not begun: it never held
            after = before
        else:
            if before.valid_until is not None and before.valid_until < clock.now():
                raise Invalid(field="valid_until", issue="it has ended already")
            if until < clock.now() and at is not None:
                raise Invalid(field="valid_until", issue="what was cannot be changed")
            after = msgspec.structs.replace(before, valid_until=until)
            rules.check_market(after)
            await tx.run(_END, market_id, until)
        tx.signal(changed(call.tenant))
        tx.signal(CHANGED)
    audit.changed(f"market:{market_id}", _told(before), _told(after))
    return after
