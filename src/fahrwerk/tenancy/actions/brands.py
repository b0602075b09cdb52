"""Brands and their logos."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.kernel import audit, clock, db
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.live import hub
from fahrwerk.kernel.pictures import Wanted, made_anew
from fahrwerk.tenancy.actions.setup import step_done
from fahrwerk.tenancy.contract.brands import CHANGED, Brand, BrandInUse, UnknownBrand
from fahrwerk.tenancy.queries.brands import BRAND_COLUMNS
from fahrwerk.tenancy.rules import brands as rules

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

MOST_BRANDS = 50
LOGO = Wanted(field="logo", most_bytes=2_000_000, most_megapixels=16, longest_side=1024, kind="PNG")
_MAY = "tenancy.brand.write"

_ONE = f"SELECT {BRAND_COLUMNS} FROM tenancy.brand WHERE id = $1 FOR UPDATE"
_SAME_NAME = "SELECT id FROM tenancy.brand WHERE lower(name) = lower($1) AND id <> $2"
_NO_DEFAULT = "UPDATE tenancy.brand SET is_default = false WHERE is_default AND id <> $1"
_SAVE = f"""
INSERT INTO tenancy.brand (id, name, primary_color, secondary_color, is_default, created_at)
SELECT $1, $2, $3, $4, $5 OR NOT EXISTS (SELECT FROM tenancy.brand WHERE id <> $1), $6
WHERE (SELECT count(*) FROM tenancy.brand WHERE id <> $1) < {MOST_BRANDS}
ON CONFLICT (tenant_id, id) DO UPDATE
SET name = excluded.name, primary_color = excluded.primary_color,
    secondary_color = excluded.secondary_color,
    is_default = excluded.is_default OR brand.is_default, version = brand.version + 1
RETURNING {BRAND_COLUMNS}
"""


async def save_brand(call: Call, brand: Brand) -> Brand:
    call.require(_MAY)
    rules.check_brand(brand)
    name = brand.name.strip()
    async with db.tx("tenancy", call) as tx:
        before = await tx.one(_ONE, brand.id)
        if await tx.one(_SAME_NAME, name, brand.id) is not None:
            raise BrandInUse
        if brand.is_default:
            await tx.run(_NO_DEFAULT, brand.id)
        colors = (brand.primary_color, brand.secondary_color)
        row = await tx.one(_SAVE, brand.id, name, *colors, brand.is_default, clock.now())
        if row is None:
            raise Invalid(field="name", issue=f"there can be {MOST_BRANDS} brands")
        await step_done(tx, call, "brand")
        tx.signal(CHANGED)
    saved = Brand(**row)
    audit.changed(f"brand:{brand.id}", _told(before), msgspec.to_builtins(saved))
    return saved


def _told(row: db.Row | None) -> dict[str, object] | None:
    return msgspec.to_builtins(Brand(**row)) if row else None


_FORGET = """
DELETE FROM tenancy.brand b WHERE id = $1
  AND NOT EXISTS (SELECT FROM tenancy.domain d WHERE d.brand_id = b.id) RETURNING id
"""


async def remove_brand(call: Call, brand_id: UUID) -> None:
    call.require(_MAY)
    async with db.tx("tenancy", call) as tx:
        row = await tx.one(_ONE, brand_id)
        if row is None:
            raise UnknownBrand
        if not await tx.run(_FORGET, brand_id):
            raise BrandInUse
        tx.signal(CHANGED)
    audit.changed(f"brand:{brand_id}", _told(row), None)


_SET_LOGO = f"""
UPDATE tenancy.brand SET logo = $2, logo_hash = $3, version = version + 1
WHERE id = $1 RETURNING {BRAND_COLUMNS}
"""


async def set_logo(call: Call, brand_id: UUID, image: bytes) -> Brand:
    call.require(_MAY)
    if await db.one("tenancy", call, _ONE, brand_id) is None:
        raise UnknownBrand
    clean = await made_anew(image, LOGO)
    digest = hashlib.sha256(clean).hexdigest()[:32]
    row = await db.one("tenancy", call, _SET_LOGO, brand_id, clean, digest)
    if row is None:
        raise UnknownBrand
    hub.signal(CHANGED)
    audit.changed(f"brand:{brand_id}", None, {"logo": digest})
    return Brand(**row)
