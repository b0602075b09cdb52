"""Cities' policies: read in by staff, and served to the public where we are the city's delegate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, get, post, put
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath, FromQuery, RawBody

from fahrwerk.feeds.contract import policies
from fahrwerk.feeds.contract.policies import DocumentKind
from fahrwerk.feeds.http.agencies import agency_id_of
from fahrwerk.feeds.http.mds import OPEN, AnyRequest, negotiate
from fahrwerk.feeds.protocols import mds_2_0
from fahrwerk.feeds.protocols.mds_policy import MOST_BYTES
from fahrwerk.kernel import clock, web
from fahrwerk.kernel.errors import Invalid


class DocumentShown(msgspec.Struct, frozen=True):
    """One version of what a city published."""

    kind: str
    version: int
    items: int
    origin: str
    received_at: str
    received_by: str


class Documents(msgspec.Struct, frozen=True):
    """A page of versions, newest first."""

    documents: list[DocumentShown]
    pagination: web.Pagination


class ReceivedShown(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a document, and of the zones that enforce it."""

    document: DocumentShown
    is_new: bool
    zones_created: int
    zones_replaced: int
    zones_deleted: int
    zones_unchanged: int


class ReadIn(msgspec.Struct, frozen=True):
    """What was fetched, one for each address of the agency."""

    received: list[ReceivedShown]


class RuleShown(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, and the kind of zone that enforces it; null = it is kept, not enforced."""

    rule_id: UUID
    name: str
    rule_type: str
    enforced_as: str | None
    speed_limit_kmh: int | None
    vehicle_types: list[str]


class PolicyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A policy of a city."""

    policy_id: UUID
    name: str
    description: str
    start_at: str
    end_at: str | None
    is_in_force: bool
    rules: list[RuleShown]


class Policies(msgspec.Struct, frozen=True):
    """A page of policies, in the order they were published."""

    policies: list[PolicyShown]
    pagination: web.Pagination


def _document(found: policies.DocumentVersion) -> DocumentShown:
    about = msgspec.structs.asdict(found) | {"received_at": clock.stamp(found.received_at)}
    return DocumentShown(**about)


def _received(found: policies.Received) -> ReceivedShown:
    about = msgspec.structs.asdict(found) | {"document": _document(found.document)}
    return ReceivedShown(**about)


def _policy(found: policies.PolicyShown) -> PolicyShown:
    about = msgspec.structs.asdict(found)
    about["start_at"] = clock.stamp(found.start_at)
    about["end_at"] = clock.stamp(found.end_at) if found.end_at else None
    about["rules"] = [RuleShown(**msgspec.structs.asdict(each)) for each in found.rules]
    return PolicyShown(**about)


@dataclass
class _TakesMds(Operation):
    """Says in the OpenAPI document that the body is a document of MDS."""

    def __post_init__(self) -> None:
        what = Schema(type=OpenAPIType.OBJECT, description="As the city publishes it (MDS 2.0).")
        content = {"application/json": OpenAPIMediaType(schema=what)}
        self.request_body = RequestBody(content=content, required=True)


@put(
    "/api/v1/feeds/agencies/{agency_id:str}/documents/{kind:str}",
    operation_class=_TakesMds,
    permission="feeds.agency.write",
    request_max_body_size=MOST_BYTES,
    body_bytes=MOST_BYTES,
    tags=["feeds"],
)
async def put_document(
    call: web.Caller, agency_id: FromPath[str], kind: FromPath[DocumentKind], body: RawBody
) -> ReceivedShown:
    """Read in a city's ``policies``, ``geographies`` or ``jurisdictions`` as MDS 2.0 has them.

    Geographies first. What policies forbid is enforced at once, as zones; a document with a mistake
    changes nothing. Body: the JSON of the city, at most 8 MB.
    """
    return _received(await policies.put_document(call, agency_id_of(agency_id), kind, body))


@get(
    "/api/v1/feeds/agencies/{agency_id:str}/documents/{kind:str}",
    permission="feeds.agency.read", tags=["feeds"],
)  # fmt: skip
async def list_documents(
    call: web.Caller, agency_id: FromPath[str], kind: FromPath[DocumentKind],
    limit: FromQuery[web.Limit] = 50, offset: FromQuery[web.Offset] = 0,
) -> Documents:  # fmt: skip
    """All versions of a city's document, newest first."""
    page = await policies.document_versions(call, agency_id_of(agency_id), kind, limit, offset)
    shown = [_document(each) for each in page.documents]
    return Documents(shown, web.pagination(page.total, limit, offset, len(shown)))


@get(
    "/api/v1/feeds/agencies/{agency_id:str}/policies",
    permission="feeds.agency.read", tags=["feeds"],
)  # fmt: skip
async def list_policies(
    call: web.Caller, agency_id: FromPath[str], limit: FromQuery[web.Limit] = 50,
    offset: FromQuery[web.Offset] = 0,
) -> Policies:  # fmt: skip
    """A city's policies and which of their rules are enforced."""
    page = await policies.policies(call, agency_id_of(agency_id), limit, offset)
    shown = [_policy(each) for each in page.policies]
    return Policies(shown, web.pagination(page.total, limit, offset, len(shown)))


@post(
    "/api/v1/feeds/agencies/{agency_id:str}/read",
    permission="feeds.agency.write", status_code=200, tags=["feeds"],
)  # fmt: skip
async def read_agency(call: web.Caller, agency_id: FromPath[str]) -> ReadIn:
    """Fetch a city's documents now, instead of within ten minutes."""
    found = await policies.read_agency(call, agency_id_of(agency_id))
    return ReadIn([_received(each) for each in found])


handlers = [put_document, list_documents, list_policies, read_agency]


def _millis(request: AnyRequest, field: str) -> int | None:
    text = request.query_params.get(field)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise Invalid(field=field, issue="must be milliseconds since 1970")
    return int(text)


def _flag(request: AnyRequest, field: str) -> bool:
    text = request.query_params.get(field, "false").lower()
    if text not in ("true", "false"):
        raise Invalid(field=field, issue="must be true or false")
    return text == "true"


def _uuid(text: str | None, field: str) -> UUID | None:
    try:
        return UUID(text) if text is not None else None
    except ValueError:
        raise Invalid(field=field, issue="must be a UUID") from None


async def _published(
    call: web.Caller, request: AnyRequest, slug: str, agency: str, kind: str, item: str | None
) -> Response[bytes]:
    negotiate(request, mds_2_0.JSON)
    wanted = policies.Wanted(
        item_id=_uuid(item or request.query_params.get("policy_id"), "id"),
        start=_millis(request, "start_date"),
        end=_millis(request, "end_date"),
        only_updated=_flag(request, "last_updated"),
        only_active=_flag(request, "active_only"),
    )
    body = await policies.published(call, slug, agency, kind, wanted)
    headers: dict[str, Any] = {
        "cache-control": "public, max-age=60", "access-control-allow-origin": "*",
    }  # fmt: skip
    return Response(body, media_type=mds_2_0.JSON, headers=headers)


@get(
    "/mds/{slug:str}/agencies/{agency:str}/{kind:str}",
    permission=None, public=True, conditional=True, **OPEN,
)  # fmt: skip
async def published(
    call: web.Caller, request: AnyRequest, slug: FromPath[str], agency: FromPath[str],
    kind: FromPath[str],
) -> Response[bytes]:  # fmt: skip
    """MDS Policy, Geography and Jurisdiction of a city that we publish for."""
    return await _published(call, request, slug, agency, kind, None)


@get(
    "/mds/{slug:str}/agencies/{agency:str}/{kind:str}/{item_id:str}",
    permission=None, public=True, conditional=True, **OPEN,
)  # fmt: skip
async def published_one(
    call: web.Caller, request: AnyRequest, slug: FromPath[str], agency: FromPath[str],
    kind: FromPath[str], item_id: FromPath[str],
) -> Response[bytes]:  # fmt: skip
    """One policy, geography or jurisdiction."""
    return await _published(call, request, slug, agency, kind, item_id)


public_handlers = [published, published_one]
