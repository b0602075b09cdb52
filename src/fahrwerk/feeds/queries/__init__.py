"""What can be read: feeds of GBFS, answers of MDS, agencies and what they publish."""

from __future__ import annotations

from fahrwerk.feeds.queries.agencies import agencies, agency, tokens
from fahrwerk.feeds.queries.alerts import public_alerts
from fahrwerk.feeds.queries.gbfs import check, document, mds_checks, past_checks
from fahrwerk.feeds.queries.mds import (
    mds_recent_events,
    mds_stops,
    mds_vehicle_states,
    mds_vehicles,
)
from fahrwerk.feeds.queries.mds_hours import mds_events, mds_report, mds_telemetry, mds_trips
from fahrwerk.feeds.queries.personal import PERSONAL
from fahrwerk.feeds.queries.policies import document_versions, policies, published
from fahrwerk.feeds.queries.settings import setting

__all__ = [
    "PERSONAL",
    "agencies",
    "agency",
    "check",
    "document",
    "document_versions",
    "mds_checks",
    "mds_events",
    "mds_recent_events",
    "mds_report",
    "mds_stops",
    "mds_telemetry",
    "mds_trips",
    "mds_vehicle_states",
    "mds_vehicles",
    "past_checks",
    "policies",
    "public_alerts",
    "published",
    "setting",
    "tokens",
]
