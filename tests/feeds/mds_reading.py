"""Reading MDS as a city does: with a token, by media type, each answer held against its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import jsonschema_rs

from fahrwerk.feeds.contract import agencies
from fahrwerk.kernel import db
from tests.feeds.reading import public
from tests.feeds.schemas import mds as schemas

if TYPE_CHECKING:
    from uuid import UUID

    from tests.world import World

JSON, CSV = "application/vnd.mds+json;version=2.0", "text/vnd.mds+csv;version=2.0"
SQUARE = {
    "type": "Polygon",
    "coordinates": [[[13.3, 52.4], [13.5, 52.4], [13.5, 52.6], [13.3, 52.6], [13.3, 52.4]]],
}
"""Around where the tests' vehicles stand."""


class City:
    """An agency of the test's operator."""

    def __init__(self, world: World, agency: agencies.Agency, secret: str) -> None:
        self.world = world
        self.agency = agency
        self.secret = secret

    @property
    def id(self) -> UUID:
        return self.agency.id

    async def ask(
        self, path: str, *, mode: str = "micromobility", token: str | None = None,
        accept: str = JSON, **query: Any,
    ) -> httpx.Response:  # fmt: skip
        """Any request to the Provider API."""
        headers = {"Authorization": f"Bearer {token or self.secret}", "Accept": accept}
        async with public() as client:
            url = f"/mds/{self.world.operator.slug}/{mode}/{path}"
            return await client.get(url, params=query or None, headers=headers)

    async def read(
        self, path: str, name: str, *, mode: str = "micromobility", status: int = 200, **query: Any
    ) -> Any:
        """A valid answer's inside."""
        answer = await self.ask(path, mode=mode, **query)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == JSON
        body = answer.json()
        found = list(jsonschema_rs.validator_for(schemas.answer(name, mode)).iter_errors(body))
        assert found == [], [f"{e.message} at {e.instance_path}" for e in found]
        return body

    async def failure(self, answer: httpx.Response, status: int, error: str) -> dict[str, Any]:
        """The inside of an error as MDS has it."""
        assert (answer.status_code, answer.json().get("error")) == (status, error), answer.text
        jsonschema_rs.validate(schemas.ERROR, answer.json())
        body: dict[str, Any] = answer.json()
        return body

    async def events(self) -> list[db.Row]:
        """All it was told, in the order of the numbers."""
        return await db.run("feeds", self.world.system("feeds"), _EVENTS, self.id)


_EVENTS = """
SELECT number, vehicle_id, mode, state, types, at, latitude, longitude, battery_pct, trip_id
FROM feeds.told_event WHERE tenant_id = kernel.tenant() AND agency_id = $1 ORDER BY number
"""


async def city(world: World, slug: str = "berlin", **fields: Any) -> City:
    """An agency with a token."""
    admin = world.admin()
    made = await agencies.add_agency(
        admin, agencies.NewAgency(slug=slug, name=slug.title(), **fields)
    )
    token = await agencies.issue_token(admin, made.id, "Tests")
    return City(world, made, token.secret)
