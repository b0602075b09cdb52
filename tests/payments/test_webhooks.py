"""Webhooks: doubled, reordered, late, forged, of another tenant (F11)."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.call import system
from fahrwerk.payments import contract
from fahrwerk.payments.contract import GatewayFault
from fahrwerk.payments.gateways import Forged, UnknownGateway
from fahrwerk.payments.gateways import _sandbox_webhooks as server
from fahrwerk.payments.gateways.sandbox import SIGNATURE
from tests.payments.till import HOLD, Till, open_till
from tests.world import make_world

if TYPE_CHECKING:
    from tests.world import World


async def signed(
    world: World, key: str, event_id: str = "evt_1", kind: str = "payment_intent.updated"
) -> tuple[bytes, dict[str, str]]:
    """A webhook as the sandbox sends it."""
    body = server.webhook_body(world.tenant, event_id, kind, key)
    secret = await server.open_account(world.system())
    at = int(clock.now().timestamp())
    return body, {SIGNATURE: server.signature(secret, at, body)}


async def take(world: World, key: str, event_id: str = "evt_1") -> bool:
    body, headers = await signed(world, key, event_id)
    return await contract.take_webhook(world.system("web"), "sandbox", body, headers)


async def silent_hold(world: World) -> Till:
    """Authorised at the gateway; we do not know it yet."""
    till = await open_till(world)
    faults = [GatewayFault(operation="authorize", fault="timeout_after")]
    await contract.script_sandbox(world.admin(), faults)
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    return till


def hold_key(till: Till) -> str:
    return f"{till.id.hex}-authorize-hold-1"


async def test_it_brings_the_answer_that_was_lost(world: World) -> None:
    """Sooner than the worker would have asked."""
    till = await silent_hold(world)
    assert await take(world, hold_key(till))
    assert (await till.work()).state == "authorized"
    await till.at_rest()


async def test_doubled_it_counts_once(world: World) -> None:
    """Stored by (gateway, event id); other events about the same thing change nothing either."""
    till = await silent_hold(world)
    taken = await asyncio.gather(*(take(world, hold_key(till)) for _ in range(5)))
    assert sorted(taken) == [False, False, False, False, True]
    await till.work()
    assert not await take(world, hold_key(till))
    for number in range(3):
        assert await take(world, hold_key(till), f"evt_more_{number}")
    assert (await till.work()).state == "authorized"
    assert await till.told() == ["payment.pending", "PaymentAuthorized"]
    await till.at_rest()


@pytest.mark.parametrize("order", list(itertools.permutations(("authorize", "capture", "other"))))
async def test_in_any_order_it_ends_the_same(world: World, order: tuple[str, ...]) -> None:
    """Forward only: what a webhook says is never written, only what the gateway says when asked."""
    till = await open_till(world)
    await till.authorize()
    await till.ended(525)
    faults = [GatewayFault(operation="capture", fault="timeout_after")]
    await contract.script_sandbox(world.admin(), faults)
    await till.work()
    keys = {
        "authorize": hold_key(till),
        "capture": f"{till.id.hex}-capture-hold.1-1",
        "other": f"{ids.new().hex}-authorize-hold-1",
    }
    for number, name in enumerate(order):
        await take(world, keys[name], f"evt_{number}")
        await take(world, keys[name], f"evt_{number}_again")
        await till.work()
    payment = await till.payment()
    assert (payment.state, payment.captured_minor) == ("completed", 525)
    assert await till.told() == ["PaymentAuthorized", "payment.captured", "PaymentCompleted"]
    await till.at_rest()


async def test_of_things_we_do_not_know_it_is_kept_and_changes_nothing(world: World) -> None:
    assert await take(world, "something-else")
    assert not await take(world, "something-else")


@pytest.mark.parametrize("part", ["t=1,v1=00", "", "v1=00", "t=,v1=", "t=99999999999999999,v1=0"])
async def test_a_wrong_signature_is_refused(world: World, part: str) -> None:
    till = await silent_hold(world)
    body, _ = await signed(world, hold_key(till))
    with pytest.raises(Forged):
        await contract.take_webhook(world.system(), "sandbox", body, {SIGNATURE: part})
    with pytest.raises(Forged):
        await contract.take_webhook(world.system(), "sandbox", body, {})


async def test_a_changed_body_is_refused(world: World) -> None:
    till = await silent_hold(world)
    body, headers = await signed(world, hold_key(till))
    with pytest.raises(Forged):
        await contract.take_webhook(world.system(), "sandbox", body + b" ", headers)
    for rubbish in (b"", b"{}", b"\xff\xfe", b"[1]", b'{"account": 5}'):
        with pytest.raises(Forged):
            await contract.take_webhook(world.system(), "sandbox", rubbish, headers)
    assert (await till.payment()).state == "unknown"


@pytest.mark.parametrize("away", [-301, 301])
async def test_an_old_one_is_refused(world: World, away: int) -> None:
    """Recorded and sent again later: five minutes either way are tolerated."""
    body, headers = await signed(world, "k")
    with (
        clock.moved_to(clock.now() + timedelta(seconds=away), leases=False),
        pytest.raises(Forged),
    ):
        await contract.take_webhook(world.system(), "sandbox", body, headers)


async def test_of_another_operator(world: World) -> None:
    """I7: signed by one, naming another; and by one about another's payment."""
    till = await silent_hold(world)
    other = await make_world()
    body = server.webhook_body(world.tenant, "evt_x", "payment_intent.updated", hold_key(till))
    secret = await server.open_account(other.system())
    headers = {SIGNATURE: server.signature(secret, int(clock.now().timestamp()), body)}
    with pytest.raises(Forged):
        await contract.take_webhook(other.system(), "sandbox", body, headers)
    assert await take(other, hold_key(till))
    assert await db.run("payments", world.system(), "SELECT * FROM payments.gateway_event") == []
    assert (await till.payment()).state == "unknown"


async def test_of_an_operator_that_does_not_exist(world: World) -> None:
    """Strangers make no rows: there is no account, so no signature can be right."""
    nobody = ids.new()
    body = server.webhook_body(nobody, "evt_x", "payment_intent.updated", "k")
    headers = {SIGNATURE: server.signature("guessed", int(clock.now().timestamp()), body)}
    with pytest.raises(Forged):
        await contract.take_webhook(system(None, "web"), "sandbox", body, headers)
    call = system(nobody, "payments")
    assert await db.run("payments", call, "SELECT * FROM payments.sandbox_account") == []


async def test_of_a_gateway_that_does_not_exist(world: World) -> None:
    for name in ("stripee", "_sandbox_server", "__init__", "../sandbox", "", "SANDBOX"):
        with pytest.raises(UnknownGateway):
            await contract.take_webhook(world.system(), name, b"{}", {})


async def test_over_http_without_a_login(world: World) -> None:
    """Public: the signature is the login; the operator is named by the body, not by a header."""
    till = await silent_hold(world)
    body, headers = await signed(world, hold_key(till))
    async with world.client() as client:
        del client.headers["X-Tenant-ID"]
        path = "/api/v1/webhooks/sandbox"
        first = await client.post(path, content=body, headers=headers)
        assert (first.status_code, first.json()) == (200, {"received": True, "is_new": True})
        again = await client.post(path, content=body, headers=headers)
        assert again.json() == {"received": True, "is_new": False}
        forged = await client.post(path, content=body, headers={SIGNATURE: "t=1,v1=0"})
        assert forged.status_code == 400
        assert forged.json()["error"]["code"] == "WEBHOOK_SIGNATURE_INVALID"
        assert (await client.post("/api/v1/webhooks/nobody", content=body)).status_code == 404
    assert (await till.work()).authorized_minor == HOLD
