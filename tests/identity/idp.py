"""Identity providers of our own for tests: OIDC on a loopback port, and SAML responses.

They do what real ones do, and on request what only an attacker's would.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import hashlib
import json
import secrets
import time
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jwt
from joserfc.jwk import RSAKey
from lxml import etree  # type: ignore[import-untyped]

from fahrwerk.identity.protocols import saml as own  # its import silences a dependency's warning

from minisignxml.sign import sign  # isort: skip

assert own.MOST_PARTS


class FakeOidc:
    """An OpenID provider. ``claims`` of the person at its keyboard; hooks bend what it signs."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.published = [self.key]
        self.issuer = ""
        self.claims: dict[str, Any] = {
            "sub": "ada", "email": "ada@corp.example", "email_verified": True,
            "given_name": "Ada", "family_name": "Lovelace", "groups": ["riders"],
        }  # fmt: skip
        self.bend: Callable[[dict[str, Any]], None] = lambda claims: None
        self.signed: Callable[[dict[str, Any]], str] = self.sign
        self.discovery: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.forms: list[dict[str, str]] = []

    def sign(self, claims: dict[str, Any], key: RSAKey | None = None) -> str:
        key = key or self.key
        return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)

    def authorize(self, url: str) -> str:
        """What a browser brings back from ``url``: the query of the redirect."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        return f"code={code}&state={query['state']}&iss={self.issuer}"

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, Any]:
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            found = {
                "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
                "authorization_response_iss_parameter_supported": True,
            }  # fmt: skip
            return 200, found | self.discovery
        if path == "/keys":
            return 200, {"keys": [key.as_dict(private=False) for key in self.published]}
        if path == "/token":
            self.forms.append(form)
            asked = self.codes.pop(form.get("code", ""), None)
            if asked is None:
                return 400, {"error": "invalid_grant"}
            now = int(time.time())
            claims = {
                "iss": self.issuer, "aud": asked["client_id"], "iat": now, "exp": now + 60,
                "nonce": asked["nonce"], **self.claims,
            }  # fmt: skip
            self.bend(claims)
            return 200, {"id_token": self.signed(claims), "access_token": "x"}
        return 404, {}


@contextlib.asynccontextmanager
async def fake_oidc() -> AsyncIterator[FakeOidc]:
    """A provider at ``issuer`` for the block."""
    fake = FakeOidc()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            (int(h[15:]) for h in head.split("\r\n") if h.lower().startswith("content-length:")), 0
        )
        body = (await reader.readexactly(length)).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        status, answer = fake.answer(head.split(" ")[1].partition("?")[0], form)
        text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        writer.write(
            f"HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
            f"content-length: {len(text)}\r\n\r\n".encode()
            + text
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    fake.issuer = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()


def certificate_for(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "idp.corp.example")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))
    return builder.not_valid_after(now + datetime.timedelta(days=30)).sign(key, hashes.SHA256())


class FakeSaml:
    """A SAML identity provider that never leaves the process."""

    entity = "https://idp.corp.example/saml"
    sso_url = "https://idp.corp.example/saml/sso"

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.certificate = certificate_for(self.key)

    @property
    def metadata(self) -> str:
        der = base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()
        return (
            '<?xml version="1.0"?><!-- by hand --><md:EntityDescriptor '
            'xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" '
            f'xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="{self.entity}">'
            "<md:IDPSSODescriptor "
            'protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
            '<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>'
            f"{der}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
            '<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" '
            f'Location="{self.sso_url}"/></md:IDPSSODescriptor></md:EntityDescriptor>'
        )

    @staticmethod
    def asked(url: str) -> tuple[str, str, str]:
        """Request id, our ACS and the relay state of an AuthnRequest."""
        query = parse_qs(urlsplit(url).query)
        xml = zlib.decompress(base64.b64decode(query["SAMLRequest"][0]), -15)
        root = etree.fromstring(xml)
        return root.get("ID"), root.get("AssertionConsumerServiceURL"), query["RelayState"][0]

    def assertion(
        self, request_id: str, acs: str, *, name_id: str = "ada@corp.example", age_s: int = 0,
        audience: str | None = None, recipient: str | None = None, issuer: str | None = None,
        attributes: dict[str, list[str]] | None = None, name_format: str = "emailAddress",
    ) -> Any:  # fmt: skip
        now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=age_s)

        def at(seconds: int) -> str:
            return f"{now + datetime.timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"

        values = attributes if attributes is not None else {
            "Email": ["ada@corp.example"], "Department": ["Sales"], "Role": ["Fleet"],
        }  # fmt: skip
        statement = "".join(
            f'<saml:Attribute Name="{name}">'
            + "".join(f"<saml:AttributeValue>{v}</saml:AttributeValue>" for v in each)
            + "</saml:Attribute>"
            for name, each in values.items()
        )
        return etree.fromstring(
            '<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" '
            f'ID="_{secrets.token_hex(16)}" Version="2.0" IssueInstant="{at(0)}">'
            f"<saml:Issuer>{issuer or self.entity}</saml:Issuer><saml:Subject>"
            f'<saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:{name_format}">'
            f"{name_id}</saml:NameID>"
            '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
            f'<saml:SubjectConfirmationData InResponseTo="{request_id}" NotOnOrAfter="{at(300)}" '
            f'Recipient="{recipient or acs}"/></saml:SubjectConfirmation></saml:Subject>'
            f'<saml:Conditions NotBefore="{at(-30)}" NotOnOrAfter="{at(300)}">'
            f"<saml:AudienceRestriction><saml:Audience>{audience or acs[:-3] + 'metadata'}"
            "</saml:Audience></saml:AudienceRestriction></saml:Conditions>"
            f'<saml:AuthnStatement AuthnInstant="{at(0)}"/>'
            f"<saml:AttributeStatement>{statement}</saml:AttributeStatement></saml:Assertion>"
        )

    def signed(self, assertion: Any, key: rsa.RSAPrivateKey | None = None) -> str:
        """The assertion with its signature behind the issuer, as XML."""
        xml = sign(
            element=assertion, private_key=key or self.key, certificate=self.certificate, index=1
        )
        return xml.decode()

    def signed_inclusively(
        self, assertion: Any, prefixes: str = "xs", *, says: str | None = None, info: str = ""
    ) -> str:
        """Signed as Okta does: with namespaces that count though only values use them.

        ``says``: the prefix list that the signature names, where it is another; ``info``: of its
        own canonicalisation.
        """

        def canonical(element: Any, inclusive: str) -> bytes:
            made: bytes = etree.tostring(
                element, method="c14n", exclusive=True, inclusive_ns_prefixes=inclusive.split()
            )
            return made

        def way(name: str, inclusive: str) -> str:
            ec = "http://www.w3.org/2001/10/xml-exc-c14n#"
            inside = f'<ec:InclusiveNamespaces xmlns:ec="{ec}" PrefixList="{inclusive}"/>'
            return f'<ds:{name} Algorithm="{ec}">{inside if inclusive else ""}</ds:{name}>'

        def encoded(data: bytes) -> str:
            return base64.b64encode(data).decode()

        digest = encoded(hashlib.sha256(canonical(assertion, prefixes)).digest())
        named = prefixes if says is None else says
        made = etree.fromstring(
            '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>'
            f"{way('CanonicalizationMethod', info)}"
            '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>'
            f'<ds:Reference URI="#{assertion.get("ID")}"><ds:Transforms><ds:Transform '
            'Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>'
            f"{way('Transform', named)}</ds:Transforms>"
            '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
            f"<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
            "<ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate>"
            f"{encoded(self.certificate.public_bytes(Encoding.DER))}"
            "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>"
        )
        assertion.insert(1, made)
        data = canonical(made[0], info)
        made[1].text = encoded(self.key.sign(data, padding.PKCS1v15(), hashes.SHA256()))
        return str(etree.tostring(assertion, encoding="unicode"))

    @staticmethod
    def response(inside: str) -> str:
        """A whole response, as it is posted."""
        xml = (
            '<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r" '
            'Version="2.0"><samlp:Status><samlp:StatusCode '
            'Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>'
            f"{inside}</samlp:Response>"
        )
        return base64.b64encode(xml.encode()).decode()
