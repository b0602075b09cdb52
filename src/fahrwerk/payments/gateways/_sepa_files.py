"""Files for the bank: pain.008.001.08 (debits) and pain.001.001.09 (refunds), as its schema has it.

Written by ``sepaxml``, which knows the form; what it makes up at random (ids, the time) is replaced
by what stands in the run, so that the same run is the same file, and checked against the XSD last.
Banks break off at letters beyond the basic Latin set: names and texts are written without.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import sepaxml  # type: ignore[import-untyped]
from sepaxml.validation import ValidationError, try_valid_xml  # type: ignore[import-untyped]
from text_unidecode import unidecode  # type: ignore[import-untyped]

from fahrwerk.kernel.errors import Invalid

DEBITS, TRANSFERS = "pain.008.001.08", "pain.001.001.09"
MOST_BYTES = 16 << 20
_REFUSED = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]")
"""Characters that are not in the set every bank takes (EPC217-08)."""


class Creditor(msgspec.Struct, frozen=True, kw_only=True):
    """Whose file it is."""

    name: str
    iban: str
    creditor_id: str
    bic: str | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One debit or transfer. ``mandate`` and what follows are for debits only."""

    end_to_end_id: str
    amount_minor: int
    holder: str
    iban: str
    text: str
    bic: str | None = None
    mandate: str = ""
    signed_on: date = date(2000, 1, 1)
    sequence: str = "RCUR"
    was_iban: str | None = None
    """The account of the debit before, when the mandate was amended since."""

    def __repr__(self) -> str:
        return f"Item({self.end_to_end_id})"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be written: ``scheme`` CORE or B2B, or SCT for refunds."""

    message_id: str
    made_at: datetime
    execute_on: date
    scheme: str
    creditor: Creditor
    items: list[Item]


def plain(text: str, most: int) -> str:
    """The text with what every bank can read."""
    return " ".join(_REFUSED.sub(" ", unidecode(text)).split())[:most].strip() or "-"


def written(order: Order) -> bytes:
    """The file. Raises ``Invalid`` when it would not be one by the schema: nothing is sent then."""
    schema = TRANSFERS if order.scheme == "SCT" else DEBITS
    config: dict[str, Any] = {
        "name": plain(order.creditor.name, 70), "IBAN": order.creditor.iban, "batch": True,
        "currency": "EUR", "creditor_id": order.creditor.creditor_id,
    }  # fmt: skip
    if order.creditor.bic:
        config["BIC"] = order.creditor.bic
    if order.scheme == "SCT":
        document = sepaxml.SepaTransfer(config, schema=schema)
    else:
        document = sepaxml.SepaDD({**config, "instrument": order.scheme}, schema=schema)
    for item in order.items:
        document.add_payment(_payment(order, item))
    root = ET.fromstring(document.export(validate=False))  # noqa: S314 - written by us just now
    ns = f"{{urn:iso:std:iso:20022:tech:xsd:{schema}}}"
    _named(root, ns, order)
    _amended(root, ns, order)
    ET.register_namespace("", ns[1:-1])
    content: bytes = b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "utf-8")
    if len(content) > MOST_BYTES:
        raise Invalid(field="run", issue="makes a file too large for a bank: use smaller runs")
    try:
        try_valid_xml(content, schema)
    except ValidationError as wrong:
        raise Invalid(field="run", issue=f"is no valid {schema}: {wrong.__cause__}"[:300]) from None
    return content


def _payment(order: Order, item: Item) -> dict[str, Any]:
    payment: dict[str, Any] = {
        "name": plain(item.holder, 70), "IBAN": item.iban, "amount": item.amount_minor,
        "description": plain(item.text, 140), "endtoend_id": item.end_to_end_id,
    }  # fmt: skip
    if item.bic:
        payment["BIC"] = item.bic
    if order.scheme == "SCT":
        return {**payment, "execution_date": order.execute_on}
    return {
        **payment, "type": item.sequence, "collection_date": order.execute_on,
        "mandate_id": item.mandate, "mandate_date": item.signed_on,
    }  # fmt: skip


def batch_id(message_id: str, sequence: str) -> str:
    """The id of the part of a file with the debits of one sequence type."""
    return f"{message_id}-{sequence}"[:35]


def _named(root: ET.Element, ns: str, order: Order) -> None:
    """Our ids and time in the place of those made up."""
    for header in root.iter(f"{ns}GrpHdr"):
        _set(header, f"{ns}MsgId", order.message_id)
        made = order.made_at.astimezone(UTC).replace(microsecond=0, tzinfo=None)
        _set(header, f"{ns}CreDtTm", made.isoformat())
    for part in root.iter(f"{ns}PmtInf"):
        sequence = next((e.text for e in part.iter(f"{ns}SeqTp")), None) or "SCT"
        _set(part, f"{ns}PmtInfId", batch_id(order.message_id, sequence))


def _set(within: ET.Element, tag: str, text: str) -> None:
    if (found := within.find(tag)) is not None:
        found.text = text


def _amended(root: ET.Element, ns: str, order: Order) -> None:
    """Tell the rider's bank that the account of this mandate was another one before."""
    before = {item.mandate: item.was_iban for item in order.items if item.was_iban}
    for mandate in root.iter(f"{ns}MndtRltdInf") if before else ():
        reference = mandate.findtext(f"{ns}MndtId") or ""
        if (iban := before.get(reference)) is None:
            continue
        for child in mandate.findall(f"{ns}AmdmntInd"):
            mandate.remove(child)
        at = 1 + [child.tag for child in mandate].index(f"{ns}DtOfSgntr")
        mark, details = ET.Element(f"{ns}AmdmntInd"), ET.Element(f"{ns}AmdmntInfDtls")
        mark.text = "true"
        account = ET.SubElement(ET.SubElement(details, f"{ns}OrgnlDbtrAcct"), f"{ns}Id")
        ET.SubElement(account, f"{ns}IBAN").text = iban
        mandate.insert(at, mark)
        mandate.insert(at + 1, details)
