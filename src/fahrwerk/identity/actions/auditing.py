"""Taking the audit log away is itself written down, by the door that this goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import audit

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call


async def note_audit_export(call: Call, form: str) -> None:
    call.require("identity.audit.export")
    audit.changed("audit", None, {"form": form})
