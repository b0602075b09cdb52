"""What the link hears besides readings and answers: who a device is, what went wrong, who knocks.

All of it comes from outside and may come as often as somebody likes: each thing is written once a
minute at most, and what a process writes in a second is bounded. What is left out is said again.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from fahrwerk.fleet.queries.pairing import MOST_STRANGERS
from fahrwerk.fleet.rules import pairing
from fahrwerk.kernel import db
from fahrwerk.kernel.call import system

if TYPE_CHECKING:
    from collections.abc import Hashable
    from uuid import UUID

    from fahrwerk.kernel.call import Call

AGAIN_S = 60.0
WRITES_PER_S = 20
MOST_KEPT = 5_000
NAME = re.compile(r"[0-9A-Za-z._:-]{1,64}")


class Calm:
    """Lets each thing through once a minute, and few things a second."""

    def __init__(self) -> None:
        self._said: dict[Hashable, float] = {}
        self._second, self._written = 0.0, 0

    def lets(self, thing: Hashable) -> bool:
        """True: write it now."""
        now = time.monotonic()
        if now - self._said.get(thing, -AGAIN_S) < AGAIN_S:
            return False
        if now - self._second >= 1:
            self._second, self._written = now, 0
        if self._written >= WRITES_PER_S:
            return False
        if len(self._said) >= MOST_KEPT:
            self._said.clear()
        self._written += 1
        self._said[thing] = now
        return True


_strangers, _problems = Calm(), Calm()  # who knocks must not drown out our own vehicles

_KNOCK = """
INSERT INTO fleet.stranger (protocol, name) VALUES ($1, $2)
ON CONFLICT (tenant_id, protocol, name)
DO UPDATE SET knocks = least(stranger.knocks + 1, 1000000), last_seen_at = kernel.now()
"""
_FORGET = """
DELETE FROM fleet.stranger WHERE tenant_id IS NOT DISTINCT FROM kernel.tenant() AND ctid IN (
    SELECT ctid FROM fleet.stranger WHERE tenant_id IS NOT DISTINCT FROM kernel.tenant()
    ORDER BY last_seen_at DESC OFFSET $1)
"""


async def knocked(tenant: UUID | None, protocol: str, name: str) -> None:
    """A device spoke that is not paired. ``tenant``: whose token brought it, if anybody's."""
    if not NAME.fullmatch(name) or not _strangers.lets((tenant, protocol, name)):
        return
    async with db.tx("fleet", system(tenant, "fleet")) as tx:
        await tx.run(_KNOCK, protocol[:32], name)
        await tx.run(_FORGET, MOST_STRANGERS)


_WENT_WRONG = """
INSERT INTO fleet.link_problem (vehicle_id, reason)
SELECT id, $2 FROM fleet.vehicle WHERE id = $1
ON CONFLICT (tenant_id, vehicle_id) DO UPDATE SET reason = excluded.reason, seen_at = kernel.now()
"""


async def went_wrong(tenant: UUID, vehicle_id: UUID, reason: str) -> None:
    """A message of a paired vehicle was not taken."""
    if _problems.lets((tenant, vehicle_id, reason)):
        await db.run("fleet", system(tenant, "fleet"), _WENT_WRONG, vehicle_id, reason[:50])


# A device that commands go to by another way than MQTT says itself what it can be told.
_INTRODUCED = """
UPDATE fleet.vehicle SET
    firmware_version = coalesce($2, firmware_version),
    hardware_version = coalesce($3, hardware_version),
    capabilities = CASE WHEN $4::text[] IS DISTINCT FROM said_capabilities
                        THEN coalesce($4, capabilities) ELSE capabilities END,
    said_capabilities = coalesce($4, said_capabilities)
WHERE id = $1
  AND (firmware_version, hardware_version, said_capabilities) IS DISTINCT FROM
      (coalesce($2, firmware_version), coalesce($3, hardware_version),
       coalesce($4, said_capabilities))
  AND NOT EXISTS (SELECT 1 FROM fleet.device WHERE vehicle_id = $1 AND takes_commands)
"""


async def introduced(
    call: Call,
    vehicle_id: UUID,
    firmware: str | None,
    hardware: str | None,
    capabilities: list[str] | None,
) -> None:
    """A vehicle has come online and says what it is (FLT-40); None = has not said.

    What staff have corrected stays until the device says something new.
    """
    can = None if capabilities is None else pairing.known_capabilities(capabilities)
    if (firmware, hardware, can) != (None, None, None):
        await db.run("fleet", call, _INTRODUCED, vehicle_id, firmware, hardware, can)
