"""Files of tenants that somebody made to do harm: each is refused, in little memory (TST-08)."""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fahrwerk.kernel import archive, ids
from fahrwerk.kernel.archive import MANIFEST, Manifest, Part
from fahrwerk.kernel.belongings import NotMoved

ROWS = b"1\tone\n2\ttwo\n"
NAME = "pricing.tariff"
ROOT = {"slug": "flitz", "status": "active"}


def part_of(data: bytes, table: str = NAME) -> Part:
    return Part(table, ["id", "name"], 2, "0", hashlib.sha256(data).hexdigest())


def manifest_of(*parts: Part, **more: Any) -> bytes:
    said = Manifest(1, "v", ids.new(), ROOT, list(parts or [part_of(ROWS)]))
    return msgspec.json.encode(msgspec.structs.replace(said, **more))


def packed(*members: tuple[str | zipfile.ZipInfo, bytes], way: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP of these members and no others."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", way) as file:
        for name, data in members:
            file.writestr(name, data, compress_type=way)
    return made.getvalue()


def good() -> bytes:
    return packed((f"{NAME}.copy", ROWS), (MANIFEST, manifest_of()))


def beside(name: str, data: bytes = b"x") -> bytes:
    """A good file with one member more."""
    return packed((f"{NAME}.copy", ROWS), (MANIFEST, manifest_of()), (name, data))


def link() -> bytes:
    """A member that says it is a symbolic link to a file of ours."""
    info = zipfile.ZipInfo(f"{NAME}.copy")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return packed((info, b"/etc/passwd"), (MANIFEST, manifest_of()))


def listed(data: bytes, at: int, value: bytes, member: int = 0) -> bytes:
    """The file with other bytes in the list of members: what it says of one of them is a lie."""
    made, where = bytearray(data), -1
    for _ in range(member + 1):
        where = data.index(b"PK\x01\x02", where + 1)
    made[where + at : where + at + len(value)] = value
    return bytes(made)


def bomb() -> bytes:
    """20 MB of zeros in 20 KB."""
    zeros = bytes(20 << 20)
    return packed((f"{NAME}.copy", zeros), (MANIFEST, manifest_of(part_of(zeros))))


def overlapping() -> bytes:
    """Many members that are the same bytes of the file (Fifield's bomb)."""
    zeros = bytes(4 << 20)
    names = [f"fleet.t{n}" for n in range(50)]
    parts = [part_of(zeros, name) for name in names]
    data = packed((f"{names[0]}.copy", zeros), (MANIFEST, manifest_of(*parts)))
    start = data.index(b"PK\x01\x02")
    end = data.rindex(b"PK\x05\x06")
    length = 46 + len(f"{names[0]}.copy")
    first, rest = data[start : start + length], data[start + length : end]
    more = b"".join(
        first[:28] + struct.pack("<H", len(f"{name}.copy")) + first[30:46] + f"{name}.copy".encode()
        for name in names
    )
    tail = bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, 51, 51, len(more) + len(rest))
    return data[:start] + more + rest + bytes(tail)


def many() -> bytes:
    """A list of members that is longer than all our tables'."""
    return packed(*((f"x{n:030}", b"") for n in range(15_000)), (MANIFEST, manifest_of()))


def nested() -> bytes:
    """A manifest that would have the reader go too deep."""
    return packed((f"{NAME}.copy", ROWS), (MANIFEST, b'{"root":' + b"[" * 100_000))


def grown() -> bytes:
    """A manifest that is a bomb itself."""
    return packed((f"{NAME}.copy", ROWS), (MANIFEST, b" " * (5 << 20) + manifest_of()))


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "no zip": (lambda: b"not a zip at all", "not a tenant's file"),
    "nothing": (lambda: b"", "not a tenant's file"),
    "half a file": (lambda: good()[: len(good()) // 2], "not a tenant's file"),
    "the first half is gone": (lambda: good()[40:], "not a tenant's file|cannot be read"),
    "no manifest": (lambda: packed((f"{NAME}.copy", ROWS)), "not a tenant's file"),
    "a manifest that is none": (lambda: packed((MANIFEST, b"[]")), "not a tenant's file"),
    "a manifest that is nested": (nested, "not a tenant's file"),
    "a manifest that is a bomb": (grown, "would become too long"),
    "another format": (
        lambda: packed((f"{NAME}.copy", ROWS), (MANIFEST, manifest_of(format=2))),
        "has the format 2",
    ),
    "nobody's": (
        lambda: packed((f"{NAME}.copy", ROWS), (MANIFEST, manifest_of(root={"slug": "x\0"}))),
        "whose it is",
    ),
    "a path upwards": (lambda: beside("../../etc/cron.d/x"), "other members"),
    "a path from the root": (lambda: beside("/etc/cron.d/x"), "other members"),
    "a path of Windows": (lambda: beside("..\\..\\x"), "other members"),
    "a folder": (lambda: beside("x/"), "other members"),
    "a table that goes upwards": (
        lambda: packed((MANIFEST, manifest_of(part_of(ROWS, "../x")))),
        "other members",
    ),
    "a member that is missing": (lambda: packed((MANIFEST, manifest_of())), "other members"),
    "a table twice": (
        lambda: packed(
            (f"{NAME}.copy", ROWS), (MANIFEST, manifest_of(part_of(ROWS), part_of(ROWS)))
        ),
        "other members",
    ),
    "a symbolic link": (link, "its checksum differs"),
    "a bomb": (bomb, "would become too long"),
    "a bomb of members that overlap": (overlapping, "longer than the file"),
    "many members": (many, "too long"),
    "packed by bzip2": (
        lambda: packed((f"{NAME}.copy", ROWS), (MANIFEST, manifest_of()), way=zipfile.ZIP_BZIP2),
        "in another way",
    ),
    "packed by lzma": (
        lambda: packed((f"{NAME}.copy", ROWS), (MANIFEST, manifest_of()), way=zipfile.ZIP_LZMA),
        "in another way",
    ),
    "encrypted": (lambda: listed(good(), 8, b"\x01\x00"), "in another way"),
    "says it is shorter": (lambda: listed(good(), 24, struct.pack("<I", 5)), "cannot be read"),
    "says it is packed longer": (
        lambda: listed(good(), 20, struct.pack("<I", 1 << 30)),
        "longer than the file",
    ),
    "says it is elsewhere": (
        lambda: listed(good(), 42, struct.pack("<I", 7)),
        "cannot be read",
    ),
    "says it is beyond the end": (
        lambda: listed(good(), 42, struct.pack("<I", 1 << 31)),
        "not a tenant's file|cannot be read",
    ),
    "bytes that are no deflate": (
        lambda: good().replace(good()[30 + len(NAME) + 5 :][:6], b"\xff" * 6, 1),
        "cannot be read",
    ),
    "other rows": (
        lambda: packed((f"{NAME}.copy", ROWS + ROWS), (MANIFEST, manifest_of())),
        "its checksum differs",
    ),
}


@pytest.fixture
def watched() -> Iterator[Callable[[], int]]:
    """How much memory was taken at most since."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def test_a_good_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "good.zip"
    path.write_bytes(good())
    assert archive.check_file(path, lambda _: None).root == ROOT


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_archives(name: str, tmp_path: Path, watched: Callable[[], int]) -> None:
    """Paths, links, bombs, lies about sizes, half files: refused, nothing unpacked anywhere."""
    make, why = REFUSED[name]
    path = tmp_path / "inside" / "tenant.zip"
    path.parent.mkdir()
    path.write_bytes(make())
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    with pytest.raises(NotMoved, match=why):
        archive.check_file(path, lambda _: None)
    assert watched() - before < 32 << 20
    assert [each.name for each in tmp_path.rglob("*")] == ["inside", "tenant.zip"]


def test_what_is_large_and_honest_is_read_in_pieces(
    tmp_path: Path, watched: Callable[[], int]
) -> None:
    """Rows have ids: a table of theirs may be any size."""
    rows = b"".join(b"%s\tscooter\tavailable\n" % ids.new().hex.encode() for _ in range(350_000))
    assert len(rows) > archive.FREE
    path = tmp_path / "large.zip"
    path.write_bytes(packed((f"{NAME}.copy", rows), (MANIFEST, manifest_of(part_of(rows)))))
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    archive.check_file(path, lambda _: None)
    assert watched() - before < 8 << 20
