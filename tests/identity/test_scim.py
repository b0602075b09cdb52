"""SCIM 2.0: a directory brings people in and puts them out (IDN-29, IDN-30)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
from scim2_client.engines.wsgi import WSGISCIMClient
from scim2_tester import Status, check_server

from fahrwerk.identity.rules import scim_filter
from fahrwerk.kernel.admission import Admission
from fahrwerk.kernel.errors import Busy, Invalid
from tests.world import World, http_app

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


async def token_of(world: World, **more: Any) -> str:
    body = {"name": "Corp", "role_rules": [{"group": "Fleet", "role": "provider"}], **more}
    async with world.client(world.admin()) as admin:
        made = await admin.post("/api/v1/scim/sources", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["token"])


def directory(token: str) -> httpx.AsyncClient:
    """A directory: it knows an address and a token, and nothing of operators."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=http_app(), raise_app_exceptions=False),  # type: ignore[arg-type]
        base_url="http://test/scim/v2/",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"},
    )


def ada(**more: Any) -> dict[str, Any]:
    return {
        "schemas": [USER, ENTERPRISE], "userName": "ada@corp.example", "externalId": "e-1",
        "name": {"givenName": "Ada", "familyName": "Lovelace"}, "active": True,
        "emails": [{"value": "ada@corp.example", "type": "work", "primary": True}],
        ENTERPRISE: {"department": "Sales"}, **more,
    }  # fmt: skip


async def made(scim: httpx.AsyncClient, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await scim.post(kind, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [PATCH], "Operations": list(operations)}


async def test_the_tester_of_the_standard_finds_nothing(world: World) -> None:
    """PyPI's scim2-tester, all of its checks."""
    token = await token_of(world)
    loop = asyncio.get_running_loop()

    async def sent(environ: Any, body: bytes) -> httpx.Response:
        async with directory(token) as scim:
            return await scim.request(
                environ["REQUEST_METHOD"],
                f"http://test{environ['PATH_INFO']}?{environ['QUERY_STRING']}",
                content=body,
            )

    def application(environ: Any, start: Any) -> list[bytes]:
        """The tester asks from a thread; the application belongs to this loop."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        answer = asyncio.run_coroutine_threadsafe(sent(environ, body), loop).result(30)
        start(f"{answer.status_code} {answer.reason_phrase or 'OK'}", list(answer.headers.items()))
        return [answer.content]

    def check() -> list[Any]:
        return check_server(WSGISCIMClient(application, base_url="http://test/scim/v2"))

    results = await asyncio.to_thread(check)
    wrong = [r for r in results if r.status not in (Status.SUCCESS, Status.SKIPPED)]
    assert not wrong, "\n".join(f"{r.title}: {r.reason}" for r in wrong)
    assert len(results) > 60


async def test_in_changed_and_out_within_a_second(world: World) -> None:
    """IDN-29, IDN-30: the account follows its directory; put out there, it is out here at once."""
    async with directory(await token_of(world)) as scim, world.client() as app:
        user = await made(scim, "Users", ada())
        group = await made(scim, "Groups", {"displayName": "Fleet"})
        path = f"Users/{user['id']}"
        member = patch({"op": "Add", "path": "members", "value": [{"value": user["id"]}]})
        assert (await scim.patch(f"Groups/{group['id']}", json=member)).status_code == 200
        listed = await world.client(world.admin()).get("/api/v1/users", params={"q": "ada@"})
        [person] = listed.json()["users"]
        assert person["roles"] == ["customer", "provider"]
        assert (person["first_name"], person["status"]) == ("Ada", "active")
        # She logs in (by a password here; single sign-on would do the same).
        from fahrwerk.identity.actions.entrance import Proven, uncounted
        from fahrwerk.identity.actions.log_in import open_session
        from fahrwerk.identity.contract import Client
        from fahrwerk.kernel import ids

        chosen = ids.parse(person["id"], "usr")
        call = world.system("identity")
        proven = Proven(person_id=chosen, methods=["sso"], counted=uncounted(call))
        login = await open_session(call, proven, Client())
        me = {"Authorization": f"Bearer {login.access_token}"}
        assert (await app.get("/api/v1/users/me", headers=me)).status_code == 200
        # Out of the group: the role is gone at once, though the token still says it.
        gone = patch({"op": "remove", "path": f'members[value eq "{user["id"]}"]'})
        assert (await scim.patch(f"Groups/{group['id']}", json=gone)).status_code == 200
        assert (await app.get("/api/v1/users/me", headers=me)).json()["roles"] == ["customer"]
        # Deactivated as Entra ID does it: out.
        off = patch({"op": "Replace", "path": "active", "value": "False"})
        started = time.monotonic()
        answer = await scim.patch(path, json=off)
        assert answer.json()["active"] is False
        assert (await app.get("/api/v1/users/me", headers=me)).status_code == 401
        assert time.monotonic() - started < 1
        fresh = {"Authorization": f"Bearer {login.refresh_token}"}
        assert (await app.post("/api/v1/auth/refresh", headers=fresh)).status_code == 401
        # Back again, renamed; and deleted: 404 here, barred there; and hired again.
        on = patch({"op": "replace", "value": {"active": True, "name.familyName": "King"}})
        assert (await scim.patch(path, json=on)).json()["active"] is True
        assert (await scim.delete(path)).status_code == 204
        for answer in (
            await scim.get(path),
            await scim.delete(path),
            await scim.put(path, json=ada()),
        ):
            assert answer.status_code == 404
            assert answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        again = await made(scim, "Users", ada())
        assert again["id"] != user["id"]
        users = await world.client(world.admin()).get("/api/v1/users", params={"q": "ada@"})
        assert [(u["id"], u["status"]) for u in users.json()["users"]] == [(person["id"], "active")]


async def test_it_lifts_only_its_own_bar_and_takes_no_accounts(world: World) -> None:
    """Blocked by staff stays blocked; accounts of others are not its to touch."""
    rider = await world.rider(email="ada@corp.example")
    assert rider.user
    async with directory(await token_of(world)) as scim:
        taken = await scim.post("Users", json=ada())
        assert (taken.status_code, taken.json()["scimType"]) == (409, "uniqueness")
        bob = ada(userName="bob", emails=[{"value": "bob@corp.example"}], externalId="e-2")
        user = await made(scim, "Users", bob)
        assert (await scim.post("Users", json=bob)).status_code == 409
        mail = [{"value": "ada@corp.example"}]
        renamed = patch({"op": "replace", "path": "emails", "value": mail})
        assert (await scim.patch(f"Users/{user['id']}", json=renamed)).status_code == 409
        admin = world.client(world.admin())
        [person] = (await admin.get("/api/v1/users", params={"q": "bob@"})).json()["users"]
        await admin.post(f"/api/v1/users/{person['id']}/block")
        for value in (False, True):
            turned = patch({"op": "replace", "path": "active", "value": value})
            assert (await scim.patch(f"Users/{user['id']}", json=turned)).status_code == 200
        [person] = (await admin.get("/api/v1/users", params={"q": "bob@"})).json()["users"]
        assert person["status"] == "blocked"


async def test_a_token_opens_one_directory_only(world: World) -> None:
    """Hashed, rotated with grace, of one operator; another directory's people are not there."""
    token = await token_of(world)
    async with directory(token) as scim, world.client(world.admin()) as admin:
        user = await made(scim, "Users", ada())
        for other in ("", "x", token + "x", token.partition(".")[0], "Basic eA=="):
            scim.headers["Authorization"] = f"Bearer {other}"
            refused = await scim.get("Users")
            assert refused.status_code == 401
            assert refused.json()["status"] == "401"
        async with directory(await token_of(world, name="Other")) as second:
            assert (await second.get("Users")).json()["totalResults"] == 0
            assert (await second.get(f"Users/{user['id']}")).status_code == 404
            group = {"displayName": "G", "members": [{"value": user["id"]}]}
            assert (await second.post("Groups", json=group)).status_code == 400
        listed = await admin.get("/api/v1/scim/sources")
        assert token not in listed.text
        source = next(s for s in listed.json()["sources"] if s["name"] == "Corp")["id"]
        path = f"/api/v1/scim/sources/{source}/rotate"
        new = (await admin.post(path, json={"grace_s": 60})).json()["token"]
        for good in (token, new):
            scim.headers["Authorization"] = f"Bearer {good}"
            assert (await scim.get("Users")).status_code == 200
        last = (await admin.post(path, json={"grace_s": 0})).json()["token"]
        for old in (token, new):
            scim.headers["Authorization"] = f"Bearer {old}"
            assert (await scim.get("Users")).status_code == 401
        scim.headers["Authorization"] = f"Bearer {last}"
        scim.headers["X-Tenant-ID"] = world.operator.slug
        assert (await scim.get("Users")).status_code == 200


async def test_filters_pages_and_versions(world: World) -> None:
    """RFC 7644, 3.4.2 and 3.14: what directories ask for, and what nobody should."""
    async with directory(await token_of(world)) as scim:
        people = [
            await made(
                scim, "Users",
                ada(userName=f"u{n}", externalId=f"E{n}", title="100% \\_x" if n == 1 else "Dr",
                    emails=[{"value": f"u{n}@corp.example", "type": "work"}]),
            )
            for n in range(3)
        ]  # fmt: skip
        group = await made(
            scim, "Groups", {"displayName": "G", "members": [{"value": people[0]["id"]}]}
        )

        async def found(condition: str, kind: str = "Users") -> Any:
            answer = await scim.get(kind, params={"filter": condition})
            assert answer.status_code in (200, 400), answer.text
            if answer.status_code == 400:
                return answer.json()["scimType"]
            return [r.get("userName", r.get("displayName")) for r in answer.json()["Resources"]]

        for condition, names in {
            'userName eq "U1"': ["u1"],
            'externalId eq "E2"': ["u2"],
            'externalId eq "e2"': [],
            'userName sw "u" and not (userName eq "u1")': ["u0", "u2"],
            'emails[type eq "work" and value co "U2@"]': ["u2"],
            'emails.value ew "0@corp.example" or title co "0% \\\\_"': ["u0", "u1"],
            f'id eq "{people[1]["id"]}"': ["u1"],
            f'{ENTERPRISE}:department eq "sales" and active eq true': ["u0", "u1", "u2"],
            "active eq false": [],
            'meta.created gt "2000-01-01T00:00:00Z" and userName gt "u1"': ["u2"],
            "nickName pr": [],
            'title co "%x"': [],
            "userName eq \"x' OR '1'='1\"": [],
            'groups.value eq "' + group["id"] + '"': ["u0"],
        }.items():
            assert await found(condition) == names, condition
        assert await found(f'members.value eq "{people[0]["id"]}"', "Groups") == ["G"]
        for wrong in (
            *("x", "userName eq", "nothing eq 1", "(" * 30 + "a pr", 'userName eq "\\u0000"'),
            *("userName zz 1", "active eq 1", "a pr " * 500, "x[y[z pr]]", 'id co "x"'),
        ):
            assert await found(wrong) == "invalidFilter", wrong
        page = (await scim.get("Users", params={"startIndex": "2", "count": "1"})).json()
        assert (page["totalResults"], page["itemsPerPage"]) == (3, 1)
        assert page["Resources"][0]["userName"] == "u1"
        assert (await scim.get("Users", params={"count": "0"})).json()["Resources"] == []
        path, tag = f"Users/{people[0]['id']}", people[0]["meta"]["version"]
        seen = await scim.get(path, headers={"If-None-Match": tag})
        assert seen.status_code == 304
        turned = patch({"op": "replace", "path": "title", "value": "Prof"})
        assert (await scim.patch(path, json=turned, headers={"If-Match": tag})).status_code == 200
        assert (await scim.patch(path, json=turned, headers={"If-Match": tag})).status_code == 412
        for bad in (b"{", b"[]", b"\xff", b'{"schemas": 1}', b'{"Operations": [1]}', b"[" * 5000):
            assert (await scim.patch(path, content=bad)).status_code == 400
            assert (await scim.post("Users", content=bad)).status_code == 400
        for operation in (
            {"op": "move", "path": "title"}, {"op": "remove"}, {"op": "add", "path": "["},
            {"op": "replace", "path": "groups", "value": []}, {"op": "add", "value": 1},
            {"op": "replace", "path": "userName", "value": None},
            {"op": "replace", "path": "emails[value pr].value", "value": 7},
            {"op": "replace", "path": 'emails[type eq "home" or type eq "x"].value', "value": "a"},
        ):  # fmt: skip
            answer = await scim.patch(path, json=patch(operation))
            assert answer.status_code == 400, operation


@pytest.mark.parametrize(
    "text",
    [
        'a eq "b',
        "a eq b c",
        "",
        "not a pr",
        "a.b..c eq 1 2",
        '"a" eq 1',
        ".a eq 1",
        "a[b pr].",
        "a[b pr].c",
        "a[b pr] .c.d pr",
        "a .b pr",
        "a eq .b",
    ],
)
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(Invalid):
        scim_filter.parsed(text)


async def test_numbers_become_the_persons(world: World) -> None:
    """The mobile one, in full; one that is somebody else's, or no number, is nobody's."""
    async with directory(await token_of(world)) as scim, world.client(world.admin()) as admin:

        async def phone_of(name: str) -> str | None:
            listed = await admin.get("/api/v1/users", params={"q": name})
            [person] = listed.json()["users"]
            return str(person["phone"]) if person["phone"] else None

        numbers = [{"value": "030 1234", "type": "work"},
                   {"value": "tel:+49 151 2345678", "type": "mobile"}]  # fmt: skip
        user = await made(scim, "Users", ada(phoneNumbers=numbers))
        assert await phone_of("ada@corp") == "+491512345678"
        other = ada(userName="bob@corp.example", externalId="e-2", phoneNumbers=numbers,
                    emails=[{"value": "bob@corp.example"}])  # fmt: skip
        await made(scim, "Users", other)
        assert await phone_of("bob@corp") is None
        for wanted, then in (("+49 151 999999", "+49151999999"), ("switchboard", "+49151999999")):
            change = patch({"op": "replace", "path": "phoneNumbers", "value": [{"value": wanted}]})
            assert (await scim.patch(f"Users/{user['id']}", json=change)).status_code == 200
            assert await phone_of("ada@corp") == then


async def test_refusals_at_the_door_are_in_the_standards_words(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """401, 413 and 429 (RFC 7644, 3.12), and paths and methods that there are not."""
    answers = []
    async with directory("nonsense") as scim:
        answers.append(await scim.get("Users"))
        answers.append(await scim.post("Users", content=b" " * 3_000_000))

        async def no(*_: object, **__: object) -> None:
            raise Busy(retry_after=7)

        monkeypatch.setattr(Admission, "call", no)
        answers.append(await scim.get("Users"))
    for answer in answers:
        assert answer.headers["content-type"].startswith("application/scim+json"), answer.text
        said = answer.json()
        assert said["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        assert said["status"] == str(answer.status_code)
    assert [answer.status_code for answer in answers] == [401, 413, 429]
    assert answers[0].headers["www-authenticate"] == "Bearer"
    assert answers[2].headers["retry-after"] == "7"


WORK = 'emails[type eq "work"].value'


async def test_as_entra_speaks(world: World) -> None:
    """IDN-29: truth as text, names in capitals, paths that choose, values of nothing, `$ref: null`,
    lists without members."""
    async with directory(await token_of(world)) as scim:
        found = await scim.get("Users", params={"filter": 'userName eq "ada@corp.example"'})
        assert (found.status_code, found.json()["totalResults"]) == (200, 0)
        user = await made(
            scim, "Users",
            ada(active="True", displayName="Ada", title="Engineer", externalId="oid-1",
                addresses=[{"type": "work", "primary": "True", "country": "DE"}],
                roles=[{"primary": "True", "value": "x"}], phoneNumbers=None, nickName=""),
        )  # fmt: skip
        assert user["active"] is True
        path, spaces = f"Users/{user['id']}", f"{ENTERPRISE}:"
        for operation, name, wanted in (
            ({"op": "Replace", "path": "active", "value": "False"}, "active", False),
            ({"op": "Replace", "path": "active", "value": "True"}, "active", True),
            ({"op": "Add", "path": "title", "value": "Boss"}, "title", "Boss"),
            ({"op": "Replace", "path": "displayName", "value": "Ada L."}, "displayName", "Ada L."),
            ({"op": "Remove", "path": "title"}, "title", None),
            ({"op": "Remove", "path": "title"}, "title", None),
            ({"op": "replace", "value": {"active": "False", "title": "T"}}, "title", "T"),
            ({"op": "replace", "value": {"active": "True", spaces + "department": "HR",
                                         "name.familyName": "King"}}, "active", True),
        ):  # fmt: skip
            answer = await scim.patch(path, json=patch(operation))
            assert answer.status_code == 200, (operation, answer.text)
            assert answer.json().get(name) == wanted, operation
        now = answer.json()
        assert now[ENTERPRISE]["department"] == "HR"
        assert now["name"] == {"givenName": "Ada", "familyName": "King"}
        for value in ("king@corp.example", "lovelace@corp.example"):
            answer = await scim.patch(path, json=patch({"op": "Add", "path": WORK, "value": value}))
            assert [each["value"] for each in answer.json()["emails"]] == [value]
            answer = await scim.patch(path, json=patch({"op": "replace", "value": {WORK: value}}))
            assert answer.status_code == 200, answer.text
        boss = await made(scim, "Users", ada(userName="b@corp.example", externalId="oid-2",
                                             emails=[{"value": "b@corp.example"}]))  # fmt: skip
        for by in (boss["id"], {"value": boss["id"]}):
            named = patch({"op": "Add", "path": spaces + "manager", "value": by})
            answer = await scim.patch(path, json=named)
            assert answer.status_code == 200, answer.text
            assert answer.json()[ENTERPRISE]["manager"]["value"] == boss["id"]
        group = await made(scim, "Groups", {"displayName": "Fleet", "externalId": "g-1"})
        place = f"Groups/{group['id']}"
        for op, kept in (("Add", 2), ("Remove", 0)):
            both = [{"$ref": None, "value": each["id"]} for each in (user, boss)]
            named = patch({"op": op, "path": "members", "value": both})
            answer = await scim.patch(place, json=named)
            assert answer.status_code == 200, answer.text
            assert len(answer.json().get("members", [])) == kept
        both = [{"value": user["id"]}, {"value": boss["id"]}]
        await scim.patch(place, json=patch({"op": "Add", "path": "members", "value": both}))
        one = patch({"op": "Remove", "path": f'members[value eq "{user["id"]}"]'})
        for _ in range(2):  # a second time is no error: directories repeat themselves
            answer = await scim.patch(place, json=one)
            assert answer.status_code == 200, answer.text
            assert [each["value"] for each in answer.json()["members"]] == [boss["id"]]
        without = {"excludedAttributes": "members"}
        assert "members" not in (await scim.get(place, params=without)).json()
        search = {**without, "filter": 'displayName eq "Fleet"', "startIndex": "1", "count": "1"}
        listed = (await scim.get("Groups", params=search)).json()
        assert (listed["totalResults"], listed["startIndex"]) == (1, 1)
        assert "members" not in listed["Resources"][0]
        assert listed["Resources"][0]["displayName"] == "Fleet"
        for text in ('externalId eq "oid-2"', f'{WORK} eq "lovelace@corp.example"',
                     'emails[type eq "work" and value sw "lovelace"]'):  # fmt: skip
            listed = (await scim.get("Users", params={"filter": text})).json()
            assert listed["totalResults"] == 1, text


async def test_as_okta_speaks(world: World) -> None:
    """IDN-29: PATCH without a path, ids in the value, whole users back with what is read only,
    pages that begin at 1 whatever is asked."""
    async with directory(await token_of(world)) as scim:
        scim.headers["Content-Type"] = "application/scim+json; charset=utf-8"
        user = await made(scim, "Users", ada(password="Sw0rdfish-and-more", groups=[]))
        assert "password" not in user
        path = f"Users/{user['id']}"
        for active in (False, True):
            off = patch({"op": "replace", "value": {"active": active}})
            assert (await scim.patch(path, json=off)).json()["active"] is active
        whole = (await scim.get(path)).json() | {"groups": [], "password": "x" * 12}
        whole["name"] = {"givenName": "Augusta", "familyName": "King", "middleName": None}
        answer = await scim.put(path, json=whole)
        assert answer.status_code == 200, answer.text
        assert answer.json()["name"]["givenName"] == "Augusta"
        group = await made(
            scim, "Groups",
            {"schemas": [GROUP], "displayName": "Flee", "members": []},
        )  # fmt: skip
        place = f"Groups/{group['id']}"
        renamed = patch({"op": "replace", "value": {"id": group["id"], "displayName": "Fleet"}})
        answer = await scim.patch(place, json=renamed)
        assert answer.json()["displayName"] == "Fleet"
        members = [{"value": user["id"], "display": "ada@corp.example"}]
        for value, count in ((members, 1), ([], 0), (members, 1)):
            operation = {"op": "replace", "path": "members", "value": value}
            answer = await scim.patch(place, json=patch(operation))
            assert answer.status_code == 200, answer.text
            assert len(answer.json().get("members", [])) == count
        [person] = (await world.client(world.admin()).get("/api/v1/users?q=ada@")).json()["users"]
        assert "provider" in person["roles"]
        await made(scim, "Users", ada(userName="b@corp.example", externalId="e-2",
                                      emails=[{"value": "b@corp.example"}]))  # fmt: skip
        seen = []
        for start in ("0", "-5", "1", "2", "3"):
            asked = {"startIndex": start, "count": "1"}
            page = (await scim.get("Users", params=asked)).json()
            shown = [each["id"] for each in page["Resources"]]
            assert page["startIndex"] == max(1, int(start))
            assert (page["totalResults"], page["itemsPerPage"]) == (2, len(shown))
            seen.append(shown)
        assert seen[0] == seen[1] == seen[2] != seen[3]
        assert seen[4] == []
        none = (await scim.get("Users", params={"count": "0"})).json()
        assert (none["totalResults"], none["Resources"]) == (2, [])
