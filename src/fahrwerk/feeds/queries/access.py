"""Who may read the MDS Provider API: a token that holds, of an agency of the operator asked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.feeds.queries import settings
from fahrwerk.feeds.rules import states
from fahrwerk.kernel import clock, crypto, db, ids
from fahrwerk.kernel.call import Call, system
from fahrwerk.kernel.errors import Unauthenticated

if TYPE_CHECKING:
    from fahrwerk.feeds.contract import Setting
    from fahrwerk.feeds.contract.mds import Access


class Reader(msgspec.Struct, frozen=True):
    """An agency that reads, and what it reads."""

    call: Call
    """Of the house, for the operator."""
    agency_id: UUID
    boundary: list[list[list[tuple[float, float]]]] | None
    mode: str
    provider_id: UUID
    time_zone: str
    since: datetime
    """What is older is kept no more, and told to nobody."""


def provider_id(tenant: UUID, setting: Setting, mode: str) -> UUID:
    """The operator's ``provider_id`` of a mode: as registered, else one of its own."""
    own = setting.car_share_id if mode == states.CAR_SHARE else setting.micromobility_id
    return own or ids.derived("mds provider", tenant, mode)


def kept_since(setting: Setting) -> datetime:
    """From when on it is kept what agencies were told."""
    return clock.now() - timedelta(days=setting.mds_days)


_WHOSE = """
SELECT a.id, a.boundary FROM feeds.token t
JOIN feeds.agency a ON a.tenant_id = t.tenant_id AND a.id = t.agency_id
WHERE t.tenant_id = kernel.tenant() AND t.digest = $1 AND t.revoked_at IS NULL AND a.is_enabled
"""


async def reader(call: Call, access: Access) -> Reader:
    """The agency behind a request. Raises ``Unauthenticated``, whatever does not fit."""
    found = await settings.found(call, access.slug)
    if found is None or access.mode not in states.EDGES or not access.token:
        raise Unauthenticated(token_expired=False)
    operator, setting = found
    house = system(operator.id, "feeds", trace=call.trace, slug=operator.slug)
    row = await db.one("feeds", house, _WHOSE, crypto.digest_of(access.token))
    if row is None:
        raise Unauthenticated(token_expired=False)
    return Reader(
        house, row["id"], row["boundary"], access.mode,
        provider_id(operator.id, setting, access.mode), operator.time_zone, kept_since(setting),
    )  # fmt: skip
