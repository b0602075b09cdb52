"""The photo of a ride's end, made safe (RNT-48): proven to be one, and encoded anew.

Decoding is the proof of the type, and encoding again drops everything that is not the picture:
position and camera in the EXIF data, and whatever was hidden behind the image.
"""

from __future__ import annotations

import asyncio
import io
import os
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from fahrwerk.kernel.errors import Invalid

MOST_BYTES = 8 << 20
MOST_PIXELS = 40_000_000
_FORMATS = ("JPEG", "PNG", "WEBP")
_LONGEST_SIDE = 2_560
_QUALITY = 85
# A decoded 40 megapixel image takes 120 MB: at most one per core at a time.
_seats = asyncio.Semaphore(max(1, os.cpu_count() or 1))


async def cleaned(photo: bytes) -> bytes:
    """The photo as a JPEG of at most 2,560 pixels a side, upright, without its notes.

    Raises ``Invalid`` for what is not a JPEG, PNG or WebP of at most 8 MB and 40 megapixels.
    """
    if len(photo) > MOST_BYTES:
        raise Invalid(field="end_photo", issue=f"must not be larger than {MOST_BYTES} bytes")
    async with _seats:
        return await asyncio.to_thread(_encoded_anew, photo)


def _encoded_anew(photo: bytes) -> bytes:
    try:
        with Image.open(io.BytesIO(photo), formats=_FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Invalid(field="end_photo", issue="must not have more than 40 megapixels")
            image.draft("RGB", (_LONGEST_SIDE, _LONGEST_SIDE))
            image.load()
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Invalid(field="end_photo", issue="must not have more than 40 megapixels") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError):
        # What Pillow raises for files that lie about themselves.
        raise Invalid(field="end_photo", issue="must be a JPEG, PNG or WebP image") from None
    upright.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    clean = io.BytesIO()
    # A fresh image has no notes to write, so none can be forgotten.
    bare = Image.new("RGB", upright.size)
    bare.paste(upright)
    bare.save(clean, "JPEG", quality=_QUALITY)
    return clean.getvalue()


# A picture larger than Pillow thinks wise is an error here, not a line in a log.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
