"""The API as a contract: what the requirements name is there, and the document tells the truth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from fahrwerk.identity.rules import permissions_of
from fahrwerk.kernel import web
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.settings import ROOMS
from tests.openapi import Operation, document, everything, operations, parameters, resolved
from tests.world import World

READS, WRITES = ("get",), ("post", "put", "patch", "delete")

# The "Endpoint index" of the requirements, as far as it is built: method, path, who may.
INDEX = (
    ("post", "/api/v1/auth/login", "none"),
    ("post", "/api/v1/auth/refresh", "refresh token"),
    ("get", "/api/v1/users/me", "user"),
    ("get", "/api/v1/scooters", "user"),
    ("post", "/api/v1/scooters", "staff"),
    ("get", "/api/v1/scooters/{}", "user"),
    ("post", "/api/v1/rentals", "user"),
    ("get", "/api/v1/rentals/{}/status", "user"),
    ("post", "/api/v1/rentals/{}/end", "user"),
    ("post", "/api/v1/payments", "user"),
    ("get", "/vehicles/search", "user"),
    ("post", "/bookings", "user"),
    ("post", "/bookings/{}/confirm-payment", "user"),
    ("post", "/vehicles/{}/unlock", "user"),
    ("get", "/fleet/available", "user"),
    ("get", "/pricing/batch", "user"),
    ("get", "/portal/balance/stream", "user"),
    ("get", "/health", "none"),
    ("get", "/ready", "none"),
)
ROLES = {"user": {"customer", "business_user", "admin"}, "staff": {"provider", "admin"}}
"""Who may, in the roles that exist out of the box (IDN-27, IDN-28)."""

PUBLIC = {
    "identity_log_in": "to become somebody",
    "identity_register": "to become somebody",
    "identity_refresh": "has a token of its own",
    "identity_second_factor": "has a challenge",
    "identity_set_up_second_factor": "has a challenge",
    "identity_ask_magic_link": "to become somebody",
    "identity_log_in_by_link": "has a link",
    "identity_forgot_password": "to become somebody",
    "identity_reset_password": "has a link",
    "identity_use_link": "has a link",
    "identity_begin_passkey_login": "to become somebody",
    "identity_passkey_login": "to become somebody",
    "identity_begin_page_session": "to become somebody, in a browser",
    "identity_finish_page_session": "has a challenge",
    "identity_end_page_session": "whoever has no session has nothing to end",
    "identity_list_sso_choices": "to become somebody",
    "identity_start_sso": "to become somebody",
    "identity_redeem_sso_code": "has a code",
    "identity_log_in_by_directory": "to become somebody",
    "tenancy_own_tenant": "what everybody may know of an operator",
    "tenancy_brand_here": "what everybody sees of an operator",
    "tenancy_get_logo": "what everybody sees of an operator",
    "payments_post_webhook": "signed by the gateway",
    "payments_post_operators_webhook": "signed by the gateway",
    "rentals_receipt_as_page": "for who has its link",
    "notifications_mailbox_json": "in development only",
    "operations_health": "a probe",
    "operations_ready": "a probe",
    "feeds_check": "open data",
    "feeds_manifest": "open data",
    "feeds_feed": "open data",
}
"""All that is open to everybody, and why: a new one is a decision."""

WHOLE = {
    "site_get_system_health": "as many as there are rooms and jobs in this build",
    "tenancy_list_areas": "at most 500 cities",
    "tenancy_list_brands": "at most 50",
    "tenancy_list_domains": "at most 50",
    "tenancy_list_markets": "rules by hand: a few a year",
    "tenancy_get_setup": "ten steps",
    "feeds_list_checks": "a row an hour of a week, for each feed",
    "site_list_views": "at most 50 of one person, and 500 in all",
    "identity_list_permissions": "as many as there are in this build",
    "identity_own_birth_date": "the ages of an operator's markets",
    "identity_get_grants": "at most 50 of one person",
    "identity_list_audit": "by cursor: the log grows while it is read",
    "identity_gdpr_consents": "five purposes",
    "identity_gdpr_consents_privacy": "five purposes",
    "identity_list_users_consents": "five purposes",
    "identity_gdpr_consent_history": "the newest of one person, by limit",
    "identity_gdpr_delete_check": "at most seven reasons",
    "identity_check_users_erasure": "at most seven reasons",
    "identity_gdpr_processing": "as many as the rooms of this build have",
    "identity_read_retention": "as many as the rooms of this build have",
    "identity_write_retention": "as many as the rooms of this build have",
    "identity_list_sessions": "the newest 200 of one person",
    "identity_list_users_sessions": "the newest 200 of one person",
    "identity_list_passkeys": "at most 25 of one person",
    "identity_list_checks": "the newest 50 of one person",
    "identity_list_users_checks": "the newest 50 of one person",
    "identity_read_policy": "at most 50 roles",
    "payments_list_methods": "at most 20 for one rider",
    "payments_list_accounts": "one for each gateway",
    "payments_get_trial_balance": "one line for each code and currency",
    "payments_get_revenue": "one for each period, at most 400",
    "payments_list_entries": "by cursor: an account's entries grow while they are read",
    "payments_get_journal": "at most 40 lines",
    "payments_list_own_mandates": "at most 50 for one rider",
    "payments_get_debt": "a step for each day that something was done, at most 100",
    "payments_get_dunning": "at most 10 steps",
    "payments_get_dispute": "at most 20 pieces of evidence",
    "payments_list_comparisons": "one for each gateway",
    "identity_list_sso_providers": "at most 50 for one operator",
    "identity_list_sso_choices": "at most 50 for one operator",
    "identity_get_sso_provider": "at most 200 rules of one provider",
    "identity_get_sso_test": "the steps of one log-in",
    "identity_list_scim_sources": "at most 20 for one operator",
    "wallet_list_topups": "the newest, by first",
    "wallet_list_transactions": "by cursor: a wallet's list scrolls while it grows (C-50)",
    "wallet_list_any_transactions": "by cursor, like a rider's own",
    "wallet_get_usage": "at most 400 bars",
    "payments_get_risk_limits": "countries: at most 250",
    "payments_put_risk_limits": "countries: at most 250",
    "wallet_post_payouts": "at most 500 drafts a run",
    "pricing_list_tariffs": "one for each of four types of vehicle",
    "pricing_batch": "as many as were asked for, at most 100",
    "notifications_list_notices": "of one rental",
    "rentals_history": "of one rental",
    "rentals_status": "a route of at most 500 points",
    "rentals_search": "the nearest, by limit",
    "fleet_available": "the nearest, by limit",
    "fleet_devices": "of one vehicle",
    "fleet_pairing_status": "four steps",
    "fleet_battery_thresholds": "one for each of four types of vehicle",
    "fleet_battery_plan": "at most 200 stops",
    "fleet_service_intervals": "at most 500 for one operator",
    "fleet_service_standing": "at most three reasons",
    "fleet_ticket": "at most 100 parts and 100 reports",
    "fleet_vehicle_versions": "the newest 200 of one vehicle",
    "fleet_live": "the fleet, in columns: what a map has to show",
    "fleet_history": "at most 2,000 steps",
    "fleet_one_alert": "the newest 500 lines and 100 vehicles of one alert",
    "fleet_alert_rules": "at most 50 for one operator",
    "fleet_groups": "at most 500 for one operator",
    "fleet_issue_accounts": "as many as were asked for, at most 500",
    "fleet_list_silences": "the next 1,000 to end of one operator",
    "fleet_zones_geojson": "all zones of one operator, at most 5,000",
    "fleet_track": "at most 5,000 points, by points",
    "fleet_telemetry_gaps": "the last 4 starts of one device, 32 gaps each",
    "rentals_track": "at most 5,000 points, by points",
    "notifications_mailbox_json": "the newest 200, in development only",
    "feeds_check": "one line for each check",
    "feeds_list_agencies": "at most 200 of one operator",
    "feeds_read_one_agency": "subscriptions: one for each of two modes",
}
"""Lists without pages, and what bounds them."""


def answer_schema(operation: Operation) -> dict[str, Any]:
    """The schema of the answer to a success, or nothing."""
    responses = operation.said["responses"]
    success = responses[next(status for status in responses if status.startswith("2"))]
    content = success.get("content", {}).get("application/json", {})
    return resolved(content.get("schema", {}))


def found_in_index(method: str, path: str) -> Operation:
    shape = re.compile(re.escape(path).replace(r"\{\}", r"\{\w+\}"))
    return next(o for o in operations() if o.method == method and shape.fullmatch(o.path))


@pytest.mark.parametrize(("method", "path", "who"), INDEX)
def test_what_the_requirements_name_is_there(method: str, path: str, who: str) -> None:
    """IDN-28 and the endpoint index: path, method and who may."""
    said = found_in_index(method, path).said
    if who in ROLES:
        assert said["security"] == [{"bearer": []}]
        permission = said["x-permission"]
        may = {
            role
            for role in ("customer", "business_user", "provider", "support", "admin")
            if Call(tenant=None, permissions=permissions_of(frozenset({role}))).may(permission)
        }
        assert may >= ROLES[who]
        assert who != "staff" or not may & {"customer", "business_user", "support"}
    else:
        assert "x-permission" not in said
        assert said["security"] == ([] if who == "none" else [{"refresh_token": []}])


def test_short_forms_are_the_same_endpoints() -> None:
    """C-49: every path without the prefix has its long form, and says the same of itself."""
    long = {(o.method, o.path): o for o in operations()}
    aliases = [
        o for o in operations() if not o.path.startswith("/api/") and o.name.endswith("_short")
    ]
    assert {o.path for o in aliases} >= {
        *("/vehicles/search", "/bookings", "/bookings/{booking_id}/confirm-payment"),
        *("/vehicles/{vehicle_id}/unlock", "/fleet/available", "/pricing/batch"),
    }
    for alias in aliases:
        same = long[alias.method, f"/api/v1{alias.path}"]
        for key in alias.said.keys() - {"operationId", "description"}:
            assert alias.said[key] == same.said[key], f"{alias.path}: {key}"


def test_the_version_stands_in_front() -> None:
    """API-01, C-49: what is not below /api/v1 is a short form, a probe, a page or another API."""
    others = {o.path for o in operations() if not o.path.startswith("/api/v1/")}
    others -= {o.path for o in operations() if o.name.endswith("_short")}
    assert {path.split("/")[1] for path in others} <= {
        *("health", "ready", "receipts", "dev", "gbfs", "session"),
    }


def test_the_document_is_valid_openapi() -> None:
    """API-11: against the published schema of OpenAPI 3.1; every reference leads somewhere."""
    errors = list(jsonschema_rs.validator_for(OPENAPI_31).iter_errors(document()))
    assert not errors, [f"{e.instance_path}: {e.message}"[:300] for e in errors[:5]]
    for node in everything(document()):
        if "$ref" in node:
            assert resolved(node)


def samples() -> Iterator[tuple[dict[str, Any], Any]]:
    """Each example and default of the document, with its schema."""
    for node in everything(document()):
        if "schema" in node and "example" in node:
            yield node["schema"], node["example"]
        for example in node.get("examples", ()):
            yield node, example
        if "default" in node:
            yield node, node["default"]


def test_schemas_are_valid_and_so_are_their_examples() -> None:
    """What a reader copies from the document works; so do defaults."""
    components = {"schemas": document()["components"]["schemas"]}
    shown = [node["schema"] for node in everything(document()) if "schema" in node]
    for schema in [*components["schemas"].values(), *shown]:
        jsonschema_rs.meta.validate(schema)
    tried = 0
    for schema, example in samples():
        whole = {"$ref": "#/here", "here": schema, "components": components}
        assert jsonschema_rs.is_valid(whole, example), f"{example!r} is not {schema}"
        tried += 1
    assert tried > 50


def test_names_are_stable_and_words_are_there() -> None:
    """An SDK's functions are named after these; a reader finds what each does."""
    names = [o.name for o in operations()]
    assert len(names) == len(set(names))
    assert {*names} >= {
        *("rentals_book", "rentals_book_short", "rentals_start", "identity_log_in"),
        *("fleet_vehicle", "fleet_vehicle_scooters", "operations_health"),
    }
    tags = {tag["name"]: tag["description"] for tag in document()["tags"]}
    assert tags.keys() <= {*ROOMS, "operations"}
    assert all(tags.values())
    for operation in operations():
        said, [tag] = operation.said, operation.said["tags"]
        assert re.fullmatch(rf"{tag}_[a-z0-9_]+", operation.name)
        assert 0 < len(said["summary"]) <= 120, operation.path
        assert not re.search(r"\([A-Z]{1,3}-\d", said["summary"]), said["summary"]
        assert said["description"]
        assert "``" not in said["description"]


def test_nobody_is_let_in_by_forgetting() -> None:
    """IDN-28: a permission, or public on purpose; and no security is asked of what is public."""
    for operation in operations():
        is_open = "x-permission" not in operation.said
        assert is_open == (operation.name.removesuffix("_short") in PUBLIC), operation.name
        wanted: list[Any] = [] if is_open else [{"bearer": []}]
        if operation.name == "identity_refresh":
            wanted = [{"refresh_token": []}]
        if operation.name == "identity_renew_page_access":
            wanted = [{"cookie": []}]
        assert operation.said["security"] == wanted


def test_errors_are_documented_in_the_one_format() -> None:
    """API-02: with the envelope's schema, an example and the request id."""
    for operation in operations():
        statuses = operation.said["responses"].keys()
        # A refund or reversal above the limit is 202: it waits for a second person.
        two = operation.name in ("payments_post_refund", "payments_post_reversal")
        assert len([s for s in statuses if s.startswith("2")]) == 1 + two
        needed = {"400", "500", "503"}
        needed |= {"401", "403"} if operation.said["security"] == [{"bearer": []}] else set()
        needed |= {"404"} if "{" in operation.path else set()
        needed |= {"413", "415"} if "requestBody" in operation.said else set()
        needed |= {"429"} if "x-rate-limit" in operation.said else set()
        assert statuses >= needed, operation.name
        for status, response in operation.said["responses"].items():
            assert "X-Request-ID" in resolved(response)["headers"]
            if status >= "400":
                content = resolved(response)["content"]["application/json"]
                assert content["schema"] == {"$ref": "#/components/schemas/ErrorBody"}
                assert content["example"]["error"]["request_id"]


def test_headers_are_documented_once_for_all() -> None:
    """TEN-02, API-14: the operator, and the key of a write; nothing else comes in headers."""
    for operation in operations():
        known = parameters(operation)
        headers = {name for name, each in known.items() if each["in"] == "header"}
        assert headers <= {"X-Tenant-ID", "Idempotency-Key"}
        assert ("X-Tenant-ID" in headers) == ("x-rate-limit" in operation.said)
        assert operation.method in WRITES or "Idempotency-Key" not in headers
        named = set(re.findall(r"\{(\w+)\}", operation.path))
        assert named == {name for name, each in known.items() if each["in"] == "path"}
    for method, path in (("post", "/bookings"), ("post", "/api/v1/payments"),
                         ("post", "/api/v1/rentals/{}/end")):  # fmt: skip
        assert "Idempotency-Key" in parameters(found_in_index(method, path))
    assert "Idempotency-Key" not in parameters(found_in_index("post", "/api/v1/auth/login"))


def test_reports_have_the_limit_of_reports() -> None:
    """API-23, C-46: what reckons over a period, and what exports one; nothing else has it."""
    reports = {
        each.path for each in operations() if each.said.get("x-rate-limit") == "analytics"
    }  # fmt: skip
    assert reports == {
        "/api/v1/books/accounts/{account_id}/entries",
        "/api/v1/books/accounts/{account_id}/entries.csv",
        "/api/v1/books/revenue",
        "/api/v1/books/trial-balance",
        "/api/v1/books/trial-balance.csv",
        "/api/v1/maintenance/downtime",
        "/api/v1/wallet/statistics",
        "/api/v1/wallet/transactions/export",
        "/api/v1/wallet/usage",
    }


def test_every_list_has_pages_or_a_bound() -> None:
    """API-07: limit 1 to 100, 50 by itself; offset from 0; pagination in the answer."""
    for operation in operations():
        properties = answer_schema(operation).get("properties", {})
        holds_list = any(p.get("type") == "array" for p in properties.values())
        if operation.method not in READS or not holds_list or "roles" in properties:
            continue
        known, name = parameters(operation), operation.name.removesuffix("_short")
        if name in WHOLE:
            assert "pagination" not in properties
            continue
        assert {"limit", "offset"} <= known.keys(), f"{name}: no pages, not in WHOLE"
        limit, offset = known["limit"]["schema"], known["offset"]["schema"]
        assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 100, 50)
        assert (offset["minimum"], offset["default"]) == (0, 0)
        assert resolved(properties["pagination"])["required"] == [
            *("total", "limit", "offset", "has_more")
        ]


async def test_the_document_and_its_page_are_served(world: World) -> None:
    """API-11: to everybody, from this origin only; and nothing beside them."""
    async with world.client() as client:
        served = await client.get(web.DOCUMENT)
        assert served.json() == document()
        page = await client.get("/api/docs")
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        parts = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
        assert len(parts) >= 4
        for part in parts:
            assert (await client.get(part)).status_code == 200
        for nothing in ("/api", "/api/", "/api/schema", "/api/openapi.yaml", "/api/swagger"):
            answer = await client.get(nothing)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_without_a_token_nothing_protected_answers(world: World) -> None:
    """IDN-10, C-47: 401 at every operation that is not public, before anything is looked at."""
    async with world.client() as client:
        for operation in operations():
            if operation.said["security"] != [{"bearer": []}]:
                continue
            path = re.sub(r"\{\w+\}", "anything", operation.path)
            answer = await client.request(operation.method, path, content=b"{not json")
            assert answer.status_code == 401, f"{operation.path}: {answer.text}"
            assert answer.json()["error"]["details"] == {"token_expired": False}


@pytest.mark.parametrize("role", ["customer", "provider", "support", "admin", "nobody"])
async def test_without_the_permission_nothing_answers(world: World, role: str) -> None:
    """IDN-26..28: 403 wherever the role does not have what the document says is needed."""
    call = world.call(role)
    async with world.client(call) as client:
        for operation in operations():
            permission = operation.said.get("x-permission", "")
            if operation.said["security"] != [{"bearer": []}] or call.may(permission):
                continue
            path = re.sub(r"\{\w+\}", "anything", operation.path)
            answer = await client.request(operation.method, path, content=b"{not json")
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (403, "PERMISSION_DENIED"), operation.path
            assert error["details"] == {"permission": permission}
