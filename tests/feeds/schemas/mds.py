"""JSON Schemas of MDS 2.0, written down from the specification's tables.

Only of what we tell, and stricter: a field that is not named here is a mistake, ids are canonical,
places have at most five digits.
"""

from __future__ import annotations

from typing import Any

from tests.feeds.schemas import Schema, array, record

UUID: Schema = {
    "type": "string",
    "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
}
TIMESTAMP: Schema = {"type": "integer", "minimum": 1_000_000_000_000, "maximum": 9_999_999_999_999}
STRING: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
PERCENT: Schema = {"type": "integer", "minimum": 0, "maximum": 100}
COUNT: Schema = {"type": "integer", "minimum": 0}
NULL: Schema = {"type": "null"}
URL: Schema = {"type": "string", "pattern": "^https?://[!-~]+$"}
STATES = {
    "micromobility": ["removed", "available", "non_operational", "reserved", "on_trip",
                      "non_contactable", "missing", "elsewhere"],
    "car-share": ["removed", "available", "non_operational", "reserved", "on_trip", "stopped",
                  "non_contactable", "elsewhere"],
}  # fmt: skip
EVENTS = {
    "micromobility": [
        "agency_drop_off", "agency_pick_up", "battery_charged", "battery_low",
        "changed_geographies", "comms_lost", "comms_restored", "compliance_pick_up",
        "decommissioned", "not_located", "located", "maintenance", "maintenance_pick_up",
        "off_hours", "on_hours", "provider_drop_off", "rebalance_pick_up", "reservation_cancel",
        "reservation_start", "system_resume", "system_suspend", "trip_cancel", "trip_end",
        "trip_enter_jurisdiction", "trip_leave_jurisdiction", "trip_start", "unspecified",
    ],
    "car-share": [
        "comms_lost", "comms_restored", "customer_cancellation", "decommissioned",
        "driver_cancellation", "maintenance", "maintenance_end", "maintenance_pick_up",
        "provider_cancellation", "recommissioned", "reservation_start", "reservation_stop",
        "service_end", "service_start", "trip_end", "trip_enter_jurisdiction",
        "trip_leave_jurisdiction", "trip_resume", "trip_start", "trip_stop",
    ],
}  # fmt: skip
TYPES = {"micromobility": ["scooter_standing", "bicycle"], "car-share": ["car"]}
GPS = record(
    {
        "lat": {"type": "number", "minimum": -90, "maximum": 90, "multipleOf": 0.00001},
        "lng": {"type": "number", "minimum": -180, "maximum": 180, "multipleOf": 0.00001},
    },
    {
        "speed": {"type": "number", "minimum": 0},
        "horizontal_accuracy": {"type": "number", "minimum": 0},
    },
)
LINKS = record({"first": URL, "last": NULL, "prev": NULL, "next": {"anyOf": [URL, NULL]}})
VERSION: Schema = {"const": "2.0.2"}
ERROR = record(
    {"error": STRING, "error_description": {"type": "string"}, "error_details": array(STRING)}
)
_WHO = {"device_id": UUID, "provider_id": UUID}


def vehicle(mode: str) -> Schema:
    attributes: dict[str, Schema] = {
        "make": STRING, "model": STRING, "year": {"type": "integer", "minimum": 1900},
    }  # fmt: skip
    if mode == "car-share":
        attributes |= {"color": STRING, "vin": STRING, "license_plate": STRING}
    return record(
        {
            **_WHO,
            "vehicle_id": STRING,
            "vehicle_type": {"enum": TYPES[mode]},
            "propulsion_types": array({"enum": ["electric", "electric_assist"]}, 1),
        },
        {"vehicle_attributes": record({}, attributes), "maximum_speed": COUNT},
    )


def event(mode: str) -> Schema:
    return record(
        {
            **_WHO,
            "event_id": UUID,
            "vehicle_state": {"enum": STATES[mode]},
            "event_types": array({"enum": EVENTS[mode]}, 1),
            "timestamp": TIMESTAMP,
            "publication_time": TIMESTAMP,
            "location": GPS,
        },
        {"battery_percent": PERCENT, "trip_ids": array(UUID, 1)},
    )


def telemetry(mode: str) -> Schema:
    journey = NULL if mode == "micromobility" else {"anyOf": [UUID, NULL]}
    return record(
        {
            **_WHO,
            "telemetry_id": UUID,
            "timestamp": TIMESTAMP,
            "trip_ids": {"anyOf": [array(UUID, 1), NULL]},
            "journey_id": journey,
            "location": GPS,
        },
        {"battery_percent": PERCENT, "tipped_over": {"type": "boolean"}},
    )


def trip(mode: str) -> Schema:
    needed: dict[str, Schema] = {
        **_WHO,
        "trip_id": UUID,
        "trip_type": {"const": "rider" if mode == "micromobility" else "private"},
        "start_time": TIMESTAMP,
        "end_time": TIMESTAMP,
        "start_location": GPS,
        "end_location": GPS,
        "duration": COUNT,
        "distance": COUNT,
        "publication_time": TIMESTAMP,
    }
    if mode == "car-share":
        needed |= {"journey_id": UUID, "trip_attributes": record({"reservation_type": STRING})}
    return record(needed)


def answer(name: str, mode: str = "micromobility") -> Schema:
    """A whole answer: ``vehicles``, ``vehicles_status``, ``trips``, ``events``, ..."""
    live = {"last_updated": TIMESTAMP, "ttl": COUNT}
    status = record({**_WHO, "last_event": event(mode), "last_telemetry": telemetry(mode)})
    known: dict[str, tuple[dict[str, Schema], dict[str, Schema]]] = {
        "vehicles": ({"vehicles": array(vehicle(mode))}, {"links": LINKS}),
        "vehicles_status": ({"vehicles_status": array(status), **live}, {"links": LINKS}),
        "trips": ({"trips": array(trip(mode))}, {}),
        "events": ({"events": array(event(mode))}, {}),
        "recent": ({"events": array(event(mode)), "links": LINKS, **live}, {}),
        "telemetry": ({"telemetry": array(telemetry(mode)), "links": LINKS}, {}),
        "stops": ({"stops": {"type": "array", "maxItems": 0}, **live}, {}),
        "waiting": ({}, {}),
    }
    needed, maybe = known[name]
    return record({"version": VERSION, **needed}, maybe)


_RULE = record(
    {
        "name": STRING,
        "rule_id": UUID,
        "rule_type": {"enum": ["count", "time", "speed", "user"]},
        "geographies": array(UUID),
        "states": {"type": "object"},
    },
    {
        "rule_units": STRING, "maximum": {"type": "number"}, "minimum": {"type": "number"},
        "vehicle_types": array(STRING), "days": array(STRING), "start_time": STRING,
        "end_time": STRING, "propulsion_types": array(STRING),
    },
)  # fmt: skip
_POLICY = record(
    {
        "name": STRING, "mode_id": STRING, "policy_id": UUID, "description": STRING,
        "start_date": TIMESTAMP, "published_date": TIMESTAMP, "rules": array(_RULE),
    },
    {"end_date": TIMESTAMP, "prev_policies": array(UUID), "provider_ids": array(UUID)},
)  # fmt: skip
_GEOGRAPHY = record(
    {
        "name": STRING, "geography_id": UUID, "published_date": TIMESTAMP,
        "geography_json": record(
            {"type": {"const": "FeatureCollection"}, "features": array({"type": "object"}, 1)}
        ),
    },
    {"geography_type": STRING, "description": STRING},
)  # fmt: skip
_JURISDICTION = record(
    {
        "jurisdiction_id": UUID, "agency_key": STRING, "description": STRING,
        "mode_ids": array(STRING), "timestamp": TIMESTAMP,
    },
    {"geography_id": UUID, "agency_name": STRING},
)  # fmt: skip
PUBLISHED: dict[str, Any] = {
    "policies": record({"version": VERSION, "last_updated": TIMESTAMP, "policies": array(_POLICY)}),
    "geographies": record(
        {"version": VERSION, "last_updated": TIMESTAMP, "geographies": array(_GEOGRAPHY)}
    ),
    "geography": record({"version": VERSION, "geography": _GEOGRAPHY}),
    "jurisdictions": record(
        {"version": VERSION, "last_updated": TIMESTAMP, "jurisdictions": array(_JURISDICTION)}
    ),
}
