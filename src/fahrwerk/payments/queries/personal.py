"""What payments holds about people: ways to pay, payments, mandates, debts, the books."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fahrwerk.kernel import crypto, db, money
from fahrwerk.kernel.call import system
from fahrwerk.kernel.privacy import Holdings, Obstacle, Rule, Section, Text

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_OF = "tenant_id = kernel.tenant() AND rider_id = $1"
_PAY = Text("To take payments", "Um Zahlungen einzuziehen")
_EIGHT = Text("eight years", "acht Jahre")
_BOOKS = Text(
    "Books and receipts: eight years (§ 147 AO, § 257 HGB), under a number.",
    "Bücher und Belege: acht Jahre (§ 147 AO, § 257 HGB), unter einer Nummer.",
)
_GATEWAYS = Text("The payment provider", "Der Zahlungsanbieter")


def _opened(call: Call, row: dict[str, Any]) -> dict[str, Any]:
    """A mandate for its owner: name and account as they were signed."""
    for what in ("holder", "iban"):
        try:
            row[what] = crypto.unseal(f"sepa:{call.tenant}:{what}", bytes(row[what] or b""))
        except ValueError:
            row[what] = None
    return row


_METHODS = Section(
    name="methods",
    title=Text("Your ways to pay", "Ihre Zahlungsmittel"),
    purpose=_PAY,
    basis="contract",
    kept=Text("until you remove them", "bis Sie sie entfernen"),
    fate="deleted",
    recipients=_GATEWAYS,
    sql=f"""SELECT kind, brand, label, last4, expires, country, bank, mandate_reference,
        is_default, gateway, created_at
    FROM payments.method WHERE {_OF} AND removed_at IS NULL ORDER BY created_at, id""",
)
_PAYMENTS = Section(
    name="payments",
    title=Text("Your payments", "Ihre Zahlungen"),
    purpose=_PAY,
    basis="contract",
    kept=_EIGHT,
    fate="kept",
    why_kept=_BOOKS,
    recipients=_GATEWAYS,
    sql=f"""SELECT id AS payment_id, reference, state, currency, amount_minor, authorized_minor,
        captured_minor, refunded_minor, due_minor, method_label, gateway, transaction_id, reason,
        created_at
    FROM payments.payment WHERE {_OF} ORDER BY created_at, id""",
)
_MANDATES = Section(
    name="mandates",
    title=Text("Your SEPA mandates", "Ihre SEPA-Mandate"),
    purpose=Text("To debit your account by your leave", "Um mit Ihrer Erlaubnis abzubuchen"),
    basis="contract",
    kept=Text("14 months after the last debit", "14 Monate nach der letzten Abbuchung"),
    fate="kept",
    why_kept=Text(
        "Debits can be claimed back for 13 months, and the mandate is the proof against it: name "
        "and account stay sealed for 14 months, then they are deleted.",
        "Abbuchungen können 13 Monate lang zurückverlangt werden, das Mandat ist der Beleg: Name "
        "und Konto bleiben 14 Monate versiegelt, dann werden sie gelöscht.",
    ),
    recipients=Text("The operator's bank", "Die Bank des Betreibers"),
    opened=_opened,
    sql=f"""SELECT reference, state, holder_sealed AS holder, iban_sealed AS iban, iban_masked,
        bic, signed_at, signed_from, signed_text, last_used_on
    FROM payments.sepa_mandate WHERE {_OF} ORDER BY signed_at, id""",
)
_BANK_LINES = Section(
    name="bank_lines",
    title=Text("Your money on bank statements", "Ihr Geld auf Kontoauszügen"),
    purpose=Text("Bookkeeping", "Buchführung"),
    basis="legal_obligation",
    kept=Text("nine years, then without name and text", "neun Jahre, dann ohne Name und Text"),
    fate="kept",
    why_kept=Text(
        "Bank statements are receipts of the books: eight years from the end of the year (§ 147 "
        "AO, § 257 HGB). Then the name and the text, in which an account may stand, are emptied.",
        "Kontoauszüge sind Belege der Buchführung: acht Jahre ab Jahresende (§ 147 AO, § 257 HGB). "
        "Danach werden der Name und der Text, in dem ein Konto stehen kann, geleert.",
    ),
    sql="""SELECT l.booked_on, l.amount_minor, l.currency, l.counterparty, l.remittance, l.reason
    FROM payments.sepa_line l
    WHERE l.tenant_id = kernel.tenant() AND (
        l.order_id IN (SELECT o.id FROM payments.sepa_order o
            JOIN payments.sepa_mandate m ON m.tenant_id = o.tenant_id AND m.id = o.mandate_id
            WHERE o.tenant_id = kernel.tenant() AND m.rider_id = $1)
        OR l.payment_id IN (SELECT p.id FROM payments.payment p
            WHERE p.tenant_id = kernel.tenant() AND p.rider_id = $1))
    ORDER BY l.booked_on, l.id""",
)
_DEBTS = Section(
    name="debts",
    title=Text("What you owed", "Was Sie schuldeten"),
    purpose=Text("To collect what is owed", "Um Forderungen einzuziehen"),
    basis="contract",
    kept=_EIGHT,
    fate="kept",
    why_kept=_BOOKS,
    sql=f"""SELECT reference, state, currency, opened_minor, fee_minor, written_off_minor, reason,
        opened_at, closed_at FROM payments.debt WHERE {_OF} ORDER BY opened_at, id""",
)
_RISKS = Section(
    name="risk_checks",
    title=Text("Checks of payments for fraud", "Prüfungen von Zahlungen auf Betrug"),
    purpose=Text("To prevent fraud", "Um Betrug zu verhindern"),
    basis="legitimate_interest",
    kept=Text("a year; the network a month", "ein Jahr; das Netz einen Monat"),
    fate="deleted",
    sql=f"""SELECT payment_id, at, network, facts, decision, score, reasons, verdict, note
    FROM payments.risk WHERE {_OF} ORDER BY at, payment_id, method_id""",
)
_DISPUTES = Section(
    name="disputes",
    title=Text("Charges you disputed at your bank", "Zahlungen, die Sie bei Ihrer Bank bestritten"),
    purpose=Text("To settle disputes", "Um Streitfälle zu klären"),
    basis="legitimate_interest",
    kept=_EIGHT,
    fate="kept",
    why_kept=_BOOKS,
    recipients=_GATEWAYS,
    sql="""SELECT d.payment_id, d.amount_minor, d.currency, d.reason, d.state, d.opened_at,
        d.closed_at, (SELECT jsonb_agg(e.text ORDER BY e.at) FROM payments.evidence e
                      WHERE e.tenant_id = d.tenant_id AND e.dispute_id = d.id) AS evidence
    FROM payments.payment p
    JOIN payments.dispute d ON d.tenant_id = p.tenant_id AND d.payment_id = p.id
    WHERE p.tenant_id = kernel.tenant() AND p.rider_id = $1 ORDER BY d.opened_at, d.id""",
)
_LEDGER = Section(
    name="bookings",
    title=Text("Entries about you in the books", "Buchungen über Sie in den Büchern"),
    purpose=Text("Bookkeeping", "Buchführung"),
    basis="legal_obligation",
    kept=_EIGHT,
    fate="kept",
    why_kept=_BOOKS,
    sql="""SELECT e.at, a.code AS account, j.kind, j.narration, e.amount_minor,
        e.balance_after_minor, e.currency
    FROM payments.account a
    JOIN payments.entry e ON e.tenant_id = a.tenant_id AND e.account_id = a.id
         AND e.shard = a.shard
    JOIN payments.journal j ON j.tenant_id = e.tenant_id AND j.id = e.journal_id
    WHERE a.tenant_id = kernel.tenant() AND a.owner = $1::uuid::text
    ORDER BY e.at, a.code, e.version""",
)

_UNDER_WAY = """
SELECT state, currency, sum(greatest(coalesce(due_minor, 0) - captured_minor, 0))::bigint AS owed
FROM payments.payment WHERE tenant_id = kernel.tenant() AND rider_id = $1
AND state IN ('unknown', 'action_required', 'authorized', 'processing', 'due')
GROUP BY state, currency
"""
_DISPUTED = """
SELECT FROM payments.payment p
JOIN payments.dispute d ON d.tenant_id = p.tenant_id AND d.payment_id = p.id
WHERE p.tenant_id = kernel.tenant() AND p.rider_id = $1
  AND d.state IN ('needs_response', 'under_review') LIMIT 1
"""


async def obstacles(call: Call, person_id: UUID) -> list[Obstacle]:
    """Money that is owed, on its way, or disputed."""
    asking = system(call.tenant, "payments", slug=call.tenant_slug)
    rows = await db.run("payments", asking, _UNDER_WAY, person_id)
    found: list[Obstacle] = []
    for row in rows:
        if row["state"] != "due":
            continue
        owed = {"amount": money.to_major(row["owed"], row["currency"]), "currency": row["currency"]}
        text = Text("Something is still owed. Please pay it first.",
                    "Es ist noch etwas offen. Bitte zahlen Sie es zuerst.")  # fmt: skip
        found.append(Obstacle("money_owed", text, owed))
    if any(row["state"] != "due" for row in rows):
        text = Text(
            "A payment is not over yet. Please try again later.",
            "Eine Zahlung ist noch nicht abgeschlossen. Bitte versuchen Sie es später.",
        )
        found.append(Obstacle("payment_under_way", text))
    if await db.run("payments", asking, _DISPUTED, person_id):
        text = Text("Your bank still decides about a disputed charge.",
                    "Ihre Bank entscheidet noch über eine bestrittene Zahlung.")  # fmt: skip
        found.append(Obstacle("dispute_open", text))
    return found


_OLD_RISKS = """WITH old AS (
    SELECT payment_id, method_id FROM payments.risk
    WHERE tenant_id = kernel.tenant() AND at < $1 AND decision = 'allow' LIMIT $2
), gone AS (
    DELETE FROM payments.risk r USING old WHERE r.tenant_id = kernel.tenant()
    AND r.payment_id = old.payment_id AND r.method_id = old.method_id RETURNING 1)
SELECT count(*) AS count FROM gone"""
_OLD_MANDATES = """WITH gone AS (
    UPDATE payments.sepa_mandate
    SET holder_sealed = '', iban_sealed = '', was_iban_sealed = NULL, iban_masked = '',
        iban_digest = 'forgotten', bic = NULL, signed_from = ''
    WHERE tenant_id = kernel.tenant() AND id IN (
        SELECT id FROM payments.sepa_mandate WHERE tenant_id = kernel.tenant()
        AND state IN ('ended', 'revoked', 'expired') AND iban_masked <> ''
        AND coalesce(last_used_on, (signed_at AT TIME ZONE 'UTC')::date) < $1::timestamptz::date
        LIMIT $2)
    RETURNING 1) SELECT count(*) AS count FROM gone"""

# What nobody has assigned yet is work, however old.
_OLD_LINES = """WITH gone AS (
    UPDATE payments.sepa_line SET counterparty = '', remittance = ''
    WHERE tenant_id = kernel.tenant() AND id IN (
        SELECT id FROM payments.sepa_line WHERE tenant_id = kernel.tenant()
        AND booked_on < $1::timestamptz::date AND state <> 'unmatched'
        AND (counterparty <> '' OR remittance <> '') LIMIT $2)
    RETURNING 1) SELECT count(*) AS count FROM gone"""

PERSONAL = Holdings(
    sections=(_METHODS, _PAYMENTS, _MANDATES, _BANK_LINES, _DEBTS, _RISKS, _DISPUTES, _LEDGER),
    rules=(
        Rule(
            name="risk_checks",
            title=Text("Checks for fraud that found nothing", "Betrugsprüfungen ohne Befund"),
            days=365,
            least=30,
            sql=(_OLD_RISKS,),
        ),
        Rule(
            name="mandates",
            title=Text("Accounts of mandates that are over", "Konten beendeter Mandate"),
            days=425,
            least=395,
            sql=(_OLD_MANDATES,),
        ),
        Rule(
            name="bank_lines",
            title=Text("Names and texts of bank lines", "Namen und Texte von Umsätzen"),
            days=3287,
            least=2922,
            sql=(_OLD_LINES,),
        ),
    ),
    obstacles=obstacles,
)
