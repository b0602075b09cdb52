"""The OpenAPI document: made from what endpoints declare, so that it cannot say anything else.

Types come from msgspec, which also decodes and encodes them. What is the same everywhere (errors,
the operator's header, keys, limits) is said here once and referred to.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections import Counter
from http import HTTPStatus
from typing import Any

import msgspec

from fahrwerk.kernel.asgi import ErrorBody

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
KEY_PATTERN = r"^[!-~]([ -~]{0,253}[!-~])?$"
"""An ``Idempotency-Key``: 1 to 255 printable ASCII characters."""
_REFS = "#/components/schemas/{name}"
_ABOUT = """
The open platform shared mobility runs on.

- **Operator.** Each request is for one operator: by the `X-Tenant-ID` header, the token, or the
  host name. Where several say it they must agree.
- **Errors** share one format: `{"error": {"code", "message", "details", "request_id"}}`. Programs
  go by `code`; an operation names those of its own.
- **Repeats.** Writes take an `Idempotency-Key`: the same key and request get the same answer for
  24 hours.
- **Limits** are told in `RateLimit-Limit` and `RateLimit-Remaining`; `x-rate-limit` names the
  class.
- **Ids** are prefixed strings, times ISO 8601 in UTC, money decimals of the currency beside them.
"""


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """One value in the path, the query or a header."""

    name: str
    place: str
    """path | query | header"""
    kind: Any
    """Its type, with the bounds on it."""
    about: str | None
    is_required: bool
    default: Any = None


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint declares, one for each of its paths and methods."""

    path: str
    method: str
    paths: tuple[str, ...]
    """All paths of this endpoint."""
    name: str
    doc: str
    tag: str
    permission: str | None
    limit: str | None
    is_keyed: bool
    is_conditional: bool
    parameters: list[Argument]
    page: bool | str | None = None
    """True: known by a cookie; ``also``: by either."""
    body: Any = None
    """The type of its JSON body; None when it takes none."""
    is_body_required: bool = True
    raw_body: dict[str, Any] | None = None
    """What it says itself about a body that is not JSON."""
    answer: Any = None
    media: str = "application/json"
    status: int = 200
    others: dict[int, Any] = {}
    """Other successes than ``status``, and what they answer."""


_TENANT = {
    "name": "X-Tenant-ID",
    "in": "header",
    "required": False,
    "description": "The operator's short name. Needed where neither a token nor the host says it.",
    "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$"},
    "example": "mobility",
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes a repeat harmless: the same key and request get the first one's answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": KEY_PATTERN},
    "example": "0b2c7e0e-4f0e-4a53-9d0c-5d9b8f1c2a61",
}
_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "Of this request; the caller's own if it sent one.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,80}$"},
    },
    "RateLimit-Limit": {
        "description": "Requests allowed in the window of this class.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "RateLimit-Remaining": {
        "description": "How many of them are left now.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Retry-After": {
        "description": "Seconds to wait before another try.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Idempotent-Replayed": {
        "description": "`true`: this is the kept answer to an earlier request with this key.",
        "schema": {"const": "true"},
    },
    "ETag": {
        "description": "Of this answer; send it back as `If-None-Match`.",
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {"schema": {"const": "Bearer"}},
}
# name: status, description, the example's code, message and details, headers beside the usual
_ERRORS: dict[str, tuple[int, str, str, str, dict[str, Any], tuple[str, ...]]] = {
    "Invalid": (
        400, "The request itself is wrong; `field` and `issue` say what. Or a payment was refused.",
        "VALIDATION_ERROR", "Request validation failed",
        {"field": "email", "issue": "Invalid email format"}, (),
    ),
    "Unauthenticated": (
        401, "No token, or not a valid one.",
        "AUTHENTICATION_FAILED", "Invalid or expired token", {"token_expired": True},
        ("WWW-Authenticate",),
    ),
    "Forbidden": (
        403, "Known, but not allowed.", "PERMISSION_DENIED",
        "You do not have the permission this needs.", {"permission": "fleet.vehicle.create"}, (),
    ),
    "NotFound": (
        404, "Not there, or not the caller's: the two look alike.",
        "NOT_FOUND", "There is nothing under this id.", {}, (),
    ),
    "Conflict": (
        409, "Not possible in the current state.",
        "CONFLICT", "This is not possible in the current state.", {}, (),
    ),
    "TooLarge": (
        413, "The body is larger than this operation takes.",
        "PAYLOAD_TOO_LARGE", "The request body is too large.", {}, (),
    ),
    "NotThisMedia": (
        415, "The body is compressed, or of another type.", "UNSUPPORTED_MEDIA_TYPE",
        "The request body is of a type that is not understood here.",
        {"field": "Content-Type", "issue": "must be application/json"}, (),
    ),
    "Refused": (
        422, "Understood, but against a rule; or the key came with another request before.",
        "IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used for a different request.", {}, (),
    ),
    "Busy": (
        429, "Over a limit.", "RATE_LIMIT_EXCEEDED", "Too many requests",
        {"limit": 1000, "window": "1h", "retry_after": 3600},
        ("Retry-After", "RateLimit-Limit", "RateLimit-Remaining"),
    ),
    "Bug": (
        500, "Our fault; the request id finds it in our logs.",
        "INTERNAL_ERROR", "Something went wrong on our side.", {}, (),
    ),
    "Unavailable": (
        503, "Something this needs is down or silent; the same request may succeed later.",
        "SERVICE_UNAVAILABLE", "We're experiencing issues. Please try again shortly.", {},
        ("Retry-After",),
    ),
}  # fmt: skip


def document(version: str, endpoints: list[Endpoint]) -> dict[str, Any]:
    """The whole OpenAPI 3.1 document, as JSON's own types."""
    shown, schemas = _schemas(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in sorted(endpoints, key=lambda e: (e.path, e.method)):
        operation = _operation(endpoint, shown)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Fahrwerk",
            "version": version,
            "description": _ABOUT.strip(),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [_tag(name) for name in sorted({e.tag for e in endpoints})],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": {"Tenant": _TENANT, "IdempotencyKey": _KEY},
            "headers": _HEADERS,
            "responses": {name: _error(*about) for name, about in _ERRORS.items()},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The access token of a log-in, good for an hour.",
                },
                "refresh_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The refresh token of a log-in, good for one use.",
                },
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-fahrwerk",
                    "description": "Of a browser, set by `POST /session`; never below `/api/`.",
                },
            },
        },
    }


def _tag(name: str) -> dict[str, str]:
    about = inspect.getdoc(sys.modules.get(f"fahrwerk.{name}")) or ""
    return {"name": name, "description": about.partition("\n")[0] or "What keeps it running."}


def _error(
    status: int, about: str, code: str, message: str, details: Any, headers: tuple[str, ...]
) -> dict[str, Any]:
    error = {"code": code, "message": message, "details": details, "request_id": "req_123456"}
    return {
        "description": about,
        "headers": _headers("X-Request-ID", *headers),
        "content": {
            "application/json": {
                "schema": {"$ref": _REFS.format(name="ErrorBody")},
                "example": {"error": error},
            }
        },
    }


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _operation(endpoint: Endpoint, shown: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    summary, about = _words(endpoint)
    operation: dict[str, Any] = {
        "operationId": operation_id(endpoint),
        "tags": [endpoint.tag],
        "summary": summary,
        "description": about,
        "security": _security(endpoint),
        "parameters": _parameters(endpoint),
    }
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": endpoint.is_body_required,
            "content": {"application/json": {"schema": shown[endpoint.body]}},
        }
    elif endpoint.raw_body is not None:
        operation["requestBody"] = endpoint.raw_body
    operation["responses"] = _responses(endpoint, shown)
    if endpoint.permission:
        operation["x-permission"] = endpoint.permission
    if endpoint.limit:
        operation["x-rate-limit"] = endpoint.limit
    return operation


_OWN_NAME = re.compile(r"/(\w+)s/\{\1(_id)?\}")


def _main_path(endpoint: Endpoint) -> str:
    """The path that gives an endpoint its name.

    Not a short form (C-49); and not a view: ``/vehicles/{vehicle_id}`` comes before
    ``/scooters/{vehicle_id}`` (C-01), because it names its ids after itself.
    """
    return min(
        endpoint.paths,
        key=lambda p: (not p.startswith("/api/v1/"), not _OWN_NAME.search(p), len(p), p),
    )


def operation_id(endpoint: Endpoint) -> str:
    """``rentals_book``: stays the same for as long as the endpoint does."""
    name = f"{endpoint.tag}_{endpoint.name}"
    if endpoint.path == _main_path(endpoint):
        return name
    _, first, *rest = endpoint.path.split("/")
    return f"{name}_{rest[1]}" if first == "api" else f"{name}_short"


_NUMBERS = re.compile(r"\s*\([A-Z]{1,3}-\d[^)]*\)")


def _words(endpoint: Endpoint) -> tuple[str, str]:
    """Summary and description from the docstring; without requirement numbers in the summary."""
    about = endpoint.doc.replace("``", "`")
    first = " ".join(about.split("\n\n")[0].split())
    sentence = re.split(r"(?<=[.!?]) ", _NUMBERS.sub("", first))[0]
    if endpoint.path != (main := _main_path(endpoint)):
        about += f"\n\nThe same as `{endpoint.method} {main}`."
    return sentence.rstrip("."), about


def _security(endpoint: Endpoint) -> list[dict[str, list[str]]]:
    if endpoint.page is True:
        return [{"cookie": []}] if endpoint.permission else []
    if endpoint.permission:
        return [{"bearer": []}]
    has_own = any(each.name.lower() == "authorization" for each in endpoint.parameters)
    return [{"refresh_token": []}] if has_own else []


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    # Headers are documented once for all; what remains is the endpoint's own.
    own = [_parameter(each) for each in endpoint.parameters if each.place != "header"]
    names = ["Tenant"] if endpoint.limit else []
    names += ["IdempotencyKey"] if endpoint.is_keyed else []
    return own + [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _parameter(argument: Argument) -> dict[str, Any]:
    schema = _tidy(msgspec.json.schema(argument.kind), {})
    if argument.default is not None:
        schema["default"] = argument.default
    return {
        "name": argument.name,
        "in": argument.place,
        "required": argument.is_required,
        **({"description": argument.about} if argument.about else {}),
        "schema": schema,
    }


def _responses(endpoint: Endpoint, shown: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    headers = ["X-Request-ID"]
    headers += ["RateLimit-Limit", "RateLimit-Remaining"] if endpoint.limit else []
    headers += ["Idempotent-Replayed"] if endpoint.is_keyed else []
    headers += ["ETag"] if endpoint.is_conditional else []
    success: dict[str, Any] = {
        "description": HTTPStatus(endpoint.status).phrase,
        "headers": _headers(*headers),
    }
    if endpoint.answer is not None:
        # Of bytes the media type says it all.
        schema = {} if endpoint.answer is bytes else shown[endpoint.answer]
        success["content"] = {endpoint.media: {"schema": schema}}
    responses = {str(endpoint.status): success}
    for status, kind in endpoint.others.items():
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "headers": _headers(*headers),
            "content": {endpoint.media: {"schema": shown[kind]}},
        }
    if endpoint.is_conditional:
        responses["304"] = {
            "description": "The client has it already (`If-None-Match`).",
            "headers": _headers("X-Request-ID", "ETag"),
        }
    for name in _errors_of(endpoint):
        responses[str(_ERRORS[name][0])] = {"$ref": f"#/components/responses/{name}"}
    return responses


_STATUS = re.compile(r"\b(?:4\d\d|503)\b")


def _errors_of(endpoint: Endpoint) -> list[str]:
    """Which errors an endpoint can answer with: by what it declares and what its docstring says."""
    names = {"Invalid", "Bug", "Unavailable"}
    names |= {"Unauthenticated", "Forbidden"} if endpoint.permission else set()
    names |= {"Unauthenticated"} if _security(endpoint) else set()
    names |= {"NotFound", "Busy"} if endpoint.limit else set()
    names |= {"Conflict", "Refused"} if endpoint.method in WRITES else set()
    names |= {"TooLarge", "NotThisMedia"} if endpoint.body or endpoint.raw_body else set()
    told = set(_STATUS.findall(endpoint.doc))
    names |= {name for name, about in _ERRORS.items() if str(about[0]) in told}
    return sorted(names, key=lambda name: _ERRORS[name][0])


def _schemas(endpoints: list[Endpoint]) -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """A reference for each body and answer, and the components they refer to."""
    kinds: dict[Any, None] = {ErrorBody: None}
    for endpoint in endpoints:
        kinds |= dict.fromkeys((endpoint.body, endpoint.answer, *endpoint.others.values()))
    wanted = [kind for kind in kinds if kind is not None and kind is not bytes]
    references, components = msgspec.json.schema_components(wanted, ref_template=_REFS)
    renamed = {name: _short(name) for name in components}
    if len(set(renamed.values())) < len(renamed):
        twice = [name for name, count in Counter(renamed.values()).items() if count > 1]
        raise RuntimeError(f"two structs of one room are both called {', '.join(twice)}")
    return (
        {
            kind: _tidy(reference, renamed)
            for kind, reference in zip(wanted, references, strict=True)
        },
        {renamed[name]: _tidy(schema, renamed) for name, schema in sorted(components.items())},
    )


def _short(name: str) -> str:
    """``FleetLocation`` for ``fahrwerk.fleet.http.Location``: there are several of that name."""
    parts = name.split(".")
    return name if len(parts) == 1 else f"{parts[1].title()}{parts[-1]}"


def _tidy(schema: Any, renamed: dict[str, str]) -> Any:
    """References by their short names; decimals as they are really taken; prose as Markdown."""
    if isinstance(schema, list):
        return [_tidy(each, renamed) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return schema | {"$ref": _REFS.format(name=renamed[name])}
    tidy = {
        key: value if key in ("enum", "const", "default", "examples") else _tidy(value, renamed)
        for key, value in schema.items()
    }
    if isinstance(about := tidy.get("description"), str):
        tidy["description"] = about.replace("``", "`")
    if all(isinstance(each, str) for each in schema.get("enum", [None])):
        tidy["type"] = "string"
    if schema.get("format") == "decimal":
        text = {"type": "string", "pattern": r"^-?[0-9]{1,20}(\.[0-9]{1,20})?$"}
        kept = {k: v for k, v in tidy.items() if k not in ("type", "format", "default")}
        if "default" in tidy:
            kept["default"] = float(tidy["default"])
        return kept | {"anyOf": [{"type": "number"}, text]}
    return tidy
