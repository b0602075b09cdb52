"""How the installation is doing, for the console's page of it."""

from __future__ import annotations

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import query
from fahrwerk.kernel.health import Health


@query
async def system_health(call: Call) -> Health:
    """What waits, what ran, what is used (permission ``site.health.read``)."""
    raise AssertionError
