"""``fahrwerk replay TRIPS.csv --stations STATIONS.csv``: recorded rides through the real API.

A client program: it speaks HTTP only and knows no room. Domain time is moved request by request
(header ``X-Fahrwerk-Time``, permission ``clock.move``), so a week of rides of the past is ridden,
rated and paid in minutes, in a tenant of its own; then what the platform says has happened is
compared with what was recorded.

    trips.py    reading the files; which records cannot have happened
    plan.py     who rides when, and what has to wait for what
    client.py   the API: patient, keyed, at a given time
    stage.py    operator, staff, bikes, riders
    run.py      the ride itself, until the money has settled
    report.py   recorded and ridden side by side
"""

from __future__ import annotations

from fahrwerk.replay.client import Stuck
from fahrwerk.replay.report import Report, in_words
from fahrwerk.replay.run import replay
from fahrwerk.replay.stage import Wishes

__all__ = ["Report", "Stuck", "Wishes", "in_words", "replay"]
