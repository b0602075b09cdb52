"""What tenancy does by itself: look whether domains still are whose they were."""

from __future__ import annotations

from fahrwerk.kernel.jobs import every
from fahrwerk.tenancy.actions.domains import look_at_due


@every(300)
async def look_at_domains() -> bool:
    """Unproven domains every hour of their first week, proven ones every day (TEN-08)."""
    return await look_at_due()
