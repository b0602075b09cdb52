"""Keys of our own protocol: what each side of it holds, and how a vehicle comes to its half."""

from __future__ import annotations

import base64
import re
import secrets
from typing import Final, Literal, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

Algorithm = Literal["HS256", "EdDSA"]


class _Key(Struct, frozen=True):
    alg: Algorithm
    signs_with: bytes
    """HS256: the shared secret. EdDSA: this side's private key."""
    checks_with: bytes
    """HS256: the same shared secret. EdDSA: the other side's public key."""

    def __post_init__(self) -> None:
        if len(self.signs_with) != 32 or len(self.checks_with) != 32:
            raise ValueError("a key is 32 bytes")
        if self.alg == "HS256" and self.signs_with != self.checks_with:
            raise ValueError("both sides of an HS256 key are the same secret")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.alg}, ...)"  # keys must not end in a log


class PlatformKey(_Key, frozen=True):
    """The platform's half of what it shares with one vehicle: signs commands, checks acks."""


class VehicleKey(_Key, frozen=True):
    """The vehicle's half: checks commands, signs acks."""


def new_keys(kind: Algorithm) -> tuple[PlatformKey, VehicleKey]:
    """Fresh keys for one vehicle.

    ``HS256`` is for controllers without elliptic curves: both halves are the same secret.
    With ``EdDSA`` neither half can be made from the other, so a stolen vehicle, or a copy of the
    platform's public keys, signs nothing in the other's name.
    """
    ours, theirs = secrets.token_bytes(32), secrets.token_bytes(32)
    if kind == "HS256":
        return PlatformKey(kind, ours, ours), VehicleKey(kind, ours, ours)
    return PlatformKey(kind, ours, public_of(theirs)), VehicleKey(kind, theirs, public_of(ours))


_HANDOVER: Final = re.compile(
    r"fahrwerk:1:([a-z]+_[0-9A-Za-z]{1,60}):(HS256|EdDSA):([0-9A-Za-z_-]{43}):([0-9A-Za-z_-]{43})"
)


def handover(vehicle_id: str, key: VehicleKey) -> str:
    """A vehicle's half of its key in one line, for a file or a QR code."""
    halves = base64_of(key.signs_with), base64_of(key.checks_with)
    return ":".join(("fahrwerk", "1", vehicle_id, key.alg, *halves))


def taken_over(line: str) -> tuple[str, VehicleKey]:
    """The vehicle's id and key in a line of :func:`handover`. Raises ``ValueError``."""
    match = _HANDOVER.fullmatch(line.strip())
    if match is None:
        raise ValueError("not a key's handover")
    vehicle_id, alg, *halves = match.groups()
    ours, theirs = (base64.urlsafe_b64decode(half + "=") for half in halves)
    return vehicle_id, VehicleKey(cast("Algorithm", alg), ours, theirs)


def base64_of(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def public_of(private: bytes) -> bytes:
    """The Ed25519 public key of a private one."""
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
