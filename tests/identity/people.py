"""Verbs for the tests of identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from fahrwerk.identity import contract as identity
from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Problem
from tests.world import PASSWORD, World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fahrwerk.kernel.call import Call

EMAIL = "ada@example.org"


async def ada(world: World, **fields: Any) -> identity.Person:
    """Ada Lovelace registers herself."""
    values: dict[str, Any] = {
        "email": EMAIL,
        "phone": None,
        "password": PASSWORD,
        "first_name": "Ada",
        "last_name": "Lovelace",
    }
    return await identity.register(world.call(), **(values | fields))


async def logged_in(world: World) -> identity.Login:
    """Ada, registered and logged in."""
    await ada(world)
    return await identity.log_in(world.call(), EMAIL, PASSWORD)


async def facts(call: Call, stream: str) -> list[tuple[str, int, dict[str, Any], str]]:
    """``(name, version, data, actor)`` of a stream, in order."""
    rows = await db.run(
        "identity",
        call,
        "SELECT name, version, data, actor FROM kernel.event WHERE stream = $1 ORDER BY version",
        stream,
    )
    return [(row["name"], row["version"], row["data"], row["actor"]) for row in rows]


async def sessions(world: World, person_id: UUID) -> list[db.Row]:
    """A person's sessions, oldest first."""
    return await db.run(
        "identity",
        world.system(),
        "SELECT * FROM identity.session WHERE person_id = $1 ORDER BY created_at, id",
        person_id,
    )


def tried(function: Callable[..., Any], *args: Any) -> Any:
    """What a rule answers, or the problem it raises."""
    try:
        return function(*args)
    except Problem as problem:
        return problem


async def problem_of(answer: Awaitable[object]) -> Problem | None:
    """The problem an action raises; None when it succeeds."""
    try:
        await answer
    except Problem as problem:
        return problem
    return None
