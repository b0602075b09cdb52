"""Mandates, orders, runs, statements and their lines: as they may be seen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fahrwerk.kernel import crypto, db
from fahrwerk.kernel.errors import NotFound
from fahrwerk.payments import gateways
from fahrwerk.payments.contract.mandates import Mandate, MandateOffer, MandatePage
from fahrwerk.payments.contract.sepa import (
    AnnouncedDebit,
    BankLine,
    LinePage,
    OrderPage,
    Run,
    RunFile,
    RunPage,
    RunState,
    SepaOrder,
    SepaSettings,
    StatementPage,
    StatementRecord,
    UnknownRun,
)
from fahrwerk.payments.gateways import _accounts
from fahrwerk.payments.rules import sepa as rules
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

NAME = "sepa"
READ = "payments.sepa.read"
MANDATE = """m.id, m.rider_id, m.reference, m.creditor_id, m.scheme, m.is_one_off, m.iban_masked,
       m.bic, m.state, m.reason, m.signed_at, m.signed_text, m.signed_locale, m.signed_from,
       m.last_used_on, (SELECT p.id FROM payments.method p WHERE p.tenant_id = m.tenant_id
           AND p.rider_id = m.rider_id AND p.gateway = 'sepa' AND p.removed_at IS NULL
           AND p.gateway_ref = replace(m.id::text, '-', '') LIMIT 1) AS method_id"""
_OWN = f"""
SELECT {MANDATE} FROM payments.sepa_mandate m
WHERE m.tenant_id = kernel.tenant() AND m.rider_id = $1 ORDER BY m.signed_at DESC, m.id LIMIT 100
"""
_MANDATES = f"""
SELECT {MANDATE} FROM payments.sepa_mandate m
WHERE m.tenant_id = kernel.tenant() AND ($1::uuid IS NULL OR m.rider_id = $1)
  AND ($2::text IS NULL OR m.state = $2)
ORDER BY m.signed_at DESC, m.id LIMIT $3 OFFSET $4
"""
_MANDATE_COUNT = """
SELECT count(*) FROM payments.sepa_mandate m
WHERE m.tenant_id = kernel.tenant() AND ($1::uuid IS NULL OR m.rider_id = $1)
  AND ($2::text IS NULL OR m.state = $2)
"""


async def mandate_offer(call: Call) -> MandateOffer:
    """See the contract."""
    try:
        keys = await _accounts.keys_of(call, NAME, is_new=True)
    except _accounts.NotSetUp:
        raise gateways.NoGateway from None
    own = await settings_of(call)
    name = await creditor_name(call, own)
    text = rules.mandate_text(call.locale, name, keys.public_key, own.notice_days)
    return MandateOffer(
        version=f"{rules.MANDATE_TEXT}/{own.notice_days}", text=text, creditor=name,
        creditor_id=keys.public_key,
    )  # fmt: skip


async def creditor_name(call: Call, own: SepaSettings) -> str:
    """As it stands in files and on mandates."""
    return own.creditor_name or (await tenancy.operator(call)).name


async def own_mandates(call: Call) -> list[Mandate]:
    """See the contract."""
    return [Mandate(**row) for row in await db.run("payments", call, _OWN, call.user)]


async def mandates(
    call: Call, rider_id: UUID | None, state: str | None, limit: int, offset: int
) -> MandatePage:
    """See the contract."""
    call.require("payments.mandate.read_any")
    rows, total = await asyncio.gather(
        db.run("payments", call, _MANDATES, rider_id, state, limit, offset),
        db.run("payments", call, _MANDATE_COUNT, rider_id, state),
    )
    return MandatePage([Mandate(**row) for row in rows], total[0][0])


_SETTINGS = """
SELECT creditor_name, notice_days, lead_days, cut_off_minute, most_per_run, is_two_person
FROM payments.sepa_settings WHERE tenant_id = kernel.tenant()
"""


async def settings_of(call: Call) -> SepaSettings:
    """The operator's settings, or the usual ones."""
    row = await db.one("payments", call, _SETTINGS)
    return SepaSettings() if row is None else SepaSettings(**row)


async def sepa_settings(call: Call) -> SepaSettings:
    """See the contract."""
    call.require(READ)
    return await settings_of(call)


RUN = """id, kind, scheme, state, execute_on, orders, total_minor, message_id, drafted_by,
       drafted_at, approved_by, approved_at, exported_at, file_digest"""
_RUNS = f"""
SELECT {RUN} FROM payments.sepa_run
WHERE tenant_id = kernel.tenant() AND ($1::text IS NULL OR state = $1)
ORDER BY drafted_at DESC, id LIMIT $2 OFFSET $3
"""
_RUN_COUNT = """
SELECT count(*) FROM payments.sepa_run
WHERE tenant_id = kernel.tenant() AND ($1::text IS NULL OR state = $1)
"""
_RUN = f"SELECT {RUN} FROM payments.sepa_run WHERE tenant_id = kernel.tenant() AND id = $1"


async def sepa_runs(call: Call, state: str | None, limit: int, offset: int) -> RunPage:
    """See the contract."""
    call.require(READ)
    rows, total = await asyncio.gather(
        db.run("payments", call, _RUNS, state, limit, offset),
        db.run("payments", call, _RUN_COUNT, state),
    )
    return RunPage([Run(**row) for row in rows], total[0][0])


async def sepa_run(call: Call, run_id: UUID) -> Run:
    """See the contract."""
    call.require(READ)
    return await run_of(call, run_id)


async def run_of(call: Call, run_id: UUID) -> Run:
    """A run. Raises ``UnknownRun``."""
    row = await db.one("payments", call, _RUN, run_id)
    if row is None:
        raise UnknownRun
    return Run(**row)


_FILE = """
SELECT message_id, scheme, file_sealed FROM payments.sepa_run
WHERE tenant_id = kernel.tenant() AND id = $1
"""


async def run_file(call: Call, run_id: UUID) -> RunFile:
    """See the contract."""
    call.require("payments.sepa.export")
    row = await db.one("payments", call, _FILE, run_id)
    if row is None:
        raise UnknownRun
    if row["file_sealed"] is None:
        raise RunState("This run is not exported yet.")
    content = crypto.unseal(file_purpose(call, run_id), row["file_sealed"])
    form = "pain.001" if row["scheme"] == "SCT" else "pain.008"
    return RunFile(f"{form}-{row['message_id']}.xml", content.encode())


def file_purpose(call: Call, run_id: UUID) -> str:
    """What a run's file is sealed for."""
    return f"sepa:{call.tenant}:run:{run_id}"


_ORDER = """id, kind, payment_id, mandate_id,
       CASE WHEN captured_minor > 0 THEN amount_minor ELSE authorized_minor END AS amount_minor,
       state, reason, return_kind, end_to_end_id, collect_on, sequence, run_id, settled_on,
       returned_on, fee_minor, created_at"""
_ORDERS = f"""
SELECT {_ORDER} FROM payments.sepa_order
WHERE tenant_id = kernel.tenant() AND ($1::text IS NULL OR state = $1)
  AND ($2::uuid IS NULL OR run_id = $2)
ORDER BY created_at DESC, id LIMIT $3 OFFSET $4
"""
_ORDER_COUNT = """
SELECT count(*) FROM payments.sepa_order
WHERE tenant_id = kernel.tenant() AND ($1::text IS NULL OR state = $1)
  AND ($2::uuid IS NULL OR run_id = $2)
"""


async def sepa_orders(
    call: Call, state: str | None, run_id: UUID | None, limit: int, offset: int
) -> OrderPage:
    """See the contract."""
    call.require(READ)
    rows, total = await asyncio.gather(
        db.run("payments", call, _ORDERS, state, run_id, limit, offset),
        db.run("payments", call, _ORDER_COUNT, state, run_id),
    )
    return OrderPage([SepaOrder(**row) for row in rows], total[0][0])


_ANNOUNCED = """
SELECT o.amount_minor, o.collect_on, o.payment_id, m.creditor_id, m.reference, m.iban_masked,
       o.state IN ('due', 'batched', 'exported') AS is_coming
FROM payments.sepa_order o
JOIN payments.sepa_mandate m ON m.tenant_id = o.tenant_id AND m.id = o.mandate_id
WHERE o.tenant_id = kernel.tenant() AND o.id = $1 AND o.kind = 'collection'
  AND o.collect_on IS NOT NULL
"""


async def announced_debit(call: Call, order_id: UUID) -> AnnouncedDebit:
    """See the contract."""
    call.require(READ)
    row = await db.one("payments", call, _ANNOUNCED, order_id)
    if row is None:
        raise NotFound
    return AnnouncedDebit(
        amount_minor=row["amount_minor"],
        currency=rules.CURRENCY,
        collect_on=row["collect_on"],
        payment_id=row["payment_id"],
        creditor=await creditor_name(call, await settings_of(call)),
        creditor_id=row["creditor_id"],
        mandate_reference=row["reference"],
        iban_masked=row["iban_masked"],
        is_coming=row["is_coming"],
    )


_STATEMENTS = """
SELECT id, kind, reference, lines, matched, skipped, imported_at, imported_by, is_complete
FROM payments.sepa_statement WHERE tenant_id = kernel.tenant()
ORDER BY imported_at DESC, id LIMIT $1 OFFSET $2
"""
_STATEMENT_COUNT = "SELECT count(*) FROM payments.sepa_statement WHERE tenant_id = kernel.tenant()"


async def statements(call: Call, limit: int, offset: int) -> StatementPage:
    """See the contract."""
    call.require(READ)
    rows, total = await asyncio.gather(
        db.run("payments", call, _STATEMENTS, limit, offset),
        db.run("payments", call, _STATEMENT_COUNT),
    )
    return StatementPage([StatementRecord(**row) for row in rows], total[0][0])


LINE = """id, statement_id, booked_on, amount_minor, currency, end_to_end_id, reason, remittance,
       counterparty, state, order_id, run_id, journal_id, assigned_to, assigned_by"""
_LINES = f"""
SELECT {LINE} FROM payments.sepa_line
WHERE tenant_id = kernel.tenant() AND ($1::text IS NULL OR state = $1)
ORDER BY booked_on DESC, id LIMIT $2 OFFSET $3
"""
_LINE_COUNT = """
SELECT count(*) FROM payments.sepa_line
WHERE tenant_id = kernel.tenant() AND ($1::text IS NULL OR state = $1)
"""


async def bank_lines(call: Call, state: str | None, limit: int, offset: int) -> LinePage:
    """See the contract."""
    call.require(READ)
    rows, total = await asyncio.gather(
        db.run("payments", call, _LINES, state, limit, offset),
        db.run("payments", call, _LINE_COUNT, state),
    )
    return LinePage([line_of(row) for row in rows], total[0][0])


def line_of(row: Any) -> BankLine:
    """A row of ``LINE``."""
    return BankLine(**row)
