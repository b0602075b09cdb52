"""SAML 2.0 as a service provider: HTTP-Redirect out, HTTP-POST back (Web Browser SSO profile).

Of a response only what was signed is read (``protocols._signed``). Before that stands a narrow
gate: UTF-8 only, no DTD, no comments or processing instructions, one assertion, few and small
parts, so that canonicalisation cannot be made to grow. Not offered: encrypted assertions, logout,
artifacts, log-in begun at the provider, signed requests.
"""

from __future__ import annotations

import base64
import binascii
import re
import warnings
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree  # type: ignore[import-untyped]

from fahrwerk.identity.contract.sso import Saml, SsoRefused
from fahrwerk.identity.protocols import _signed
from fahrwerk.identity.protocols._signed import DS as _DS
from fahrwerk.identity.rules.sso import check_address, refused
from fahrwerk.kernel import clock
from fahrwerk.kernel.errors import Invalid

with warnings.catch_warnings():
    # defusedxml calls its lxml half deprecated; minisaml reads with it, we only write.
    warnings.filterwarnings("ignore", "defusedxml.lxml", DeprecationWarning)
    from minisaml.request import get_request_redirect_url

if TYPE_CHECKING:
    from fahrwerk.identity.protocols import Tell

LARGEST_RESPONSE = 200 << 10
LARGEST_METADATA = 400 << 10
MOST_PARTS = 5_000
LONGEST_NAMESPACE = 200
MOST_NAMESPACES = 50
"""In force at one place: what a document declares once counts at each of its elements."""
SKEW = timedelta(seconds=60)
_SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
_SAMLP = "{urn:oasis:names:tc:SAML:2.0:protocol}"
_MD = "{urn:oasis:names:tc:SAML:2.0:metadata}"
_REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
_POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
_BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
_PROLOGUE = re.compile(rb"^\s*<\?xml[^>]{0,200}\?>")
_ENCODING = re.compile(rb"encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")


class Asserted(msgspec.Struct, frozen=True):
    """What a provider asserted of somebody."""

    issuer: str
    subject: str
    assertion_id: str
    until: datetime
    """After this the assertion would be refused for its age alone."""
    claims: dict[str, list[str]]


def parsed(xml: bytes, largest: int) -> Any:
    """An XML document that is safe to look at. Raises ``SsoRefused``."""
    if len(xml) > largest:
        raise refused("xml", "The document is too large.")
    prologue = _PROLOGUE.match(xml)
    declared = _ENCODING.search(prologue[0]) if prologue else None
    if declared is not None and declared[1].lower() not in (b"utf-8", b"us-ascii", b"ascii"):
        raise refused("xml", "The document is not UTF-8.")
    body = xml[prologue.end() :] if prologue else xml
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refused("xml", "The document is not UTF-8.") from None
    if "\0" in text or "<!" in text or "<?" in text:
        # No DTD, so no entities; no comments, which cut names short; no CDATA, no instructions.
        raise refused("xml", "The document holds more than elements.")
    try:
        root = etree.fromstring(text.encode(), _signed.parser())
    except etree.XMLSyntaxError:
        raise refused("xml", "The document is not well-formed.") from None
    parts = 0
    for element in root.iter():
        parts += 1 + len(element.attrib)
        spaces = [value for value in element.nsmap.values() if value]
        if (
            parts > MOST_PARTS
            or len(spaces) > MOST_NAMESPACES
            or any(len(each) > LONGEST_NAMESPACE for each in spaces)
        ):
            raise refused("xml", "The document has too many parts.")
    return root


def request_url(protocol: Saml, entity_id: str, acs_url: str, request_id: str, state: str) -> str:
    """Where the browser is sent to, with our AuthnRequest."""
    return get_request_redirect_url(
        saml_endpoint=protocol.sso_url,
        expected_audience=entity_id,
        acs_url=acs_url,
        request_id=request_id,
        relay_state=state,
    )


def asserted(
    protocol: Saml, response: str, *, entity_id: str, acs_url: str, request_id: str, tell: Tell
) -> Asserted:
    """Who a provider's response is about, after all checks.

    Raises ``SsoRefused``, and ``_signed.UnknownKey`` when it is signed with a certificate that is
    not known here.
    """
    xml = _only_assertion(response)
    tell("response", f"{len(xml)} bytes of XML with one assertion")
    certificates = [
        x509.load_der_x509_certificate(base64.b64decode(c)) for c in protocol.certificates
    ]
    try:
        element, used = _signed.verified(xml, certificates)
    except (etree.LxmlError, ValueError):
        raise refused("assertion", "The assertion is malformed.") from None
    tell(
        "signature",
        f"by {used.subject.rfc4514_string()}, until {used.not_valid_after_utc:%Y-%m-%d}",
    )
    is_whole = element.tag == f"{_SAMLP}Response"
    assertion = _only(element, "Assertion") if is_whole else element
    issuer = _only(assertion, "Issuer").text or ""
    if issuer != protocol.entity_id:
        raise refused("issuer", f"The assertion is by {issuer!r}."[:300])
    bound = _in_force(_only(assertion, "Conditions"), entity_id)
    until = _confirmed(assertion, acs_url, request_id)
    tell("conditions", "issuer, audience, recipient, times and request are right")
    _only(assertion, "AuthnStatement")
    name = _only(_only(assertion, "Subject"), "NameID")
    subject = name.text or ""
    if not 0 < len(subject) <= 255:
        raise refused("subject", "The assertion names nobody.")
    if len(name) or "transient" in (name.get("Format") or "").rpartition(":")[2]:
        raise refused("subject", "The assertion names somebody differently each time (transient).")
    claims = _claims(assertion)
    if "@" in subject:
        claims.setdefault("email", [subject])
    claims.setdefault("preferred_username", [subject])
    tell("attributes", ", ".join(sorted(claims)))
    return Asserted(issuer, subject, str(assertion.get("ID")), max(until, bound) + SKEW, claims)


def _only(parent: Any, name: str) -> Any:
    found = parent.findall(f"{_SAML}{name}")
    if len(found) != 1:
        raise refused("assertion", f"The assertion has {len(found)} of {name}.")
    return found[0]


def _claims(assertion: Any) -> dict[str, list[str]]:
    claims: dict[str, list[str]] = {}
    for attribute in assertion.iterfind(f"{_SAML}AttributeStatement/{_SAML}Attribute"):
        values = [each.text for each in attribute.iterfind(f"{_SAML}AttributeValue") if each.text]
        if name := attribute.get("Name"):
            claims.setdefault(name, []).extend(values)
    return claims


def _in_force(conditions: Any, entity_id: str) -> datetime:
    """Check that the assertion is for us, and of now; until when it is."""
    restrictions = conditions.findall(f"{_SAML}AudienceRestriction")
    for restriction in restrictions:
        audiences = [each.text or "" for each in restriction.iterfind(f"{_SAML}Audience")]
        if entity_id not in audiences:
            raise refused("audience", f"The assertion is for {', '.join(audiences)!r}."[:300])
    if not restrictions:
        raise refused("audience", "The assertion does not say for whom it is.")
    begins, ends = _time(conditions, "NotBefore"), _time(conditions, "NotOnOrAfter")
    if not begins - SKEW <= clock.now() < ends + SKEW:
        raise refused("expired", "The assertion is not of this time; is a clock wrong?")
    return ends


def _time(element: Any, name: str) -> datetime:
    try:
        at = datetime.fromisoformat(element.get(name, ""))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise refused("expired", "The assertion does not say until when it counts.")
    return at


def _only_assertion(response: str) -> bytes:
    """The one thing in a response that is looked at: its assertion, or itself if only it is signed.

    Many providers sign both. What stands around a signed assertion proves nothing, so it goes.
    """
    if len(response) > LARGEST_RESPONSE * 4 // 3 + 100:
        raise refused("xml", "The response is too large.")
    try:
        xml = base64.b64decode("".join(response.split()), validate=True)
    except (binascii.Error, ValueError):
        raise refused("xml", "The response is not base64.") from None
    root = parsed(xml, LARGEST_RESPONSE)
    if root.tag != f"{_SAMLP}Response":
        raise refused("assertion", "This is not a SAML response.")
    if next(root.iter(f"{_SAML}EncryptedAssertion"), None) is not None:
        raise refused("encrypted", "Encrypted assertions are not taken; please switch that off.")
    all_ = list(root.iter(f"{_SAML}Assertion"))
    if not all_:
        status = root.find(f"{_SAMLP}Status/{_SAMLP}StatusCode")
        inner = status.find(f"{_SAMLP}StatusCode") if status is not None else None
        code = (
            (inner if inner is not None else status).get("Value", "") if status is not None else ""
        )
        if code != _SUCCESS:
            raise refused("denied", f"It answered {code.rpartition(':')[2][:60]!r}.")
    if len(all_) != 1 or all_[0].getparent() is not root:
        raise refused("assertion", "There must be one assertion, and in its place.")
    if all_[0].find(f"{_DS}Signature") is not None:
        return bytes(etree.tostring(all_[0], with_tail=False))
    return bytes(etree.tostring(root))


def _confirmed(assertion: Any, acs_url: str, request_id: str) -> datetime:
    """Check that the assertion answers our request, at our address; until when it counts."""
    confirmation = _only(_only(assertion, "Subject"), "SubjectConfirmation")
    data = confirmation.find(f"{_SAML}SubjectConfirmationData")
    if confirmation.get("Method") != _BEARER or data is None:
        raise refused("confirmation", "The assertion is not for its bearer.")
    if data.get("Recipient") != acs_url:
        raise refused("recipient", f"The assertion is for {data.get('Recipient')!r}."[:300])
    if data.get("InResponseTo") != request_id:
        raise refused("request", "The assertion does not answer this log-in.")
    if data.get("NotBefore") is not None:
        raise refused("confirmation", "The assertion's confirmation is malformed.")
    until = _time(data, "NotOnOrAfter")
    if until <= clock.now() - SKEW:
        raise refused("expired", "The assertion has expired.")
    return until


def read_metadata(xml: bytes, *, is_dev: bool, wanted: str = "") -> Saml:
    """A provider as its metadata describes it. Raises ``Invalid``.

    ``wanted``: which entity, where the document holds several. Its own signature is not looked at:
    an administrator brought it, or it came over TLS from where he said.
    """
    try:
        root = parsed(_without_comments(xml[: LARGEST_METADATA + 1]), LARGEST_METADATA)
    except SsoRefused as error:
        raise _invalid(str(error).partition(". ")[2] or "is not XML") from None
    entities = [
        e
        for e in root.iter(f"{_MD}EntityDescriptor")
        if e.find(f"{_MD}IDPSSODescriptor") is not None
    ]
    if wanted:
        entities = [e for e in entities if e.get("entityID") == wanted]
    if len(entities) != 1:
        raise _invalid(f"describes {len(entities)} identity providers, not one")
    descriptor = entities[0].find(f"{_MD}IDPSSODescriptor")
    services = {
        s.get("Binding"): s.get("Location") for s in descriptor.iter(f"{_MD}SingleSignOnService")
    }
    sso_url = str(services.get(_REDIRECT) or "")
    if not sso_url:
        raise _invalid("names no address for the HTTP-Redirect binding")
    check_address(sso_url, "metadata_xml", is_dev=is_dev, schemes=("https",))
    certificates = _certificates(descriptor)
    entity_id = str(entities[0].get("entityID") or "")
    if not 0 < len(entity_id) <= 1000 or len(sso_url) > 1000:
        raise _invalid("has no entityID, or too long a one")
    return Saml(entity_id=entity_id, sso_url=sso_url, certificates=certificates)


_ASIDE = ((b"<!--", b"-->"), (b"<?", b"?>"))


def _without_comments(xml: bytes) -> bytes:
    """Metadata are read by people too, so comments and instructions are let pass and dropped.

    By searching forwards: what begins and never ends is left, and refused behind.
    """
    prologue = _PROLOGUE.match(xml)
    start = prologue.end() if prologue else 0
    for begins, ends in _ASIDE:
        kept, at = [xml[:start]], start
        while (here := xml.find(begins, at)) >= 0 and (end := xml.find(ends, here + 2)) >= 0:
            kept.append(xml[at:here])
            at = end + len(ends)
        kept.append(xml[at:])
        xml = b"".join(kept)
    return xml


def _certificates(descriptor: Any) -> list[str]:
    found: list[str] = []
    for key in descriptor.findall(f"{_MD}KeyDescriptor"):
        if key.get("use") == "encryption":
            continue
        for each in key.iter(f"{_DS}X509Certificate"):
            try:
                der = base64.b64decode("".join((each.text or "").split()), validate=True)
                certificate = x509.load_der_x509_certificate(der)
                public = certificate.public_key()
            except (ValueError, binascii.Error):
                raise _invalid("holds a certificate that cannot be read") from None
            if not isinstance(public, RSAPublicKey) or public.key_size < 2048:
                raise _invalid("holds a certificate whose key is not RSA with 2048 bits or more")
            found.append(base64.b64encode(certificate.public_bytes(Encoding.DER)).decode())
    if not found:
        raise _invalid("holds no certificate for signatures")
    return list(dict.fromkeys(found))[:10]


def _invalid(issue: str) -> Invalid:
    return Invalid(field="metadata_xml", issue=issue)


def own_metadata(entity_id: str, acs_url: str) -> str:
    """What a provider's administrator uploads there to make us known."""
    namespace = _MD.strip("{}")
    root = etree.Element(f"{_MD}EntityDescriptor", nsmap={"md": namespace}, entityID=entity_id)
    descriptor = etree.SubElement(
        root, f"{_MD}SPSSODescriptor",
        protocolSupportEnumeration=_SAMLP.strip("{}"),
        AuthnRequestsSigned="false", WantAssertionsSigned="true",
    )  # fmt: skip
    etree.SubElement(
        descriptor, f"{_MD}AssertionConsumerService",
        Binding=_POST, Location=acs_url, index="0", isDefault="true",
    )  # fmt: skip
    return str(etree.tostring(root, encoding="unicode", pretty_print=True))


def look(protocol: Saml, now: datetime, tell: Tell) -> None:
    """What can be seen of a provider without anybody logging in."""
    tell("metadata", f"{protocol.entity_id} at {urlsplit(protocol.sso_url).netloc}")
    for each in protocol.certificates:
        certificate = x509.load_der_x509_certificate(base64.b64decode(each))
        until = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        # A certificate is only how the key came here; it is trusted by name, so its end is a hint.
        note = "over, but still taken" if certificate.not_valid_after_utc < now else "valid"
        tell(
            "certificate", f"{certificate.subject.rfc4514_string() or '(no name)'}: {until}, {note}"
        )
