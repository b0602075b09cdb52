"""SCIM 2.0 (RFC 7643, 7644) for directories, at ``/scim/v2``.

The one place where errors are not in the house's format: SCIM has its own (RFC 7644, 3.12), and
directories understand only that. The standard describes itself at ``/scim/v2/Schemas``, so the
OpenAPI document does not list it. A directory is known by its bearer token alone.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, patch, post, put, route
from litestar.params import FromPath, HeaderParameter, QueryParameter, RawBody

from fahrwerk.identity.contract import scim as identity
from fahrwerk.identity.queries.scim_filter import PREFIX
from fahrwerk.identity.rules.scim_schema import (
    CORE,
    KINDS,
    SCHEMAS,
    described,
    limited,
    refuse,
)
from fahrwerk.kernel import ids, settings, web
from fahrwerk.kernel.asgi import Headers
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Invalid, NotFound, Problem

API = "urn:ietf:params:scim:api:messages:2.0"
MEDIA = "application/scim+json"
MOST_SHOWN = 200
Text = Annotated[str, QueryParameter(max_length=4000)]
Attributes = Annotated[str, QueryParameter(name="attributes", max_length=4000)]
Excluded = Annotated[str, QueryParameter(name="excludedAttributes", max_length=4000)]
Bearer = Annotated[str, HeaderParameter(name="Authorization", required=False)]
IfMatch = Annotated[str, HeaderParameter(name="If-Match", required=False)]
IfNoneMatch = Annotated[str, HeaderParameter(name="If-None-Match", required=False)]
_STATUS = {"Stale": 412, "NotUnique": 409}


def _answer(body: Any, status: int = 200) -> Response[bytes]:
    headers = {}
    if isinstance(body, dict) and isinstance(body.get("meta"), dict):
        meta = body["meta"]
        headers = {"location": meta["location"]}
        if "version" in meta:
            headers["etag"] = meta["version"]
    return Response(
        msgspec.json.encode(body), status_code=status, media_type=MEDIA, headers=headers
    )


def refusal(status: int, text: str, details: dict[str, Any]) -> tuple[int, Headers, bytes]:
    """A refusal as directories understand it (RFC 7644, 3.12): limits and sizes are said so too."""
    said = {"schemas": [f"{API}:Error"], "status": str(status), "detail": text}
    if scim_type := details.get("scim_type"):
        said["scimType"] = str(scim_type)
    body = msgspec.json.encode(said)
    headers = [(b"content-type", MEDIA.encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if "retry_after" in details:
        headers.append((b"retry-after", str(details["retry_after"]).encode()))
    return status, headers, body


def _refused(problem: Problem) -> Response[bytes]:
    status = _STATUS.get(type(problem).__name__, problem.status)
    status, headers, body = refusal(status, problem.text, problem.details)
    known = {name.decode(): value.decode() for name, value in headers}
    return Response(body, status_code=status, media_type=MEDIA, headers=known)


async def _admitted(call: Call, authorization: str) -> tuple[Call, identity.ScimAccess]:
    """The call as the directory makes it, whose token this is."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise identity.WrongToken
    access = await identity.admit_scim(call, token.strip())
    name = f"scim/{ids.public('scs', access.source_id)}"
    there = msgspec.structs.replace(
        call, tenant=access.tenant, tenant_slug=access.tenant_slug, user=None, service=name
    )
    return there, access


def _read(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise refuse("the body is not JSON", "invalidSyntax") from None
    if not isinstance(found, dict):
        raise refuse("the body is not an object", "invalidSyntax")
    return found


def _kind(name: str) -> str:
    kinds = {"users": "User", "groups": "Group"}
    if name.lower() not in kinds:
        raise NotFound("There is no such resource type.")
    return kinds[name.lower()]


def _id(kind: str, text: str) -> Any:
    try:
        return ids.parse(text, PREFIX[kind])
    except NotFound:
        raise identity.NoResource from None


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name.strip()][:100]


def _number(text: str, default: int, least: int, most: int) -> int:
    try:
        return min(max(int(text[:10]), least), most) if text else default
    except ValueError:
        raise refuse("startIndex and count are numbers") from None


async def _list(
    call: Call, source: Any, kinds: list[str], asked: dict[str, Any]
) -> Response[bytes]:
    """A ListResponse; over several kinds, one after the other."""
    start = _number(str(asked.get("startIndex") or ""), 1, 1, 10_000_000)
    count = _number(str(asked.get("count", "")), 100, 0, MOST_SHOWN)
    wanted, unwanted = asked.get("attributes") or [], asked.get("excludedAttributes") or []
    found: list[dict[str, Any]] = []
    total = 0
    for kind in kinds:
        begin, left = max(1, start - total), count - len(found)
        search = identity.ScimSearch(filter=str(asked.get("filter") or ""), start=begin, count=left)
        page = await identity.scim_found(call, source, kind, search)
        total += page.total
        found += [limited(kind, each, wanted, unwanted) for each in page.resources]
    return _answer(
        {
            "schemas": [f"{API}:ListResponse"], "totalResults": total, "startIndex": start,
            "itemsPerPage": len(found), "Resources": found,
        }
    )  # fmt: skip


@get(
    "/scim/v2/{kind:str}",
    permission=None,
    public=True,
    limit="scim",
    refuses_as=refusal,
    include_in_schema=False,
)
async def list_resources(
    call: web.Caller,
    request: Request[Any, Any, Any],
    kind: FromPath[str],
    authorization: Bearer = "",
) -> Response[bytes]:
    """``/Users`` and ``/Groups``, with ``filter``, ``startIndex`` and ``count``; or a description
    of this service."""
    try:
        if (told := _about(kind)) is not None:
            return told
        call, access = await _admitted(call, authorization)
        asked: dict[str, Any] = dict(request.query_params)
        for name in ("attributes", "excludedAttributes"):
            asked[name] = _names(str(asked.get(name, "")))
        return await _list(call, access.source_id, [_kind(kind)], asked)
    except Problem as problem:
        return _refused(problem)


@post(
    "/scim/v2/.search",
    permission=None,
    public=True,
    limit="scim",
    refuses_as=refusal,
    include_in_schema=False,
)
async def search_all(
    call: web.Caller, body: RawBody, authorization: Bearer = ""
) -> Response[bytes]:
    """Users and groups by a SearchRequest in the body (RFC 7644, 3.4.3)."""
    return await _search(call, authorization, ["User", "Group"], body)


@post(
    "/scim/v2/{kind:str}/.search",
    permission=None,
    public=True,
    limit="scim",
    refuses_as=refusal,
    include_in_schema=False,
)
async def search_kind(
    call: web.Caller, kind: FromPath[str], body: RawBody, authorization: Bearer = ""
) -> Response[bytes]:
    """The same among users or groups."""
    try:
        return await _search(call, authorization, [_kind(kind)], body)
    except Problem as problem:
        return _refused(problem)


async def _search(call: Call, authorization: str, kinds: list[str], body: bytes) -> Response[bytes]:
    try:
        call, access = await _admitted(call, authorization)
        asked = _read(body)
        for name in ("attributes", "excludedAttributes"):
            names = asked.get(name) or []
            if not isinstance(names, list):
                raise refuse(f"{name} must be a list")
            asked[name] = [str(each) for each in names[:100]]
        answer = await _list(call, access.source_id, kinds, asked)
    except Problem as problem:
        return _refused(problem)
    return answer


@post(
    "/scim/v2/{kind:str}",
    permission=None,
    public=True,
    limit="scim",
    refuses_as=refusal,
    unkeyed=True,
    include_in_schema=False,
)
async def add_resource(
    call: web.Caller, kind: FromPath[str], body: RawBody, authorization: Bearer = ""
) -> Response[bytes]:
    """Make a user or group."""
    try:
        if _about(kind) is not None:
            return _refused(_NotHere())
        call, access = await _admitted(call, authorization)
        chosen = _kind(kind)
        made = await identity.save_scim_resource(
            call, access.source_id, chosen, None, _read(body), ""
        )
        return _answer(made, 201)
    except Problem as problem:
        return _refused(problem)


@get(
    "/scim/v2/{kind:str}/{resource:str}",
    permission=None,
    public=True,
    limit="scim",
    refuses_as=refusal,
    include_in_schema=False,
)
async def get_resource(
    call: web.Caller,
    kind: FromPath[str],
    resource: FromPath[str],
    wanted: Attributes = "",
    unwanted: Excluded = "",
    authorization: Bearer = "",
    if_none_match: IfNoneMatch = "",
) -> Response[bytes]:
    """One user or group; 304 where the directory has this version already."""
    try:
        if _about(kind) is not None:
            return _described(kind, resource)
        call, access = await _admitted(call, authorization)
        chosen = _kind(kind)
        found = await identity.scim_resource(call, access.source_id, chosen, _id(chosen, resource))
        if found["meta"]["version"] in [each.strip() for each in if_none_match.split(",")]:
            return Response(b"", status_code=304, headers={"etag": found["meta"]["version"]})
        return _answer(limited(chosen, found, _names(wanted), _names(unwanted)))
    except Problem as problem:
        return _refused(problem)


@put(
    "/scim/v2/{kind:str}/{resource:str}",
    permission=None,
    while_suspended=True,
    public=True,
    limit="scim",
    refuses_as=refusal,
    unkeyed=True,
    include_in_schema=False,
)
async def replace_resource(
    call: web.Caller,
    kind: FromPath[str],
    resource: FromPath[str],
    body: RawBody,
    authorization: Bearer = "",
    if_match: IfMatch = "",
) -> Response[bytes]:
    """Replace a user or group."""
    try:
        call, access = await _admitted(call, authorization)
        chosen = _kind(kind)
        return _answer(
            await identity.save_scim_resource(
                call, access.source_id, chosen, _id(chosen, resource), _read(body), if_match
            )
        )
    except Problem as problem:
        return _refused(problem)


@patch(
    "/scim/v2/{kind:str}/{resource:str}",
    permission=None,
    while_suspended=True,
    public=True,
    limit="scim",
    refuses_as=refusal,
    unkeyed=True,
    include_in_schema=False,
)
async def patch_resource(
    call: web.Caller,
    kind: FromPath[str],
    resource: FromPath[str],
    body: RawBody,
    wanted: Attributes = "",
    unwanted: Excluded = "",
    authorization: Bearer = "",
    if_match: IfMatch = "",
) -> Response[bytes]:
    """Change parts of a user or group."""
    try:
        call, access = await _admitted(call, authorization)
        chosen = _kind(kind)
        changed = await identity.patch_scim_resource(
            call, access.source_id, chosen, _id(chosen, resource), _read(body), if_match
        )
        return _answer(limited(chosen, changed, _names(wanted), _names(unwanted)))
    except Problem as problem:
        return _refused(problem)


@delete(
    "/scim/v2/{kind:str}/{resource:str}",
    permission=None,
    while_suspended=True,
    public=True,
    limit="scim",
    refuses_as=refusal,
    unkeyed=True,
    status_code=200,
    include_in_schema=False,
)
async def remove_resource(
    call: web.Caller,
    kind: FromPath[str],
    resource: FromPath[str],
    authorization: Bearer = "",
    if_match: IfMatch = "",
) -> Response[bytes]:
    """Delete a user or group."""
    try:
        call, access = await _admitted(call, authorization)
        chosen = _kind(kind)
        await identity.remove_scim_resource(
            call, access.source_id, chosen, _id(chosen, resource), if_match
        )
        return Response(b"", status_code=204)
    except Problem as problem:
        return _refused(problem)


class _NotHere(Invalid):
    """This is only for reading."""

    status = 405
    message = "This can only be read."


@route(
    "/scim/v2/{kind:str}",
    http_method=["PUT", "PATCH", "DELETE"],
    permission=None,
    public=True,
    limit="scim",
    refuses_as=refusal,
    unkeyed=True,
    status_code=405,
    include_in_schema=False,
)
async def refuse_method(kind: FromPath[str]) -> Response[bytes]:
    """What is described, and lists, can only be read."""
    return _refused(_NotHere())


@route(
    "/scim/v2/{kind:str}/{resource:str}/{rest:path}",
    http_method=["GET", "POST", "PUT", "PATCH", "DELETE"],
    permission=None,
    public=True,
    limit="scim",
    refuses_as=refusal,
    unkeyed=True,
    status_code=404,
    include_in_schema=False,
)
async def refuse_path(kind: FromPath[str], resource: FromPath[str]) -> Response[bytes]:
    """Nothing is deeper than a resource."""
    return _refused(NotFound())


def _about(kind: str) -> Response[bytes] | None:
    """What the service says of itself (RFC 7644, 4); no token is needed for it."""
    base = f"{settings.load().address}/scim/v2"
    lists = {"ResourceTypes": [_type(k, base) for k in KINDS],
             "Schemas": [_schema(s, base) for s in SCHEMAS]}  # fmt: skip
    if kind in lists:
        return _answer(
            {
                "schemas": [f"{API}:ListResponse"], "totalResults": len(lists[kind]),
                "startIndex": 1, "itemsPerPage": len(lists[kind]), "Resources": lists[kind],
            }
        )  # fmt: skip
    if kind != "ServiceProviderConfig":
        return None
    no = {"supported": False}
    return _answer(
        {
            "schemas": [f"{CORE}:ServiceProviderConfig"],
            "patch": {"supported": True},
            "bulk": {**no, "maxOperations": 0, "maxPayloadSize": 0},
            "filter": {"supported": True, "maxResults": MOST_SHOWN},
            "changePassword": no, "sort": no, "etag": {"supported": True},
            "authenticationSchemes": [
                {"type": "oauthbearertoken", "name": "Bearer token", "primary": True,
                 "description": "A token of this directory, made and rotated by the operator."}
            ],
            "meta": {"resourceType": "ServiceProviderConfig",
                     "location": f"{base}/ServiceProviderConfig"},
        }
    )  # fmt: skip


def _type(kind: str, base: str) -> dict[str, Any]:
    more = [{"schema": each, "required": False} for each in KINDS[kind][1:]]
    return {
        "schemas": [f"{CORE}:ResourceType"], "id": kind, "name": kind, "endpoint": f"/{kind}s",
        "schema": KINDS[kind][0], **({"schemaExtensions": more} if more else {}),
        "meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/{kind}"},
    }  # fmt: skip


def _schema(schema: str, base: str) -> dict[str, Any]:
    place = {"resourceType": "Schema", "location": f"{base}/Schemas/{schema}"}
    return {**described(schema), "meta": place}


def _described(kind: str, name: str) -> Response[bytes]:
    base = f"{settings.load().address}/scim/v2"
    if kind == "Schemas" and name in SCHEMAS:
        return _answer(_schema(name, base))
    if kind == "ResourceTypes" and name in KINDS:
        return _answer(_type(name, base))
    return _refused(NotFound())


handlers = [
    list_resources, search_all, search_kind, add_resource, get_resource, replace_resource,
    patch_resource, remove_resource, refuse_method, refuse_path,
]  # fmt: skip
