"""Looking into the audit log. Its rows are the kernel's; here is who may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.contract.auditing import Standing
from fahrwerk.kernel import audit

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call


async def audit_entries(
    call: Call, wanted: audit.Wanted, after: tuple[datetime, UUID] | None, limit: int
) -> list[audit.Entry]:
    call.require("identity.audit.read")
    return await audit.search(call, wanted, after, limit)


async def audit_standing(call: Call) -> Standing:
    call.require("identity.audit.read")
    return Standing(await audit.verify(call.tenant) if call.tenant is not None else None)
