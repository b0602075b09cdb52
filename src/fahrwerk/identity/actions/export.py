"""An export is put together: every room's rows about one person, as one ZIP (GDP-01, GDP-03).

It is written as it is read: a page of rows at a time goes through the ZIP into parts of a
megabyte, each sealed with the person's key. Whoever's process dies is followed by another worker,
which begins anew under the next turn.

Crash points: ``identity.export.after_part``, ``identity.export.before_ready``.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from fahrwerk.identity.actions.notices import tell
from fahrwerk.identity.queries.privacy import part_name, privacy_setting
from fahrwerk.identity.rules import privacy as rules
from fahrwerk.identity.rules import privacy_page as page
from fahrwerk.kernel import clock, db, person_keys, privacy
from fahrwerk.kernel.crash import point
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.privacy import Section


class Taken(msgspec.Struct, frozen=True):
    """A request in a worker's hands."""

    tenant_id: UUID
    id: UUID
    person_id: UUID
    kind: str
    state: str
    locale: str
    turn: int


class LostTurn(Exception):
    """Another worker has it now, or it was called off."""


_RENEW = """
UPDATE identity.privacy_request
SET sections_done = $3, rows = $4, bytes = $5, next_at = kernel.now() + interval '5 minutes'
WHERE tenant_id = kernel.tenant() AND id = $1 AND turn = $2 AND state = 'running' RETURNING id
"""
_PART = """
INSERT INTO identity.privacy_file (request_id, turn, number, data)
SELECT id, turn, $3, $4 FROM identity.privacy_request
WHERE tenant_id = kernel.tenant() AND id = $1 AND turn = $2 AND state = 'running'
RETURNING number
"""
_FORGET_OTHERS = """
DELETE FROM identity.privacy_file
WHERE tenant_id = kernel.tenant() AND request_id = $1 AND turn <> $2
"""
_READY = f"""
UPDATE identity.privacy_request
SET state = 'ready', next_at = NULL, ended_at = $3, rows = $4, bytes = $5,
    sections_done = sections, result = $6::jsonb,
    expires_at = kernel.now() + interval '{rules.LINK_LASTS}'
WHERE tenant_id = kernel.tenant() AND id = $1 AND turn = $2 AND state = 'running' RETURNING id
"""


class _Pipe:
    """What the ZIP is written into: bytes that wait to be sealed. It cannot go back."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def write(self, data: bytes) -> int:
        """From ``zipfile``."""
        self.waiting += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


class _Export:
    def __init__(self, call: Call, taken: Taken, key: bytes) -> None:
        self.call, self.taken, self.key = call, taken, key
        self.pipe = _Pipe()
        self.zip = zipfile.ZipFile(self.pipe, "w", zipfile.ZIP_DEFLATED)  # type: ignore[call-overload]
        self.parts = self.rows = self.bytes = self.done = 0
        self.left_out: list[str] = []

    async def drain(self, *, is_end: bool = False) -> None:
        """Seal and store what fills a part."""
        while len(self.pipe.waiting) >= rules.PART_BYTES or (is_end and self.pipe.waiting):
            data = bytes(self.pipe.waiting[: rules.PART_BYTES])
            del self.pipe.waiting[: rules.PART_BYTES]
            taken = self.taken
            name = part_name(taken.id, taken.turn, self.parts)
            sealed = person_keys.seal(self.key, data, name)
            if not await db.run(
                "identity", self.call, _PART, taken.id, taken.turn, self.parts, sealed
            ):
                raise LostTurn
            self.parts += 1
            self.bytes += len(data)
            point("identity.export.after_part")

    async def section(self, section: Section) -> str:
        """Write one section's rows and files; its part of the readable page."""
        name = f"{section.room}/{section.name}.json"
        rows = privacy.gathered(self.call, section, self.taken.person_id)
        if section.has_files:  # only one member of a ZIP is open at a time
            pictures = [await self.files(section, row, i) async for i, row in _counted(rows)]
            rows = _these(pictures)
        shown: list[dict[str, Any]] = []
        count = 0
        with self.zip.open(self.named(name), "w") as member:
            member.write(b"[")
            async for count, row in _counted(rows, 1):
                member.write((b",\n" if count > 1 else b"\n") + msgspec.json.encode(row))
                if count <= rules.MOST_SHOWN:
                    shown.append(row)
                if count % privacy.PAGE == 0:
                    await self.drain()
            member.write(b"\n]\n")
        await self.drain()
        self.rows += count
        self.done += 1
        if not await db.run(
            "identity", self.call, _RENEW, self.taken.id, self.taken.turn, self.done, self.rows,
            self.bytes,
        ):  # fmt: skip
            raise LostTurn
        return page.section(section, self.taken.locale, name, shown, count)

    def named(self, name: str) -> zipfile.ZipInfo:
        """A member of the ZIP, of now."""
        member = zipfile.ZipInfo(name, clock.now().timetuple()[:6])
        member.compress_type = zipfile.ZIP_DEFLATED
        return member

    async def files(self, section: Section, row: dict[str, Any], number: int) -> dict[str, Any]:
        """Pictures become files of their own; in their row stands where they are."""
        for column, value in row.items():
            if not isinstance(value, bytes):
                continue
            name = f"files/{section.room}-{section.name}-{number + 1}.{_kind(value)}"
            if self.bytes + len(self.pipe.waiting) + len(value) > rules.MOST_BYTES:
                self.left_out.append(name)
                name = ""
            else:
                self.zip.writestr(name, value, zipfile.ZIP_STORED)
                await self.drain()
            row = {**row, column: name or None}
        return row


async def _counted(
    rows: AsyncIterator[dict[str, Any]], first: int = 0
) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    number = first
    async for row in rows:
        yield number, row
        number += 1


async def _these(rows: list[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    for row in rows:
        yield row


def _kind(data: bytes) -> str:
    heads = {b"\xff\xd8\xff": "jpg", b"\x89PN": "png", b"RIF": "webp", b"%PD": "pdf"}
    return heads.get(data[:3], "bin")


async def write_export(call: Call, taken: Taken) -> None:
    """Put one export together. Raises ``LostTurn``."""
    key = await person_keys.key_of(call, taken.person_id)
    if key is None:
        raise LostTurn
    await db.run("identity", call, _FORGET_OTHERS, taken.id, taken.turn)
    operator, setting = await tenancy.operator(call), await privacy_setting(call)
    export, at = _Export(call, taken, key), clock.now()
    told = [page.head(taken.locale, operator.name, setting.officer, at)]
    for section in privacy.sections():
        told.append(await export.section(section))
    export.zip.writestr("index.html", "".join([*told, page.END]))
    manifest = {
        "operator": operator.name,
        "made_at": clock.stamp(at),
        "person": taken.person_id,
        "sections": [f"{each.room}/{each.name}.json" for each in privacy.sections()],
        "rows": export.rows,
        "files_left_out": export.left_out,
    }
    export.zip.writestr("manifest.json", msgspec.json.format(msgspec.json.encode(manifest)))
    export.zip.close()
    await export.drain(is_end=True)
    point("identity.export.before_ready")
    result = {"files_left_out": len(export.left_out)}
    async with db.tx("identity", call) as tx:
        if not await tx.run(
            _READY, taken.id, taken.turn, clock.now(), export.rows, export.bytes, result
        ):
            raise LostTurn
        await tell(tx, call, taken.person_id, "export_ready")
