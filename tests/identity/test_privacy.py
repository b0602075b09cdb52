"""Privacy: consents, a person's own data from every room, erasure, retention (GDP-01..06)."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import zipfile
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import pytest
from PIL import Image

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import maintenance
from fahrwerk.identity import contract as identity
from fahrwerk.identity.actions import export, privacy_work
from fahrwerk.identity.contract import privacy as contract
from fahrwerk.identity.rules import privacy as rules
from fahrwerk.kernel import audit, clock, crypto, db, ids, invariants, person_keys, privacy
from fahrwerk.kernel.errors import Forbidden
from fahrwerk.kernel.pump import Pump
from fahrwerk.payments.contract import ledger
from fahrwerk.wallet import contract as wallet
from fahrwerk.wallet.contract import closing
from tests.rentals.riding import alive
from tests.world import PASSWORD, World, make_world

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

PICTURE = io.BytesIO()
Image.new("RGB", (2, 2)).save(PICTURE, "PNG")
PHONE, LAST = "+4915112345678", "Wunderlich-Abendroth"
END = (52.5213371, 13.4098765)
"""Where the rider was last: of as many digits as nobody else's."""


async def logged_in(world: World, rider: Call) -> Call:
    """The rider's call within a log-in of just now."""
    assert rider.user is not None
    person = await identity.person(world.system(), rider.user)
    login = await identity.log_in(world.call(), person.email or "", PASSWORD)
    session = crypto.read_token(login.access_token).session
    return msgspec.structs.replace(rider, session=session)


async def lived_in(world: World) -> Call:
    """A rider with all that a rider can have: ride, picture, card, wallet, notices, report."""
    rider = await world.rider(phone=PHONE, first_name="Ottilie", last_name=LAST)
    call = await logged_in(world, rider)
    await world.card(call)
    vehicle = await world.vehicle()
    photo = "data:image/png;base64," + base64.b64encode(PICTURE.getvalue()).decode()
    place = {"latitude": END[0], "longitude": END[1], "address": f"Am Hof {LAST}, Berlin"}
    end = {"end_photo": photo, "rating": 5, "feedback": f"{LAST} liked it", "end_location": place}
    async with alive(world), world.client(call) as client:
        begun = await client.post("/api/v1/rentals", json={"vehicle_id": vehicle.identifier})
        assert begun.status_code < 300, begun.text
        ended = await client.post(f"/api/v1/rentals/{begun.json()['id']}/end", json=end)
        assert ended.status_code == 200, ended.text
    await world.settle()
    await maintenance.report_fault(call, vehicle.id, "brakes", f"{LAST} nearly fell", False)
    assert call.user is not None
    await wallet.adjust(world.admin(), call.user, 500, f"sorry, {LAST}", "k1")
    for purpose in ("terms", "marketing"):
        await contract.answer_consent(call, rules.purpose_of(purpose), True, None, "app", "Phone")
    await world.settle()
    return call


async def exported(world: World, call: Call) -> zipfile.ZipFile:
    """What the rider downloads."""
    assert call.user is not None
    asked = await contract.ask_export(call, call.user)
    await world.settle()
    found = await contract.request(call, asked.id)
    assert (found.state, found.sections_done) == ("ready", found.sections)
    file = await contract.export_file(call, asked.id)
    parts = [await contract.export_part(call, asked.id, file.turn, n) for n in range(file.parts)]
    body = b"".join(parts)
    assert len(body) == file.bytes
    return zipfile.ZipFile(io.BytesIO(body))


def rows_of(file: zipfile.ZipFile, section: str) -> list[dict[str, Any]]:
    """The rows of one section."""
    found: list[dict[str, Any]] = json.loads(file.read(f"{section}.json"))
    return found


async def erased(world: World, call: Call) -> contract.Request:
    """The rider asks to be erased, and it is done."""
    assert call.user is not None
    asked = await contract.ask_erasure(call, call.user)
    with clock.moved_to(clock.now() + timedelta(minutes=2)):
        await world.settle()
        for _ in range(5):
            with clock.moved_to(clock.now() + timedelta(minutes=1)):
                await world.settle()
    return await contract.request(world.admin(), asked.id)


_TEXTS = """
SELECT c.table_schema AS schema, c.table_name AS name, string_agg(quote_ident(c.column_name), ', ')
       AS columns
FROM information_schema.columns c
JOIN information_schema.tables t USING (table_schema, table_name)
WHERE t.table_type = 'BASE TABLE' AND c.table_schema = ANY($1) AND c.column_name <> 'tenant_id'
  AND EXISTS (SELECT FROM information_schema.columns k WHERE k.table_schema = c.table_schema
              AND k.table_name = c.table_name AND k.column_name = 'tenant_id')
GROUP BY 1, 2
"""


async def traces(world: World, *words: str) -> list[str]:
    """Every table of the tenant in which one of the words stands, whatever the column's type."""
    from fahrwerk.kernel.settings import ROOMS

    owner = await asyncpg.connect(db.database().dsn.replace("fahrwerk_app", "postgres"))
    found = []
    try:
        for table in await owner.fetch(_TEXTS, ["kernel", *ROOMS]):
            place = f"{table['schema']}.{table['name']}"
            rows = await owner.fetch(
                f"SELECT t::text AS row FROM (SELECT {table['columns']} FROM {place} "
                "WHERE tenant_id = $1) t",
                world.tenant,
            )
            text = "\n".join(row["row"] for row in rows)
            found += [f"{place}: {word}" for word in words if word in text]
    finally:
        await owner.close()
    return found


async def test_an_export_has_everything_of_a_rider_and_nothing_of_others(world: World) -> None:
    """TST-08.2, GDP-01, GDP-03, WEB-19: one ZIP with every room's rows, pictures and a page."""
    call, other = await lived_in(world), await world.rider(last_name="Nebenmann")
    await world.card(other)
    await wallet.adjust(world.admin(), other.user or ids.new(), 700, "not hers", "k2")
    await world.settle()
    file = await exported(world, call)
    assert rows_of(file, "identity/profile")[0]["phone"] == PHONE
    [ride] = rows_of(file, "rentals/rides")
    assert (ride["end_latitude"], ride["end_longitude"]) == END
    assert rows_of(file, "payments/methods")[0]["last4"] == "4242"
    assert rows_of(file, "payments/payments")[0]["state"] == "completed"
    assert rows_of(file, "payments/bookings")
    assert rows_of(file, "wallet/transactions")[0]["description"] == f"sorry, {LAST}"
    assert {row["about"] for row in rows_of(file, "notifications/notices")} >= {"RideReceipt"}
    assert LAST in rows_of(file, "fleet/fault_reports")[0]["description"]
    assert len(rows_of(file, "fleet/tracks")) == 1
    assert {row["purpose"] for row in rows_of(file, "identity/consents")} == {"terms", "marketing"}
    assert "identity.person" not in str(rows_of(file, "kernel/access_by_staff"))
    [picture] = rows_of(file, "rentals/end_photos")
    assert Image.open(io.BytesIO(file.read(picture["picture"]))).size == (2, 2)
    page = file.read("index.html").decode()
    assert LAST in page
    assert "Legal basis" in page
    everything = "".join(file.read(name).decode("latin-1") for name in file.namelist())
    assert "Nebenmann" not in everything
    assert "not hers" not in everything
    stored = await db.run("identity", world.system(), "SELECT data FROM identity.privacy_file")
    assert all(b"PK\x03\x04" not in bytes(row["data"])[:64] for row in stored), "sealed at rest"
    with clock.moved_to(clock.now() + timedelta(days=8)):
        await world.settle()
        [asked] = (await contract.requests(call, call.user, None, 5, 0)).requests
        assert asked.state == "expired"
        with pytest.raises(contract.NoFile):
            await contract.export_file(call, asked.id)
    assert not await db.run("identity", world.system(), "SELECT FROM identity.privacy_file")


async def test_an_erasure_leaves_nothing_personal_anywhere(world: World) -> None:
    """TST-08.2, GDP-02, crypto-shredding: no table knows the rider; books and log hold."""
    call, neighbour = await lived_in(world), await make_world()
    twin = await neighbour.rider(phone=PHONE, last_name=LAST)
    assert call.user is not None
    person = await identity.person(world.system(), call.user)
    words = (str(person.email), PHONE, LAST, "Ottilie", str(END[0]), str(END[1]))
    assert len(await traces(world, *words)) > 5, "else the test looks at nothing"
    with pytest.raises(contract.NotErasable) as refused:
        await contract.ask_erasure(call, call.user)
    assert [each["code"] for each in refused.value.details["obstacles"]] == ["balance_left"]
    await closing.close_account(call, "forfeit")
    await world.settle()
    books = await ledger.trial_balance(world.admin(), None, None)
    [vehicle] = (await fleet.vehicles(world.admin(), None, None, None, 0, 9, 0)).vehicles
    await fleet.move_vehicle(world.admin(), vehicle.id, fleet.Place(52.4, 13.3))  # where it stood
    done = await erased(world, call)
    assert done.state == "done", done
    assert await traces(world, *words) == []
    kept = {each["section"]: each for each in (done.result or {})["kept"]}
    assert kept.keys() >= {"payments.bookings", "rentals.rides", "identity.consents"}
    assert all(each["why"] and each["fate"] != "deleted" for each in kept.values())
    # Whoever comes back is somebody else; the old tokens are over.
    assert call.session in await identity.ended_sessions(world.system())
    assert (await identity.rider_standing(world.system(), call.user)).reason == "unknown"
    assert await person_keys.key_of(world.system(), call.user) is None
    again = await world.rider(email=person.email, phone=PHONE)
    assert again.user != call.user
    # The books are as they were, and everything that must hold holds.
    assert await ledger.trial_balance(world.admin(), None, None) == books
    assert await ledger.proof(world.admin()) == []
    await audit.flush()
    while await audit.chain():
        pass
    from fahrwerk.app import examinations

    assert await invariants.examine([(world.tenant, "here")], examinations()) == []
    assert await audit.verify(world.tenant) is None
    # Another operator's rider of the same name and number is untouched.
    assert twin.user is not None
    assert (await identity.person(neighbour.system(), twin.user)).phone == PHONE


async def test_only_the_person_may_and_only_after_proving_it(world: World) -> None:
    """IDOR, GDP-02: others' requests and files are not there; an old log-in is not enough."""
    rider, other = await world.rider(), await world.rider()
    assert rider.user is not None
    call = await logged_in(world, rider)
    with pytest.raises(Forbidden):
        await contract.ask_erasure(other, rider.user)
    with pytest.raises(Forbidden):
        await contract.consents(other, rider.user)
    later = clock.now() + timedelta(minutes=16)
    with clock.moved_to(later), pytest.raises(identity.ConfirmationNeeded):
        await contract.ask_export(call, rider.user)
    asked = await contract.ask_export(call, rider.user)
    assert (await contract.ask_export(call, rider.user)).id == asked.id
    await world.settle()
    public = ids.public("prv", asked.id)
    neighbour = await make_world()
    stranger = await neighbour.rider()
    for who, where in ((other, world), (stranger, neighbour), (world.admin(), world)):
        async with where.client(who) as client:
            answer = await client.get(f"/api/v1/privacy/requests/{public}/file")
            assert answer.status_code == 404
            if who is not other:
                continue
            for path in ("", "/cancel"):
                method = client.post if path else client.get
                got = await method(f"/api/v1/privacy/requests/{public}{path}")
                assert (got.status_code, "prv_" in got.text) == (404, False)
            for path in ("consents", "erasures/check", "exports", "erasures"):
                get = path in ("consents", "erasures/check")
                way = f"/api/v1/privacy/users/{ids.public('usr', rider.user)}/{path}"
                got = await (client.get(way) if get else client.post(way))
                assert got.status_code == 403
    async with world.client(rider) as client:
        answer = await client.get(f"/api/v1/privacy/requests/{public}/file")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/zip"
        assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
        told = (await client.get(f"/api/v1/privacy/requests/{public}")).json()
        assert (told["status"], told["progress"]) == ("ready", 1.0)
        month = timedelta(days=27)
        assert datetime.fromisoformat(told["due_at"]) > clock.now() + month


async def test_an_erasure_can_be_called_off_within_the_days_of_grace(world: World) -> None:
    """GDP-02: meanwhile nobody rides with the account; a ride that began stops it."""
    setting = contract.Setting(officer="privacy@example.org", grace_days=7)
    await contract.change_privacy_setting(world.admin(), setting)
    call = await logged_in(world, await world.rider())
    assert call.user is not None
    asked = await contract.ask_erasure(call, call.user)
    assert (await identity.rider_standing(world.system(), call.user)).reason == "restricted"
    await world.settle()
    assert (await contract.cancel_request(call, asked.id)).state == "cancelled"
    assert (await identity.rider_standing(world.system(), call.user)).may_ride
    with pytest.raises(contract.TooLate):
        await contract.cancel_request(call, asked.id)
    # What came up in the days between is seen when it is about to be done.
    again = await contract.ask_erasure(call, call.user)
    await wallet.adjust(world.admin(), call.user, 100, "a gift", "k")
    with clock.moved_to(clock.now() + timedelta(days=8)):
        await world.settle()
    refused = await contract.request(call, again.id)
    assert refused.state == "refused"
    assert (refused.result or {})["obstacles"][0]["code"] == "balance_left"
    assert (await identity.rider_standing(world.system(), call.user)).may_ride


_RIDES = """
INSERT INTO rentals.rental (id, rider_id, seat, vehicle_id, vehicle_type, state, secured_by, terms,
    rating, estimated_minutes, estimated_minor, hold_minor, payment_id, reservation_token,
    unlock_window_s, max_ride_h, max_ride_km, planned_start_at, created_at, started_at, ended_at,
    end_latitude, end_longitude, feedback)
SELECT gen_random_uuid(), $1, n, gen_random_uuid(), 'scooter', 'completed', 'payment', '{}', '{}',
    1, 1, 1, gen_random_uuid(), '', 1, 1, 1, $2, $2, $2, $2, 52.5, 13.4, 'good'
FROM generate_series(1, $3) AS n
"""
_WAYS = """
INSERT INTO fleet.ride (rental_id, vehicle_id, rider_id, was_ridden, started_at, ended_at)
SELECT gen_random_uuid(), $1, $2, true, $3, $3 FROM generate_series(1, $4)
"""


async def test_a_thousand_rides_are_one_statement_a_table(world: World) -> None:
    """Issue 5: export and erasure are bounded by tables, not by rows; a crash is resumed."""
    call, vehicle = await logged_in(world, await world.rider()), await world.vehicle()
    assert call.user is not None
    now = clock.now()
    for many in (10, 1_000):
        await db.run("rentals", world.system(), _RIDES, call.user, now, many)
        await db.run("fleet", world.system(), _WAYS, vehicle.id, call.user, now, many)
    # The first worker dies in the middle: its parts are void, and another one begins anew.
    asked = await contract.ask_export(call, call.user)
    taken = export.Taken(world.tenant, asked.id, call.user, "export", "running", "en", 1)
    await db.run("identity", world.system(), _TAKEN, asked.id)
    key = await person_keys.key_of(call, call.user)
    assert key is not None
    dead = export._Export(world.system(), taken, key)
    dead.pipe.waiting += b"x" * (rules.PART_BYTES + 1)
    await dead.drain()
    seen: list[str] = []
    token = db.statements.set(seen)
    with clock.moved_to(now + timedelta(minutes=6)):
        while await privacy_work.answer_next():
            pass
    db.statements.reset(token)
    assert len(seen) < 250, len(seen)
    with pytest.raises(export.LostTurn):
        await dead.drain(is_end=True)
    file = await contract.export_file(call, asked.id)
    parts = [await contract.export_part(call, asked.id, file.turn, n) for n in range(file.parts)]
    found = zipfile.ZipFile(io.BytesIO(b"".join(parts)))
    assert len(rows_of(found, "rentals/rides")) == 1_010
    assert len(rows_of(found, "fleet/tracks")) == 1_010
    # The erasure's process dies after its own rows are gone; and it writes the same few statements.
    await contract.ask_erasure(call, call.user)
    token = db.statements.set(seen := [])
    with clock.moved_to(now + timedelta(minutes=2)):
        assert await privacy_work.answer_next()
    db.statements.reset(token)
    assert len(seen) < 80, len(seen)
    assert (await contract.requests(call, call.user, "erasing", 5, 0)).total == 1
    with clock.moved_to(now + timedelta(minutes=10)):
        await world.settle()
    assert (await contract.requests(call, call.user, "done", 5, 0)).total == 1
    left = (
        "SELECT FROM rentals.rental WHERE rider_id = $1 AND (end_latitude IS NOT NULL OR "
        "feedback IS NOT NULL)"
    )
    assert not await db.run("rentals", world.system(), left, call.user)


_LATE = """
INSERT INTO notifications.notice (id, user_id, template, reference, state)
VALUES (gen_random_uuid(), $1, 'RideReceipt', gen_random_uuid(), 'dropped')
"""


async def test_what_is_written_too_late_is_found_and_forgotten(world: World) -> None:
    """GDP-02: it is done only when nothing is left; a room that still has something hears again."""
    call = await logged_in(world, await world.rider())
    assert call.user is not None
    asked = await contract.ask_erasure(call, call.user)
    later = clock.now() + timedelta(minutes=2)
    with clock.moved_to(later):
        assert await privacy_work.answer_next()
        await Pump().drain()
        await db.run("notifications", world.system(), _LATE, call.user)
        assert await privacy_work.answer_next()
    assert (await contract.request(world.admin(), asked.id)).state == "erasing"
    for _ in range(20):
        later += timedelta(minutes=1)
        with clock.moved_to(later):
            await privacy_work.answer_next()
            await Pump().drain()
    assert (await contract.request(world.admin(), asked.id)).state == "done"


class Died(BaseException):
    """Where a process was killed."""


@pytest.mark.parametrize(
    "name",
    [
        *("identity.export.after_part", "identity.export.before_ready"),
        *("identity.erasure.after_rows", "identity.erasure.before_done"),
        *("pump.site.before_commit", "pump.site.after_commit"),
    ],
)
async def test_whoever_dies_is_followed_by_another(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """F1: at every step of an export or erasure; nothing is left half done, nothing done twice."""
    passed: list[str] = []

    def point(at: str) -> None:
        if at == name and not passed:
            passed.append(at)
            raise Died

    for module in ("identity.actions.export", "identity.actions.erasure", "kernel.pump"):
        monkeypatch.setattr(f"fahrwerk.{module}.point", point)
    call = await logged_in(world, await world.rider())
    assert call.user is not None
    person = await identity.person(world.system(), call.user)
    await contract.ask_export(call, call.user)
    later = clock.now()
    for _ in range(8):
        with contextlib.suppress(Died), clock.moved_to(later):
            await world.settle()
        later += timedelta(minutes=6)
    [copy] = (await contract.requests(call, call.user, "ready", 9, 0)).requests
    file = await contract.export_file(call, copy.id)
    parts = [await contract.export_part(call, copy.id, file.turn, n) for n in range(file.parts)]
    assert zipfile.ZipFile(io.BytesIO(b"".join(parts))).testzip() is None
    await contract.ask_erasure(call, call.user)
    for _ in range(8):
        with contextlib.suppress(Died), clock.moved_to(later):
            await world.settle()
        later += timedelta(minutes=6)
    assert passed == [name]
    [done] = (await contract.requests(call, call.user, "done", 9, 0)).requests
    assert done.kind == "erasure"
    assert await traces(world, str(person.email)) == []


_TAKEN = """
UPDATE identity.privacy_request SET turn = 1, state = 'running',
       next_at = kernel.now() + interval '5 minutes' WHERE id = $1
"""


async def test_paying_out_sends_the_money_back(world: World) -> None:
    """GDP-02: what was loaded goes back to the card, a bonus lapses, and then nothing is left."""
    rider = await world.rider()
    assert rider.user is not None
    await world.card(rider)
    topup = await wallet.open_topup(rider, 10_000, None, None)
    async with alive(world):
        await wallet.pay_topup(rider, topup.id, None)
    await world.settle()
    assert (await wallet.wallet(rider, rider.user)).balance_minor == 11_000
    await closing.close_account(rider, "payout")
    await world.settle()
    assert (await wallet.wallet(rider, rider.user)).balance_minor == 0
    assert await privacy.obstacles(world.system(), rider.user) == []
    assert await ledger.proof(world.admin()) == []
