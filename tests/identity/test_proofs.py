"""Links and codes: verification, reset, log-in by link, a new address; and that nobody learns who
has an account."""

from __future__ import annotations

from typing import Any

import pytest

from fahrwerk.identity import contract as identity
from fahrwerk.identity import jobs, queries
from fahrwerk.identity.contract import proofs, sessions
from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Forbidden
from fahrwerk.notifications import jobs as letters_out
from tests.identity.clients import LOGIN, bearer, error_of
from tests.identity.doorstep import call_of, entered, here, later, letter, letters, news, token_of
from tests.identity.people import EMAIL, ada, logged_in, problem_of
from tests.world import PASSWORD, World, make_world

NEW = "another horse and battery"
FORGOT = "/api/v1/auth/password/forgot"
RESET = "/api/v1/auth/password/reset"
MAGIC = "/api/v1/auth/magic-link"


async def test_an_address_is_verified_by_link_or_code(world: World) -> None:
    """IDN-15: once, by the newest letter only; the flags say so."""
    await ada(world, phone="+491512345678")
    me = await here(world)
    await proofs.ask_verification(me, "email")
    said = await letter(world, "verify_email")
    assert said.address == EMAIL
    done = await proofs.verify(world.call(), token_of(said))
    assert (done.what, done.is_done) == ("email", True)
    assert isinstance(
        await problem_of(proofs.verify(world.call(), token_of(said))), proofs.WrongLink
    )
    await proofs.ask_verification(me, "phone")
    said = await letter(world, "verify_phone")
    assert (said.channel, said.address, len(said.code)) == ("sms", "+491512345678", 6)
    await proofs.verify_code(me, "phone", f" {said.code[:3]} {said.code[3:]} ")
    state = await queries.security(me)
    assert (state.is_email_verified, state.is_phone_verified) == (True, True)
    await identity.change_profile(me, identity.ProfileChange(phone="+491512345679"))
    assert not (await queries.security(me)).is_phone_verified
    assert "phone_changed" in await news(world, me.user or world.tenant)


async def test_letters_are_few_and_codes_are_guessed_in_vain(world: World) -> None:
    """One a minute, five an hour; a newer one replaces the older; five wrong codes end it."""
    await ada(world)
    me = await here(world)
    await proofs.ask_verification(me, "email")
    first = await letter(world, "verify_email")
    again = await problem_of(proofs.ask_verification(me, "email"))
    assert isinstance(again, proofs.SentTooOften)
    with later(seconds=61):
        await proofs.ask_verification(me, "email")
        second = await letter(world, "verify_email")
        for old in (token_of(first), "nonsense", "prf_x.y", ""):
            assert isinstance(await problem_of(proofs.verify(me, old)), proofs.WrongLink)
        wrong = "000000" if second.code != "000000" else "000001"
        for _ in range(5):
            assert isinstance(
                await problem_of(proofs.verify_code(me, "email", wrong)), proofs.WrongLink
            )
        # Now the right one is worth nothing either, and neither is the link.
        for late in (
            proofs.verify_code(me, "email", second.code), proofs.verify(me, token_of(second))
        ):  # fmt: skip
            assert isinstance(await problem_of(late), proofs.WrongLink)
    for minute in range(3, 6):
        with later(minutes=minute):
            await proofs.ask_verification(me, "email")
    with later(minutes=7):
        refused = await problem_of(proofs.ask_verification(me, "email"))
        assert isinstance(refused, proofs.SentTooOften)


async def test_links_run_out_and_belong_to_one_operator(world: World) -> None:
    await ada(world)
    me = await here(world)
    await proofs.ask_verification(me, "email")
    token = token_of(await letter(world, "verify_email"))
    other = await make_world()
    assert isinstance(await problem_of(proofs.verify(other.call(), token)), proofs.WrongLink)
    with later(hours=25):
        assert isinstance(await problem_of(proofs.verify(world.call(), token)), proofs.WrongLink)


async def test_a_forgotten_password_is_set_anew(world: World) -> None:
    """IDN-05: once, by the link; all sessions end, known devices are forgotten, the owner is told.
    Nothing in the database or in an event is the secret."""
    old = await logged_in(world)
    async with world.client() as client:
        asked = await client.post(FORGOT, json={"email": EMAIL})
        assert (asked.status_code, asked.json()) == (202, {"status": "accepted"})
        said = await letter(world, "reset")
        rows = await db.run("identity", world.system(), "SELECT * FROM identity.proof")
        events = await db.run("identity", world.system(), "SELECT data FROM kernel.event")
        for secret in (token_of(said), said.code):
            assert secret not in str([dict(row) for row in rows])
            assert secret not in str([row["data"] for row in events])
        body = {"token": token_of(said), "password": "password123"}
        error = error_of(await client.post(RESET, json=body), 400, "VALIDATION_ERROR")
        assert error["details"]["field"] == "password"  # and the link is still good
        body["password"] = NEW
        assert (await client.post(RESET, json=body)).status_code == 204
        error_of(await client.post(RESET, json=body), 422, "LINK_NOT_VALID")
        me = await client.get("/api/v1/users/me", headers=bearer(old.access_token))
        error_of(me, 401, "AUTHENTICATION_FAILED")
        login = {"email": EMAIL, "password": PASSWORD}
        error_of(await client.post(LOGIN, json=login), 401, "AUTHENTICATION_FAILED")
        assert (await client.post(LOGIN, json=login | {"password": NEW})).status_code == 200
    assert (await news(world, old.person.id))[0] == "password_reset"


async def test_reset_by_code_is_counted_like_a_password(world: World) -> None:
    """Eight digits, five tries for each letter, whatever the place they come from."""
    await ada(world)
    await proofs.ask_link(world.call(), EMAIL, "reset")
    said = await letter(world, "reset")
    assert len(said.code) == 8
    wrong = "00000000" if said.code != "00000000" else "00000001"
    for _ in range(5):
        tried = proofs.reset_password(world.call(), None, EMAIL, wrong, NEW)
        assert isinstance(await problem_of(tried), proofs.WrongLink)
    tried = proofs.reset_password(world.call(), None, EMAIL, said.code, NEW)
    assert isinstance(await problem_of(tried), proofs.WrongLink)
    with later(minutes=2):
        await proofs.ask_link(world.call(), EMAIL, "reset")
        fresh = await letter(world, "reset")
        await proofs.reset_password(world.call(), None, EMAIL, fresh.code, NEW)
        assert await identity.log_in(world.call(), EMAIL, NEW)


async def statements(answer: Any) -> tuple[list[str], Any]:
    """The statements an action runs, and how it ends."""
    seen: list[str] = []
    token = db.statements.set(seen)
    try:
        ended = await problem_of(answer)
    finally:
        db.statements.reset(token)
    return seen, ended and (type(ended), ended.text, ended.details)


@pytest.mark.parametrize("purpose", ["reset", "magic"])
async def test_nobody_learns_who_has_an_account(world: World, purpose: str) -> None:
    """No enumeration by text, status or timing: the same statements, the same answer."""
    await ada(world)
    call = world.call()

    async def both(ask: Any) -> None:
        known, unknown = [await statements(ask(who)) for who in (EMAIL, "nobody@example.org")]
        assert known == unknown
        assert known[0]

    await both(lambda who: proofs.ask_link(call, who, purpose))
    await both(lambda who: identity.log_in(call, who, "not the password"))
    if purpose == "reset":
        await both(lambda who: proofs.reset_password(call, None, who, "12345678", NEW))
    else:
        client = identity.Client()
        await both(lambda who: proofs.log_in_by_link(call, None, who, "12345678", client))
    async with world.client() as http:
        path = FORGOT if purpose == "reset" else MAGIC
        told = [await http.post(path, json={"email": who}) for who in (EMAIL, "no@example.org")]
        assert len({(each.status_code, each.text) for each in told}) == 1
    await jobs.answer_wishes()
    assert len(await letters(world, purpose)) == 1


async def test_a_link_logs_in_and_proves_the_address(world: World) -> None:
    """Once; and the session says how it began."""
    person = await ada(world)
    async with world.client() as client:
        await client.post(MAGIC, json={"email": EMAIL})
        said = await letter(world, "magic")
        body = {"token": token_of(said)}
        answer = await client.post(f"{MAGIC}/login", json=body)
        assert answer.status_code == 200
        assert answer.json()["user"]["tenant"] == world.operator.slug
        error_of(await client.post(f"{MAGIC}/login", json=body), 422, "LINK_NOT_VALID")
        client.headers.update(bearer(answer.json()["access_token"]))
        state = (await client.get("/api/v1/me/security")).json()
        assert state["is_email_verified"]
        [session] = (await client.get("/api/v1/me/sessions")).json()["sessions"]
        assert (session["methods"], session["is_current"]) == (["link"], True)
    await identity.block_person(world.admin(), person.id)
    with later(minutes=2):
        await proofs.ask_link(world.call(), EMAIL, "magic")
        assert await letters(world, "magic") == []  # not to somebody who is barred


async def test_a_number_somebody_put_into_an_account_is_no_way_in(world: World) -> None:
    """Whoever has an e-mail address gets links there, whatever name was typed in."""
    await ada(world, phone="+491512345678")
    await proofs.ask_link(world.call(), "+491512345678", "reset")
    said = await letter(world, "reset")
    assert (said.channel, said.address) == ("email", EMAIL)
    await ada(world, email=None, phone="+491512345670")
    await proofs.ask_link(world.call(), "0049 1512345670", "magic")
    [_, sms] = [said, *await letters(world, "magic")]
    assert (sms.channel, sms.address) == ("sms", "+491512345670")
    done = await proofs.log_in_by_link(
        world.call(), None, "+491512345670", sms.code, identity.Client()
    )
    assert (await queries.security(call_of(world, done))).is_phone_verified


async def test_both_addresses_agree_to_a_new_one(world: World) -> None:
    """Not by one alone; afterwards the new one logs in, and older links are worth nothing."""
    await ada(world)
    async with world.client() as client:
        await entered(client)
        await proofs.ask_link(world.call(), EMAIL, "reset")
        reset = await letter(world, "reset")
        answer = await client.post("/api/v1/me/email", json={"email": "new@example.org"})
        assert answer.status_code == 202
        old, new = await letter(world, "email_old"), await letter(world, "email_new")
        assert (old.address, new.address) == (EMAIL, "new@example.org")
        assert old.new_address == "new@example.org"
        verify = "/api/v1/auth/verify"
        first = await client.post(verify, json={"token": token_of(new)})
        assert first.json() == {"what": "email_change", "is_done": False}
        assert (await client.get("/api/v1/users/me")).json()["email"] == EMAIL
        second = await client.post(verify, json={"token": token_of(old)})
        assert second.json() == {"what": "email_change", "is_done": True}
        me = (await client.get("/api/v1/me/security")).json()
        assert (me["email"], me["is_email_verified"]) == ("new@example.org", True)
        body = {"token": token_of(reset), "password": NEW}
        error_of(await client.post(RESET, json=body), 422, "LINK_NOT_VALID")
    assert await identity.log_in(world.call(), "new@example.org", PASSWORD)


async def test_a_taken_address_is_not_told_before_its_owner_agrees(world: World) -> None:
    await ada(world)
    await ada(world, email="taken@example.org")
    me = await here(world)
    await proofs.ask_email_change(me, "Taken@example.org")
    old, new = await letter(world, "email_old"), await letter(world, "email_new")
    await proofs.verify(me, token_of(old))
    refused = await problem_of(proofs.verify(me, token_of(new)))
    assert isinstance(refused, identity.AlreadyRegistered)
    assert (await queries.security(me)).email == EMAIL


async def test_letters_go_out_in_both_languages_and_only_while_good(world: World) -> None:
    """NTF-09: by mail or SMS, asked for when they are sent; a used link sends nothing."""
    for n, locale in enumerate(("de", "en")):
        await ada(world, email=f"x{n}@example.org", phone=f"+49151234567{n}", locale=locale)
        me = await here(world, f"x{n}@example.org")
        await proofs.ask_verification(me, "email")
        await proofs.ask_verification(me, "phone")
        await proofs.ask_link(world.call(), f"x{n}@example.org", "magic")
    await jobs.answer_wishes()
    used = (await letters(world, "magic"))[1]
    await proofs.log_in_by_link(world.call(), token_of(used), None, None, identity.Client())
    await world.settle()
    while await letters_out.send_due():
        pass
    async with world.client() as client:
        mails = (await client.get("/dev/mail.json")).json()["mails"]
    kinds = sorted((m["template"], m["language"], m["recipient"]) for m in mails)
    assert kinds == [
        ("AccountLink", "de", "x0@example.org"),
        ("AccountLink", "de", "x0@example.org"),
        ("AccountLink", "en", "x1@example.org"),
        ("AccountSms", "de", "+491512345670"),
        ("AccountSms", "en", "+491512345671"),
    ]
    said = {each.code for p in ("verify_email", "verify_phone") for each in await letters(world, p)}
    for mail in mails:
        in_text = [code for code in said if code in mail["text"] and code in mail["html"]]
        assert in_text or "/account/magic?token=" in mail["text"]
    with pytest.raises(Forbidden):
        await proofs.proof_letter(world.admin(), world.tenant)


async def test_who_registers_is_asked_where_the_operator_wants_it(world: World) -> None:
    """IDN-15, and a ride may need it."""
    async with world.client(world.admin()) as client:
        wish = {"verify_at_register": True, "ride_needs_contact": True}
        answer = await client.patch("/api/v1/identity/policy", json=wish)
        assert answer.status_code == 200, answer.text
    person = await ada(world)
    standing = await identity.rider_standing(world.system(), person.id)
    assert (standing.may_ride, standing.reason) == (False, "contact_not_verified")
    await proofs.verify(world.call(), token_of(await letter(world, "verify_email")))
    assert (await identity.rider_standing(world.system(), person.id)).may_ride


async def test_news_reach_who_has_only_a_phone_number(world: World) -> None:
    """What is about the account itself goes by SMS where there is no e-mail address."""
    await ada(world, email=None, phone="+491512345678", locale="de")
    me = await here(world, "+491512345678")
    await sessions.change_password(me, PASSWORD, "another horse and battery")
    await world.settle()
    while await letters_out.send_due():
        pass
    async with world.client() as client:
        [mail] = (await client.get("/dev/mail.json")).json()["mails"]
    assert mail["recipient"] == "+491512345678"
    assert "Ihr Passwort wurde geändert" in mail["text"]
    assert "\n" not in mail["text"].strip()
