"""What payments does when others have news: note what is wanted, and let the worker do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.events import PersonErased
from fahrwerk.kernel.events import on
from fahrwerk.payments.actions._case import WORK
from fahrwerk.payments.actions.open_payment import MARK_UNWANTED
from fahrwerk.rentals.events import RentalCancelled, RentalEnded

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx
    from fahrwerk.kernel.events import Fact

_OWE = """
WITH owing AS (
    UPDATE payments.payment SET due_minor = $2, turn = turn + 1
    WHERE tenant_id = kernel.tenant() AND id = $1 AND due_minor IS NULL AND NOT is_unwanted
    RETURNING id
)
INSERT INTO payments.work (kind, subject, at)
SELECT 'payment', id, kernel.now() FROM owing
UNION ALL
-- A sale is booked whichever way it is paid.
SELECT 'books', $3, kernel.now()
ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
"""


@on(RentalEnded)
async def on_rental_ended(tx: Tx, call: Call, event: RentalEnded, fact: Fact) -> None:
    """The ride's price is known: book it and capture it (PAY-07); one of nothing is voided."""
    if event.secured_by != "payment":
        await tx.run(MARK_UNWANTED, event.payment_id)  # a card that was tried beside the wallet
    await tx.run(_OWE, event.payment_id, event.total_minor, event.booking_id)
    tx.signal(WORK)


_NEVER_OPENED = """
INSERT INTO payments.payment (id, reference, rider_id, amount_minor, currency, created_at, state,
                              is_unwanted)
SELECT $1::uuid, $2::uuid, $3::uuid, $4::bigint, $5, $6::timestamptz, 'voided', true
WHERE $4 > 0 -- older events do not say
ON CONFLICT DO NOTHING
"""


@on(RentalCancelled)
async def on_rental_cancelled(tx: Tx, call: Call, event: RentalCancelled, fact: Fact) -> None:
    """No ride: what is authorised, now or later, is given back (C-84, I12).

    A payment that nobody has opened yet is written as voided, so that nobody will.
    """
    await tx.run(
        _NEVER_OPENED, event.payment_id, event.booking_id, event.user_id, event.hold_minor,
        event.currency, fact.at,
    )  # fmt: skip
    await tx.run(MARK_UNWANTED, event.payment_id)
    tx.signal(WORK)


_OF = "tenant_id = kernel.tenant() AND rider_id = $1"
# The gateways forget the methods at the worker's pace; it deletes the rows then.
_FORGET = (
    f"""INSERT INTO payments.work (kind, subject, at)
    SELECT 'method', id, kernel.now() FROM payments.method WHERE {_OF}
    ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at""",
    f"""UPDATE payments.method SET removed_at = coalesce(removed_at, kernel.now()),
        is_default = false, label = '', brand = '', last4 = '0000', expires = '00/00',
        country = '', fingerprint = '', bank = '', mandate_reference = '' WHERE {_OF}""",
    f"""UPDATE payments.attempt SET reason = NULL
    WHERE tenant_id = kernel.tenant() AND kind = 'refund' AND state = 'succeeded'
      AND payment_id IN (SELECT id FROM payments.payment WHERE {_OF})""",
    """DELETE FROM payments.evidence e USING payments.dispute d, payments.payment p
    WHERE e.tenant_id = kernel.tenant() AND d.tenant_id = e.tenant_id AND d.id = e.dispute_id
      AND p.tenant_id = d.tenant_id AND p.id = d.payment_id AND p.rider_id = $1""",
    f"DELETE FROM payments.risk WHERE {_OF}",
    f"""UPDATE payments.payment SET method_label = NULL, next_action = NULL, return_path = NULL
    WHERE {_OF}""",
    f"UPDATE payments.sepa_mandate SET was_iban_sealed = NULL, signed_from = '' WHERE {_OF}",
)


@on(PersonErased)
async def on_person_erased(tx: Tx, call: Call, event: PersonErased, fact: Fact) -> None:
    """Ways to pay go, here and at the gateways; what was paid stays in the books (Art. 17 (3) b).

    Mandates end with the methods; their accounts stay sealed as long as debits can come back.
    """
    for sql in _FORGET:
        await tx.run(sql, event.user_id)
    tx.signal(WORK)
