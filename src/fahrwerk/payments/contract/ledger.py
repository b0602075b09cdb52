"""What may be asked of the ledger: postings, reversals, holds and lots; balances and proofs.

Amounts of lines are signed minor units: debit positive, credit negative, and a journal sums to
zero. *Balances* have the sign that people expect: what is ours (assets) and what we spent is
positive on the debit side, what we owe and what we earned on the credit side.

A *purse* is the prepaid money of one owner in one currency: the accounts ``wallet_paid``,
``wallet_bonus`` and ``wallet_voucher``, each the sum of its *lots*. Keys make every action here
harmless to repeat: the same key with other content is refused with ``KeyReused``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound, Unpaid

ACCOUNT_PREFIX, JOURNAL_PREFIX = "acc", "jrn"
LotKind = Literal["paid", "bonus", "voucher"]
AccountKind = Literal["asset", "liability", "income", "expense"]


class Line(msgspec.Struct, frozen=True, order=True):
    """One line of a journal to be posted: an account of the chart by code and owner."""

    code: str
    amount_minor: int
    """Debit positive, credit negative."""
    owner: str = ""
    """A rider's or reseller's id, a gateway's name; empty for the operator's own accounts."""


class NewJournal(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be posted."""

    key: str
    """Of the whole operator: begin it with the name of your room."""
    kind: str
    """A word for what happened: sale, capture, top_up, ..."""
    currency: str
    lines: list[Line]
    at: datetime
    """When it happened; balances at a time go by it."""
    reference: UUID | None = None
    """What it speaks of, to be found by it."""
    narration: str = ""


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """One line as it stands in the books."""

    account_id: UUID
    code: str
    owner: str
    currency: str
    amount_minor: int


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """One posting, never changed. ``reversed_by``: the journal that took it back."""

    id: UUID
    key: str
    kind: str
    reference: UUID | None
    at: datetime
    posted_at: datetime
    narration: str
    actor: str
    reverses: UUID | None
    reversed_by: UUID | None
    lines: list[Posted]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account with its balance, whatever number of rows it is spread over."""

    id: UUID
    code: str
    owner: str
    kind: AccountKind
    currency: str
    balance_minor: int
    held_minor: int
    """Of the balance now; holds have no history."""
    entries: int


class AccountPage(msgspec.Struct, frozen=True):
    """One page of accounts and how many there are in all."""

    accounts: list[Account]
    total: int


class TrialLine(msgspec.Struct, frozen=True, kw_only=True):
    """What happened on the accounts of one code: ``opening + debit - credit = closing``.

    ``opening`` and ``closing`` are debit positive, so that each column of them sums to zero.
    """

    code: str
    kind: AccountKind
    currency: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int


class StatementLine(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of an account, with the account's balance after it (in the sign people see)."""

    journal_id: UUID
    kind: str
    reference: UUID | None
    at: datetime
    narration: str
    amount_minor: int
    """Debit positive, credit negative."""
    balance_minor: int


class Statement(msgspec.Struct, frozen=True):
    """A page of an account's entries, newest first; ``after`` is where the next page begins."""

    account: Account
    lines: list[StatementLine]
    after: str | None


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Money of a purse kept for something under way."""

    key: str
    state: Literal["open", "captured", "released", "expired"]
    amount_minor: int
    captured_minor: int
    expires_at: datetime


class Grant(msgspec.Struct, frozen=True):
    """A lot to be made: ``expires_at`` None = never."""

    kind: LotKind
    amount_minor: int
    expires_at: datetime | None = None


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a purse: what came in at once, and what is left of it."""

    id: UUID
    kind: LotKind
    granted_minor: int
    left_minor: int
    granted_at: datetime
    expires_at: datetime | None


class Purse(msgspec.Struct, frozen=True, kw_only=True):
    """The prepaid money of one owner. Signalled as ``payments.purse:<owner>``."""

    owner: str
    currency: str
    balance_minor: int
    available_minor: int
    """Balance less holds and less what has run out but is not taken off yet."""
    held_minor: int
    balances: dict[LotKind, int]
    lots: list[Lot]
    """Those with something left, in the order they are spent (bonus first)."""


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal did to a purse: how much it took, of which kind."""

    journal_id: UUID
    amount_minor: int
    parts: dict[LotKind, int]


class Finding(msgspec.Struct, frozen=True):
    """Something wrong in the books: the check, the journal or account it names, and what it is."""

    check: str
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.check}: {self.subject}: {self.detail}"


class OpenItem(msgspec.Struct, frozen=True, kw_only=True):
    """Money in suspense that waits for a person: no mistake, but work."""

    kind: Literal["bank_line", "failed_refund"]
    subject: str
    """``stl_...`` of the line, ``pay_...`` of the payment."""
    amount_minor: int
    """In suspense: debit positive."""
    currency: str
    since: datetime
    is_late: bool
    """It has waited for more than five bank days."""


class OpenItemPage(msgspec.Struct, frozen=True):
    """One page, the oldest first, and how many there are in all."""

    items: list[OpenItem]
    total: int


class KeyReused(Conflict):
    """The key was used for something else."""

    code = "LEDGER_KEY_REUSED"
    message = "This key was used for another posting."


class InsufficientBalance(Unpaid):
    """The account would fall below its floor: there is not that much money."""

    code = "INSUFFICIENT_BALANCE"
    message = "The balance is not sufficient."


class AlreadyReversed(Conflict):
    """A journal is reversed once."""

    code = "ALREADY_REVERSED"
    message = "This journal is reversed already."


class NotReversible(Conflict):
    """A reversal, or what the gateway did: that is refunded, not reversed."""

    code = "NOT_REVERSIBLE"
    message = "This journal cannot be reversed."


class HoldEnded(Conflict):
    """Captured, released or run out before."""

    code = "HOLD_ENDED"
    message = "This hold has ended."


class UnknownHold(NotFound):
    """No hold has this key."""

    code = "UNKNOWN_HOLD"
    message = "There is no such hold."


@action
async def post_journal(call: Call, journal: NewJournal) -> UUID:
    """Post a journal: one statement, one round trip. The id of the journal.

    Not for accounts of a purse: those move with their lots (``grant``, ``spend``). Raises
    ``Invalid`` (not zero in sum, unknown code, an account of a purse), ``InsufficientBalance`` (a
    floor), ``KeyReused``.
    """
    raise AssertionError


@action
async def reverse_journal(call: Call, journal_id: UUID, reason: str, key: str) -> Journal:
    """Take a journal back by its mirror (permission ``payments.ledger.write``); the reversal.

    Lots it granted must be whole and go; lots it took from get it back. Raises ``NotFound``,
    ``AlreadyReversed``, ``NotReversible``, ``InsufficientBalance`` (already spent), ``Invalid``.
    """
    raise AssertionError


@action
async def grant(call: Call, owner: str, grants: list[Grant], journal: NewJournal) -> UUID:
    """Put money into a purse: one lot for each grant. The id of the journal.

    ``journal.lines`` say where it comes from (debits, in sum what is granted); the lines of the
    purse are added. Raises ``Invalid``, ``KeyReused``.
    """
    raise AssertionError


@action
async def spend(call: Call, owner: str, first: LotKind, journal: NewJournal) -> Spent:
    """Take money out of a purse, exactly once by ``journal.key``.

    ``journal.lines`` say what for (credits, in sum what is taken); the lines of the purse are
    added. Money of the kind ``first`` is taken first, of a kind what runs out soonest, then the
    oldest. Raises ``InsufficientBalance`` (``available_minor``), ``Invalid``, ``KeyReused``.
    """
    raise AssertionError


@action
async def place_hold(
    call: Call,
    key: str,
    owner: str,
    currency: str,
    amount_minor: int,
    lease_s: float,
    first: LotKind,
    reference: UUID | None,
) -> Hold:
    """Keep money of a purse for ``lease_s`` seconds of the database's clock.

    Repeating it answers the hold as it is. Raises ``InsufficientBalance`` (``available_minor``),
    ``Invalid``, ``KeyReused`` (another amount).
    """
    raise AssertionError


@action
async def extend_hold(call: Call, key: str, lease_s: float) -> Hold:
    """Let an open hold end no sooner than in ``lease_s`` seconds. ``UnknownHold``, ``HoldEnded``.

    One that has run out and is not ended yet is taken up again.
    """
    raise AssertionError


@action
async def capture_hold(call: Call, key: str, journal: NewJournal) -> Spent:
    """Spend up to what is held, and release the rest; like ``spend`` in everything else.

    Held money is there even when its lot has run out meanwhile. Raises ``UnknownHold``,
    ``HoldEnded``, ``InsufficientBalance`` (more than is held), ``Invalid``, ``KeyReused``.
    """
    raise AssertionError


@action
async def release_hold(call: Call, key: str) -> Hold:
    """Let go of what is held; what has ended answers as it ended. Raises ``UnknownHold``."""
    raise AssertionError


@action
async def catch_up(call: Call) -> int:
    """Post what the rides of this operator lack in the books, now; how many journals.

    The worker does it by itself; this is for who does not want to wait, or runs none.
    """
    raise AssertionError


@query
async def purse(call: Call, owner: str, currency: str) -> Purse:
    """What an owner has; nothing at all for one nobody knows."""
    raise AssertionError


@query
async def accounts(
    call: Call, code: str | None, owner: str | None, as_of: datetime | None, limit: int, offset: int
) -> AccountPage:
    """Accounts by code and owner with their balances, now or at a time.

    Permission ``payments.ledger.read``. ``as_of``: what happened at that time or before counts.
    """
    raise AssertionError


@query
async def trial_balance(
    call: Call, since: datetime | None, until: datetime | None
) -> list[TrialLine]:
    """All codes with what happened from ``since`` until before ``until``.

    Permission ``payments.ledger.read``. None = from the beginning, until now and beyond.
    """
    raise AssertionError


@query
async def statement(
    call: Call,
    account_id: UUID,
    since: datetime | None,
    until: datetime | None,
    after: str | None,
    limit: int,
) -> Statement:
    """Entries of an account, newest first, page by page (``payments.ledger.read``).

    ``after`` is what the page before said. Raises ``NotFound``, ``Invalid`` (``after``).
    """
    raise AssertionError


@query
async def journal(call: Call, journal_id: UUID) -> Journal:
    """One journal with its lines (``payments.ledger.read``). Raises ``NotFound``."""
    raise AssertionError


@query
async def open_items(call: Call, limit: int, offset: int) -> OpenItemPage:
    """What in suspense waits for a person, the oldest first (``payments.ledger.read``).

    Together it is all that is in suspense; the proof says when it is not.
    """
    raise AssertionError


@query
async def proof(call: Call) -> list[Finding]:
    """Everything that is wrong in this operator's books; empty when they are right.

    Reads all of them, and derives them once more from the event log: for the night and for
    ``fahrwerk books verify``. What happened within the last two minutes may still be under way.
    """
    raise AssertionError
