"""What a GNSS receiver says: NMEA 0183, sentences GGA and RMC, of any constellation."""

from __future__ import annotations

import re
from typing import NamedTuple

_SENTENCE = re.compile(r"\$([A-Z]{2})(GGA|RMC),([^*$]*)\*([0-9A-Fa-f]{2})")
_KMH_OF_KNOT = 1.852
METRES_OF_HDOP = 5.0
"""What one unit of horizontal dilution is worth, with a usual receiver."""


class Fix(NamedTuple):
    """Where the receiver is; a sentence says only part of it."""

    latitude: float
    longitude: float
    accuracy_m: float | None = None
    speed_kmh: float | None = None


def parse(sentence: str) -> Fix | None:
    """The fix in one sentence; None for no fix, another sentence, a wrong checksum, nonsense."""
    match = _SENTENCE.fullmatch(sentence.strip())
    if match is None or checksum(match[1] + match[2] + "," + match[3]) != int(match[4], 16):
        return None
    fields = match[3].split(",")
    try:
        return _gga(fields) if match[2] == "GGA" else _rmc(fields)
    except (ValueError, IndexError):
        return None


def checksum(between: str) -> int:
    """Of what stands between ``$`` and ``*``."""
    found = 0
    for byte in between.encode("latin-1", "replace"):
        found ^= byte
    return found


def _gga(fields: list[str]) -> Fix | None:
    # time, lat, N, lon, E, quality (0 = no fix), satellites, hdop, ...
    if fields[5] in ("", "0"):
        return None
    hdop = float(fields[7]) if fields[7] else 0.0
    accuracy_m = round(hdop * METRES_OF_HDOP, 1) if 0 < hdop < 100 else None
    return Fix(
        _degrees(fields[1], fields[2], "NS"), _degrees(fields[3], fields[4], "EW"), accuracy_m
    )


def _rmc(fields: list[str]) -> Fix | None:
    # time, A = valid, lat, N, lon, E, knots, course, date, ...
    if fields[1] != "A":
        return None
    speed_kmh = round(float(fields[6]) * _KMH_OF_KNOT, 1) if fields[6] else None
    if speed_kmh is not None and not 0 <= speed_kmh <= 500:
        return None
    place = _degrees(fields[2], fields[3], "NS"), _degrees(fields[4], fields[5], "EW")
    return Fix(*place, None, speed_kmh)


def _degrees(text: str, side: str, sides: str) -> float:
    """``4807.038`` is 48 degrees and 7.038 minutes."""
    match = re.fullmatch(r"(\d{1,3})(\d\d(?:\.\d+)?)", text)
    if match is None or side not in sides or len(side) != 1 or float(match[2]) >= 60:
        raise ValueError(text)
    value = int(match[1]) + float(match[2]) / 60
    if value > (90 if sides == "NS" else 180):
        raise ValueError(text)
    return round(-value if side == sides[1] else value, 7)
