"""Reading what a bank sends: camt.053, camt.054 and pain.002, piece by piece.

A file from outside: no document type (so no entities, no external ones), and bounds on size, depth
and length. Only one entry is in memory at a time. Versions .02 and .08 differ in where some things
stand; both are read.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import date
from typing import TYPE_CHECKING, Literal
from xml.parsers import expat

import msgspec

from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_BYTES = 64 << 20
MOST_DEPTH = 40
MOST_TEXT = 10_000
MOST_ELEMENTS = 400_000
"""Of one entry: the batch of a whole run."""
MOST_MINOR = 10**13
_KINDS = re.compile(
    r"urn:(?:iso:std:iso:20022:tech:xsd|swift:xsd):\$?(camt\.05[34]|pain\.002)\.001"
)
_AMOUNT = re.compile(r"([0-9]{1,13})(?:\.([0-9]{1,2})0{0,3})?")
_NO_REF = {"", "NONREF", "NOTPROVIDED", "NONE"}
_WHOLE = {"Ntry", "TxInfAndSts", "OrgnlGrpInfAndSts", "PmtInf"}
_SHORT = {
    ("GrpHdr", "MsgId"), ("Stmt", "Id"), ("Ntfctn", "Id"), ("OrgnlPmtInfAndSts", "PmtInfSts"),
    ("OrgnlPmtInfAndSts", "OrgnlPmtInfId"), ("Id", "IBAN"),
}  # fmt: skip

Kind = Literal["camt.053", "camt.054", "pain.002"]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A booked movement of the account; ``bank_ref`` tells it from all others there."""

    account: str
    booked_on: date
    amount_minor: int
    """Credit positive, debit negative."""
    currency: str
    bank_ref: str
    end_to_end_id: str | None = None
    batch_id: str | None = None
    reason: str | None = None
    is_reversal: bool = False
    remittance: str = ""
    counterparty: str = ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A rejection before settlement: of one debit, of a part of a file, or of all of it."""

    code: str
    end_to_end_id: str | None = None
    batch_id: str | None = None
    message_id: str | None = None


class Skipped(msgspec.Struct, frozen=True):
    """Something that is no booking, or cannot be told from others."""

    why: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of file it is, and its own id."""

    kind: Kind
    reference: str


Piece = Head | Line | Status | Skipped


def read(chunks: Iterable[bytes]) -> Iterator[Piece]:
    """The pieces of a file, its head first. Raises ``Invalid``: not such a file, or a broken one.

    Pieces before the place where it breaks have been given by then.
    """
    state = _State()
    for tag, element, text in elements(chunks):
        yield from state.pieces(tag, element, text)
    if state.kind is None:
        raise Invalid(field="body", issue="is no camt.053, camt.054 or pain.002")


# --- the parser


class _Builder:
    """Collects whole elements of some names, and short texts of others."""

    def __init__(self) -> None:
        self.ready: list[tuple[str, ET.Element | None, str]] = []
        self._path: list[str] = []
        self._open: ET.TreeBuilder | None = None
        self._depth = 0
        self._elements = 0
        self._text: list[str] = []
        self._length = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, tag = name.rpartition(" ")
        self._path.append(tag)
        if len(self._path) > MOST_DEPTH:
            raise Invalid(field="body", issue="is nested too deeply")
        self._text, self._length = [], 0
        if len(self._path) == 1:
            self.ready.append(("", None, namespace))
        if self._open is None and tag in _WHOLE:
            self._open, self._depth, self._elements = ET.TreeBuilder(), len(self._path), 0
        if self._open is not None:
            self._elements += 1
            if self._elements > MOST_ELEMENTS:
                raise Invalid(field="body", issue="has an entry that is too large")
            self._open.start(tag, attributes)

    def end(self, name: str) -> None:
        tag = self._path.pop()
        text = "".join(self._text)
        self._text = []
        if self._open is not None:
            self._open.data(text)
            self._open.end(tag)
            if len(self._path) < self._depth:
                self.ready.append((tag, self._open.close(), ""))
                self._open = None
        elif self._path and (self._path[-1], tag) in _SHORT:
            self.ready.append((f"{self._path[-1]}/{tag}", None, text.strip()))

    def data(self, text: str) -> None:
        self._length += len(text)
        if self._length > MOST_TEXT:
            raise Invalid(field="body", issue="has a text that is too long")
        self._text.append(text)


def _refuse(*_: object) -> int:
    raise Invalid(field="body", issue="must not have a document type or entities")


def elements(chunks: Iterable[bytes]) -> Iterator[tuple[str, ET.Element | None, str]]:
    """``(name, element or None, text)``: first the root's namespace under no name."""
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    size = 0
    try:
        for chunk in chunks:
            size += len(chunk)
            if size > MOST_BYTES:
                raise Invalid(field="body", issue=f"is larger than {MOST_BYTES >> 20} MB")
            parser.Parse(chunk, False)
            yield from builder.ready
            builder.ready = []
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as wrong:
        raise Invalid(field="body", issue=f"is not well-formed XML: {wrong}"[:200]) from None
    yield from builder.ready


# --- what the elements mean


class _State:
    def __init__(self) -> None:
        self.kind: Kind | None = None
        self.message = self.statement = self.account = self.batch = ""
        self.is_told = False
        self.entries = 0

    def pieces(self, tag: str, element: ET.Element | None, text: str) -> Iterator[Piece]:
        if tag == "":
            found = _KINDS.match(text)
            if found is None:
                raise Invalid(field="body", issue="is no camt.053, camt.054 or pain.002")
            self.kind = found[1]  # type: ignore[assignment]
        elif tag == "GrpHdr/MsgId":
            self.message = text[:70]
            if self.kind == "pain.002":
                yield self._head(self.message)
        elif tag in ("Stmt/Id", "Ntfctn/Id"):
            self.statement, self.account = text[:70], ""
            self.entries = 0
            yield self._head(self.statement)
        elif tag == "Id/IBAN" and self.statement and not self.account:
            self.account = text[:34]
        elif tag == "OrgnlPmtInfAndSts/OrgnlPmtInfId":
            self.batch = text[:35]
        elif tag == "OrgnlPmtInfAndSts/PmtInfSts" and text == "RJCT":
            yield Status(code="MS03", batch_id=self.batch)
        elif element is not None and tag == "Ntry" and self.statement:
            self.entries += 1
            yield from _lines(self, element)
        elif element is not None and tag == "TxInfAndSts" and _at(element, "TxSts") == "RJCT":
            code = _at(element, "StsRsnInf/Rsn/Cd") or "MS03"
            yield Status(code=code[:4], end_to_end_id=_at(element, "OrgnlEndToEndId")[:35])
        elif (
            element is not None and tag == "OrgnlGrpInfAndSts" and _at(element, "GrpSts") == "RJCT"
        ):
            code = _at(element, "StsRsnInf/Rsn/Cd") or "MS03"
            yield Status(code=code[:4], message_id=_at(element, "OrgnlMsgId")[:35])

    def _head(self, reference: str) -> Head:
        if not reference or self.kind is None:
            raise Invalid(field="body", issue="has no id of its own")
        return Head(kind=self.kind, reference=reference)


def _lines(state: _State, entry: ET.Element) -> Iterator[Piece]:
    status = _at(entry, "Sts/Cd") or _at(entry, "Sts")
    if status != "BOOK":
        yield Skipped("not booked yet")
        return
    own = _Entry(state, entry)
    details = entry.findall("NtryDtls/TxDtls")
    amounts = [_amount_of(each) for each in details]
    known = [amount for amount in amounts if amount is not None]
    is_split = len(details) > 1 and len(known) == len(details) and sum(known) == own.total
    if own.total == 0 or own.currency != "EUR":
        yield Skipped("of no amount or another currency")
    elif not own.ref and state.kind == "camt.054":
        yield Skipped("without a reference it may be told twice")
    elif is_split:
        for number, (each, amount) in enumerate(zip(details, known, strict=True), 1):
            if amount:
                yield own.line(each, amount, number)
    else:
        yield own.line(details[0] if len(details) == 1 else entry, own.total, 0)


class _Entry:
    def __init__(self, state: _State, entry: ET.Element) -> None:
        self.state, self.entry = state, entry
        self.sign = {"CRDT": 1, "DBIT": -1}.get(_at(entry, "CdtDbtInd"), 0)
        amount = entry.find("Amt")
        self.currency = "" if amount is None else amount.get("Ccy", "")
        self.total = _minor("" if amount is None else amount.text or "")
        self.is_reversal = _at(entry, "RvslInd") == "true"
        ref = _at(entry, "AcctSvcrRef") or _at(entry, "NtryRef")
        self.ref = "" if ref.upper() in _NO_REF else ref
        day = _at(entry, "BookgDt/Dt") or _at(entry, "BookgDt/DtTm") or _at(entry, "ValDt/Dt")
        try:
            self.booked_on = date.fromisoformat(day[:10])
        except ValueError:
            raise Invalid(field="body", issue="has an entry without a booking date") from None
        if self.sign == 0:
            raise Invalid(field="body", issue="has an entry that is neither credit nor debit")

    def line(self, details: ET.Element, amount: int, number: int) -> Line:
        own = _at(details, "Refs/AcctSvcrRef")
        own = "" if own.upper() in _NO_REF else own
        entry_ref = self.ref or f"{self.state.statement}#{self.state.entries}"
        reference = f"{entry_ref}/{own or number}" if number or own else entry_ref
        end_to_end = _at(details, "Refs/EndToEndId")
        batch = _at(self.entry, "NtryDtls/Btch/PmtInfId") or _at(details, "Refs/PmtInfId")
        texts = [each.text or "" for each in details.iter("Ustrd")]
        texts += [_at(details, "AddtlTxInf"), _at(self.entry, "AddtlNtryInf")]
        names = [each.text or "" for each in details.iter("Nm")]
        return Line(
            account=self.state.account,
            booked_on=self.booked_on,
            amount_minor=self.sign * amount,
            currency=self.currency,
            bank_ref=reference[:200],
            end_to_end_id=None if end_to_end.upper() in _NO_REF else end_to_end[:35],
            batch_id=batch[:35] or None,
            reason=_at(details, "RtrInf/Rsn/Cd")[:4] or None,
            is_reversal=self.is_reversal,
            remittance=" ".join(filter(None, texts))[:500],
            counterparty=next(filter(None, names), "")[:140],
        )


def _amount_of(details: ET.Element) -> int | None:
    for path in ("AmtDtls/TxAmt/Amt", "Amt"):
        if text := _at(details, path):
            return _minor(text)
    return None


def _minor(text: str) -> int:
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise Invalid(field="body", issue="has an amount that is none")
    minor = int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))
    if minor > MOST_MINOR:
        raise Invalid(field="body", issue="has an amount that is too large")
    return minor


def _at(element: ET.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def chunks_of(content: bytes) -> Iterator[bytes]:
    """A file in memory, in pieces, so that one entry at a time is made of it."""
    for at in range(0, len(content), 1 << 16):
        yield content[at : at + (1 << 16)]
