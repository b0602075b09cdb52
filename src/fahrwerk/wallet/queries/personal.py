"""What wallet holds about people: the balance, what happened on it, top-ups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db, money
from fahrwerk.kernel.call import system
from fahrwerk.kernel.privacy import Holdings, Obstacle, Section, Text

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_OF = "tenant_id = kernel.tenant() AND rider_id = $1"
_BALANCE = Text("To keep your balance", "Um Ihr Guthaben zu führen")
_EIGHT = Text("eight years", "acht Jahre")
_BOOKS = Text(
    "What was loaded and spent is in the books: eight years (§ 147 AO), under a number, without "
    "texts.",
    "Was geladen und ausgegeben wurde, steht in den Büchern: acht Jahre (§ 147 AO), unter einer "
    "Nummer, ohne Texte.",
)

_ACCOUNT = Section(
    name="account",
    title=Text("Your prepaid account", "Ihr Guthabenkonto"),
    purpose=_BALANCE,
    basis="contract",
    kept=_EIGHT,
    fate="kept",
    why_kept=_BOOKS,
    sql=f"""SELECT currency, balance_minor, low_minor, frozen_reason, frozen_at,
        has_auto AS has_auto_topup, auto_below_minor, auto_minor, auto_paused, opened_at, moved_at
    FROM wallet.account WHERE {_OF} ORDER BY opened_at""",
)
_TRANSACTIONS = Section(
    name="transactions",
    title=Text("What happened on it", "Was darauf geschah"),
    purpose=_BALANCE,
    basis="contract",
    kept=_EIGHT,
    fate="kept",
    why_kept=_BOOKS,
    sql=f"""SELECT number, at, type, amount_minor, balance_minor, currency, description, reference,
        state FROM wallet.transaction WHERE {_OF} ORDER BY at, id""",
)
_TOPUPS = Section(
    name="topups",
    title=Text("Top-ups", "Aufladungen"),
    purpose=_BALANCE,
    basis="contract",
    kept=_EIGHT,
    fate="kept",
    why_kept=_BOOKS,
    sql=f"""SELECT id AS topup_id, state, is_auto, amount_minor, bonus_minor, currency, reason,
        created_at, credited_at FROM wallet.topup WHERE {_OF} ORDER BY begun_at, id""",
)
_PARTNERS = Section(
    name="partners",
    title=Text("Partners you came by, or are", "Partner, über die Sie kamen oder die Sie sind"),
    purpose=Text("To reckon commissions", "Um Provisionen abzurechnen"),
    basis="contract",
    kept=Text("as long as the account exists", "solange das Konto besteht"),
    fate="deleted",
    sql="""SELECT 'came by' AS how, r.name, c.since FROM wallet.reseller_customer c
    JOIN wallet.reseller r ON r.tenant_id = c.tenant_id AND r.id = c.reseller_id
    WHERE c.tenant_id = kernel.tenant() AND c.rider_id = $1
    UNION ALL SELECT 'is', name, created_at FROM wallet.reseller
    WHERE tenant_id = kernel.tenant() AND person_id = $1 ORDER BY 1, 3""",
)

_LEFT = "SELECT currency, balance_minor FROM wallet.account WHERE rider_id = $1"
_ON_ITS_WAY = f"SELECT FROM wallet.topup WHERE {_OF} AND state = 'paying' LIMIT 1"


async def obstacles(call: Call, person_id: UUID) -> list[Obstacle]:
    """A balance is nobody's to keep: it is paid out or given up before an account ends."""
    asking = system(call.tenant, "wallet", slug=call.tenant_slug)
    found: list[Obstacle] = []
    row = await db.one("wallet", asking, _LEFT, person_id)
    if row is not None and row["balance_minor"] != 0:
        found.append(
            Obstacle(
                "balance_left",
                Text("There is a balance left. Have it paid out, or give it up.",
                     "Es ist noch Guthaben da. Lassen Sie es auszahlen, oder verzichten Sie."),
                {
                    "amount": money.to_major(row["balance_minor"], row["currency"]),
                    "currency": row["currency"],
                    "empty_at": "/api/v1/wallet/close",
                },
            )
        )  # fmt: skip
    if await db.run("wallet", asking, _ON_ITS_WAY, person_id):
        text = Text("Money is on its way to the balance.", "Geld ist unterwegs zum Guthaben.")
        found.append(Obstacle("topup_under_way", text))
    return found


PERSONAL = Holdings(sections=(_ACCOUNT, _TRANSACTIONS, _TOPUPS, _PARTNERS), obstacles=obstacles)
