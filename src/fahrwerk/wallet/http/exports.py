"""Transactions as a file: CSV as it is read, XLSX row by row into a file on disk (WAL-24).

No cell is a formula: what somebody wrote into a description must not run at who opens the file.
"""

from __future__ import annotations

import asyncio
import csv
import io
import re
import tempfile
from collections.abc import AsyncIterator
from typing import IO, TYPE_CHECKING, Literal

import msgspec
import xlsxwriter  # type: ignore[import-untyped]
from litestar.response import Stream

from fahrwerk.kernel import clock, ids, money
from fahrwerk.wallet import contract

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from fahrwerk.kernel.call import Call

Format = Literal["csv", "xlsx"]
MEDIA = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
COLUMNS = ("at", "id", "type", "amount", "currency", "balance", "description")
PAGE = 500
MOST_ROWS = 500_000
"""Of a sheet: beyond that a spreadsheet is the wrong program. CSV has no end."""
CHUNK = 1 << 16
_FORMULA = re.compile(r"[=+\-@\t\r]")


def export(call: Call, rider_id: UUID, wanted: contract.TransactionFilter, form: Format) -> Stream:
    """All transactions of a rider that are wanted, newest first, as a download."""
    patient = msgspec.structs.replace(call, deadline=float("inf"))
    source = _sheet if form == "xlsx" else _lines
    return Stream(
        source(patient, rider_id, wanted),
        media_type=MEDIA[form],
        headers={
            "content-disposition": f'attachment; filename="transactions.{form}"',
            "cache-control": "no-store",
        },
    )


async def _pages(
    call: Call, rider_id: UUID, wanted: contract.TransactionFilter
) -> AsyncIterator[list[contract.Transaction]]:
    after: str | None = None
    while True:
        page = await contract.transactions(call, rider_id, wanted, after, PAGE)
        yield page.transactions
        if page.after is None:
            return
        after = page.after


def neutral(words: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{words}" if _FORMULA.match(words) else words


async def _lines(
    call: Call, rider_id: UUID, wanted: contract.TransactionFilter
) -> AsyncIterator[bytes]:
    yield _written([COLUMNS])
    async for page in _pages(call, rider_id, wanted):
        yield _written([_cells(each) for each in page])


def _cells(each: contract.Transaction) -> list[str]:
    digits = money.decimals(each.currency)
    return [
        clock.stamp(each.at),
        ids.public(contract.TRANSACTION_PREFIX, each.id),
        each.type,
        f"{money.to_major(each.amount_minor, each.currency):.{digits}f}",
        each.currency,
        f"{money.to_major(each.balance_minor, each.currency):.{digits}f}",
        neutral(each.description),
    ]


def _written(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()


class _Book:
    """A workbook that keeps one row in memory; amounts are numbers, times are times in UTC."""

    def __init__(self, file: IO[bytes], currency: str) -> None:
        self._book = xlsxwriter.Workbook(
            file,
            {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
                "default_date_format": "yyyy-mm-dd hh:mm:ss",
                "remove_timezone": True,
            },
        )
        digits = money.decimals(currency)
        self._money = self._book.add_format(
            {"num_format": f"#,##0.{'0' * digits}" if digits else "#,##0"}
        )
        self._sheet = self._book.add_worksheet("transactions")
        self._sheet.set_column(0, 6, 18)
        self._sheet.freeze_panes(1, 0)
        bold = self._book.add_format({"bold": True})
        for column, name in enumerate(COLUMNS):
            self._sheet.write_string(0, column, name, bold)
        self.rows = 0

    def add(self, page: list[contract.Transaction]) -> None:
        """Append rows, as far as the sheet goes."""
        for each in page[: MOST_ROWS - self.rows]:
            self.rows += 1
            cells = _cells(each)
            self._sheet.write_datetime(self.rows, 0, each.at)
            for column in (1, 2, 4, 6):
                self._sheet.write_string(self.rows, column, cells[column])
            for column, minor in ((3, each.amount_minor), (5, each.balance_minor)):
                major = money.to_major(minor, each.currency)
                self._sheet.write_number(self.rows, column, major, self._money)

    def close(self) -> None:
        """Write what is left into the file."""
        self._book.close()


async def _sheet(
    call: Call, rider_id: UUID, wanted: contract.TransactionFilter
) -> AsyncIterator[bytes]:
    with tempfile.TemporaryFile() as file:
        book = _Book(file, call.currency)
        async for page in _pages(call, rider_id, wanted):
            await asyncio.to_thread(book.add, page)
            if book.rows >= MOST_ROWS:
                break
        await asyncio.to_thread(book.close)
        file.seek(0)
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
