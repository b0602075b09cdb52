"""The tenant wall over HTTP (I7): an id of another operator's is as good as one that never was.

Two operators in the same state. Every operation of the OpenAPI document that takes an id of
something is called at the first one with the second one's, as rider, staff and administrator, and
with an id made up on the spot: the answers must be the same, and nothing may have changed there.
The walk is made from the document: a new endpoint is in it, or fails here and says what is missing.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pytest

from fahrwerk.kernel import db, ids
from fahrwerk.kernel.errors import NotFound
from tests.furnished import Goods, new_imei, watching
from tests.openapi import Operation, body_schema, kind_of, operations, resolved, smallest
from tests.world import World, make_world

NAMES_SOMETHING = re.compile(r"(^|_)(ids?|imei|code|user|key|slug|reference)$")
"""Inputs called so are of something that belongs to an operator, unless they stand below."""
NOT_OURS = {
    "client_id": "ours at an identity provider, which gave it",
    "entity_id": "an identity provider's own name",
    "recovery_code": "a secret of one person: tried in tests/identity/test_factors.py",
    "external_id": "chosen by whoever writes it",
    "code": "chosen by whoever writes it",
    "slug": "an operator's own, and public",
    "key": "half of a public link: tried in its own test",
    "event_id": "a gateway's id of its own event: tried in tests/payments/test_stripe.py",
    "public_key": "of the operator's account at a gateway, where it is tried",
    "operator": "in the public address of an operator's webhooks: only what they signed counts",
    "micromobility_id": "given out by who registers providers of MDS",
    "car_share_id": "given out by who registers providers of MDS",
    "bank_reference": "what a transfer is called at the bank",
    "boundary_id": "in a city's own document, looked for in that agency's only",
}
PLAIN_IN_PATHS = {
    *("vehicle_type", "position", "gateway", "version", "file", "mode", "kind", "step", "purpose"),
}
PLAIN_VALUES = {
    "mode": "car-share",
    "kind": "policies",
    "from": "2025-01-01T00:00:00Z",
    "to": "2025-01-02T00:00:00Z",
}
CHOSEN_BY_THE_CALLER = re.compile(r"fleet_(create|change|add)_|identity_put_role")
"""What these call ``qr_code``, ``imei`` and ``name`` is new, unique within one operator only."""
BODIES: dict[str, Any] = {
    "fleet_move_in_group": {"add": ["nothing"]},
    "identity_put_grants": {"grants": [{"role": "support"}]},
}
"""What is good enough to be looked at, where the least that the document allows is not."""
HARMLESS_TO_REPEAT = ("tenancy_drop_domain",)
"""What is not there is gone: 204 for whatever is named."""


def made_up(like: str) -> str:
    """A name of the same kind, of nothing."""
    prefix, _, _ = like.rpartition("_")
    if _uuid_of(like) is not None:
        return ids.public(prefix, ids.new()) if prefix else str(ids.new())
    if like.isdigit():
        return new_imei()
    head = re.sub(r"\d.*", "", like)
    return f"{head}{ids.new().hex[-len(like) :].upper()}"[: max(len(like), 12)]


def _uuid_of(name: str) -> UUID | None:
    try:
        return ids.parse(name, name.rpartition("_")[0] or "none")
    except NotFound:
        return None


# --- requests, from the document


class Input(NamedTuple):
    """One place of a request that names something."""

    place: str
    """path | query | body"""
    name: str
    spot: tuple[str | int, ...]
    """Where in the body."""


def inputs(operation: Operation) -> Iterator[Input]:
    """What an operation takes that is the name of something."""
    for parameter in map(resolved, operation.said["parameters"]):
        place, name = parameter["in"], parameter["name"]
        is_new = name == "name" and CHOSEN_BY_THE_CALLER.match(operation.name)
        if place == "path" and name not in PLAIN_IN_PATHS | NOT_OURS.keys() and not is_new:
            yield Input("path", name, ())
        elif place == "query" and _names_something(operation, name):
            yield Input("query", name, ())
    if (body := body_schema(operation)) is not None:
        for spot in _spots(body, ()):
            name = next((part for part in reversed(spot) if isinstance(part, str)), "")
            if _names_something(operation, name):
                yield Input("body", name, spot)


def _names_something(operation: Operation, name: str) -> bool:
    if CHOSEN_BY_THE_CALLER.match(operation.name) and name in ("qr_code", "imei"):
        return False
    return bool(NAMES_SOMETHING.search(name)) and name not in NOT_OURS


def _spots(schema: dict[str, Any], above: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    schema = kind_of(schema)
    if "properties" in schema:
        for name, each in schema["properties"].items():
            yield from _spots(each, (*above, name))
    elif "items" in schema:
        yield from _spots(schema["items"], (*above, 0))
    else:
        yield above


class Asked(NamedTuple):
    """A request to an operation, with names put in."""

    operation: Operation
    values: dict[Input, str]

    async def of(self, client: httpx.AsyncClient) -> httpx.Response:
        path, query = self.operation.path, {}
        schema = body_schema(self.operation)
        body = smallest(schema) if schema is not None else None
        if self.operation.name in BODIES:
            body = copy.deepcopy(BODIES[self.operation.name])
        for given, value in self.values.items():
            if given.place == "path":
                path = path.replace(f"{{{given.name}}}", value)
            elif given.place == "query":
                query[given.name] = value
            else:
                _put(body, given.spot, value)
        for parameter in map(resolved, self.operation.said["parameters"]):
            if parameter["in"] == "query" and parameter["required"]:
                value = PLAIN_VALUES.get(parameter["name"]) or smallest(parameter["schema"])
                query.setdefault(parameter["name"], str(value))
        path = re.sub(r"\{(\w+)\}", lambda m: PLAIN_VALUES.get(m[1], "scooter"), path)
        return await client.request(self.operation.method, path, params=query, json=body)


def _put(body: Any, spot: tuple[str | int, ...], value: str) -> None:
    *way, last = spot
    for part, following in zip(way, spot[1:], strict=True):
        if isinstance(part, str):
            body = body.setdefault(part, [{}] if isinstance(following, int) else {})
        else:
            body = body[part]
    body[last] = value


# --- what must be the same


def spellings(name: str) -> set[str]:
    """How a name could stand in an answer."""
    found = _uuid_of(name)
    return {name, json.dumps(name)[1:-1]} | ({str(found), found.hex} if found else set())


def plain(answer: httpx.Response, name: str) -> tuple[int, str, str]:
    """An answer without what must differ: the name asked for, and ids made for this request."""
    text = re.sub(r'"request_id":"[^"]*"', "", answer.text)
    for each in spellings(name):
        text = text.replace(each, "<it>")
    text = re.sub(r"\b(rent|pay)_\w{22}\b", "<new>", text)
    return answer.status_code, answer.headers.get("content-type", ""), text


def _all_inputs() -> Iterator[tuple[Operation, Input]]:
    for operation in operations():
        for each in inputs(operation):
            yield operation, each


def _others(operation: Operation, but: Input, own: Goods) -> dict[Input, str]:
    """Good values of one's own for what must be there besides."""
    values = {
        each: own.names[each.name][0]
        for each in inputs(operation)
        if each != but and (each.place == "path" or _is_needed(operation, each, but))
    }
    if re.match("rentals_(book|start)", operation.name):
        values = {e: own.free if "vehicle" in e.name else v for e, v in values.items()}
    return values


def _is_needed(operation: Operation, each: Input, but: Input) -> bool:
    if each.name == "vehicle_id" and but.name in ("promo_code", "payment_method_id"):
        return True
    if each.name == "booking_id" and but.name == "payment_method_id":
        return True
    schema = body_schema(operation) or {}
    return each.place == "body" and each.spot[0] in schema.get("required", ())


async def test_ids_of_another_operator_are_ids_of_nothing(database: db.Database) -> None:
    """I7: 404 or 403, the very answer to an id that never was, and no trace over there."""
    ours, theirs = [await Goods(await make_world()).furnish() for _ in range(2)]
    watch = await watching(database, theirs.world.tenant)
    before = await watch.look()
    known = {each for names in theirs.names.values() for name in names for each in spellings(name)}
    asked = 0
    try:
        for operation, given in _all_inputs():
            assert given.name in theirs.names, (
                f"{operation.name} takes a {given.name} ({given.place}): say in Goods.names what "
                "it is the name of, or in NOT_OURS why it names nothing of an operator"
            )
            for role, client in ours.callers.items():
                for name in theirs.names[given.name]:
                    others = _others(operation, given, ours)
                    nothing = made_up(name)
                    never = await Asked(operation, {given: nothing, **others}).of(client)
                    foreign = await Asked(operation, {given: name, **others}).of(client)
                    asked += 1
                    where = f"{operation.method} {operation.path}: {given} = {name} as {role}"
                    assert plain(foreign, name) == plain(never, nothing), where
                    told = known - spellings(name)
                    assert not [each for each in told if each in foreign.text], where
                    _is_refusal(operation, given, foreign, where)
            assert await watch.look() == before, f"{operation.path} changed something"
        assert asked > 500
    finally:
        await watch.owner.close()
        await ours.close()
        await theirs.close()


def _is_refusal(operation: Operation, given: Input, answer: httpx.Response, where: str) -> None:
    if operation.name in HARMLESS_TO_REPEAT:
        assert answer.status_code in (204, 403), f"{where}: {answer.status_code} {answer.text}"
    elif given.place == "path":
        assert answer.status_code in (403, 404), f"{where}: {answer.status_code} {answer.text}"
    elif operation.method == "get":
        assert answer.status_code in (200, 403, 404), f"{where}: {answer.text}"
    elif not (operation.name.startswith("fleet_report") and answer.status_code == 200):
        assert answer.is_client_error, f"{where}: {answer.text}"


_EMPTY = ("KEEPS_NO_ZONES", "UNKNOWN_GATEWAY_ACCOUNT")
"""What is there has none of what was asked for."""


async def test_at_home_the_same_ids_are_good(database: db.Database) -> None:
    """Or the walk above would show nothing."""
    goods = await Goods(await make_world()).furnish()
    platform = goods.world.client(goods.world.call("platform"))
    try:
        for operation, given in _all_inputs():
            if operation.method != "get" or given.place != "path" or operation.is_endless:
                continue
            name = goods.names[given.name][-1]
            answers = [
                await Asked(operation, {given: name}).of(client)
                for client in (goods.callers["admin"], goods.callers["customer"], platform)
            ]
            if operation.name == "rentals_receipt_as_page":  # by its link only
                receipt = await goods.callers["customer"].get(f"/api/v1/rentals/{name}/receipt")
                answers.append(await goods.callers["customer"].get(receipt.json()["receipt_url"]))
            found = [
                a for a in answers
                if a.is_success or a.status_code == 409 or any(each in a.text for each in _EMPTY)
            ]  # fmt: skip
            assert found, f"{operation.path}: {[a.text for a in answers]}"
    finally:
        await platform.aclose()
        await goods.close()


async def test_a_token_is_good_at_its_own_operator_only(database: db.Database) -> None:
    """C-80, IDN-11: with another operator's name beside it, it opens nothing anywhere."""
    ours, theirs = await make_world(), await make_world()
    watch = await watching(database, theirs.tenant)
    before = await watch.look()
    try:
        for role in ("customer", "admin", "platform"):
            headers = {"X-Tenant-ID": theirs.operator.slug}
            async with ours.client(ours.call(role), **headers) as client:
                for operation in operations():
                    if operation.said["security"] != [{"bearer": []}]:
                        continue
                    answer = await Asked(operation, {}).of(client)
                    error = answer.json()["error"]
                    assert (answer.status_code, error["code"]) == (400, "TENANT_MISMATCH")
        assert await watch.look() == before
    finally:
        await watch.owner.close()


async def test_a_receipts_link_is_of_one_receipt(world: World) -> None:
    """The key of one's own receipt opens no other, with whichever operator's name in it."""
    ours, theirs = [await Goods(each).furnish() for each in (world, await make_world())]
    links = []
    for goods in (ours, theirs):
        rental = goods.names["rental_id"][-1]
        receipt = await goods.callers["customer"].get(f"/api/v1/rentals/{rental}/receipt")
        links.append(httpx.URL(receipt.json()["receipt_url"]))
    (own, other), keys = links, [link.params["key"] for link in links]
    swapped = f"{keys[1].partition('.')[0]}.{keys[0].partition('.')[2]}"
    client = ours.callers["customer"]
    assert (await client.get(own)).status_code == (await client.get(other)).status_code == 200
    for key in (keys[0], swapped, keys[1][:-1], keys[1] + "x", "", ".", "é", "%00", "op_."):
        answer = await client.get(other.copy_set_param("key", key))
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (404, "UNKNOWN_RENTAL"), key
    await ours.close()
    await theirs.close()


SPELLINGS = ("{0} ", " {0}", "{0}%00", "%EF%BB%BF{0}", "SCO_{1}", "ebi_{1}x", "{1}", "sco__{1}")


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_other_spellings_of_an_id_are_no_way_around(world: World, spelling: str) -> None:
    """One's own things have one name each; what walls and caches compare is that name."""
    vehicle = await world.vehicle()
    public = ids.public("sco", vehicle.id)
    async with world.client(await world.rider()) as client:
        for other in (spelling.format(public, public[4:]), f"{vehicle.id.hex}----"):
            answer = await client.get(f"/api/v1/vehicles/{other}")
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (404, "UNKNOWN_VEHICLE"), other
