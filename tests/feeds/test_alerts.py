"""What riders are told beside the ordinary, in GBFS system_alerts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jsonschema_rs
import pytest

from fahrwerk.feeds.contract import alerts
from fahrwerk.kernel import clock, ids
from fahrwerk.kernel.errors import Forbidden
from tests.feeds import schemas
from tests.feeds.reading import feed
from tests.world import World

STORM = {"de": "Sturm", "en": "Storm"}


async def test_an_alert_is_in_the_feed_until_it_is_over(world: World) -> None:
    now = clock.now()
    async with world.client(world.call("provider")) as client:
        wish = {
            "kind": "system_closure", "summary": STORM,
            "description": {"de": "Heute keine Fahrten", "en": "No rides today"},
            "url": "https://op.example/storm", "ends_at": clock.stamp(now + timedelta(hours=5)),
        }  # fmt: skip
        made = (await client.post("/api/v1/feeds/alerts", json=wish)).json()
        await client.post("/api/v1/feeds/alerts", json={"summary": STORM})
        for version in ("3.0", "2.3"):
            found = await feed(world, version, "system_alerts")
            jsonschema_rs.validate(schemas.DATA[version]["system_alerts"], found)
            assert [each["type"] for each in found["alerts"]] == ["system_closure", "other"]
        assert found["alerts"][0]["summary"] == "Sturm"
        over = await client.delete(f"/api/v1/feeds/alerts/{made['id']}")
        assert over.json()["ends_at"] is not None
        again = await client.delete(f"/api/v1/feeds/alerts/{made['id']}")
        assert again.json() == over.json()
        found = await feed(world, "3.0", "system_alerts")
        assert [each["type"] for each in found["alerts"]] == ["other"]
        listed = (await client.get("/api/v1/feeds/alerts?limit=1")).json()
        assert (len(listed["alerts"]), listed["pagination"]["total"]) == (1, 2)
        missing = await client.delete(f"/api/v1/feeds/alerts/{ids.public('pal', ids.new())}")
        assert missing.json()["error"]["code"] == "UNKNOWN_ALERT"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"summary": {"de": "nur deutsch"}},
        {"summary": STORM, "kind": "station_move"},
        {"summary": STORM, "url": "http://plain.example"},
        {"summary": {"de": "<b>", "en": "x"}},
        {"summary": STORM, "ends_at": "2020-01-01T00:00:00Z"},
        {"summary": STORM, "starts_at": "2099-01-01T00:00:00Z"},
        {"summary": STORM, "starts_at": "2026-01-01T00:00:00"},
    ],
)
async def test_what_does_not_fit_is_refused(world: World, wrong: dict[str, Any]) -> None:
    async with world.client(world.admin()) as client:
        assert (await client.post("/api/v1/feeds/alerts", json=wrong)).status_code == 400


async def test_riders_do_not_alert(world: World) -> None:
    with pytest.raises(Forbidden):
        await alerts.public_alerts(await world.rider(), 1, 0)


async def test_one_to_come_can_be_called_off(world: World) -> None:
    call = world.call("admin", key="storm")
    words = alerts.Words(**STORM)
    wish = alerts.NewAlert(summary=words, starts_at=clock.now() + timedelta(days=1))
    made = await alerts.publish_alert(call, wish)
    assert (await alerts.publish_alert(call, wish)).id == made.id, "repeated"
    assert len((await feed(world, "3.0", "system_alerts"))["alerts"]) == 1
    await alerts.end_alert(world.admin(), made.id)
    assert (await feed(world, "3.0", "system_alerts"))["alerts"] == []
