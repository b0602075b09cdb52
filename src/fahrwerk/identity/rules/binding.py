"""A device key proves itself (DPoP, RFC 9449): who has only the refresh token gets nothing.

The proof is a JWT signed by the device's own key, which stands in its header: for this method,
this address, just now. The key's thumbprint (RFC 7638) is what a session is bound to.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from fahrwerk.kernel.errors import Unauthenticated

LONGEST = 2000
FRESH_S = 60
_ALGORITHMS = ["ES256", "Ed25519"]
_PRIVATE = frozenset({"d", "p", "q", "k"})


class BadProof(Unauthenticated):
    """The DPoP proof is missing, not for this request, or not by the key of this session."""

    code = "DEVICE_PROOF_FAILED"
    message = "This session belongs to another device. Please log in again."


class _Payload(msgspec.Struct, frozen=True):
    htm: str
    htu: str
    iat: float
    jti: str


class Proof(msgspec.Struct, frozen=True):
    """A proof that holds: whose key made it, and its own name."""

    thumbprint: str
    id: str
    """``jti``: the proof is good once."""


def read(proof: str, method: str, path: str, now: float) -> Proof:
    """What ``proof`` proves for this request. Raises ``BadProof``.

    Of ``htu`` the path counts: which name a proxy gave the host is not known here.
    """
    if len(proof) > LONGEST:
        raise BadProof
    try:
        header = jws.extract_compact(proof.encode("ascii")).headers()
        key = _key_of(header)
        said = msgspec.convert(jwt.decode(proof, key, algorithms=_ALGORITHMS).claims, _Payload)
        is_ours = said.htm == method and urlsplit(said.htu).path == path and said.jti
    except (JoseError, msgspec.ValidationError, ValueError, TypeError, AttributeError, KeyError):
        raise BadProof from None
    if not is_ours or abs(now - said.iat) > FRESH_S:
        raise BadProof
    return Proof(key.thumbprint(), said.jti)


def _key_of(header: dict[str, Any]) -> ECKey | OKPKey:
    given = header["jwk"]
    if header.get("typ") != "dpop+jwt" or not isinstance(given, dict) or _PRIVATE & given.keys():
        raise BadProof
    if header.get("alg") == "ES256" and given.get("crv") == "P-256":
        return ECKey.import_key(given)
    if header.get("alg") == "Ed25519" and given.get("crv") == "Ed25519":
        return OKPKey.import_key(given)
    raise BadProof
