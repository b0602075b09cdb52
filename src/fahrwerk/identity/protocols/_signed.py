"""Enveloped XML signatures as SAML providers make them, and nothing more of XML Signature.

What is given back is parsed anew from the very bytes that were signed, so whatever else a document
holds is never read, and wrapping has nothing to gain. Narrow on purpose: one signature, a child of
the document's root, over that root; RSA with SHA-256; exclusive canonicalisation, with or without
an ``InclusiveNamespaces`` prefix list (Okta sends one, and libraries that ignore it refuse its
assertions); by one of the certificates that are known, which the signature must name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import etree  # type: ignore[import-untyped]

from fahrwerk.identity.rules.sso import refused
from fahrwerk.kernel import crypto

if TYPE_CHECKING:
    from collections.abc import Collection

    from fahrwerk.identity.contract.sso import SsoRefused

DS = "{http://www.w3.org/2000/09/xmldsig#}"
_EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_PREFIX = re.compile(r"#default|[A-Za-z_][A-Za-z0-9_.-]{0,50}")
MOST_PREFIXES = 20


class UnknownKey(Exception):
    """Signed by a certificate that is not among the provider's: perhaps it has a new one."""


def parser() -> etree.XMLParser:
    """Reads XML that is not trusted: nothing is fetched, expanded, or let grow."""
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False,
        huge_tree=False, remove_comments=False, remove_pis=False, recover=False,
    )  # fmt: skip


def verified(
    xml: bytes, certificates: Collection[x509.Certificate]
) -> tuple[Any, x509.Certificate]:
    """The signed root of a document, as it was signed and without its signature; and by which.

    Raises ``SsoRefused`` (signature), ``UnknownKey``.
    """
    root = etree.fromstring(xml, parser())
    if len(list(root.iter(f"{DS}Signature"))) != 1:
        raise _unsigned("there must be one signature")
    signature = _only(root, "Signature")
    info = _only(signature, "SignedInfo")
    used = _certificate(signature)
    if used not in certificates:
        raise UnknownKey
    _said(info, "SignatureMethod", _RSA_SHA256)
    method = _said(info, "CanonicalizationMethod", _EXCLUSIVE)
    key = used.public_key()
    if not isinstance(key, RSAPublicKey):
        raise _unsigned("its key is not RSA")
    value = _bytes(_only(signature, "SignatureValue"))
    try:
        key.verify(value, _canonical(info, _prefixes(method)), padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        raise _unsigned("it was not made with the key it names") from None
    # From here on all of SignedInfo is the provider's word.
    reference = _only(info, "Reference")
    wanted = root.get("ID") or ""
    if not wanted or reference.get("URI") != f"#{wanted}":
        raise _unsigned("it is not over this document")
    if sum(1 for each in root.iter() if each.get("ID") == wanted) != 1:
        raise _unsigned("two elements have the same id")
    prefixes = _transformed(_only(reference, "Transforms"))
    _said(reference, "DigestMethod", _SHA256)
    _cut(root, signature)
    data = _canonical(root, prefixes)
    digest = hashlib.sha256(data).hexdigest()
    if not crypto.same(digest, _bytes(_only(reference, "DigestValue")).hex()):
        raise _unsigned("something was changed afterwards")
    return etree.fromstring(data, parser()), used


def _unsigned(why: str) -> SsoRefused:
    return refused("signature", f"The assertion is not signed as it should be: {why}.")


def _only(parent: Any, name: str) -> Any:
    found = parent.findall(f"{DS}{name}")
    if len(found) != 1:
        raise _unsigned(f"it has {len(found)} of {name}")
    return found[0]


def _said(parent: Any, name: str, algorithm: str) -> Any:
    found = _only(parent, name)
    if found.get("Algorithm") != algorithm:
        raise _unsigned(f"{name} is {str(found.get('Algorithm'))[:100]!r}")
    return found


def _bytes(element: Any) -> bytes:
    try:
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise _unsigned("it is not base64") from None


def _certificate(signature: Any) -> x509.Certificate:
    """The certificate it names; which is only a name, until it is found among those known."""
    data = _only(_only(signature, "KeyInfo"), "X509Data")
    try:
        return x509.load_der_x509_certificate(_bytes(_only(data, "X509Certificate")))
    except ValueError:
        raise _unsigned("its certificate cannot be read") from None


def _prefixes(method: Any) -> list[str]:
    """The namespaces that count though nothing seems to use them: ``xs`` in ``xsi:type="xs:…"``."""
    inside = list(method)
    if not inside:
        return []
    said = str(inside[0].get("PrefixList", "")).split()
    if (
        len(inside) != 1
        or inside[0].tag != f"{{{_EXCLUSIVE}}}InclusiveNamespaces"
        or len(said) > MOST_PREFIXES
        or not all(_PREFIX.fullmatch(each) for each in said)
    ):
        raise _unsigned("its canonicalisation is another one")
    return said


def _transformed(transforms: Any) -> list[str]:
    """The prefix list, if the only transforms are: without the signature, and canonical."""
    found = list(transforms)
    algorithms = [each.get("Algorithm") for each in found if each.tag == f"{DS}Transform"]
    if len(found) != 2 or algorithms != [_ENVELOPED, _EXCLUSIVE] or len(found[0]):
        raise _unsigned("it transforms the document in another way")
    return _prefixes(found[1])


def _canonical(element: Any, prefixes: list[str]) -> bytes:
    return bytes(
        etree.tostring(
            element, method="c14n", exclusive=True, with_comments=False, with_tail=False,
            inclusive_ns_prefixes=prefixes or None,
        )
    )  # fmt: skip


def _cut(parent: Any, signature: Any) -> None:
    """Take the signature out; the spaces behind it stay, they were signed."""
    if signature.tail:
        before = signature.getprevious()
        if before is not None:
            before.tail = (before.tail or "") + signature.tail
        else:
            parent.text = (parent.text or "") + signature.tail
    parent.remove(signature)
