"""Pictures that people upload, made safe: proven to be such, and encoded anew.

Decoding is the proof of the type, and encoding again drops everything that is not the picture:
position and camera in the EXIF data, and whatever was hidden behind the image. Nothing that was
uploaded is ever shown to anybody as it came; SVG, which may hold scripts, is no picture here.
"""

from __future__ import annotations

import asyncio
import io
import os
import warnings
from typing import Literal, NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from fahrwerk.kernel.errors import Invalid

FORMATS = ("JPEG", "PNG", "WEBP")
_QUALITY = 85
# A decoded 40 megapixel image takes 120 MB: at most one per core at a time.
_seats = asyncio.Semaphore(max(1, os.cpu_count() or 1))


class Wanted(NamedTuple):
    """What may be uploaded somewhere, and what becomes of it."""

    field: str
    """Of the request: named when it is refused."""
    most_bytes: int
    most_megapixels: int
    longest_side: int
    """Pixels; a larger picture is made smaller."""
    kind: Literal["JPEG", "PNG"]
    """What it becomes; only a PNG keeps its transparency."""


async def made_anew(image: bytes, wanted: Wanted) -> bytes:
    """The picture in the wanted kind and size, upright, without its notes.

    Raises ``Invalid`` for what is not a JPEG, PNG or WebP, or is larger than allowed.
    """
    if len(image) > wanted.most_bytes:
        raise Invalid(field=wanted.field, issue=f"must not exceed {wanted.most_bytes} bytes")
    async with _seats:
        return await asyncio.to_thread(_made_anew, image, wanted)


def _made_anew(image: bytes, wanted: Wanted) -> bytes:
    mode = "RGB" if wanted.kind == "JPEG" else "RGBA"
    side = (wanted.longest_side, wanted.longest_side)
    too_many = f"must not have more than {wanted.most_megapixels} megapixels"
    try:
        with Image.open(io.BytesIO(image), formats=FORMATS) as found:
            if found.width * found.height > wanted.most_megapixels * 1_000_000:
                raise Invalid(field=wanted.field, issue=too_many)
            if wanted.kind == "JPEG":
                found.draft("RGB", side)
            found.load()
            upright = ImageOps.exif_transpose(found).convert(mode)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Invalid(field=wanted.field, issue=too_many) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError):
        # What Pillow raises for files that lie about themselves.
        raise Invalid(field=wanted.field, issue="must be a JPEG, PNG or WebP image") from None
    upright.thumbnail(side)
    # A fresh image has no notes to write, so none can be forgotten.
    bare = Image.new(mode, upright.size)
    bare.paste(upright)
    clean = io.BytesIO()
    bare.save(clean, wanted.kind, quality=_QUALITY, optimize=wanted.kind == "PNG")
    if clean.tell() > wanted.most_bytes:
        raise Invalid(field=wanted.field, issue="is too large when it is shown; use a simpler one")
    return clean.getvalue()


# A picture larger than Pillow thinks wise is an error here, not a line in a log.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
