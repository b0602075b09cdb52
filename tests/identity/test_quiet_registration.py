"""Registration that tells nobody who has an account, where the operator wants it."""

from __future__ import annotations

from typing import Any

import pytest

from fahrwerk.identity import contract as identity
from fahrwerk.identity.contract import Client, proofs
from fahrwerk.identity.contract.policy import PolicyChange, change_policy
from tests.identity.clients import LOGIN, error_of
from tests.identity.doorstep import letter, letters, token_of
from tests.identity.people import EMAIL, ada
from tests.site.browsing import Browser
from tests.world import PASSWORD, World

NEW = "new@example.org"
REGISTER = "/api/v1/auth/register"


async def quiet(world: World) -> None:
    """The operator wants it quiet."""
    await change_policy(world.admin(), PolicyChange(quiet_registration=True))


async def test_the_contract_says_so_by_default(world: World) -> None:
    """IDN-01 as published: 409."""
    await ada(world)
    body = {"email": EMAIL, "password": PASSWORD}
    async with world.client() as client:
        error_of(await client.post(REGISTER, json=body), 409, "ALREADY_REGISTERED")


async def test_answers_are_the_same_whoever_has_an_account(world: World) -> None:
    """Registration and the log-in after it; in a browser too."""
    await ada(world)
    await quiet(world)
    said: list[Any] = []
    async with world.client() as client:
        for address in (EMAIL, NEW):
            body = {"email": address, "password": "a stranger's words"}
            answers = [
                await client.post(REGISTER, json=body),
                await client.post(REGISTER, json=body),
                await client.post(LOGIN, json=body),
            ]
            told = [(a.status_code, a.json()) for a in answers]
            assert [status for status, _ in told] == [201, 201, 401]
            for _, each in told[:2]:
                each.pop("id"), each.pop("created_at")
                each["email"] = ""
            said.append([told[0], told[1], told[2][1]["error"]["code"]])
    assert said[0] == said[1]
    texts = []
    for address in (EMAIL, "newer@example.org"):
        browser = Browser(world)
        page = await browser.send(
            await browser.get("/register"), "/register", email=address, password=PASSWORD + "!",
            first_name="A", last_name="B",
        )  # fmt: skip
        texts.append(page.text)
    assert texts[0] == texts[1]
    assert "A message is on its way" in texts[0]
    assert await identity.log_in(world.call(), EMAIL, PASSWORD)


async def test_the_password_counts_when_the_address_is_proven(world: World) -> None:
    """By the link of the letter; whoever has an account gets a link to it instead."""
    await ada(world)
    await quiet(world)
    for address in (NEW, EMAIL):
        await ada(world, email=address)
    assert token_of(await letter(world, "magic"))
    await proofs.verify(world.call(), token_of(await letter(world, "verify_email")))
    done = await identity.log_in(world.call(), NEW, PASSWORD)
    assert done.person.email == NEW


async def test_who_logs_in_by_link_keeps_no_strangers_password(world: World) -> None:
    """Somebody registered with an address that is not his; its owner comes by a link."""
    await quiet(world)
    await ada(world, email=NEW, password="a stranger's words")
    await letters(world, "verify_email")
    await proofs.ask_link(world.call(), NEW, "magic")
    token = token_of(await letter(world, "magic"))
    await proofs.log_in_by_link(world.call(), token, None, None, Client())
    with pytest.raises(identity.WrongCredentials):
        await identity.log_in(world.call(), NEW, "a stranger's words")
