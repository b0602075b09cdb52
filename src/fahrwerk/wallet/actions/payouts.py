"""Paying resellers: drafted by one person, paid by another, posted by the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, events
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Conflict, Invalid, NotFound
from fahrwerk.payments.contract import ledger, notes, transfers
from fahrwerk.wallet.actions._book import WORK
from fahrwerk.wallet.contract.resellers import Payout, PayoutClosed, SamePerson, UnknownPayout
from fahrwerk.wallet.events import ResellerPayoutChanged
from fahrwerk.wallet.queries.resellers import PAYOUT, check_is_payout
from fahrwerk.wallet.rules import resellers as rules

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx
    from fahrwerk.payments.contract.notes import Note

MOST_DRAFTS = 500

# Refunds that came after a payout are negative lines: they lower the next one, or wait.
_DRAFT = f"""
WITH due AS (
    SELECT c.reseller_id, c.currency, sum(c.amount_minor)::bigint AS amount
    FROM wallet.commission c JOIN wallet.reseller r ON r.id = c.reseller_id
    WHERE c.payout_id IS NULL AND c.at < $1
    GROUP BY c.reseller_id, c.currency, r.least_minor
    HAVING sum(c.amount_minor) >= greatest(r.least_minor, 1)
    ORDER BY c.reseller_id LIMIT {MOST_DRAFTS}
), made AS (
    INSERT INTO wallet.payout (id, reseller_id, until, amount_minor, currency, made_by, made_at)
    SELECT gen_random_uuid(), reseller_id, $1, amount, currency, $2, $3 FROM due
    ON CONFLICT DO NOTHING RETURNING {PAYOUT}
), taken AS (
    UPDATE wallet.commission c SET payout_id = m.id FROM made m
    WHERE c.reseller_id = m.reseller_id AND c.payout_id IS NULL AND c.at < $1
)
SELECT * FROM made ORDER BY reseller_id
"""


async def run_payouts(call: Call, until: datetime) -> list[Payout]:
    """See the contract."""
    call.require("wallet.payout.create")
    if until > clock.now():
        raise Invalid(field="until", issue="must not be in the future")
    async with db.tx("wallet", call) as tx:
        rows = await tx.run(_DRAFT, until, call.actor, clock.now())
        made = [Payout(**row) for row in rows]
        for each in made:
            await _tell(tx, call, each, 1)
    return made


async def _tell(tx: Tx, call: Call, payout: Payout, version: int) -> None:
    fact = ResellerPayoutChanged(
        payout_id=payout.id, reseller_id=payout.reseller_id, state=payout.state,
        amount=payout.amount_minor, currency=payout.currency,
    )  # fmt: skip
    await events.emit(tx, call, f"payout:{payout.id}", version, fact)


_LOCK = f"SELECT version, {PAYOUT} FROM wallet.payout WHERE id = $1 FOR NO KEY UPDATE"
_PAY = f"""
UPDATE wallet.payout SET state = 'paid', paid_by = $2, paid_at = $3, bank_reference = $4,
       version = version + 1
WHERE id = $1 RETURNING {PAYOUT}
"""
_WORK = """
INSERT INTO wallet.work (kind, subject, at) VALUES ('payout', $1, kernel.now())
ON CONFLICT DO NOTHING
"""


async def _locked(tx: Tx, payout_id: UUID) -> tuple[int, Payout]:
    row = await tx.one(_LOCK, payout_id)
    if row is None:
        raise UnknownPayout
    version, *values = row
    return version, Payout(**dict(zip(Payout.__struct_fields__, values, strict=True)))


async def pay_payout(call: Call, payout_id: UUID, bank_reference: str) -> Payout:
    """See the contract."""
    call.require("wallet.payout.pay")
    async with db.tx("wallet", call) as tx:
        version, found = await _locked(tx, payout_id)
        if found.state == "paid":
            return found
        _check_payable(call, found)
        rows = await tx.run(_PAY, payout_id, call.actor, clock.now(), bank_reference)
        paid = Payout(**rows[0])
        await tx.run(_WORK, payout_id)
        await _tell(tx, call, paid, version + 1)
        tx.signal(WORK)
    return paid


def _check_payable(call: Call, found: Payout) -> None:
    if found.state != "draft":
        raise PayoutClosed(state=found.state)
    if found.made_by == call.actor:
        raise SamePerson


_TRANSFER = f"""
UPDATE wallet.payout SET state = 'paying', paid_by = $2, tries = tries + 1, reason = '',
       version = version + 1
WHERE id = $1 RETURNING {PAYOUT}
"""


async def transfer_payout(call: Call, payout_id: UUID) -> Payout:
    """See the contract."""
    call.require("wallet.payout.pay")
    async with db.tx("wallet", call) as tx:
        version, found = await _locked(tx, payout_id)
        if found.state not in ("paying", "paid"):
            _check_payable(call, found)
            found = Payout(**(await tx.run(_TRANSFER, payout_id, call.actor))[0])
            await tx.run(_WORK, payout_id)
            await _tell(tx, call, found, version + 1)
    if found.state == "paying":
        await post_payout(system(call.tenant, "wallet", slug=call.tenant_slug), payout_id)
    return await _payout(call, payout_id)


_ONE = f"SELECT {PAYOUT} FROM wallet.payout WHERE id = $1"


async def _payout(call: Call, payout_id: UUID) -> Payout:
    return Payout(**(await db.run("wallet", call, _ONE, payout_id))[0])


_CANCEL = f"""
WITH freed AS (UPDATE wallet.commission SET payout_id = NULL WHERE payout_id = $1)
UPDATE wallet.payout SET state = 'cancelled', version = version + 1
WHERE id = $1 RETURNING {PAYOUT}
"""


async def cancel_payout(call: Call, payout_id: UUID) -> Payout:
    """See the contract."""
    call.require("wallet.payout.create")
    async with db.tx("wallet", call) as tx:
        version, found = await _locked(tx, payout_id)
        if found.state == "cancelled":
            return found
        if found.state != "draft":
            raise PayoutClosed(state=found.state)
        cancelled = Payout(**(await tx.run(_CANCEL, payout_id))[0])
        await _tell(tx, call, cancelled, version + 1)
    return cancelled


async def note_payout(call: Call, payout_id: UUID, text: str) -> Note:
    """See the contract."""
    call.require("wallet.payout.create")
    await check_is_payout(call, payout_id)
    return await notes.write_note(call, payout_id, text)


_ON_ITS_WAY = """
SELECT p.reseller_id, p.amount_minor, p.currency, p.state, p.tries, r.account
FROM wallet.payout p JOIN wallet.reseller r ON r.id = p.reseller_id WHERE p.id = $1
"""
_ENDED = f"""
UPDATE wallet.payout SET state = $2, paid_at = $3, gateway = $4, reason = $5,
       version = version + 1
WHERE id = $1 AND state = 'paying' RETURNING {PAYOUT}, version
"""
_LATER = """
UPDATE wallet.work SET at = kernel.now() + interval '30 seconds'
WHERE kind = 'payout' AND subject = $1
"""
_PAID = """
SELECT reseller_id, amount_minor, currency, paid_at, bank_reference, gateway FROM wallet.payout
WHERE id = $1 AND state = 'paid' AND journal_id IS NULL
"""
_POSTED = """
WITH posted AS (UPDATE wallet.payout SET journal_id = coalesce(journal_id, $2) WHERE id = $1)
DELETE FROM wallet.work WHERE kind = 'payout' AND subject = $1
"""


async def post_payout(call: Call, payout_id: UUID) -> None:
    """Bring a payout on its way to an end, and into the books. Harmless to repeat."""
    row = await db.one("wallet", call, _ON_ITS_WAY, payout_id)
    if row is not None and row["state"] == "paying":
        try:
            sent = await transfers.transfer(
                call, row["account"], row["amount_minor"], row["currency"],
                f"payout:{payout_id}:{row['tries']}",
            )  # fmt: skip
        except (Invalid, Conflict, NotFound) as problem:  # nothing was sent
            await _end(call, payout_id, "draft", "", problem.error_code)
        else:
            if sent.state == "sent":
                await db.run("wallet", call, _LATER, payout_id)
                return
            is_done = sent.state == "done"
            state = "paid" if is_done else "draft"
            gateway, reason = (sent.gateway, "") if is_done else ("", sent.reason or "declined")
            await _end(call, payout_id, state, gateway, reason)
    await _post(call, payout_id)


async def _end(call: Call, payout_id: UUID, state: str, gateway: str, reason: str) -> None:
    paid_at = clock.now() if state == "paid" else None
    async with db.tx("wallet", call) as tx:
        row = await tx.one(_ENDED, payout_id, state, paid_at, gateway, reason)
        if row is not None:
            values = dict(row)
            version = values.pop("version")
            await _tell(tx, call, Payout(**values), version)


async def _post(call: Call, payout_id: UUID) -> None:
    row = await db.one("wallet", call, _PAID, payout_id)
    journal_id = None
    if row is not None:
        journal = ledger.NewJournal(
            key=f"wallet:payout:{payout_id}",
            kind="commission_payout",
            currency=row["currency"],
            lines=rules.payout_lines(row["reseller_id"], row["amount_minor"], row["gateway"]),
            at=row["paid_at"],
            reference=payout_id,
            narration=row["bank_reference"],
        )
        journal_id = await ledger.post_journal(call, journal)
    await db.run("wallet", call, _POSTED, payout_id, journal_id)
