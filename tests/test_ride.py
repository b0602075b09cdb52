"""``fahrwerk ride``: the story in the terminal. The ride itself is taken in test_up.py."""

from __future__ import annotations

import msgspec

from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.ride import Show, short
from fahrwerk.sim.api import Answer


def shown(*messages: tuple[str, bytes]) -> list[str]:
    lines: list[str] = []
    show = Show(lines.append)
    for topic, payload in messages:
        show.message(topic, payload)
    return lines


def test_ids_are_shortened_and_links_are_not() -> None:
    assert short("/bookings/rent_5a78bcCsUv5rBNLFhKEt7L/cancel") == "/bookings/rent_..hKEt7L/cancel"
    assert short("ride-268db293@example.com") == "ride-268db293@example.com"
    lines: list[str] = []
    Show(lines.append).link("receipt", "http://here/receipts/rent_5a78bcCsUv5rBNLFhKEt7L?key=x")
    assert "rent_5a78bcCsUv5rBNLFhKEt7L?key=x" in lines[0]


def test_a_refusal_shows_its_code_and_words() -> None:
    lines: list[str] = []
    body = {"error": {"code": "VEHICLE_UNAVAILABLE", "message": "Vehicle no longer available"}}
    Show(lines.append).request(Answer("POST", "/bookings", 409, body, 12.4))
    assert lines == [
        f"   {'POST  /bookings':<50} 409     12 ms  "
        "VEHICLE_UNAVAILABLE: Vehicle no longer available"
    ]


def test_what_the_broker_carries_is_told_without_telemetry_and_nonsense() -> None:
    key, _ = wire.new_keys("EdDSA")
    command = wire.Command(
        id="cmd_1", vehicle_id="sco_1", command="unlock", timestamp=1, expires=2, counter=7,
        user_id=None, booking_id=None, rental_id=None,
    )  # fmt: skip
    lines = shown(
        ("vehicles/sco_1/commands/unlock", wire.encode_command(command, key)),
        ("vehicles/sco_1/status", wire.encode_status(wire.Status(status="unlocked"))),
        ("vehicles/sco_1/telemetry", b"{}"),
        ("vehicles/sco_1/acks", b"\xff"),
        ("vehicles/sco_1/acks", msgspec.json.encode([1])),
    )
    assert [line.split()[1:] for line in lines] == [
        ["vehicles/sco_1/commands/unlock", "unlock,", "number", "7,", "signed", "(EdDSA)"],
        ["vehicles/sco_1/status", "unlocked"],
    ]
