"""Zones over HTTP: GeoJSON in and out, versions, files, questions (WEB-13's data and API)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.world import World

RING = [[13.39, 52.51], [13.42, 52.51], [13.42, 52.53], [13.39, 52.53], [13.39, 52.51]]
ZONES = "/api/v1/zones"


def feature(ring: Any = None, kind: str = "no_parking", **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring or RING]},
        "properties": {"name": "Park", "kind": kind, **properties},
    }


async def test_draw_read_replace_delete_restore(world: World) -> None:
    """The whole life of a zone, with optimistic versions."""
    async with world.client(world.admin()) as client:
        made = await client.post(ZONES, json=feature(priority=5, vehicle_types=["scooter"]))
        assert made.status_code == 201, made.text
        zone, url = made.json(), f"{ZONES}/{made.json()['id']}"
        assert made.headers["etag"] == '"1"'
        assert zone["id"].startswith("zone_")
        assert zone["geometry"]["coordinates"] == [RING]
        assert zone["bbox"] == [13.39, 52.51, 13.42, 52.53]
        read = await client.get(url)
        assert read.json() == zone
        # what was read may be sent back as it is
        zone["properties"]["name"] = "Tiergarten"
        nothing = await client.put(url, json=feature())
        assert (nothing.status_code, nothing.json()["error"]["details"]["field"]) == (
            400, "If-Match",
        )  # fmt: skip
        second = await client.put(url, json=zone, headers={"If-Match": '"1"'})
        assert (second.status_code, second.headers["etag"]) == (200, '"2"')
        assert second.json()["properties"]["name"] == "Tiergarten"
        late = await client.put(url, json=zone, headers={"If-Match": '"1"'})
        assert (late.status_code, late.json()["error"]["code"]) == (409, "ZONE_CHANGED")
        assert late.json()["error"]["details"] == {"version": 2}
        gone = await client.delete(url, headers={"If-Match": '"2"'})
        assert gone.json()["properties"]["change"] == "deleted"
        assert (await client.get(ZONES)).json()["zones"] == []
        deleted = (await client.get(ZONES, params={"deleted": True})).json()
        assert [row["id"] for row in deleted["zones"]] == [zone["id"]]
        back = await client.post(f"{url}/restore", json={"version": 1})
        assert back.json()["properties"]["name"] == "Park"
        history = (await client.get(f"{url}/history", params={"limit": 2})).json()
        assert [v["properties"]["version"] for v in history["versions"]] == [4, 3]
        assert history["pagination"]["total"] == 4
        never = await client.post(f"{url}/restore", json={"version": 9})
        assert never.status_code == 404


@pytest.mark.parametrize(
    ("given", "field", "issue"),
    [
        (feature([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]), "geometry.coordinates[0][0]", "itself"),
        (feature([[0, 0], [1, 1]]), "geometry.coordinates[0]", "three"),
        (feature([[0, 0], [1, 95], [1, 0]]), "geometry.coordinates[0][1]", "longitude comes first"),
        (feature([[0, 0], [1, "x"], [1, 0]]), "geometry.coordinates[0][1]", "numbers"),
        (feature(kind="slow"), "properties.speed_limit_kmh", "must have one"),
        (feature(bonus_amount=1), "properties.bonus_amount", "preferred"),
        (feature(name=" x"), "properties.name", "space"),
        (feature(kind="lake"), "properties.kind", "lake"),
        (feature([[0, 0], [0.00001, 0], [0.00001, 0.00001]]), "geometry.coordinates", "area"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
async def test_what_is_wrong_is_named_with_its_place(
    world: World, given: dict[str, Any], field: str, issue: str
) -> None:
    """400 with the ring and the position of the first flaw."""
    async with world.client(world.admin()) as client:
        answer = await client.post(ZONES, json=given)
    assert answer.status_code == 400, answer.text
    details = answer.json()["error"]["details"]
    assert details["field"] == field
    assert issue in details["issue"]


async def test_a_file_goes_out_and_comes_back(world: World) -> None:
    """Import with a dry run that names each bad feature; what was exported changes nothing."""
    good, bow = feature(), feature([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]])
    good["properties"]["stroke"] = "#ff0000"  # what editors write
    nameless = feature()
    del nameless["properties"]["name"]
    url = f"{ZONES}/import"
    async with world.client(world.admin()) as client:
        mixed = json.dumps({"type": "FeatureCollection", "features": [good, bow, nameless]})
        tried = (await client.post(url, content=mixed)).json()
        assert (tried["features"], tried["created"], tried["problem_count"]) == (3, 1, 2)
        assert [(p["feature"], p["field"]) for p in tried["problems"]] == [
            (1, "geometry.coordinates[0][0]"), (2, "properties"),
        ]  # fmt: skip
        refused = await client.post(f"{url}?dry_run=false", content=mixed)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "IMPORT_NOT_VALID")
        assert (await client.get(f"{ZONES}.geojson")).json()["features"] == []
        fine = json.dumps({"type": "FeatureCollection", "features": [good, good]})
        done = await client.post(f"{url}?dry_run=false", content=fine)
        assert done.json()["created"] == 2
        out = await client.get(f"{ZONES}.geojson")
        assert len(out.json()["features"]) == 2
        again = await client.post(f"{url}?dry_run=false", content=out.content)
        assert (again.json()["created"], again.json()["replaced"]) == (0, 2)
        assert (await client.get(f"{ZONES}.geojson")).json() == out.json()  # not a version more


@pytest.mark.parametrize("body", ["", "[]", "{", '{"type": "FeatureCollection"}', "[" * 5_000])
async def test_what_is_no_collection_is_refused(world: World, body: str) -> None:
    """400, never a 500."""
    async with world.client(world.admin()) as client:
        answer = await client.post(f"{ZONES}/import", content=body)
    assert answer.status_code == 400, answer.text


async def test_ask_about_a_place(world: World) -> None:
    """Decision, zones, bonus, speed and nearest place, for riders too."""
    async with world.client(world.admin()) as client:
        await client.post(ZONES, json=feature(kind="slow", speed_limit_kmh=6))
        bonus = feature(kind="preferred_parking", bonus_amount=1.5, name="Rack")
        assert (await client.post(ZONES, json=bonus)).json()["properties"]["bonus_amount"] == 1.5
    place = {"latitude": 52.52, "longitude": 13.4, "vehicle_type": "scooter", "accuracy_m": 5}
    async with world.client(world.call("customer"), **{"Accept-Language": "de"}) as rider:
        told = (await rider.post(f"{ZONES}/check", json=place)).json()
        assert (told["decision"], told["speed_limit_kmh"]) == ("inside", 6)
        assert {each["kind"] for each in told["zones"]} == {"slow", "preferred_parking"}
        assert told["parking"]["bonus_amount"] == 1.5
        assert (await rider.post(ZONES, json=feature())).status_code == 403
        async with world.client(world.admin()) as client:
            await client.post(ZONES, json=feature(priority=9, name="Park"))
        told = (await rider.post(f"{ZONES}/check", json=place)).json()["parking"]
        assert (told["allowed"], told["reason"]) == (False, "no_parking")
        assert "Im Bereich „Park“ darf nicht geparkt werden" in told["message"]
        there = {**place, **{k: told["nearest"][k] for k in ("latitude", "longitude")}}
        again = (await rider.post(f"{ZONES}/check", json=there)).json()["parking"]
        assert again["allowed"] is True


async def test_a_way_through_a_no_go_zone_counts(world: World) -> None:
    """Between two positions the line is looked at; too far apart nobody knows the way."""
    async with world.client(world.admin()) as client:
        strip = [[13.400, 52.51], [13.402, 52.51], [13.402, 52.53], [13.400, 52.53]]
        await client.post(ZONES, json=feature(strip, kind="no_go"))
        west = {"latitude": 52.52, "longitude": 13.398, "accuracy_m": 5}
        wish = {"latitude": 52.52, "longitude": 13.404, "accuracy_m": 5, "vehicle_type": "scooter"}
        near = (await client.post(f"{ZONES}/check", json={**wish, "track": [west]})).json()
        assert [each["decision"] for each in near["crossed"]] == ["inside"]
        assert near["zones"] == []
        far = {**west, "longitude": 13.380}
        unknown = (await client.post(f"{ZONES}/check", json={**wish, "track": [far]})).json()
        assert [each["decision"] for each in unknown["crossed"]] == ["unsure"]
