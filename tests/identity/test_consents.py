"""Consents, retention and the records of processing (GDP-04, GDP-06, GDP-24; Art. 5, 7, 18, 30)."""

from __future__ import annotations

from datetime import timedelta

from fahrwerk.identity import contract as identity
from fahrwerk.identity.actions import privacy_work
from fahrwerk.identity.contract import privacy as contract
from fahrwerk.identity.rules import privacy as rules
from fahrwerk.kernel import db, privacy
from tests.world import World, make_world


async def test_consents_are_proven_and_asked_for_again(world: World) -> None:
    """TST-08.2, GDP-04, GDP-24: given to a text, taken back any time; new words, new question."""
    rider, admin = await world.rider(), world.admin()
    assert rider.user is not None
    async with world.client(rider) as client:
        path = "/api/v1/privacy/consents"
        found = {each["purpose"]: each for each in (await client.get(path)).json()["consents"]}
        assert found.keys() == set(rules.PURPOSES)
        assert all(each["is_asked"] and not each["is_given"] for each in found.values())
        given = await client.put(f"{path}/marketing", json={"is_given": True, "version": 0})
        assert (given.json()["is_given"], given.json()["is_asked"]) == (True, False)
        assert (await client.put(f"{path}/nonsense", json={"is_given": True})).status_code == 404
        assert await contract.may_use(world.system(), rider.user, "marketing")
        language = given.json()["language"]
        await contract.publish_consent_text(admin, "marketing", language, "Mail me everything.")
        assert not await contract.may_use(world.system(), rider.user, "marketing")
        stale = await client.put(f"{path}/marketing", json={"is_given": True, "version": 0})
        assert stale.json()["error"]["code"] == "CONSENT_TEXT_CHANGED"
        told = (await client.get("/api/v1/gdpr/consents")).json()["consents"]
        marketing = next(each for each in told if each["purpose"] == "marketing")
        assert (marketing["version"], marketing["is_asked"]) == (1, True)
        again = await client.put(f"{path}/marketing", json={"is_given": True, "version": 1})
        assert again.json()["answer"]["text_digest"] == rules.digest_of("Mail me everything.")
        await client.put(f"{path}/marketing", json={"is_given": False})
        assert not await contract.may_use(world.system(), rider.user, "marketing")
        answers = (await client.get(f"{path}/history")).json()["answers"]
        assert [each["is_given"] for each in answers] == [False, True, True]
        assert [each["ended_at"] is None for each in answers] == [True, False, False]
    # Restricted (Art. 18): kept, used for nothing.
    await contract.answer_consent(rider, "location", True, None, "app", "")
    assert await contract.may_use(world.system(), rider.user, "location")
    await contract.restrict(rider, rider.user, True, "I dispute an amount")
    assert not await contract.may_use(world.system(), rider.user, "location")
    assert (await identity.rider_standing(world.system(), rider.user)).reason == "restricted"


_OLD = """
INSERT INTO identity.attempt
    (id, person_id, who, address, device, is_known, outcome, request_id, at)
VALUES (gen_random_uuid(), $1, 'w', 'a', 'd', false, 'failed', 'r', now() - $2::interval)
"""


async def test_what_is_too_old_is_thrown_away_and_told(world: World) -> None:
    """GDP-06, Art. 5: by rule, within the operator's days; another operator's rows stay."""
    neighbour = await make_world()
    rider, other = await world.rider(), await neighbour.rider()
    for where, who in ((world, rider), (neighbour, other)):
        for days in (10, 40):
            await db.run("identity", where.system(), _OLD, who.user, timedelta(days=days))
    admin = world.admin()
    async with world.client(admin) as client:
        path = "/api/v1/privacy/retention"
        wrong = await client.put(path, json={"days": {"identity.log_ins": 500}})
        assert wrong.status_code == 400
        assert (await client.put(path, json={"days": {"no.rule": 5}})).status_code == 400
        kept = (await client.put(path, json={"days": {"identity.log_ins": 30}})).json()
        now = {each["rule"]: each["days"] for each in kept["retention"]}
        assert (now["identity.log_ins"], now["fleet.telemetry"]) == (30, 90)
        for tenant in (world.tenant, neighbour.tenant):
            await privacy_work.keep_retention(tenant)
        [run] = (await client.get(f"{path}/runs")).json()["runs"]
        assert (run["rule"], run["deleted"]) == ("identity.log_ins", 1)
    count = "SELECT count(*) AS n FROM identity.attempt"
    assert (await db.run("identity", world.system(), count))[0]["n"] == 1
    assert (await db.run("identity", neighbour.system(), count))[0]["n"] == 2


async def test_the_records_of_processing_name_every_column(world: World) -> None:
    """Art. 30, GDP-20: as the rooms say what they hold, in both languages, with what they keep."""
    rider = await world.rider()
    async with world.client(rider) as client:
        english = (await client.get("/api/v1/privacy/processing?locale=en")).json()
        german = (await client.get("/api/v1/privacy/processing?locale=de")).json()
    records = {each["section"]: each for each in english["records"]}
    assert len(records) == len(privacy.sections()) > 25
    assert "email" in records["identity.profile"]["data"]
    for each, words in zip(english["records"], german["records"], strict=True):
        assert all((each["data"], each["purpose"], each["kept"])), each
        assert each["title"] != words["title"]
        assert (each["at_erasure"] == "deleted") == (each["why_kept"] == ""), each["section"]
