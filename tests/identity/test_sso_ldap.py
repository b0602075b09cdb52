"""LDAP: our own small directory for what must never go wrong, and OpenLDAP where it is there."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pyasn1.codec.ber import encoder  # type: ignore[import-untyped]

from fahrwerk.identity.protocols import ldap
from fahrwerk.identity.rules.sso import is_reachable, roles_for
from tests.identity import peers
from tests.identity.sso import provider
from tests.world import World

assert ldap.UNIQUE  # its import of ldap3 silences a dependency's warning
READER = "cn=reader,dc=corp,dc=example"


class FakeDirectory:
    """Knows one entry; remembers who bound, with what, and every filter it was asked."""

    def __init__(self) -> None:
        self.binds: list[tuple[str, str]] = []
        self.filters: list[str] = []
        self.passwords = {READER: "r3ader", "uid=ada,dc=corp,dc=example": "engine"}
        self.entries = 1

    def answers(self, message: Any) -> list[Any]:
        from ldap3.protocol import rfc4511  # type: ignore[import-untyped]

        [(kind, asked)] = message
        if kind == 0x60:
            _, name, (_, password) = parts(asked)
            self.binds.append((name[1].decode(), password.decode()))
            # As a real one: a name without a password is anonymous, and that succeeds.
            fits = not password or self.passwords.get(name[1].decode()) == password.decode()
            return [("bindResponse", _result(rfc4511.BindResponse(), 0 if fits else 49))]
        if kind != 0x63:
            return []
        self.filters.append(shown(*parts(asked)[6]))
        found = []
        for _ in range(self.entries):
            entry = rfc4511.SearchResultEntry()
            entry["object"] = "uid=ada,dc=corp,dc=example"
            values = {"mail": "ada@corp.example", "entryUUID": "u-1", "memberOf": "cn=Fleet,dc=x"}
            for n, (attribute, value) in enumerate(values.items()):
                entry["attributes"][n]["type"] = attribute
                entry["attributes"][n]["vals"][0] = value
            found.append(("searchResEntry", entry))
        return [*found, ("searchResDone", _result(rfc4511.SearchResultDone(), 0))]


def parts(data: bytes) -> list[tuple[int, bytes]]:
    """The BER values that stand one after the other: tag and content."""
    found = []
    while data:
        size, head = data[1], 2
        if size & 0x80:
            head += size & 0x7F
            size = int.from_bytes(data[2:head], "big")
        found.append((data[0], data[head : head + size]))
        data = data[head + size :]
    return found


def shown(tag: int, content: bytes) -> str:
    """A filter as it was understood, by the names of its parts."""
    inner = " ".join(shown(*each) for each in parts(content)) if tag in (0xA0, 0xA1, 0xA2) else ""
    names = {0xA0: "and", 0xA1: "or", 0xA2: "not", 0xA3: "equals", 0xA4: "substrings"}
    return f"{names.get(tag, 'present')}({inner})"


def _result(answer: Any, code: int) -> Any:
    answer["resultCode"], answer["matchedDN"], answer["diagnosticMessage"] = code, "", ""
    return answer


@contextlib.asynccontextmanager
async def fake_directory(folder: Path) -> AsyncIterator[tuple[FakeDirectory, dict[str, Any]]]:
    from ldap3.protocol import rfc4511

    fake = FakeDirectory()
    ca = peers.tls(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = b""
        with contextlib.suppress(OSError):
            while part := await reader.read(8192):
                data += part
                if len(data) < 2 or len(data) < data[1] + 2:  # all requests here are short
                    continue
                (_, number), *message = parts(parts(data)[0][1])
                data = b""
                for name, body in fake.answers(message[:1]):
                    answer = rfc4511.LDAPMessage()
                    answer["messageID"] = int.from_bytes(number, "big")
                    answer["protocolOp"][name] = body
                    writer.write(encoder.encode(answer))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        yield fake, protocol(f"ldaps://localhost:{port}", ca)
    finally:
        server.close()


def protocol(url: str, ca: str) -> dict[str, Any]:
    return {
        "type": "ldap", "url": url, "bind_dn": READER, "base_dn": "dc=corp,dc=example",
        "group_base_dn": "", "ca_pem": ca,
    }  # fmt: skip


async def login(world: World, chosen: str, name: str, password: str) -> Any:
    body = {"provider": chosen, "login": name, "password": password}
    async with world.client() as app:
        return await app.post("/api/v1/auth/sso/ldap", json=body)


async def test_bind_search_bind_and_what_is_never_asked(world: World, tmp_path: Path) -> None:
    """The right password lets in; an empty one is refused here; what is typed is no filter."""
    async with fake_directory(tmp_path) as (fake, spoken):
        chosen = await provider(world, spoken, secret="r3ader")
        done = await login(world, chosen, "ada", "engine")
        assert done.status_code == 200, done.text
        assert done.json()["user"]["roles"] == ["customer", "provider"]
        wrong = await login(world, chosen, "ada", "wrong")
        assert wrong.json()["error"]["details"]["reason"] == "credentials"
        binds = len(fake.binds)
        for name, password in (("ada", ""), ("", "x"), ("a" * 257, "x")):
            answer = await login(world, chosen, name, password)
            assert answer.status_code in (400, 401), answer.text
        assert len(fake.binds) == binds
        for hostile in ("*", "ada)(uid=*", "ada)(|(uid=*", "\\2a", "a\0b", "ä)("):
            fake.filters.clear()
            await login(world, chosen, hostile, "engine")
            [asked] = fake.filters
            # One literal value on each side of the or, however it looks: nothing present, no more.
            assert asked == "and(equals() or(equals() equals()))"
        fake.entries = 2
        assert (await login(world, chosen, "ada", "engine")).status_code == 401
        fake.entries = 0
        assert (await login(world, chosen, "ada", "engine")).status_code == 401


async def test_tls_is_verified_and_addresses_are_looked_at(world: World, tmp_path: Path) -> None:
    """Another authority or name is refused; private networks only where the installation says."""
    async with fake_directory(tmp_path) as (fake, spoken):
        for change in ({"ca_pem": ""}, {"url": spoken["url"].replace("localhost", "127.0.0.1")}):
            chosen = await provider(world, spoken | change, secret="r3ader", domains=[])
            answer = await login(world, chosen, "ada", "engine")
            assert answer.status_code == 503, answer.text
        for url in ("ldaps://10.0.0.7", "ldaps://169.254.169.254", "ldap://[fe80::1]"):
            chosen = await provider(world, spoken | {"url": url}, secret="r3ader", domains=[])
            answer = await login(world, chosen, "ada", "engine")
            assert (answer.status_code, "public" in answer.text) == (503, True), answer.text
        assert not fake.binds
    async with world.client(world.admin()) as admin:
        for bad in (
            {"url": "http://x.example"}, {"user_filter": "(uid=ada)"},
            {"user_filter": "uid={login}"}, {"base_dn": " "},
            {"group_filter": "((member={dn})"}, {"url": "ldap://u:p@x.example"},
        ):  # fmt: skip
            body = {"name": "X", "secret": "x", "protocol": spoken | bad}
            assert (await admin.post("/api/v1/sso/providers", json=body)).status_code == 400, bad
        body = {"name": "X", "protocol": spoken}
        assert (await admin.post("/api/v1/sso/providers", json=body)).status_code == 400


def test_which_addresses_and_groups_count() -> None:
    """Cloud metadata and private addresses never by default; a group's name cannot be forged."""
    for address in ("10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fd00::1", "0.0.0.0"):
        assert not is_reachable(address, [], is_dev=False), address
    assert is_reachable("9.9.9.9", [], is_dev=False)
    from fahrwerk.identity.contract.sso import RoleRule

    rules = [RoleRule("fleet", "provider"), RoleRule("cn=Boss,ou=g", "admin")]
    assert roles_for(["cn=Fleet,ou=g"], rules, []) == ["provider"]
    assert roles_for(["CN=boss,OU=g"], rules, []) == ["admin"]
    for forged in ("cn=fleet\\,x,ou=g", "ou=cn=fleet", "xfleet", "cn=fleet+ou=x", "cn=boss,ou=h"):
        assert roles_for([forged], rules, []) == [], forged


@pytest.mark.skipif(bool(peers.NO_SLAPD), reason=peers.NO_SLAPD)
async def test_openldap(world: World, tmp_path: Path) -> None:
    """Debian's slapd, over LDAPS and StartTLS: people, awkward names, groups, the test button."""
    with peers.slapd(tmp_path) as there:
        spoken = protocol(there["ldaps"], there["ca"]) | {"group_base_dn": "dc=corp,dc=example"}
        chosen = await provider(world, spoken, secret="r3ader")
        done = await login(world, chosen, "ada", "analytical engine")
        assert done.status_code == 200, done.text
        user = done.json()["user"]
        assert (user["email"], user["roles"]) == ("ada@corp.example", ["customer", "provider"])
        again = (await login(world, chosen, "ada@corp.example", "analytical engine")).json()
        assert again["user"]["id"] == user["id"]
        awkward = await login(world, chosen, "bob, jr (x)*", "bobs password")
        assert awkward.json()["user"]["email"] == "bob@corp.example"
        right = "analytical engine"
        for name, password in (("*", right), ("ada", "wrong"), ("nobody", "x"),
                               ("ada)(uid=*", right), ("b*", "bobs password")):  # fmt: skip
            answer = await login(world, chosen, name, password)
            assert answer.json()["error"]["details"]["reason"] == "credentials", name
        async with world.client(world.admin()) as admin:
            path = f"/api/v1/sso/providers/{chosen}/test"
            test = await admin.post(path, json={"login": "ada", "password": "analytical engine"})
            names = [step["name"] for step in test.json()["steps"]]
            assert test.json()["is_ok"], test.text
            assert names == ["address", "tls", "bind", "search", "password", "groups",
                             "attributes", "mapping", "account"]  # fmt: skip
            assert "analytical" not in test.text
        plain = spoken | {"url": there["ldap"]}
        second = await provider(world, plain, secret="r3ader", domains=[], name="StartTLS")
        answer = await login(world, second, "ada", "analytical engine")
        assert answer.json()["error"]["details"]["reason"] == "email_unverified", answer.text
        third = await provider(world, spoken, secret="wrong", domains=[], name="Wrong")
        assert (await login(world, third, "ada", "analytical engine")).status_code == 503
