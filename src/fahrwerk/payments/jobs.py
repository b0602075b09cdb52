"""The worker of payments: captures, voids, the search for answers that never came, the books."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from fahrwerk.kernel import db
from fahrwerk.kernel.call import system
from fahrwerk.kernel.jobs import cron, every
from fahrwerk.kernel.live import hub
from fahrwerk.payments.actions._approved import carry_out_owed
from fahrwerk.payments.actions._case import LEASE_S, WORK
from fahrwerk.payments.actions._work import drive
from fahrwerk.payments.actions.compare import compare
from fahrwerk.payments.actions.corrections import reverse_wished
from fahrwerk.payments.actions.debts import follow_debt
from fahrwerk.payments.actions.evidence import see_through
from fahrwerk.payments.actions.expire import expire_purses, tenants_with_expired
from fahrwerk.payments.actions.mandates import expire_mandates
from fahrwerk.payments.actions.methods import forget_method
from fahrwerk.payments.actions.post_ride import post_ride
from fahrwerk.payments.actions.risk import forget_networks
from fahrwerk.payments.actions.second_person import refund_wished
from fahrwerk.payments.actions.transfer import see_transfer_through
from fahrwerk.payments.actions.webhook import forget_webhooks, take_webhook
from fahrwerk.payments.contract import corrections, refunds
from fahrwerk.payments.gateways import Forged
from fahrwerk.payments.gateways import _sandbox_webhooks as sandbox
from fahrwerk.payments.queries.open_items import open_items
from fahrwerk.payments.queries.proof import proof
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

BATCH = 20
log = structlog.get_logger()

# Claimed rows come up again after a lease's time: a worker that dies loses nothing.
_CLAIM = f"""
UPDATE payments.work w SET at = kernel.now() + interval '{LEASE_S} seconds'
FROM (SELECT tenant_id, kind, subject FROM payments.work WHERE at <= kernel.now()
      ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED) due
WHERE (w.tenant_id, w.kind, w.subject) = (due.tenant_id, due.kind, due.subject)
RETURNING w.tenant_id, w.kind, w.subject, w.at
"""


@every(2, wake=WORK)
async def settle_payments() -> bool:
    """Do what is due: capture after rides, void what is unwanted, resolve what is unknown."""
    rows = await db.run("payments", system(None, "payments"), _CLAIM, BATCH)
    # Side by side: one gateway that takes its time must not keep other riders' money waiting.
    await asyncio.gather(*(_settle(*row) for row in rows))
    return len(rows) == BATCH


@every(60)
async def carry_out_approved() -> bool:
    """Do what a second person approved, should that process have died before it did."""
    more = [
        await carry_out_owed(corrections.KIND, reverse_wished),
        await carry_out_owed(refunds.KIND, refund_wished),
    ]
    return any(more)


async def _settle(tenant: UUID, kind: str, subject: UUID, claimed: datetime) -> None:
    call = system(tenant, "payments")
    try:
        match kind:
            case "payment":
                await drive(call, subject)
            case "method":
                await forget_method(call, subject)
            case "books":
                await post_ride(call, subject, claimed)
            case "debt":
                await follow_debt(call, subject, claimed)
            case "evidence":
                await see_through(call, subject)
            case "transfer":
                await see_transfer_through(call, subject)
    except db.DatabaseDown:
        raise
    except Exception as error:
        # One payment that cannot be settled must not hold up the others; it comes up again.
        log.error("payment not settled", kind=kind, subject=str(subject), exc_info=error)


@every(2)
async def send_sandbox_webhooks() -> bool:
    """Be the sandbox's sender: its webhooks take the way of any gateway's, but for the socket."""
    due = await sandbox.due_webhooks(BATCH)
    for webhook in due:
        call = system(webhook.account, "payments")
        try:
            await take_webhook(call, "sandbox", webhook.body, webhook.headers)
        except Forged as refused:
            log.warning("sandbox webhook refused", event_id=webhook.event_id, exc_info=refused)
        await sandbox.delivered(webhook.account, webhook.event_id)
    return len(due) == BATCH


_QUEUE_DEBTS = """
INSERT INTO payments.work (tenant_id, kind, subject, at)
SELECT tenant_id, 'debt', payment_id, kernel.now() FROM payments.debt
WHERE state = 'open' AND next_at <= kernel.now() ORDER BY next_at LIMIT $1
ON CONFLICT DO NOTHING RETURNING subject
"""


@every(60)
async def remind_debtors() -> bool:
    """Queue the debts whose next step is due (PAY-28); steps are days apart."""
    rows = await db.run("payments", system(None, "payments"), _QUEUE_DEBTS, BATCH)
    if rows:
        hub.signal(WORK)
    return len(rows) == BATCH


@cron("27 3 * * *")
async def forget_old_networks() -> None:
    """Where payments of more than a month ago came from is nobody's business any more."""
    await forget_networks()


@cron("33 3 * * *")
async def forget_old_webhooks() -> None:
    """Webhooks that were handled long ago; what they brought about stands in the payments."""
    for operator in await tenancy.operators(system(None, "payments")):
        await forget_webhooks(system(operator.id, "payments", slug=operator.slug))


@every(5)
async def end_what_ran_out() -> None:
    """Let go of holds whose lease is over, and take expired lots off their purses."""
    for tenant in await tenants_with_expired():
        await expire_purses(system(tenant, "payments"))


@cron("41 1 * * *")
async def end_unused_mandates() -> None:
    """SEPA mandates lapse when they were not used for 36 months."""
    for operator in await tenancy.operators(system(None, "payments")):
        ended = await expire_mandates(system(operator.id, "payments", slug=operator.slug))
        if ended:
            log.info("mandates expired", operator=operator.slug, count=ended)


@cron("37 1 * * *")
async def compare_with_gateways() -> None:
    """Before the nightly proof: each gateway's own list against ours (I10)."""
    for operator in await tenancy.operators(system(None, "payments")):
        for each in await compare(system(operator.id, "payments", slug=operator.slug)):
            say = log.error if each.found or each.problem else log.info
            say(
                "gateway compared", operator=operator.slug, gateway=each.gateway,
                compared=each.compared, found=each.found, problem=each.problem,
            )  # fmt: skip


@cron("7 2 * * *")
async def prove_books() -> None:
    """The nightly proof: what is wrong in the books of any operator is said loudly, by journal."""
    for operator in await tenancy.operators(system(None, "payments")):
        findings = await proof(system(operator.id, "payments", slug=operator.slug))
        for finding in findings:
            log.error(
                "books broken", operator=operator.slug, check=finding.check,
                subject=finding.subject, detail=finding.detail,
            )  # fmt: skip
        waiting = await open_items(system(operator.id, "payments", slug=operator.slug), 1, 0)
        if any(each.is_late for each in waiting.items):  # the oldest comes first
            log.warning(
                "open items are late", operator=operator.slug, count=waiting.total,
                since=waiting.items[0].since.isoformat(),
            )  # fmt: skip
        log.info("books proved", operator=operator.slug, findings=len(findings))
