"""Saved views: what somebody of the team looks at again and again, and may show the others.

A *view* is the query of an address of the console under a name: filters, order, what is open.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound

VIEW_PREFIX = "view"
"""Of public ids: ``view_...``."""
MOST_VIEWS = 50
"""Of one person, of all screens together."""
MOST_SHOWN = 500
TIDY = "site.view.delete_any"
"""The permission to take away what others share."""


class NewView(msgspec.Struct, frozen=True, kw_only=True):
    """What to keep under which name."""

    screen: str
    """Which list, as the console calls it."""
    name: str
    query: str
    """What stands behind the ``?`` of the address."""
    is_shared: bool = False


class SavedView(NewView, frozen=True, kw_only=True):
    """A view, the caller's own or one that a colleague shares."""

    id: UUID
    owner_id: UUID
    is_own: bool


class UnknownView(NotFound):
    """No such view, or it is not the caller's to delete."""

    code = "UNKNOWN_VIEW"
    message = "There is no such view."


class TooManyViews(Conflict):
    """One person keeps at most 50."""

    code = "TOO_MANY_VIEWS"
    message = "You have as many views as one can keep. Delete one first."


@query
async def saved_views(call: Call, screen: str | None = None) -> list[SavedView]:
    """The caller's own views and those that colleagues share, by name; at most 500.

    Raises ``Forbidden`` for riders: views are the team's.
    """
    raise AssertionError


@action
async def save_view(call: Call, wanted: NewView) -> SavedView:
    """Keep a view; one of the same name on the same screen is replaced.

    Raises ``Forbidden``, ``Invalid``, ``TooManyViews``.
    """
    raise AssertionError


@action
async def delete_view(call: Call, view_id: UUID) -> None:
    """Keep it no longer: one's own, or with ``site.view.delete_any`` one that is shared.

    Raises ``Forbidden``, ``UnknownView``.
    """
    raise AssertionError
