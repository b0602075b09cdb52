"""The audit log, for an operator's own people (GDP-07, GDP-08)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.audit import Entry, Wanted
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query


class Standing(msgspec.Struct, frozen=True):
    """Whether the chain of an operator's log holds; else the first place that does not."""

    broken_at: int | None


@query
async def audit_entries(
    call: Call, wanted: Wanted, after: tuple[datetime, UUID] | None, limit: int
) -> list[Entry]:
    """Rows of the log, newest first, after a place (permission ``identity.audit.read``)."""
    raise AssertionError


@query
async def audit_standing(call: Call) -> Standing:
    """Read the whole chain and recompute it (permission ``identity.audit.read``)."""
    raise AssertionError


@action
async def note_audit_export(call: Call, form: str) -> None:
    """Write down that somebody takes the log away (permission ``identity.audit.export``)."""
    raise AssertionError
