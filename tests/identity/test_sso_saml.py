"""SAML 2.0: an employee logs in by a company's provider, and what attackers send (TST-01)."""

from __future__ import annotations

import base64
import copy
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree  # type: ignore[import-untyped]

from fahrwerk.identity.protocols import _signed, saml
from fahrwerk.kernel.errors import Invalid, Problem
from tests.identity.idp import FakeSaml, certificate_for
from tests.identity.sso import OVER, Person, provider, told
from tests.world import World

IDP = FakeSaml()


async def at(world: World, **more: Any) -> str:
    mapping = {"email": "Email", "department": "Department", "role": "Role"}
    protocol = {"type": "saml", "metadata_xml": IDP.metadata}
    return await provider(world, protocol, **{"mapping": mapping, **more})


async def post(person: Person, chosen: str, response: str, state: str) -> httpx.Response:
    """The provider's page posts to us, from another site: no cookies."""
    path = f"/sso/{person.world.operator.slug}/{chosen}/acs"
    form = {"SAMLResponse": response, "RelayState": state}
    headers = {"Origin": "https://idp.corp.example"}
    async with httpx.AsyncClient(
        transport=person.browser._transport, base_url="https://t"
    ) as other:
        return await other.post(path, data=form, headers=headers)


async def sent(person: Person, chosen: str, response: str, state: str) -> dict[str, str]:
    """What the app is told after a provider's response."""
    answer = await post(person, chosen, response, state)
    assert answer.status_code == 303, answer.text
    back = await person.open(answer.headers["location"])
    assert back.status_code == 303, back.text
    return told(back.headers["location"]) | {"url": back.headers["location"]}


async def test_tc_1_an_employee_is_provisioned_with_roles(world: World) -> None:
    """TST-01: metadata uploaded, attributes mapped, provisioned by the first log-in with roles."""
    chosen, person = await at(world), Person(world)
    request_id, acs, state = IDP.asked(await person.leave(chosen))
    response = IDP.response(IDP.signed(IDP.assertion(request_id, acs)))
    back = await sent(person, chosen, response, state)
    assert back["state"] == "s1"
    done = (await person.redeem(back["url"])).json()
    assert done["user"]["email"] == "ada@corp.example"
    assert done["user"]["roles"] == ["customer", "provider"]
    from fahrwerk.kernel import db

    sql = "SELECT department FROM identity.person WHERE email = 'ada@corp.example'"
    row = await db.one("identity", world.admin(), sql)
    assert row
    assert row["department"] == "Sales"
    # The same response again: neither with its state, nor in another log-in.
    assert (await post(person, chosen, response, state)).headers["location"] == OVER
    _, _, other = IDP.asked(await person.leave(chosen))
    assert (await sent(person, chosen, response, other))["reason"] == "request"
    metadata = await person.open(f"/sso/{world.operator.slug}/{chosen}/metadata?")
    assert 'WantAssertionsSigned="true"' in metadata.text
    assert acs in metadata.text


def unsigned(request_id: str, acs: str) -> str:
    return str(etree.tostring(IDP.assertion(request_id, acs), encoding="unicode"))


def altered(request_id: str, acs: str) -> str:
    return IDP.signed(IDP.assertion(request_id, acs)).replace("Fleet", "Admin")


def evil(request_id: str, acs: str) -> Any:
    return IDP.assertion(request_id, acs, name_id="boss@corp.example")


def wrapped_before(request_id: str, acs: str) -> str:
    good = IDP.signed(IDP.assertion(request_id, acs))
    return str(etree.tostring(evil(request_id, acs), encoding="unicode")) + good


def wrapped_inside(request_id: str, acs: str) -> str:
    """The signed one hidden in the forged one's signature, which names it."""
    good = etree.fromstring(IDP.signed(IDP.assertion(request_id, acs)))
    signature = good.find("{http://www.w3.org/2000/09/xmldsig#}Signature")
    forged = evil(request_id, acs)
    moved = copy.deepcopy(signature)
    good.remove(signature)
    held = etree.SubElement(moved, "{http://www.w3.org/2000/09/xmldsig#}Object")
    held.append(good)
    forged.insert(1, moved)
    return str(etree.tostring(forged, encoding="unicode"))


def same_id(request_id: str, acs: str) -> str:
    good = etree.fromstring(IDP.signed(IDP.assertion(request_id, acs)))
    holder = etree.Element("{urn:x}Extensions")
    forged = evil(request_id, acs)
    forged.set("ID", good.get("ID"))
    forged.insert(1, copy.deepcopy(good[1]))
    holder.append(good)
    return str(etree.tostring(holder, encoding="unicode")) + str(
        etree.tostring(forged, encoding="unicode")
    )


def by(make: Any, **more: Any) -> Any:
    return lambda request_id, acs: make(IDP.assertion(request_id, acs, **more))


def commented(request_id: str, acs: str) -> str:
    signed = IDP.signed(IDP.assertion(request_id, acs, name_id="ada@corp.example.evil.example"))
    return signed.replace("ada@corp.example.evil", "ada@corp.example<!---->.evil")


async def test_forged_responses(world: World) -> None:
    """Unsigned, foreign, expired, for others, wrapped, cut short by a comment: all refused."""
    chosen, person = await at(world), Person(world)

    async def reason(make: Any) -> str:
        request_id, acs, state = IDP.asked(await person.leave(chosen))
        inside = make(request_id, acs)
        back = await sent(person, chosen, IDP.response(inside), state)
        assert "code" not in back
        return back["reason"]

    stranger = rsa.generate_private_key(65537, 2048)
    other = FakeSaml()
    attacks: list[tuple[str, Any]] = [
        ("signature", unsigned),
        ("signature", altered),
        ("signature", by(lambda a: IDP.signed(a, stranger))),
        ("signature", by(other.signed)),
        ("expired", by(IDP.signed, age_s=600)),
        ("expired", by(IDP.signed, age_s=-600)),
        ("audience", by(IDP.signed, audience="https://other.example/metadata")),
        ("recipient", by(IDP.signed, recipient="https://other.example/acs")),
        ("issuer", by(IDP.signed, issuer="https://evil.example")),
        ("subject", by(IDP.signed, name_format="transient")),
        ("assertion", wrapped_before),
        ("assertion", wrapped_inside),
        ("assertion", same_id),
        ("xml", commented),
        ("encrypted", lambda *_: '<a:EncryptedAssertion xmlns:a="urn:oasis:names:tc:SAML:2.0:'
         'assertion"/>'),
        ("assertion", lambda *_: ""),
    ]  # fmt: skip
    for wanted, make in attacks:
        assert await reason(make) == wanted, make
    # Not the assertion but the whole response signed, or both, is fine too.
    request_id, acs, state = IDP.asked(await person.leave(chosen))
    inside = IDP.signed(IDP.assertion(request_id, acs))
    whole = etree.fromstring(base64.b64decode(IDP.response(inside)))
    both = base64.b64encode(IDP.signed(whole).encode()).decode()
    assert "code" in await sent(person, chosen, both, state)


XS = "http://www.w3.org/2001/XMLSchema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"


def typed(request_id: str, acs: str, **more: Any) -> Any:
    """An assertion as Okta and Entra write it: values say their type by a prefix."""
    plain = etree.tostring(IDP.assertion(request_id, acs, **more), encoding="unicode")
    said = plain.replace("<saml:AttributeValue>", '<saml:AttributeValue xsi:type="xs:string">')
    spaces = f'<saml:Assertion xmlns:xs="{XS}" xmlns:xsi="{XSI}" xmlns="urn:default" '
    return etree.fromstring(said.replace("<saml:Assertion ", spaces, 1))


async def test_signatures_with_a_prefix_list(world: World) -> None:
    """IDN-21: Okta signs namespaces that only values use (InclusiveNamespaces): they count, and
    what is changed afterwards, of them or of the list, is refused."""
    chosen, person = await at(world), Person(world)

    async def said(make: Any) -> dict[str, str]:
        request_id, acs, state = IDP.asked(await person.leave(chosen))
        made = make(typed(request_id, acs))
        return await sent(person, chosen, IDP.response(made), state)

    for prefixes in ("xs", "xs xsi", "xs #default", "", "nowhere"):
        for info in ("", "xs", "ds saml"):
            back = await said(lambda a, p=prefixes, i=info: IDP.signed_inclusively(a, p, info=i))
            assert "code" in back, (prefixes, info, back)
    request_id, acs, state = IDP.asked(await person.leave(chosen))
    # Declared above the assertion, as where the whole response is one document.
    inside = IDP.signed_inclusively(typed(request_id, acs), "xs")
    outer = inside.replace(f'xmlns:xs="{XS}"', "", 1)
    whole = base64.b64decode(IDP.response(outer)).decode()
    whole = whole.replace("<samlp:Response ", f'<samlp:Response xmlns:xs="{XS}" ', 1)
    response = base64.b64encode(whole.encode()).decode()
    assert "code" in await sent(person, chosen, response, state)
    listed, many = 'PrefixList="xs"', " ".join(f"a{n}" for n in range(21))
    attacks = {
        "the list is ignored": lambda a: IDP.signed_inclusively(a, "xs", says=""),
        "the list is another": lambda a: IDP.signed_inclusively(a, "xs", says="xs xsi"),
        "a namespace was changed": lambda a: IDP.signed_inclusively(a).replace(XS, "urn:evil"),
        "the list was changed": lambda a: IDP.signed_inclusively(a).replace(listed, ""),
        "a list too long": lambda a: IDP.signed_inclusively(a, many),
        "no list": lambda a: IDP.signed_inclusively(a, "xs;"),
        "a value": lambda a: IDP.signed_inclusively(a).replace("Fleet", "Admin"),
    }  # fmt: skip
    for name, make in attacks.items():
        assert (await said(make)).get("reason") == "signature", name


DSIG = "http://www.w3.org/2000/09/xmldsig#"
SHA1 = f"{DSIG}rsa-sha1"


def test_what_signatures_may_say() -> None:
    """One, over its parent, by RSA-SHA256 and exclusive canonicalisation: all else is refused."""
    good = IDP.signed(IDP.assertion("_r", "https://us.example/acs"))
    element, used = _signed.verified(good.encode(), [IDP.certificate])
    assert used == IDP.certificate
    assert element.find(f"{{{DSIG}}}Signature") is None
    own = etree.fromstring(good).get("ID")
    xslt = "http://www.w3.org/TR/1999/REC-xslt-19991116"
    signature = good[good.index("<ds:Signature ") : good.index("</ds:Signature>") + 15]
    enveloped = f'<ds:Transform Algorithm="{DSIG}enveloped-signature"></ds:Transform>'
    assert enveloped in good
    for name, bad in {
        "an older hash": good.replace("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", SHA1),
        "a keyed hash": good.replace("xmldsig-more#rsa-sha256", "xmldsig-more#hmac-sha256"),
        "XSLT": good.replace(f"{DSIG}enveloped-signature", xslt),
        "no transform": good.replace(enveloped, ""),
        "a transform twice": good.replace(enveloped, enveloped * 2),
        "all of it": good.replace(f'URI="#{own}"', 'URI=""'),
        "another file": good.replace(f'URI="#{own}"', 'URI="https://evil.example/x"'),
        "something else": good.replace(f'URI="#{own}"', 'URI="#_x"'),
        "two signatures": good.replace(signature, signature * 2),
        "none": good.replace(signature, ""),
        "within": f'<x ID="{own}">{good}</x>',
        "no key": good.replace("ds:KeyInfo", "ds:Nothing"),
        "no value": good.replace("ds:SignatureValue", "ds:Nothing"),
    }.items():
        with pytest.raises(Problem) as refusal:
            _signed.verified(bad.encode(), [IDP.certificate])
        assert refusal.value.details["reason"] == "signature", name
    with pytest.raises(_signed.UnknownKey):
        _signed.verified(good.encode(), [FakeSaml().certificate])


async def test_documents_made_to_hurt(world: World) -> None:
    """Entities, DTDs, other encodings, bombs: refused before anything is expanded."""
    chosen, person = await at(world), Person(world)
    _, _, state = IDP.asked(await person.leave(chosen))
    assert (await post(person, chosen, "x", "nobody's")).headers["location"] == OVER
    assert (await sent(person, chosen, "%%%", state))["reason"] == "xml"
    head = '<!DOCTYPE x [<!ENTITY a "' + "a" * 100 + '">]>'
    laughs = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{"&" + chr(97 + n) + ";" * 1}{("&" + chr(97 + n) + ";") * 9}">'
        for n in range(9)
    )
    spaces = " ".join(f'xmlns:n{n}="urn:{"x" * 150}{n}"' for n in range(20))
    names = " ".join(f'xmlns:n{n}="u:{n}"' for n in range(8_000))
    bombs = [
        head + "<x>&a;</x>",
        laughs + "]><x>&j;</x>",
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        '<!DOCTYPE x SYSTEM "http://169.254.169.254/"><x/>',
        '<?xml version="1.0" encoding="UTF-7"?>+ADw-x/+AD4-',
        "<x>" * 400 + "</x>" * 400,
        f"<x {spaces}>" + "<n1:y/>" * 9000 + "</x>",
        f'<x xmlns:a="urn:{"y" * 3000}">' + "<a:y/>" * 300 + "</x>",
        '<x><?xml-stylesheet href="http://evil.example/x.xsl"?></x>',
        "<x><![CDATA[y]]></x>",
        "\ufeff<x",
        "<" * 100_000,
        "<!--" * 90_000,
        "<?x " * 90_000,
        "<!-- x -->" * 30_000 + "<!--",
        f"<x {names}>" + "<y/>" * 4_000 + "</x>",
    ]
    for text in bombs:
        for raw in (text.encode(), text.encode("utf-16")):
            with pytest.raises(Problem):
                saml._only_assertion(base64.b64encode(raw).decode())
            with pytest.raises((Invalid, Problem)):
                saml.read_metadata(raw, is_dev=True)
    big = base64.b64encode(b"<x>" + b" " * 300_000 + b"</x>").decode()
    with pytest.raises(Problem):
        saml._only_assertion(big)


async def test_the_way_back_is_for_the_browser_that_left(world: World) -> None:
    """A response of an attacker's log-in logs no victim in; nor one that nobody asked for."""
    chosen, person, victim = await at(world), Person(world), Person(world)
    request_id, acs, state = IDP.asked(await person.leave(chosen))
    response = IDP.response(IDP.signed(IDP.assertion(request_id, acs)))
    answer = await post(person, chosen, response, state)
    lured = await victim.open(answer.headers["location"])
    assert told(lured.headers["location"])["reason"] == "browser"
    own = await person.open(answer.headers["location"])
    assert own.headers["location"] == OVER
    path = f"/sso/{world.operator.slug}/{chosen}/acs"
    unasked = await person.browser.post(path, data={"SAMLResponse": response})
    assert unasked.headers["location"] == OVER.replace("state", "unasked")
    assert (await person.browser.post(path, content=b"\xff")).status_code == 400


async def test_metadata_is_read_with_care(world: World) -> None:
    """IDN-21: one provider, HTTP-Redirect, a decent key; loopback and plain http only here."""
    good = IDP.metadata
    read = saml.read_metadata(good.encode(), is_dev=False)
    assert (read.entity_id, read.sso_url, len(read.certificates)) == (IDP.entity, IDP.sso_url, 1)
    weak = FakeSaml()
    weak.key = rsa.generate_private_key(65537, 1024)
    weak.certificate = certificate_for(weak.key)
    inner = good.partition("-->")[2]
    for bad in (
        weak.metadata, good.replace("HTTP-Redirect", "HTTP-POST"), good.replace("https:", "http:"),
        good.replace('use="signing"', 'use="encryption"'), "<x/>", "", good.replace("MII", "!!!"),
        f"<all xmlns='urn:oasis:names:tc:SAML:2.0:metadata'>{inner}{inner}</all>",
        good.replace('<?xml version="1.0"?>', "<!DOCTYPE x>"),
    ):  # fmt: skip
        with pytest.raises(Invalid):
            saml.read_metadata(bad.encode(), is_dev=False)
    async with world.client(world.admin()) as admin:
        for url in ("http://10.0.0.1/", "https://169.254.169.254/", "https://[::1]/", "ftp://x.y"):
            body = {"name": "X", "protocol": {"type": "saml", "metadata_url": url}}
            answer = await admin.post("/api/v1/sso/providers", json=body)
            assert answer.status_code in (400, 503), url


async def test_a_test_says_what_is_wrong(world: World) -> None:
    """The test button: the reason in words, nobody logged in, and only the browser that tests."""
    chosen, person = await at(world), Person(world)
    async with world.client(world.admin()) as admin:
        for audience, is_ok in ((None, True), ("https://other.example", False)):
            test = (await admin.post(f"/api/v1/sso/providers/{chosen}/test", json={})).json()
            gone = (await person.open(test["url"])).headers["location"]
            request_id, acs, state = IDP.asked(gone)
            made = IDP.signed(IDP.assertion(request_id, acs, audience=audience))
            answer = await post(person, chosen, IDP.response(made), state)
            page = await person.open(answer.headers["location"])
            assert ("would make an account" in page.text) is is_ok
            told_ = (await admin.get(f"/api/v1/sso/tests/{test['id']}")).json()
            assert (told_["is_over"], told_["is_ok"]) == (True, is_ok), told_
        assert "other.example" in told_["steps"][-1]["detail"]
