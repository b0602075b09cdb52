"""Texts that are code somewhere else: stored to the letter, shown as text (GDP-15, GDP-16)."""

from __future__ import annotations

import pytest

from fahrwerk.kernel import db
from tests.rentals.riding import alive
from tests.world import make_world

TEXTS = {
    "SQL": "Robert'); DROP TABLE rentals.rental;--",
    "HTML": "<img src=x onerror=alert(1)>",
    "template": "{{7*7}}{% raw %}<%= 1 %>${1}",
    "script": '"><script>alert(1)</script>',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
async def test_texts_come_back_as_they_were_and_are_shown_as_text(
    database: db.Database, text: str
) -> None:
    """TST-08.1, GDP-15, GDP-16: to the letter in JSON, escaped in receipts, letters, mailbox."""
    world = await make_world()
    async with world.client(world.admin()) as admin:
        renamed = await admin.patch("/api/v1/tenant", json={"name": text})
        assert renamed.json()["name"] == text
        scooter = {
            **dict.fromkeys(("identifier", "brand", "category"), text[:50]),
            "model": text,
            "license_plate": text[:20].strip(),
            "qr_code": text,
            "location": {"latitude": 52.52, "longitude": 13.405, "address": text},
            "metadata": {text: text},
            "is_connected": False,
        }
        made = (await admin.post("/api/v1/scooters", json=scooter)).json()
        assert {n: made[n] for n in scooter} == scooter
    person = {"email": "eve@example.org", "password": "correct horse battery", "first_name": text}
    async with world.client() as client:
        client.headers["Accept-Language"] = "en"
        answer = await client.post("/api/v1/auth/register", json=person | {"last_name": text})
        assert answer.json()["first_name"] == text
        login = {n: person[n] for n in ("email", "password")}
        token = (await client.post("/api/v1/auth/login", json=login)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        await client.post("/api/v1/payment-methods", json={"gateway_token": "tok_visa"})
        place = {"latitude": 52.5, "longitude": 13.4, "address": text}
        async with alive(world):
            wish = {"vehicle_id": made["id"], "start_location": place}
            ride = (await client.post("/api/v1/rentals", json=wish)).json()
            end = {"end_location": place, "feedback": text}
            ended = (await client.post(f"/api/v1/rentals/{ride['id']}/end", json=end)).json()
        await world.settle()
        stored = (await client.get(f"/api/v1/rentals/{ride['id']}")).json()
        assert (stored["feedback"], stored["end_location"]["address"]) == (text, text)
        pages = [await client.get(ended["receipt_url"], headers={"Accept-Language": "en"})]
        mails = (await client.get("/dev/mail.json")).json()["mails"]
        pages += [await client.get(f"/dev/mail?message={mail['id']}") for mail in mails]
        pages += [await client.get("/")]
    assert len(mails) == 2
    shown = [page.text for page in pages] + [mail["html"] for mail in mails]
    for html in shown:
        assert "<img src=x" not in html
        assert "<script>alert" not in html
    assert all(text in mail["text"] or text[:50] in mail["text"] for mail in mails)
    assert not any("\n" in mail["subject"] for mail in mails)
    if text == TEXTS["template"]:
        assert "49" not in pages[0].text.replace("1.49", "")
