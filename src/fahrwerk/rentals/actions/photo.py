"""The photo of a ride's end (RNT-48)."""

from fahrwerk.kernel.pictures import Wanted

PHOTO = Wanted(
    field="end_photo", most_bytes=8 << 20, most_megapixels=40, longest_side=2_560, kind="JPEG"
)
