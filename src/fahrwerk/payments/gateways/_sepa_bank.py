"""A bank to play with: it answers an exported pain.008 or pain.001 with a statement (camt.053).

Ships with the platform like the sandbox gateway: for demonstrations and tests. It credits each part
of a file in one sum, and takes back what it is told to, with a reason and a fee, as banks do.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from decimal import Decimal
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import msgspec

from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments.gateways._sepa_xml import elements

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

FEE_MINOR = 300
CAMT = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
PAIN_002 = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"


class Part(msgspec.Struct, frozen=True):
    """One ``PmtInf`` of a file: its id, account, direction and transactions ``(id, cents)``."""

    batch_id: str
    account: str
    is_debit: bool
    transactions: list[tuple[str, int]]


def parts_of(pain: bytes) -> tuple[str, list[Part]]:
    """The message id and parts of an exported file. Raises ``Invalid``."""
    message, found = "", []
    for tag, element, text in elements([pain]):
        if tag == "GrpHdr/MsgId":
            message = text
        elif tag == "PmtInf" and element is not None:
            found.append(_part(element))
    if not message or not found:
        raise Invalid(field="file", issue="is no pain.008 and no pain.001")
    return message, found


def _part(element: ET.Element) -> Part:
    is_debit = element.findtext("PmtMtd") == "DD"
    account = element.findtext("CdtrAcct/Id/IBAN" if is_debit else "DbtrAcct/Id/IBAN") or ""
    transactions = [
        (each.findtext("PmtId/EndToEndId") or "", _cents(each))
        for each in element.findall("DrctDbtTxInf" if is_debit else "CdtTrfTxInf")
    ]
    return Part(element.findtext("PmtInfId") or "", account, is_debit, transactions)


def _cents(transaction: ET.Element) -> int:
    text = transaction.findtext("InstdAmt") or transaction.findtext("Amt/InstdAmt") or "0"
    return int(Decimal(text) * 100)


def statement(
    pain: bytes, booked_on: date, returns: Mapping[str, str] | None = None, *, number: int = 1,
    fee_minor: int = FEE_MINOR, is_settled: bool = True,
) -> bytes:  # fmt: skip
    """The statement of the day ``booked_on``: all parts of the file, less what comes back.

    ``returns``: end-to-end id -> reason code. ``is_settled`` False: only what comes back, for a
    later day.
    """
    message, parts = parts_of(pain)
    entries: list[str] = []
    for part in parts:
        total = sum(amount for _, amount in part.transactions)
        ref = f"{message}-{len(entries)}-{number}"
        if is_settled:
            entries.append(_batch(part, total, ref, booked_on))
        for end_to_end, amount in part.transactions:
            if (code := (returns or {}).get(end_to_end)) is not None:
                fee = fee_minor if part.is_debit else 0
                entries.append(_return(part, end_to_end, amount, fee, code, booked_on))
    ids = f"{escape(message)}-{booked_on:%y%m%d}-{number}"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{CAMT}"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>M{ids}</MsgId><CreDtTm>{booked_on}T18:00:00</CreDtTm></GrpHdr>"
        f"<Stmt><Id>S{ids}</Id><ElctrncSeqNb>{number}</ElctrncSeqNb>"
        f"<Acct><Id><IBAN>{escape(parts[0].account)}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{''.join(entries)}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def status_report(pain: bytes, rejects: Mapping[str, str]) -> bytes:
    """A pain.002 that rejects some transactions before they are settled."""
    message, _ = parts_of(pain)
    rows = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{escape(each)}</OrgnlEndToEndId><TxSts>RJCT</TxSts>"
        f"<StsRsnInf><Rsn><Cd>{escape(code)}</Cd></Rsn></StsRsnInf></TxInfAndSts>"
        for each, code in rejects.items()
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{PAIN_002}"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>R{escape(message)}</MsgId></GrpHdr><OrgnlPmtInfAndSts>"
        f"<OrgnlPmtInfId>{escape(message)}</OrgnlPmtInfId>{rows}</OrgnlPmtInfAndSts>"
        "</CstmrPmtStsRpt></Document>"
    ).encode()


def _batch(part: Part, total: int, ref: str, day: date) -> str:
    sign = "CRDT" if part.is_debit else "DBIT"
    return (
        f'<Ntry><Amt Ccy="EUR">{_euros(total)}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'
        f"<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>"
        f"<AcctSvcrRef>{escape(ref)}</AcctSvcrRef><NtryDtls><Btch>"
        f"<PmtInfId>{escape(part.batch_id)}</PmtInfId><NbOfTxs>{len(part.transactions)}</NbOfTxs>"
        f"</Btch></NtryDtls></Ntry>"
    )


def _return(part: Part, end_to_end: str, amount: int, fee: int, code: str, day: date) -> str:
    sign = "DBIT" if part.is_debit else "CRDT"
    total = _euros(amount + fee)
    return (
        f'<Ntry><Amt Ccy="EUR">{total}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'
        f"<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>"
        f"<AcctSvcrRef>R{escape(end_to_end)}</AcctSvcrRef><NtryDtls><TxDtls><Refs>"
        f"<EndToEndId>{escape(end_to_end)}</EndToEndId></Refs>"
        f'<Amt Ccy="EUR">{total}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'
        f"<RtrInf><Rsn><Cd>{escape(code)}</Cd></Rsn></RtrInf></TxDtls></NtryDtls></Ntry>"
    )


def _euros(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
