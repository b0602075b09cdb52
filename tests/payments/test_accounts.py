"""Operators' accounts at gateways: keys are tried, sealed, replaced, disabled and never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.kernel import crypto, db, ids
from fahrwerk.kernel.errors import Forbidden, Invalid
from fahrwerk.payments import contract, gateways
from fahrwerk.payments.contract import gateways as doors
from fahrwerk.payments.gateways import Authorisation, KeysRefused, _accounts, find
from tests.payments.gateways.kits import open_stripe
from tests.payments.till import open_till
from tests.world import make_world

if TYPE_CHECKING:
    from tests.payments.fakes.stripe import Account, FakeStripe
    from tests.world import World


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    monkeypatch.setattr(gateways, "TIMEOUT_S", 3.0)


def keys(account: Account, **changes: Any) -> dict[str, Any]:
    return {
        "public_key": account.public_key, "secret": account.secret,
        "webhook_secret": account.webhook_secret, **changes,
    }  # fmt: skip


async def test_keys_are_set_and_never_shown(
    world: World, stripe: FakeStripe, caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Over HTTP: tried, kept sealed, no way to read them again; not in logs, events, audit."""
    account = stripe.open_account()
    async with world.client(world.admin()) as client:
        answer = await client.put("/api/v1/gateways/stripe", json=keys(account))
        assert answer.status_code == 200, answer.text
        listed = await client.get("/api/v1/gateways")
        await client.put("/api/v1/gateways/stripe", json=keys(account, secret="sk_test_wrongwrong"))
    shown = listed.json()["gateways"][0]
    assert shown["secret_ends_with"] == account.secret[-4:]
    assert shown["account"] == account.id
    assert shown["webhook_url"].endswith(f"/api/v1/webhooks/stripe/{world.tenant}")
    assert (shown["is_live"], shown["has_webhook_secret"], shown["kinds"]) == (
        False,
        True,
        ["card", "sepa_debit"],
    )
    said = answer.text + listed.text + caplog.text + "".join(capsys.readouterr())
    rows = await db.run(
        "payments", world.system(), "SELECT a::text FROM payments.gateway_account a"
    )
    for place in (said, str(rows), repr(await _accounts.keys_of(world.system(), "stripe"))):
        assert account.secret not in place
        assert account.webhook_secret not in place


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"secret": "sk_test_nobodyknowsme"}, "secret"),
        ({"secret": "pk_test_notasecretkey"}, "secret"),
        ({"public_key": "sk_test_notapublickey"}, "public_key"),
        ({"public_key": "pk_live_oneliveonenot"}, "public_key"),
        ({"webhook_secret": "notawebhooksecret"}, "webhook_secret"),
        ({"kinds": ["paypal"]}, "kinds"),
        ({"secret": "sk_test_\r\nX-Evil: 1"}, "secret"),
    ],
)
async def test_wrong_keys_are_refused(
    world: World, stripe: FakeStripe, change: dict[str, Any], field: str
) -> None:
    account = stripe.open_account()
    async with world.client(world.admin()) as client:
        answer = await client.put("/api/v1/gateways/stripe", json=keys(account, **change))
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["details"]["field"] == field
        assert (await client.get("/api/v1/gateways")).json() == {"gateways": []}
        for name, status in (("sandbox", 400), ("nobody", 404), ("STRIPE", 404)):
            answer = await client.put(f"/api/v1/gateways/{name}", json=keys(account))
            assert answer.status_code == status, answer.text


async def test_only_administrators(world: World, stripe: FakeStripe) -> None:
    account = stripe.open_account()
    for role in ("customer", "support", "provider"):
        async with world.client(world.call(role)) as client:
            assert (await client.get("/api/v1/gateways")).status_code == 403
            answer = await client.put("/api/v1/gateways/stripe", json=keys(account))
            assert answer.status_code == 403
    with pytest.raises(Forbidden):
        await doors.try_gateway_account(world.call("support"), "stripe")
    with pytest.raises(doors.UnknownAccount):
        await doors.try_gateway_account(world.admin(), "stripe")


async def test_a_sealed_secret_opens_for_its_operator_only(
    world: World, stripe: FakeStripe
) -> None:
    """I7: copied to another operator's row, or with another installation secret, it stays shut."""
    await open_stripe(world, stripe)
    other = await make_world()
    await open_stripe(other, stripe)
    rows = await db.run(
        "payments", world.system(), "SELECT secret_sealed FROM payments.gateway_account"
    )
    await db.run(
        "payments", other.system(), "UPDATE payments.gateway_account SET secret_sealed = $1",
        rows[0]["secret_sealed"],
    )  # fmt: skip
    with pytest.raises(KeysRefused):
        await _accounts.keys_of(other.system(), "stripe")
    crypto.set_signing_secret("another installation")
    try:
        with pytest.raises(KeysRefused):
            await _accounts.keys_of(world.system(), "stripe")
        tried = await doors.try_gateway_account(world.admin(), "stripe")
        assert tried.problem == "GATEWAY_KEYS_REFUSED"
    finally:
        crypto.set_signing_secret("tests")
    assert (await doors.try_gateway_account(world.admin(), "stripe")).problem is None


async def test_keys_are_replaced_while_rides_are_under_way(
    world: World, stripe: FakeStripe
) -> None:
    """A new key of the same account at any time; another account when nothing is under way."""
    account = await open_stripe(world, stripe)
    till = await open_till(world, "pm_card_visa")
    await till.authorize()
    rolled = f"{account.secret}rolled"
    stripe.accounts[rolled] = stripe.accounts.pop(account.secret)
    async with world.client(world.admin()) as client:
        same = await client.put(
            "/api/v1/gateways/stripe", json=keys(account, secret=rolled, webhook_secret=None)
        )
        assert same.status_code == 200, same.text
        assert same.json()["has_webhook_secret"] is True
        another = await client.put("/api/v1/gateways/stripe", json=keys(stripe.open_account()))
        assert another.json()["error"]["code"] == "GATEWAY_ACCOUNT_IN_USE"
        await till.ended(525)
        assert (await till.work()).state == "completed"
        another = await client.put("/api/v1/gateways/stripe", json=keys(stripe.open_account()))
        assert another.status_code == 200
    # Cards of the account before are worth nothing in the new one, and are not charged there.
    late = await contract.open_payment(
        till.rider, *_two_ids(), till.rider.user or till.id, 1_250, "EUR"
    )
    with pytest.raises(contract.PaymentDeclined) as caught:
        await contract.authorize(till.rider, late.id, till.method)
    assert caught.value.details == {"reason": "payment_method_detached"}


def _two_ids() -> tuple[Any, Any]:
    return ids.new(), ids.new()


async def test_disabled_it_takes_nothing_new_and_finishes_the_rest(
    world: World, stripe: FakeStripe
) -> None:
    account = await open_stripe(world, stripe)
    till = await open_till(world, "pm_card_visa")
    await till.authorize()
    async with world.client(world.admin()) as client:
        off = await client.post("/api/v1/gateways/stripe/disable")
        assert off.json()["is_disabled"] is True
    late = await contract.open_payment(
        till.rider, *_two_ids(), till.rider.user or till.id, 1_250, "EUR"
    )
    with pytest.raises(contract.PaymentUnknown) as caught:
        await contract.authorize(till.rider, late.id, till.method)
    assert caught.value.details["is_gateway_down"] is True
    with pytest.raises(gateways.NoGateway):
        await contract.add_method(till.rider, "pm_card_mastercard", False, "stripe")
    await till.ended(525)
    assert (await till.work()).captured_minor == 525
    assert account.taken() == 525


async def test_in_production_stripe_pays_and_the_sandbox_does_not(
    world: World, stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAHRWERK_DEV=false: no play money; with an account at Stripe riders pay."""
    before = await open_till(world, "tok_visa")  # a demo's card that was left over
    monkeypatch.setenv("FAHRWERK_DEV", "false")
    with pytest.raises(gateways.NoGateway):
        await open_till(world, "tok_visa")
    with pytest.raises(gateways.NoGateway):
        await before.authorize()
    with pytest.raises(gateways.NoGateway):
        await contract.add_method(before.rider, "tok_visa", True, "sandbox")
    left_over = Authorisation(
        key="k", amount_minor=100, currency="EUR", method_ref="pm_x", customer=world.tenant,
        is_off_session=True, metadata={},
    )  # fmt: skip
    refused = await find("sandbox").authorise(world.system("payments"), left_over)
    assert (refused.kind, refused.code) == ("declined", "play_money")
    account = await open_stripe(world, stripe)
    till = await open_till(world, "pm_card_visa")
    assert (await till.authorize()).state == "authorized"
    await till.ended(525)
    assert (await till.work()).state == "completed"
    assert account.taken() == 525


async def test_the_client_prepares_a_card_itself(world: World, stripe: FakeStripe) -> None:
    """PAY-27: over HTTP; no card data comes by us, only Stripe's ids."""
    account = await open_stripe(world, stripe)
    rider = await world.rider()
    async with world.client(rider) as client:
        begun = (await client.post("/api/v1/payment-methods/setup", json={})).json()
        assert begun["public_key"] == account.public_key
        early = await client.post(
            "/api/v1/payment-methods", json={"gateway_token": begun["gateway_token"]}
        )
        assert early.json()["error"]["details"] == {"reason": "set_up_unfinished"}
        account.client_sets_up(begun["client_secret"], "pm_card_mastercard")
        added = await client.post(
            "/api/v1/payment-methods", json={"gateway_token": begun["gateway_token"]}
        )
        assert (added.status_code, added.json()["label"]) == (201, "Mastercard ending in 4444")
        unknown = await client.post("/api/v1/payment-methods/setup", json={"type": "paypal"})
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (409, "NO_PAYMENT_GATEWAY")


async def test_what_the_gateway_keeps(world: World, stripe: FakeStripe) -> None:
    """PAY-32: 0.10 and 1.5 % of 12.50 are 0.29; each capture costs the fixed part anew."""
    account = stripe.open_account()
    async with world.client(world.admin()) as client:
        fees = {"fee_minor": 10, "fee_bp": 150}
        await client.put("/api/v1/gateways/stripe", json=keys(account, **fees))
        for total, fee in ((1_250, 0.29), (3_000, 0.65)):
            till = await open_till(world, "pm_card_visa")
            await till.authorize()
            await till.ended(total)
            await till.work()
            path = f"/api/v1/payments/{ids.public('pay', till.id)}/gateway-fee"
            assert (await client.get(path)).json() == {
                "gateway_fee": fee, "platform_fee": 0, "currency": "EUR",
            }  # fmt: skip


async def test_a_rank_out_of_bounds(world: World, stripe: FakeStripe) -> None:
    with pytest.raises(Invalid):
        await open_stripe(world, stripe, rank=0)
