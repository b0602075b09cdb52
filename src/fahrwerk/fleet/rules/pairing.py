"""What must be so before a newly paired vehicle goes out, and what is wrong in words (FLT-16)."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from fahrwerk.fleet.contract import CAPABILITIES
from fahrwerk.fleet.contract.pairing import LinkProblem, Step

FRESH = timedelta(minutes=5)
"""A reading older than this shows nothing any more."""

PROBLEMS = {
    "bad_signature": "It signs with another key. Hand the newest key over to it once more.",
    "wrong_vehicle": "It has the key of another vehicle.",
    "no_key": "It speaks as this vehicle, which has no key yet. Pair the vehicle.",
    "malformed": "It sends what is not in the protocol. Check its firmware's version.",
    "bad_crc": "Its messages arrive broken. Check antenna and network.",
    "overload": "The platform was too busy to take what it said.",
}


class Facts(msgspec.Struct, frozen=True):
    """What the tables say of one vehicle's link."""

    protocol: str | None
    imei: str | None
    paired_at: datetime | None
    last_seen_at: datetime | None
    measured_at: datetime | None
    is_placed: bool
    battery_level: int | None
    is_locked: bool | None
    problem: str | None
    problem_at: datetime | None
    now: datetime


def steps(facts: Facts) -> list[Step]:
    """What is done and what is not, in the order in which it is to be done."""
    paired, seen, measured = facts.paired_at, facts.last_seen_at, facts.measured_at
    has_spoken = paired is not None and seen is not None and seen >= paired
    is_measured = has_spoken and measured is not None and facts.now - measured <= FRESH
    missing = [
        word
        for word, is_there in (
            ("position", facts.is_placed),
            ("battery level", facts.battery_level is not None),
        )
        if not is_there
    ]
    return [
        Step("paired", paired is not None, _paired(facts)),
        Step("contact", has_spoken, _contact(facts, has_spoken)),
        Step("telemetry", is_measured and not missing, _telemetry(facts, is_measured, missing)),
        _lock(facts, has_spoken),
    ]


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _paired(facts: Facts) -> str:
    if facts.paired_at is None:
        return "Neither a key nor a device. Pair it."
    what = f"Device {facts.imei}" if facts.imei else "A key was made"
    return f"{what}, {_at(facts.paired_at)}."


def _contact(facts: Facts, has_spoken: bool) -> str:
    if has_spoken and facts.last_seen_at:
        return f"Heard at {_at(facts.last_seen_at)}."
    if facts.paired_at is None:
        return "Not before it is paired."
    return "Nothing heard since it was paired. Hand the key over and switch the device on."


def _telemetry(facts: Facts, is_measured: bool, missing: list[str]) -> str:
    if not is_measured or facts.measured_at is None:
        return "No reading in the last five minutes."
    if missing:
        return f"Readings come, but without {' and '.join(missing)}."
    return f"Position and battery known, measured at {_at(facts.measured_at)}."


def _lock(facts: Facts, has_spoken: bool) -> Step:
    if not has_spoken or facts.is_locked is None:
        return Step("lock", False, "The state of its lock is not known.")
    return Step("lock", True, "Locked." if facts.is_locked else "Unlocked. Lock it.")


def problem(facts: Facts) -> LinkProblem | None:
    """What went wrong last, unless it is older than the pairing."""
    if facts.problem is None or facts.problem_at is None:
        return None
    if facts.paired_at is not None and facts.problem_at < facts.paired_at:
        return None
    words = PROBLEMS.get(facts.problem, f"A message was not taken: {facts.problem}.")
    return LinkProblem(facts.problem, words, facts.problem_at)


def known_capabilities(said: list[str]) -> list[str]:
    """Those of a device's words that mean something to us, in our order."""
    return [each for each in CAPABILITIES if each in said]
