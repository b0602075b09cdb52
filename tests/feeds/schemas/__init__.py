"""JSON Schemas of GBFS 3.0, 2.3 and 3.1-RC3, written down from the specification's tables.

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


def _editions(*versions: str) -> Schema:
    return {
        "type": "array",
        "prefixItems": [record({"version": {"const": v}, "url": URL}) for v in versions],
        "items": False,
        "minItems": len(versions),
    }


EDITIONS = _editions("2.3", "3.0")
POLYGONS = record(
    {
        "type": {"const": "MultiPolygon"},
        "coordinates": array(
            array(array({**array({"type": "number"}, 2), "maxItems": 2}, 4), 1), 1
        ),
    }
)
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


def _zones(text: Schema, time: Schema, rule: Schema) -> Schema:
    about = record({"name": text, "rules": array(rule, 1)}, {"start": time, "end": time})
    feature = record({"type": {"const": "Feature"}, "geometry": POLYGONS, "properties": about})
    return record({"type": {"const": "FeatureCollection"}, "features": array(feature)})


_RULE_3 = record(
    {
        "vehicle_type_ids": array(ID, 1), "ride_start_allowed": FLAG, "ride_end_allowed": FLAG,
        "ride_through_allowed": FLAG,
    },
    {"maximum_speed_kph": COUNT},
)  # fmt: skip
_RULE_2 = record(
    {"vehicle_type_id": array(ID, 1), "ride_allowed": FLAG, "ride_through_allowed": FLAG},
    {"maximum_speed_kph": COUNT},
)
_SYSTEM = {"system_id": ID, "feed_contact_email": EMAIL, "timezone": ZONE}
_COMMON = ("gbfs_versions", "system_information", "vehicle_types", "system_pricing_plans",
           "geofencing_zones", "system_alerts")  # fmt: skip


def _alerts(text: Schema, url: Schema, time: Schema) -> Schema:
    alert = record(
        {
            "alert_id": ID,
            "type": {"enum": ["system_closure", "other"]},
            "times": array(record({"start": time}, {"end": time}), 1),
            "summary": text,
            "last_updated": time,
        },
        {"description": text, "url": url},
    )
    return record({"alerts": array(alert)})


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
        "geofencing_zones": record(
            {
                "geofencing_zones": _zones(TRANSLATED, RFC3339, _RULE_3),
                "global_rules": array(_RULE_3),
            }
        ),
        "system_alerts": _alerts(TRANSLATED, TRANSLATED, RFC3339),
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
        "geofencing_zones": record({"geofencing_zones": _zones(TEXT, POSIX, _RULE_2)}),
        "system_alerts": _alerts(TEXT, HTTPS, POSIX),
    },
}
_ALL = _editions("2.3", "3.0", "3.1-RC3")
_CAPPED = _plan(TRANSLATED)
_CAPPED["properties"]["fare_capping"] = record({"duration": COUNT, "price": AMOUNT})
_CAPPED["required"].append("fare_capping")
DATA["3.1-RC3"] = DATA["3.0"] | {
    "manifest": record(
        {"datasets": array(record({"system_id": ID, "versions": _ALL}, {"area": POLYGONS}), 1)}
    ),
    "gbfs_versions": record({"versions": _ALL}),
    "system_pricing_plans": record({"plans": array(_CAPPED)}),
}
"""Version -> feed -> what stands in its ``data``."""
_TIMES = {"3.0": RFC3339, "2.3": POSIX, "3.1-RC3": RFC3339}


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
