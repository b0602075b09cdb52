"""JSON Schemas of GBFS 3.0 and 2.3, written down from the specification's tables.

Only of what we publish, and stricter than the tables: a field that is not named here is a mistake,
ids keep to the characters the specification recommends, and no time has a fraction of a second.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

ID: Schema = {"type": "string", "pattern": r"^[A-Za-z0-9.@:/_-]+$"}
TEXT: Schema = {"type": "string", "minLength": 1, "pattern": "^[^<>]*$"}
URL: Schema = {"type": "string", "pattern": "^https?://[!-~]+$"}
HTTPS: Schema = {"type": "string", "pattern": "^https://[!-~]+$"}
EMAIL: Schema = {"type": "string", "pattern": r"^[^@\s]+@[^@\s]+\.[a-z]+$"}
ZONE: Schema = {"type": "string", "pattern": r"^[A-Z]\w+/[\w/+-]+$"}
LANGUAGE: Schema = {"enum": ["de", "en"]}
CURRENCY: Schema = {"type": "string", "pattern": "^[A-Z]{3}$"}
COUNT: Schema = {"type": "integer", "minimum": 0}
AMOUNT: Schema = {"type": "number", "minimum": 0}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
FLAG: Schema = {"type": "boolean"}
RFC3339: Schema = {
    "type": "string",
    "pattern": r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$",
}
POSIX: Schema = {"type": "integer", "minimum": 1450155600}


def record(needed: dict[str, Schema], maybe: dict[str, Schema] | None = None) -> Schema:
    """An object with these fields and no others."""
    return {
        "type": "object",
        "properties": needed | (maybe or {}),
        "required": list(needed),
        "additionalProperties": False,
    }


def array(of: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": of, "minItems": least}


# every text in every language, each once
TRANSLATED: Schema = {
    **array(record({"text": TEXT, "language": LANGUAGE}), 2),
    "maxItems": 2,
    "uniqueItems": True,
}
EDITIONS = {
    "type": "array",
    "prefixItems": [
        record({"version": {"const": "2.3"}, "url": URL}),
        record({"version": {"const": "3.0"}, "url": URL}),
    ],
    "items": False,
    "minItems": 2,
}
SEGMENT = record(
    {"start": COUNT, "rate": {"type": "number"}, "interval": COUNT},
    {"end": {"type": "integer", "minimum": 1}},
)


def _links(*names: str) -> Schema:
    link = record({"name": {"enum": list(names)}, "url": URL})
    return {**array(link, len(names)), "maxItems": len(names), "uniqueItems": True}


def _kind(text: Schema) -> Schema:
    return record(
        {
            "vehicle_type_id": ID,
            "form_factor": {"enum": ["bicycle", "car", "scooter_standing"]},
            # each of them has a motor, so each must say how far it goes
            "propulsion_type": {"enum": ["electric", "electric_assist"]},
            "max_range_meters": AMOUNT,
            "name": text,
            "wheel_count": COUNT,
            "return_constraint": {"const": "free_floating"},
        },
        {"default_pricing_plan_id": ID},
    )


def _plan(text: Schema) -> Schema:
    return record(
        {
            "plan_id": ID,
            "name": text,
            "currency": CURRENCY,
            "price": AMOUNT,
            "is_taxable": FLAG,
            "description": text,
            "per_min_pricing": array(SEGMENT),
        }
    )


def _vehicle(name: str, time: Schema) -> Schema:
    return record(
        {
            name: ID,
            "lat": {"type": "number", "minimum": -90, "maximum": 90},
            "lon": {"type": "number", "minimum": -180, "maximum": 180},
            "is_reserved": {"const": False},
            "is_disabled": FLAG,
            "vehicle_type_id": ID,
            "current_range_meters": AMOUNT,
        },
        {"current_fuel_percent": SHARE, "last_reported": time},
    )


_SYSTEM = {"system_id": ID, "feed_contact_email": EMAIL, "timezone": ZONE}
_COMMON = ("gbfs_versions", "system_information", "vehicle_types", "system_pricing_plans",
           "system_alerts")  # fmt: skip
_ALERTS = record({"alerts": {"type": "array", "maxItems": 0}})

DATA: dict[str, dict[str, Schema]] = {
    "3.0": {
        "gbfs": record({"feeds": _links(*_COMMON, "vehicle_status")}),
        "manifest": record({"datasets": array(record({"system_id": ID, "versions": EDITIONS}), 1)}),
        "gbfs_versions": record({"versions": EDITIONS}),
        "system_information": record(
            {
                **_SYSTEM,
                "languages": array(LANGUAGE, 2),
                "name": TRANSLATED,
                "opening_hours": TEXT,
                "manifest_url": URL,
            },
            {"license_url": HTTPS},
        ),
        "vehicle_types": record({"vehicle_types": array(_kind(TRANSLATED))}),
        "vehicle_status": record({"vehicles": array(_vehicle("vehicle_id", RFC3339))}),
        "system_pricing_plans": record({"plans": array(_plan(TRANSLATED))}),
        "system_alerts": _ALERTS,
    },
    "2.3": {
        "gbfs": {
            "type": "object",
            "patternProperties": {
                "^(de|en)$": record({"feeds": _links(*_COMMON, "free_bike_status")})
            },
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        },
        "gbfs_versions": record({"versions": EDITIONS}),
        "system_information": record(
            {**_SYSTEM, "language": LANGUAGE, "name": TEXT}, {"license_url": HTTPS}
        ),
        "vehicle_types": record({"vehicle_types": array(_kind(TEXT))}),
        "free_bike_status": record({"bikes": array(_vehicle("bike_id", POSIX))}),
        "system_pricing_plans": record({"plans": array(_plan(TEXT))}),
        "system_alerts": _ALERTS,
    },
}
"""Version -> feed -> what stands in its ``data``."""
_TIMES = {"3.0": RFC3339, "2.3": POSIX}


def schema(version: str, name: str) -> Schema:
    """The whole file: its head and its data."""
    return record(
        {
            "last_updated": _TIMES[version],
            "ttl": {"type": "integer", "minimum": 0, "maximum": 300},
            "version": {"const": version},
            "data": DATA[version][name],
        }
    )
