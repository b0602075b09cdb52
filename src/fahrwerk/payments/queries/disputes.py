"""A dispute with its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.payments.contract.disputes import DisputeFile, Evidence, UnknownDispute
from fahrwerk.payments.contract.gateways import DisputeRecord

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_ONE = """
SELECT id, gateway, ref, payment_id, amount_minor, currency, reason, state, evidence_due_at,
       opened_at, closed_at, withdrawn_minor, fee_minor, handed_in, handed_in_at, handed_in_reason
FROM payments.dispute WHERE tenant_id = kernel.tenant() AND id = $1
"""
_EVIDENCE = """
SELECT id, kind, text, file_name, media_type, octet_length(content) AS size, actor, at
FROM payments.evidence WHERE tenant_id = kernel.tenant() AND dispute_id = $1
ORDER BY at, id LIMIT 100
"""
_OF_RECORD = DisputeRecord.__struct_fields__


async def dispute(call: Call, dispute_id: UUID) -> DisputeFile:
    """See the contract."""
    call.require("payments.dispute.read")
    row = await db.one("payments", call, _ONE, dispute_id)
    if row is None:
        raise UnknownDispute
    rows = await db.run("payments", call, _EVIDENCE, dispute_id)
    values = dict(row)
    record = DisputeRecord(**{name: values.pop(name) for name in _OF_RECORD})
    return DisputeFile(dispute=record, evidence=[Evidence(**each) for each in rows], **values)
