"""The console's cities, groups, rules of upkeep and saved views, against the real platform."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from fahrwerk.kernel import ids
from fahrwerk.sim import demo
from tests.web.stage import Api, Stage

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]


def admin(address: str) -> Api:
    return Api(address, demo.ADMIN.email, demo.ADMIN.password)


def console(browser: Browser, address: str, login: demo.Login = demo.ADMIN, **more: Any) -> Stage:
    """Somebody of the staff, signed in."""
    stage = Stage(browser, address, **{"width": 1440, **more})
    stage.sign_in(login.email, login.password)
    return stage


def short(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}{ids.new().hex[-6:].upper()}"


def new_vehicles(api: Api, count: int) -> list[dict[str, Any]]:
    """Vehicles without a device: nobody but the test changes them."""
    place = {"latitude": 52.5219, "longitude": 13.4132}
    body = {"vehicle_type": "scooter", "model": "Max", "brand": "Segway", "is_connected": False}
    more = {"location": place}
    return [
        api.post("/api/v1/vehicles", {**body, **more, "identifier": short("CG")})
        for _ in range(count)
    ]


def retired(api: Api, vehicles: list[dict[str, Any]]) -> None:
    """Out of the way of the other tests."""
    for each in vehicles:
        api.send("PATCH", f"/api/v1/vehicles/{each['id']}", json={"status": "retired"})


def panel(page: Page) -> Any:
    return page.get_by_role("complementary")


def test_a_group_is_made_filled_from_a_csv_and_given_up(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    """FLT-38: named, filled by a table, filtered by, acted upon, renamed, given up."""
    name, renamed = short("Depot "), short("Hall ")
    with console(browser, address) as stage, admin(address) as api:
        vehicles = new_vehicles(api, 3)
        names = [each["identifier"] for each in vehicles]
        table = tmp_path / "members.csv"
        table.write_text("Typ;Kennung\n" + "".join(f"Roller;{n.lower()}\n" for n in [*names, "X"]))
        page = stage.open("/console/groups")
        page.get_by_role("button", name="New group").first.click()
        page.get_by_label("Name").fill(name)
        page.get_by_label("Description").fill("Hall 3")
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        page.get_by_role("row").filter(has_text=name).click()
        panel(page).get_by_text("Nobody in it yet").wait_for()
        page.locator("input[type=file]").set_input_files(table)
        # The fleet is on its way: until it is there nothing is found.
        expect(panel(page).get_by_text("3 found · Not found: x")).to_be_visible()
        panel(page).get_by_role("button", name="Add").click()
        page.get_by_text("3 vehicles added").wait_for()
        row = panel(page).get_by_role("row").filter(has_text="Available")
        expect(row).to_contain_text("3")
        panel(page).get_by_role("link", name="Show in the fleet").click()
        page.get_by_text("3 rows", exact=True).wait_for()
        assert f"group={name.replace(' ', '+')}" in page.url
        page.get_by_label(f"Select {names[0]}").check()
        page.get_by_role("button", name="To group").click()
        page.get_by_role("menuitem", name=f"Take out of “{name}”").click()
        page.get_by_text("1 vehicle changed").wait_for()
        page.get_by_text("2 rows", exact=True).wait_for()
        page.get_by_label(f"Select {names[1]}").check()
        with page.expect_download() as saved:
            page.get_by_role("button", name="QR labels").click()
        assert names[1] in saved.value.path().read_text()
        stage.open(f"/console/groups?group={name}")
        panel(page).get_by_role("button", name="Edit").click()
        page.get_by_role("menuitem", name="Edit").click()
        page.get_by_label("Name").fill(renamed)
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        page.get_by_role("row").filter(has_text=renamed).click()
        panel(page).get_by_role("button", name="Edit").click()
        page.get_by_role("menuitem", name="Delete").click()
        page.get_by_text("2 vehicles are in it").wait_for()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_role("row").filter(has_text=renamed)).to_have_count(0)
        assert renamed not in [g["name"] for g in api.get("/api/v1/fleet/groups")["groups"]]
        retired(api, vehicles)


def test_the_rules_of_upkeep_are_set_per_type(browser: Browser, address: str) -> None:
    """FLT-31, FLT-34: thresholds and intervals; what is wrong is said at its field; undo."""
    model = short("Model ")

    def threshold(api: Api) -> dict[str, Any]:
        found = api.get("/api/v1/battery/thresholds")["thresholds"]
        return next(each for each in found if each["vehicle_type"] == "van")

    with console(browser, address) as stage, admin(address) as api:
        before = threshold(api)
        page = stage.open("/console/maintenance?part=rules")
        page.get_by_role("button", name="Edit: Van").first.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Back from").fill("3")
        dialog.get_by_role("button", name="Save").click()
        expect(dialog.get_by_label("Back from")).to_have_attribute("aria-invalid", "true")
        dialog.get_by_label("Alert below").fill("7")
        dialog.get_by_label("Closed below").fill("15")
        dialog.get_by_label("Back from").fill("25")
        dialog.get_by_role("button", name="Save").click()
        page.get_by_text("Saved: Van").wait_for()
        now = threshold(api)
        levels = ("critical_level", "lowest_level", "back_level")
        assert [now[each] for each in levels] == [7, 15, 25]
        page.get_by_role("button", name="Undo").last.click()
        expect(page.get_by_role("row").filter(has_text="Van").first).not_to_contain_text("25%")
        assert [threshold(api)[each] for each in levels] == [before[each] for each in levels]
        page.get_by_role("button", name="For a model").click()
        dialog.get_by_role("textbox", name="Model").fill(model)
        expect(dialog.get_by_role("button", name="Save")).to_be_disabled()
        dialog.get_by_label("Every … days").fill("30")
        dialog.get_by_label("Every … kilometres").fill("750")
        dialog.get_by_role("button", name="Save").click()
        row = page.get_by_role("row").filter(has_text=model)
        expect(row).to_contain_text("750")
        row.get_by_role("button", name=re.compile("Take back")).click()
        expect(row).to_have_count(0)


def test_what_stood_still_is_told_with_its_cost(browser: Browser, address: str) -> None:
    """FLT-36: a vehicle in maintenance, and what was spent, beside the pictures in words."""
    with console(browser, address) as stage, admin(address) as api:
        vehicles = new_vehicles(api, 1)
        path = f"/api/v1/vehicles/{vehicles[0]['id']}"
        api.send("PATCH", path, json={"status": "maintenance"})
        api.post(f"{path}/maintenance", {"type": "cleaning", "cost": 12.5})
        page = stage.open("/console/maintenance?part=downtime&period=7")
        expect(page.get_by_role("row").filter(has_text=vehicles[0]["identifier"])).to_contain_text(
            "Out of service"
        )
        expect(page.get_by_role("row").filter(has_text="Cleaning")).to_contain_text("€")
        expect(page.locator("[data-drawn]").first).to_be_visible()
        retired(api, vehicles)


GEOGRAPHY, RULE = str(ids.new()), str(ids.new())
FAR = [[[0.0, 0.0], [0.01, 0.0], [0.01, 0.01], [0.0, 0.01], [0.0, 0.0]]]
"""Where none of our rides goes."""


def documents(policy: str) -> tuple[str, str]:
    """What a city publishes by MDS: a geography, and a policy that is slow there."""
    features = [{"type": "Feature", "properties": {},
                 "geometry": {"type": "Polygon", "coordinates": FAR}}]  # fmt: skip
    area = {
        "geography_id": GEOGRAPHY, "name": "Pier", "published_date": 1_700_000_000_000,
        "geography_json": {"type": "FeatureCollection", "features": features},
    }  # fmt: skip
    slow = {
        "name": "Walking pace on the pier", "rule_id": RULE, "rule_type": "speed",
        "rule_units": "kph", "maximum": 6, "geographies": [GEOGRAPHY], "states": {},
        "vehicle_types": ["scooter_standing"],
    }  # fmt: skip
    decided = {
        "name": policy, "mode_id": "micromobility", "policy_id": str(ids.new()),
        "description": "On the pier", "start_date": 1_700_000_000_000,
        "published_date": 1_700_000_000_000, "rules": [slow],
    }  # fmt: skip
    head = {"version": "2.0.2", "last_updated": 1_700_000_000_000}
    return json.dumps({**head, "geographies": [area]}), json.dumps({**head, "policies": [decided]})


def test_a_city_and_what_it_decided(browser: Browser, address: str, tmp_path: Path) -> None:
    """FLT-46, MDS: a city is added, its policy becomes a zone that is linked; it gets an access
    that ends; paused it decides nothing; deleted it is gone."""
    slug = f"port-{ids.new().hex[-6:]}"
    name, policy = f"Port {slug}", f"Pier {slug}"
    files = []
    for kind, text in zip(("geographies", "policies"), documents(policy), strict=True):
        files.append(tmp_path / f"{kind}.json")
        files[-1].write_text(text)
    with console(browser, address) as stage, admin(address) as api:
        page = stage.open("/console/integrations?part=feeds")
        page.get_by_role("button", name="Add city").click()
        page.get_by_label("Name of the city").fill(name)
        page.get_by_label("Short name").fill(slug)
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        panel(page).get_by_text("No policies yet").wait_for()
        for path, item in zip(files, ("Geographies", "Policies"), strict=True):
            panel(page).get_by_role("button", name="Upload").click()
            with page.expect_file_chooser() as asked:
                page.get_by_role("menuitem", name=item).click()
            asked.value.set_files(path)
            panel(page).get_by_text(f"{item} 1").wait_for()
            page.keyboard.press("Escape")
            if not panel(page).is_visible():  # the menu was closed by itself
                page.get_by_role("button", name=name).click()
        decided = panel(page).get_by_role("article", name=policy)
        expect(decided).to_contain_text("In force")
        expect(decided).to_contain_text("Slow zone")
        decided.get_by_role("link", name="Show zone").click()
        page.get_by_role("heading", name="Zones", level=1).wait_for()
        expect(page.get_by_text(f"{policy}: Walking pace on the pier").first).to_be_visible()
        stage.open("/console/integrations?part=feeds")
        page.get_by_role("button", name=name).click()
        panel(page).get_by_text("Access", exact=True).click()
        panel(page).get_by_role("button", name="New access").click()
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        page.get_by_text("shown only now").wait_for()
        page.get_by_role("dialog").get_by_role("button", name="Close").first.click()
        panel(page).get_by_role("button", name="End").click()
        page.get_by_role("dialog").get_by_role("button", name="End").click()
        expect(panel(page).get_by_role("row").filter(has_text=name)).to_contain_text("Ended")
        panel(page).get_by_role("button", name="Pause").click()
        panel(page).get_by_text("Paused", exact=True).wait_for()
        (found,) = [a for a in api.get("/api/v1/feeds/agencies")["agencies"] if a["slug"] == slug]
        assert found["is_enabled"] is False
        zones = api.get("/api/v1/zones?source=policy&limit=100")["zones"]
        assert policy not in {each["properties"]["name"].partition(":")[0] for each in zones}
        panel(page).get_by_role("button", name="Edit").click()
        page.get_by_role("menuitem", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.get_by_text(f"City deleted: {name}").wait_for()
        expect(page.get_by_role("button", name=name)).to_have_count(0)


def test_a_view_is_kept_by_the_platform_and_shown_to_the_team(
    browser: Browser, address: str
) -> None:
    """WEB-10: kept with the person, replaced by its name, shared; what an old browser kept is
    taken over."""
    name, old = short("Low "), short("Old ")
    with console(browser, address) as stage:
        kept = json.dumps([{"name": old, "search": "?status=offline"}])
        stage.context.add_init_script(
            "if (!sessionStorage.seen) { sessionStorage.seen = '1';"
            f" localStorage.setItem('fahrwerk.console.views', {json.dumps(kept)}); }}"
        )
        page = stage.open("/console/vehicles?view=list&battery=0-20&type=scooter")
        page.get_by_role("button", name="Views").click()
        page.get_by_role("menuitem", name="Save this view").click()
        page.get_by_label("Name").fill(name)
        page.get_by_label("Show it to the whole team").check()
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        page.get_by_role("button", name=name).click()  # it is what is shown: the button says so
        page.get_by_role("menuitem", name="Take over one view").click()
        page.get_by_text("One view taken over").wait_for()
        page.get_by_role("button", name=name).click()
        page.get_by_role("menuitem", name=old).click()
        page.get_by_role("button", name=old).wait_for()
        assert "status=offline" in page.url
    with console(browser, address, demo.PROVIDER) as other:
        page = other.open("/console/vehicles?view=list")
        page.get_by_role("button", name="Views").click()
        expect(page.get_by_role("menuitem", name=old)).to_have_count(0)
        page.get_by_role("menuitem", name=name).click()
        page.get_by_role("button", name=name).wait_for()
        assert "type=scooter" in page.url
        assert "battery=0-20" in page.url
    with admin(address) as api:
        for each in api.get("/api/v1/views")["views"]:
            if each["name"] in (name, old):
                api.send("DELETE", f"/api/v1/views/{each['id']}")
