"""What an operator publishes: its row or the defaults, remembered for some seconds."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from fahrwerk.feeds.contract import Setting, UnknownFeed
from fahrwerk.kernel import db
from fahrwerk.kernel.call import system
from fahrwerk.kernel.live import hub
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

KEPT_S = 5.0
MOST_KEPT = 10_000

_kept: dict[UUID, tuple[float, Setting]] = {}
_changes = 0


def changed(tenant: UUID | None) -> str:
    """The signal that tells every process that an operator changed what it publishes."""
    return f"feeds.setting:{tenant}"


def _forget(signal: str) -> None:
    global _changes
    _changes += 1
    for tenant in [t for t in _kept if changed(t) == signal]:
        del _kept[tenant]


hub.hear("feeds.setting", _forget)

_SETTING = """
SELECT is_public, contact_email, license_url, has_draft, micromobility_id, car_share_id, mds_days
FROM feeds.setting WHERE tenant_id = kernel.tenant()
"""


async def setting(call: Call) -> Setting:
    """See the contract."""
    call.require("feeds.setting.read")
    return await setting_of(call)


async def setting_of(call: Call) -> Setting:
    """What an operator publishes, from its row or by default."""
    row = await db.one("feeds", call, _SETTING)
    return Setting(*row) if row else Setting()


async def found(call: Call, slug: str) -> tuple[tenancy.Operator, Setting] | None:
    """The operator of this name and its setting, from this process's memory for some seconds."""
    operator = await tenancy.operator_by_slug(call, slug)
    if operator is None:
        return None
    known = _kept.get(operator.id)
    if known is None or known[0] < monotonic():
        before = _changes
        read = await setting_of(system(operator.id, "feeds", slug=operator.slug))
        known = (monotonic() + KEPT_S, read)
        if before == _changes:  # else the row may have been read before the change
            if len(_kept) >= MOST_KEPT:
                _kept.clear()
            _kept[operator.id] = known
    return operator, known[1]


async def publisher(call: Call, slug: str) -> tuple[tenancy.Operator, Setting]:
    """The operator of this name, if it publishes. Raises ``UnknownFeed``."""
    both = await found(call, slug)
    if both is None or not both[1].is_public:
        raise UnknownFeed
    return both
