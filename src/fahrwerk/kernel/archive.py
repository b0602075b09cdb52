"""The file in which a whole tenant moves: what is in it, and reading it without trusting it.

A file comes from elsewhere, so whoever made it may have meant harm. Nothing in it is ever unpacked
to a place it names; members are read in pieces, are those that the manifest says and no others,
and none becomes larger than tables do (``MOST_TIMES``): a small file cannot fill a disk.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from fahrwerk.kernel.belongings import NotMoved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FORMAT = 1
MANIFEST = "manifest.json"
CHUNK = 1 << 18
MOST_LISTED = 1 << 20
"""Bytes of the list of members: a table takes about a hundred."""
MOST_MANIFEST = 1 << 22
FREE = 1 << 24
MOST_TIMES = 200
"""What is longer than ``FREE`` bytes unpacked is at most so many times as long as it was. Rows have
ids, which are random: real tables come to 4 to 20 times."""
_WAYS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_BROKEN = (
    *(OSError, EOFError, KeyError, ValueError, RuntimeError, OverflowError),
    *(struct.error, zlib.error, zipfile.BadZipFile),
)
"""All that ``zipfile`` raises for files that lie about themselves."""


class Part(msgspec.Struct, frozen=True):
    """One table in a file."""

    table: str
    columns: list[str]
    rows: int
    checksum: str
    """Over all rows, whatever their order, computed by the database."""
    sha256: str
    """Of the member."""


class Manifest(msgspec.Struct, frozen=True):
    """What is in a file."""

    format: int
    schema: str
    tenant: UUID
    root: dict[str, Any]
    """The tenant's own row, as JSON."""
    parts: list[Part]
    sealed: str = ""
    """The mark of the key that what is sealed is sealed with on the way; empty: as it was."""


class _Bounded(io.FileIO):
    """A file of which nothing is read in one piece that is longer than the list of members is."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(min(size, MOST_LISTED + 1) if size and size > 0 else MOST_LISTED + 1)
        if data is not None and len(data) > MOST_LISTED:
            raise zipfile.BadZipFile("its list of members is too long")
        return data or b""


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """A tenant's file, to be read. Raises ``NotMoved`` for what is none."""
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(_Bounded(path))
            file = stack.enter_context(zipfile.ZipFile(raw))
            _check_members(file.infolist(), path.stat().st_size)
        except _BROKEN as error:
            raise NotMoved(f"{path} is not a tenant's file: {error}") from None
        yield file


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    """Raise ``BadZipFile`` for what no export writes."""
    if len({each.filename for each in members}) != len(members):
        raise zipfile.BadZipFile("two of its members have the same name")
    # More than there is: members that overlap, each of which unpacks the same bytes again.
    if sum(each.compress_size for each in members) > size:
        raise zipfile.BadZipFile("its members are longer than the file")
    for each in members:
        if each.compress_type not in _WAYS or each.flag_bits & _ENCRYPTED:
            raise zipfile.BadZipFile(f"{each.filename[:80]!r} is packed in another way")
        most = max(FREE, MOST_TIMES * each.compress_size)
        if each.file_size > (MOST_MANIFEST if each.filename == MANIFEST else most):
            raise zipfile.BadZipFile(f"{each.filename[:80]!r} would become too long")


def read_manifest(path: Path) -> Manifest:
    """What is in a file. Raises ``NotMoved`` for what is none."""
    with opened(path) as file:
        try:
            manifest = msgspec.json.decode(file.read(MANIFEST), type=Manifest)
        except (*_BROKEN, RecursionError, msgspec.MsgspecError) as error:
            raise NotMoved(f"{path} is not a tenant's file: {error}") from None
        there = sorted(each.filename for each in file.infolist())
    if manifest.format != FORMAT:
        raise NotMoved(f"{path} has the format {manifest.format}, this is {FORMAT}")
    if not all(str(manifest.root.get(name, "\0")).isprintable() for name in ("slug", "status")):
        raise NotMoved(f"{path} is not a tenant's file: it does not say whose it is")
    if there != sorted([MANIFEST, *(f"{part.table}.copy" for part in manifest.parts)]):
        raise NotMoved(f"{path} has other members than its manifest says")
    return manifest


def pieces(file: zipfile.ZipFile, part: Part) -> Iterator[bytes]:
    """A member, piece by piece. Raises ``NotMoved`` where it breaks off or is not what it says."""
    try:
        with file.open(f"{part.table}.copy") as member:
            while data := member.read(CHUNK):
                yield data
    except _BROKEN as error:
        raise NotMoved(f"{part.table} cannot be read: {error}") from None


def check_file(path: Path, say: Callable[[str], None]) -> Manifest:
    """Read a file wholly and hold it against its manifest. Raises ``NotMoved``."""
    manifest = read_manifest(path)
    with opened(path) as file:
        for part in manifest.parts:
            digest = hashlib.sha256()
            for data in pieces(file, part):
                digest.update(data)
            if digest.hexdigest() != part.sha256:
                raise NotMoved(f"{part.table} is not what was written: its checksum differs")
            say(f"{part.table:<36} {part.rows:>12,}")
    return manifest
