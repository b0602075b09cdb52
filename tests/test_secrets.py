"""The installation's secret is changed: what it held shut is sealed anew, and nothing is lost."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fahrwerk
from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.actions import devices
from fahrwerk.identity.contract import proofs
from fahrwerk.kernel import audit, crypto, db, person_keys
from fahrwerk.kernel.call import Call
from fahrwerk.payments.gateways import _accounts
from fahrwerk.secrets import reseal_all, who_seals
from tests.furnished import feeds, posted, sign_on
from tests.payments.bank import Bank, open_bank
from tests.world import World

SOURCE = Path(fahrwerk.__file__).parent
SEALS = {
    "feeds/actions/agencies.py": "subscription.token",
    "fleet/actions/sealing.py": "vehicle_key.signs_with, checks_with",
    "identity/actions/erasure.py": "privacy_request.traces",
    "identity/actions/proofs.py": "proof.sealed",
    "identity/actions/sso.py": "sso_attempt.secrets, sso_provider.secret",
    "identity/actions/sso_providers.py": "sso_provider.secret",
    "identity/actions/totp.py": "totp.secret",
    "identity/actions/ways_in.py": "wish.login",
    "kernel/person_keys.py": "person_key.sealed",
    "kernel/resealing.py": "whatever it is given",
    "payments/actions/mandates.py": "sepa_mandate.holder_sealed, iban_sealed, was_iban_sealed",
    "payments/actions/sepa_runs.py": "sepa_run.file_sealed",
    "payments/gateways/_accounts.py": "gateway_account.secret_sealed, webhook_sealed",
}
"""Who seals, and which columns a room's ``reseal`` has to go over for it."""
_GATEWAY = """
INSERT INTO payments.gateway_account (gateway, public_key, secret_sealed, webhook_sealed, hint,
    remote_id, is_live, kinds, rank, set_at, tested_at)
VALUES ('stripe', 'pk', $1, $2, '', '', false, '{card}', 1, now(), now())
"""
_APP = "INSERT INTO identity.totp (person_id, secret) VALUES ($1, $2)"
_ATTEMPT = "UPDATE identity.sso_attempt SET secrets = $1 RETURNING 1"
_PROVIDER = "UPDATE identity.sso_provider SET secret = $1 RETURNING 1"


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    crypto.set_signing_secret("tests")


def test_whoever_seals_can_seal_anew() -> None:
    """A new place that seals has to be found by ``reseal``, and stands here."""
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "crypto.seal"
    }
    assert found == SEALS.keys()
    assert who_seals().keys() == {name.split("/")[0] for name in SEALS}


async def sealed_things(world: World, rider: Call) -> tuple[Bank, int]:
    """One of each, and how many that is."""
    async with world.client(world.admin()) as admin:
        known = await feeds(admin)
        await sign_on(admin)
        path = f"/api/v1/feeds/agencies/{known['agency_id'][0]}/subscriptions/micromobility"
        city = {"url": "https://mds.example.org/agency", "token": "token-of-the-city"}
        await posted(admin.put(path, json=city))
    vehicle = await world.vehicle()
    await fleet.pair_vehicles(world.admin(), [vehicle.id], "EdDSA")
    assert rider.user is not None
    await person_keys.key_of(rider, rider.user)
    await proofs.ask_link(world.call(), "ada@example.org", "reset")
    await db.run("identity", rider, _APP, rider.user, crypto.seal("identity.totp", "JBSWY3DP"))
    keys = _accounts.Keys(
        tenant=world.tenant, gateway="stripe", public_key="pk", secret="sk", webhook_secret="wh"
    )
    await db.run("payments", rider, _GATEWAY, *_accounts.sealed(keys))
    attempts = await db.run("identity", rider, _ATTEMPT, crypto.seal("sso attempt", "{}"))
    providers = await db.run("identity", rider, _PROVIDER, crypto.seal("sso provider", "key"))
    bank = await open_bank(world)
    await bank.mandate(rider)
    await audit.chain()
    return bank, 1 + 2 + 1 + 1 + 1 + 2 + 2 + 1 + len(attempts) + len(providers)


async def test_all_of_it_opens_with_the_new_secret_alone(world: World) -> None:
    """Once over everything; a second time finds nothing; then the old secret may be given up."""
    rider = await world.rider()
    bank, made = await sealed_things(world, rider)
    system = world.system()
    crypto.set_signing_secret("new", "tests")
    assert await audit.verify(world.tenant) is None
    first = await reseal_all(system)
    assert first.lost == 0
    assert first.anew >= made, first
    assert await reseal_all(system) == (0, 0)
    crypto.set_signing_secret("new")
    assert await reseal_all(system) == (0, 0)
    assert await audit.verify(world.tenant) is None
    assert (await _accounts.keys_of(rider, "stripe")).webhook_secret == "wh"
    assert rider.user is not None
    assert await person_keys.known_key_of(rider, rider.user) is not None
    again = await bank.mandate(rider)  # the same account is recognised by its keyed hash
    assert again.id == (await bank.mandate(rider)).id
    count = "SELECT count(*) FROM payments.sepa_mandate WHERE rider_id = $1"
    assert (await db.run("payments", system, count, rider.user))[0][0] == 1


async def test_what_nobody_can_open_is_said_and_left(world: World) -> None:
    """And does not keep the rest from being sealed anew."""
    rider = await world.rider()
    crypto.set_signing_secret("forgotten")
    keys = _accounts.Keys(tenant=world.tenant, gateway="stripe", public_key="pk", secret="sk")
    await db.run("payments", rider, _GATEWAY, *_accounts.sealed(keys))
    crypto.set_signing_secret("tests")
    await proofs.ask_link(world.call(), "ada@example.org", "reset")
    crypto.set_signing_secret("new", "tests")
    tally = await reseal_all(world.system())
    assert tally.lost == 1
    assert tally.anew >= 1


async def test_keys_of_vehicles_rest_sealed(world: World) -> None:
    """TST-08.2, FLT-16: a copy of the database opens no vehicle; keys of before are sealed too."""
    one, other = [await world.vehicle() for _ in range(2)]
    await fleet.pair_vehicles(world.admin(), [one.id, other.id], "HS256")
    before = await devices([one.id, other.id])
    call = world.system("fleet")
    read = "SELECT vehicle_id, signs_with, checks_with FROM fleet.vehicle_key"
    for row in await db.run("fleet", call, read):
        secret = before[row["vehicle_id"]].key.signs_with
        assert secret not in (row["signs_with"], row["checks_with"])
        assert len(row["signs_with"]) > 32
    raw = "UPDATE fleet.vehicle_key SET signs_with = $2, checks_with = $2 WHERE vehicle_id = $1"
    await db.run("fleet", call, raw, one.id, before[one.id].key.signs_with)
    assert await devices([one.id, other.id]) == before
    assert (await reseal_all(world.system())).anew == 2
    assert await devices([one.id, other.id]) == before
    swap = """
    UPDATE fleet.vehicle_key k SET signs_with = o.signs_with FROM fleet.vehicle_key o
    WHERE k.vehicle_id = $1 AND o.vehicle_id = $2
    """
    await db.run("fleet", call, swap, one.id, other.id)
    assert (await devices([one.id, other.id])).keys() == {other.id}
