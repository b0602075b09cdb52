"""People who really log in, and the letters they get."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec

from fahrwerk.identity import contract as identity
from fahrwerk.identity import jobs
from fahrwerk.identity.contract import proofs
from fahrwerk.kernel import clock, crypto, db, ids
from fahrwerk.kernel.call import Call
from tests.identity.clients import LOGIN, bearer
from tests.identity.people import EMAIL
from tests.world import PASSWORD, World


def later(**by: float) -> Any:
    """The clock, and the database's, moved ahead."""
    return clock.moved_to(clock.now() + timedelta(**by))


async def staff(world: World, *roles: str, email: str = "staff@example.org") -> identity.Person:
    """Somebody with these roles and a password."""
    return await identity.add_person(
        world.admin(), email, PASSWORD, frozenset(roles), "Grace", "Hopper"
    )


async def here(world: World, login: str = EMAIL, **device: Any) -> Call:
    """The call of somebody who has just logged in, with his session."""
    done = await identity.log_in(world.call(), login, PASSWORD, client=identity.Client(**device))
    return call_of(world, done)


def call_of(world: World, done: identity.Login) -> Call:
    """The call of a log-in."""
    claims = crypto.read_token(done.access_token)
    call = world.call(*claims.roles, user=claims.user)
    return msgspec.structs.replace(call, session=claims.session)


async def entered(client: httpx.AsyncClient, login: str = EMAIL, **more: Any) -> dict[str, Any]:
    """Log in over HTTP; the client goes on with the token."""
    answer = await client.post(LOGIN, json={"email": login, "password": PASSWORD, **more})
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    client.headers.update(bearer(said["access_token"]))
    return said


async def letters(world: World, purpose: str) -> list[proofs.ProofLetter]:
    """What letters of this purpose say that are still good, oldest first."""
    await jobs.answer_wishes()
    rows = await db.run(
        "identity",
        world.system(),
        "SELECT id FROM identity.proof WHERE purpose = $1 ORDER BY created_at, id",
        purpose,
    )
    found = [await proofs.proof_letter(world.system(), row["id"]) for row in rows]
    return [each for each in found if each is not None]


async def letter(world: World, purpose: str) -> proofs.ProofLetter:
    """The only one."""
    [found] = await letters(world, purpose)
    return found


def token_of(said: proofs.ProofLetter) -> str:
    """The token in a letter's link."""
    return said.link.partition("?token=")[2]


async def news(world: World, user: UUID) -> list[str]:
    """What the person was told about the account."""
    rows = await db.run(
        "identity",
        world.system(),
        "SELECT data FROM kernel.event WHERE name = 'security.noticed' ORDER BY position",
    )
    return [row["data"]["what"] for row in rows if UUID(row["data"]["user_id"]) == user]


def usr(person: UUID | None) -> str:
    assert person is not None
    return ids.public("usr", person)
