"""Verbs for the tests of SEPA: rides paid by mandate, runs for the bank, statements from it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from fahrwerk.kernel import clock, db, ids
from fahrwerk.payments import contract, queries
from fahrwerk.payments.contract import ledger, mandates, sepa
from fahrwerk.payments.gateways import _sepa_bank
from fahrwerk.payments.rules import sepa as rules
from tests.payments.gateways.kits import CREDITOR_IBAN, RIDER_IBAN, open_sepa
from tests.payments.till import Till

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract.mandates import Mandate
    from fahrwerk.payments.contract.sepa import Imported, Run, SepaOrder
    from tests.world import World

OTHER_IBAN = "DE02120300000000202051"
PLAY = _sepa_bank
CAMT = _sepa_bank.CAMT


class Bank:
    """An operator who collects by direct debit, and the bank."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.admin = world.admin()

    async def mandate(self, rider: Call, iban: str = RIDER_IBAN, **fields: Any) -> Mandate:
        """The rider signs."""
        offer = await mandates.mandate_offer(rider)
        wanted = mandates.NewMandate(
            **{"iban": iban, "holder": "Ada Lovelace", "agreed_text": offer.version} | fields
        )
        return await mandates.sign_mandate(rider, wanted)

    async def ride(self, cost: int = 1_000, rider: Call | None = None, hold: int = 1_250) -> Till:
        """A ride that has ended and is paid by direct debit."""
        rider = rider or self.world.call("customer")
        assert rider.user is not None
        signed = await self.mandate(rider, make_default=True)
        assert signed.method_id is not None
        payment = await contract.open_payment(rider, ids.new(), ids.new(), rider.user, hold, "EUR")
        till = Till(self.world, rider, signed.method_id, payment)
        await till.authorize()
        await till.ended(cost)
        await till.work()
        return till

    def day(self) -> date:
        """A bank day by which everything captured now may be collected."""
        return rules.bank_days_after(clock.now().date() + timedelta(days=4), 1)

    async def run(self, kind: sepa.RunKind = "collection", scheme: str = "CORE") -> Run:
        """Everything that is due, handed in."""
        run = await sepa.draft_run(self.admin, kind, scheme, self.day())
        await sepa.approve_run(self.admin, run.id)
        return await sepa.export_run(self.admin, run.id)

    async def file(self, run: Run) -> bytes:
        return (await sepa.run_file(self.admin, run.id)).content

    async def answers(
        self, run: Run, returns: dict[str, str] | None = None, **fields: Any
    ) -> Imported:
        """The bank's statement of the day of the run, read in."""
        day = fields.pop("day", run.execute_on)
        made = _sepa_bank.statement(await self.file(run), day, returns, **fields)
        return await self.reads(made)

    async def reads(self, content: bytes) -> Imported:
        return await sepa.import_statement(self.admin, content)

    async def orders(self, **wanted: Any) -> list[SepaOrder]:
        values = {"state": None, "run_id": None, "limit": 100, "offset": 0} | wanted
        return (await sepa.sepa_orders(self.admin, **values)).orders

    async def order(self) -> SepaOrder:
        """The only collection there is."""
        (found,) = [each for each in await self.orders() if each.kind == "collection"]
        return found

    async def balance(self, code: str, owner: str | None = None) -> int:
        page = await ledger.accounts(self.admin, code, owner, None, 100, 0)
        return sum(each.balance_minor for each in page.accounts)

    async def books(self) -> dict[str, int]:
        """The accounts that have something on them."""
        page = await ledger.accounts(self.admin, None, None, None, 100, 0)
        found: dict[str, int] = {}
        for each in page.accounts:
            found[each.code] = found.get(each.code, 0) + each.balance_minor
        return {code: amount for code, amount in found.items() if amount}

    async def broken(self) -> list[Any]:
        """What is wrong, five minutes from now."""
        call = self.world.system()
        with clock.moved_to(clock.now() + timedelta(minutes=5)):
            return [*await queries.proof(call), *await queries.broken_invariants(call)]

    async def attempts(self, payment_id: UUID) -> list[tuple[str, str, str]]:
        rows = await db.run(
            "payments", self.world.system(),
            "SELECT kind, state, coalesce(reason, '') AS reason FROM payments.attempt "
            "WHERE payment_id = $1 ORDER BY sent_at, kind", payment_id,
        )  # fmt: skip
        return [(row["kind"], row["state"], row["reason"]) for row in rows]


async def open_bank(world: World, **settings: Any) -> Bank:
    await open_sepa(world)
    bank = Bank(world)
    wanted = sepa.SepaSettings(**{"creditor_name": "Fährwerk & Söhne GmbH"} | settings)
    await sepa.set_sepa_settings(bank.admin, wanted)
    return bank


def statement(
    *entries: str, name: str = "S1", iban: str = CREDITOR_IBAN, kind: str = CAMT
) -> bytes:
    """A file of the bank."""
    part = "Ntfctn" if "054" in kind else "Stmt"
    return (
        f'<Document xmlns="{kind}"><B><GrpHdr><MsgId>M</MsgId></GrpHdr><{part}><Id>{name}</Id>'
        f"<Acct><Id><IBAN>{iban}</IBAN></Id></Acct>{''.join(entries)}</{part}></B></Document>"
    ).encode()


def entry(amount: str, sign: str = "CRDT", ref: str = "R1", text: str = "", more: str = "") -> str:
    """A booked line of it."""
    return (
        f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Sts>BOOK</Sts>'
        f"<BookgDt><Dt>2026-11-24</Dt></BookgDt><AcctSvcrRef>{ref}</AcctSvcrRef><NtryDtls>"
        f"<TxDtls>{more}<RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
    )
