"""The photo of a ride's end (RNT-48): only pictures, and nothing of them but the picture."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.pictures import made_anew
from fahrwerk.rentals.actions.photo import PHOTO


async def cleaned(photo: bytes) -> bytes:
    return await made_anew(photo, PHOTO)


def picture(kind: str = "JPEG", size: tuple[int, int] = (64, 48), **save: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(out, kind, **save)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_pictures_become_plain_jpegs(kind: str) -> None:
    with Image.open(io.BytesIO(await cleaned(picture(kind)))) as image:
        assert image.format == "JPEG"
        assert image.size == (64, 48)


async def test_where_and_by_whom_it_was_taken_is_gone() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x9C9D] = "Maker", "Ada Lovelace".encode("utf-16le")
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}
    clean = await cleaned(picture(exif=exif) + b"hidden behind the picture")
    with Image.open(io.BytesIO(clean)) as image:
        assert not dict(image.getexif())
        assert "comment" not in image.info
    assert b"Ada" not in clean
    assert b"A\x00d\x00a" not in clean
    assert b"hidden" not in clean


async def test_a_picture_taken_sideways_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(io.BytesIO(await cleaned(picture(exif=exif)))) as image:
        assert image.size == (48, 64)


async def test_a_large_picture_is_made_smaller() -> None:
    with Image.open(io.BytesIO(await cleaned(picture(size=(5000, 2500))))) as image:
        assert image.size == (2560, 1280)


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    "lie",
    [b"", b"\xff\xd8\xff\xe0 not really", SVG, picture("GIF"), picture("TIFF"), picture()[:300],
     b"%PDF-1.4"],
    ids=["empty", "magic only", "svg", "gif", "tiff", "cut off", "pdf"],
)  # fmt: skip
async def test_what_is_no_picture_is_refused(lie: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        await cleaned(lie)
    assert refused.value.details["field"] == "end_photo"


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that says it is very large."""

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\x00" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(8000, 5001), (20_000, 20_000), (12_000, 9_000)])
async def test_a_bomb_is_refused_before_it_is_unpacked(size: tuple[int, int]) -> None:
    with pytest.raises(Invalid, match="validation"):
        await cleaned(bomb(*size))


async def test_more_than_8_mb_are_refused_unread() -> None:
    with pytest.raises(Invalid) as refused:
        await cleaned(picture() + bytes(PHOTO.most_bytes))
    assert str(PHOTO.most_bytes) in refused.value.details["issue"]
