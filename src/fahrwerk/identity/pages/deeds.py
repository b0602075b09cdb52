"""What all forms of one's own account have in common: done, to be confirmed first, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from fahrwerk.identity.contract import ConfirmationNeeded
from fahrwerk.kernel.errors import Problem
from fahrwerk.site.contract import shell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from litestar import Response

    from fahrwerk.kernel.cookies import Visit

    Again = Callable[[Problem | None], Awaitable[Response[str]]]


async def done(
    visit: Visit, deed: Awaitable[object], path: str, said: str, again: Again
) -> Response[str]:
    """Do it and go to ``path``, where ``said`` is shown; the form ``again`` when it is refused."""
    try:
        await deed
    except Problem as problem:
        return await refused(visit, problem, path, again)
    return shell.go(visit, path, said)


async def refused(visit: Visit, problem: Problem, path: str, again: Again) -> Response[str]:
    """The form again with what is wrong; who has to prove himself anew does that first."""
    if isinstance(problem, ConfirmationNeeded):
        return shell.go(visit, f"/account/confirm?next={quote(path, safe='')}")
    return await again(problem)
