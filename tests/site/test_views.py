"""Saved views of the console (WEB-10): one's own, shared with the team, never anybody else's."""

from __future__ import annotations

import pytest

from fahrwerk.identity.events import PersonErased
from fahrwerk.kernel import db, events, ids
from fahrwerk.kernel.errors import Forbidden, Invalid
from fahrwerk.site import rules
from fahrwerk.site.contract import views
from fahrwerk.site.contract.views import MOST_VIEWS, NewView, TooManyViews, UnknownView
from tests.world import World


def low(**more: object) -> NewView:
    return NewView(**{"screen": "fleet", "name": "Low", "query": "battery=0-20", **more})  # type: ignore[arg-type]


async def test_a_view_is_kept_replaced_and_shared(world: World) -> None:
    """Over HTTP as the console does it: the same name again replaces; colleagues see what is
    shared, may not take it away, and an administrator may."""
    one, other = world.call("support"), world.call("provider")
    mine, theirs = world.client(one), world.client(other)
    body = {"screen": "fleet", "name": " Low   ones ", "query": "battery=0-20"}
    made = await mine.put("/api/v1/views", json=body)
    assert made.status_code == 200, made.text
    assert made.json()["name"] == "Low ones"
    assert (await theirs.get("/api/v1/views")).json() == {"views": []}
    shared = {**body, "query": "battery=0-10", "is_shared": True}
    again = (await mine.put("/api/v1/views", json=shared)).json()
    assert again["id"] == made.json()["id"]
    (seen,) = (await theirs.get("/api/v1/views?screen=fleet")).json()["views"]
    assert seen == {**again, "is_own": False}
    assert (again["is_own"], again["query"]) == (True, "battery=0-10")
    assert one.user is not None
    assert again["owner"] == ids.public("usr", one.user)
    assert (await theirs.get("/api/v1/views?screen=rentals")).json() == {"views": []}
    path = f"/api/v1/views/{again['id']}"
    assert (await theirs.delete(path)).status_code == 404
    assert (await world.client(world.admin()).delete(path)).status_code == 204
    assert (await mine.get("/api/v1/views")).json() == {"views": []}


async def test_views_are_the_teams(world: World) -> None:
    """Riders and resellers neither see nor keep any: what they wrote would be shown to staff."""
    await views.save_view(world.admin(), low(is_shared=True))
    for outsider in (await world.rider(), world.call("reseller"), world.call()):
        with pytest.raises(Forbidden):
            await views.saved_views(outsider)
        with pytest.raises(Forbidden):
            await views.save_view(outsider, low())
    async with world.client(await world.rider()) as client:
        assert (await client.get("/api/v1/views")).status_code == 403


async def test_nobody_keeps_more_than_fifty(world: World) -> None:
    """The 51st is refused and not kept; one that is there can still be replaced."""
    staff = world.call("support")
    for n in range(MOST_VIEWS):
        await views.save_view(staff, low(name=f"V{n}"))
    with pytest.raises(TooManyViews):
        await views.save_view(staff, low(name="one more"))
    assert (await views.save_view(staff, low(name="V7", query=""))).query == ""
    assert len(await views.saved_views(staff)) == MOST_VIEWS


async def test_what_is_private_can_only_its_owner_delete(world: World) -> None:
    """Not even an administrator: nobody sees it."""
    owner = world.call("support")
    kept = await views.save_view(owner, low())
    with pytest.raises(UnknownView):
        await views.delete_view(world.admin(), kept.id)
    await views.delete_view(owner, kept.id)
    assert await views.saved_views(owner) == []


async def test_views_go_with_the_person(world: World) -> None:
    """GDP-04: also those that were shared."""
    owner = world.call("support")
    assert owner.user is not None
    await views.save_view(owner, low(is_shared=True))
    system = world.system()
    async with db.tx("identity", system) as tx:
        await events.emit(
            tx, system, f"person:{owner.user}", 1, PersonErased(owner.user, ids.new())
        )
    await world.settle()
    assert await views.saved_views(world.admin()) == []


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (low(screen="Fleet"), "screen"), (low(screen=""), "screen"), (low(name=" "), "name"),
        (low(name="x" * 61), "name"), (low(name="a\x00b"), "name"), (low(query="a b"), "query"),
        (low(query="ä"), "query"), (low(query="x" * 2001), "query"),
    ],
)  # fmt: skip
def test_what_is_no_view(wanted: NewView, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        rules.view_of(wanted)
    assert refused.value.details["field"] == field
