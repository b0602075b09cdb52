"""Brands, logos and domains over HTTP (TEN-08, TEN-23, TEN-24)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.datastructures import State
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath, JSONBody, RawBody
from msgspec import Meta

from fahrwerk.kernel import clock, ids, web
from fahrwerk.kernel.errors import NotFound
from fahrwerk.tenancy.contract import brands as contract

LOGO_BYTES = 2_000_000
Color = Annotated[str, Meta(min_length=7, max_length=7, examples=["#0a7d55"])]
Host = Annotated[str, Meta(min_length=4, max_length=253, examples=["rides.example.org"])]


class BrandBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name and two colours; the first brand is the default one, whatever it says."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    primary_color: Color
    secondary_color: Color
    is_default: bool = False


class BrandView(msgspec.Struct, frozen=True):
    """A brand; ``logo_url`` is null until there is one, and another with each logo."""

    id: str
    name: str
    primary_color: str
    secondary_color: str
    is_default: bool
    logo_url: str | None


class BrandList(msgspec.Struct, frozen=True):
    """All brands, the default one first."""

    brands: list[BrandView]


class BrandHere(msgspec.Struct, frozen=True):
    """What to show under this host; null when the operator has no brand."""

    brand: BrandView | None


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A domain of one's own, and the brand to show there (null: the default one)."""

    domain: Host
    brand_id: Annotated[str, Meta(max_length=40)] | None = None


class Record(msgspec.Struct, frozen=True):
    """A DNS record."""

    type: str
    name: str
    value: str


class DomainView(msgspec.Struct, frozen=True, kw_only=True):
    """A domain and its proof: one of ``records`` is enough."""

    domain: str
    brand_id: str | None
    is_proven: bool
    """Until then it leads nowhere."""
    proven_by: str | None
    checked_at: str | None
    problem: str | None
    records: list[Record]


class DomainList(msgspec.Struct, frozen=True):
    """All domains, by name."""

    domains: list[DomainView]


@dataclass
class _TakesImage(Operation):
    """A raw body says nothing of itself to the OpenAPI document, so it is said here."""

    def __post_init__(self) -> None:
        image = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
        kinds = ("image/png", "image/jpeg", "image/webp")
        self.request_body = RequestBody(content=dict.fromkeys(kinds, image), required=True)


@get("/api/v1/brands", permission="tenancy.brand.write", tags=["tenancy"])
async def list_brands(call: web.Caller) -> BrandList:
    """Your brands."""
    return BrandList([_brand(each) for each in await contract.brands(call)])


@post("/api/v1/brands", permission="tenancy.brand.write", status_code=201, tags=["tenancy"])
async def add_brand(call: web.Caller, data: JSONBody[BrandBody]) -> BrandView:
    """Add a brand."""
    brand_id = ids.derived("brand", call.tenant, call.key) if call.key else ids.new()
    wanted = contract.Brand(id=brand_id, **msgspec.structs.asdict(data))
    return _brand(await contract.save_brand(call, wanted))


@put("/api/v1/brands/{brand_id:str}", permission="tenancy.brand.write", tags=["tenancy"])
async def put_brand(
    call: web.Caller, brand_id: FromPath[str], data: JSONBody[BrandBody]
) -> BrandView:
    """Change a brand; its logo stays."""
    known = ids.parse(brand_id, "brd")
    if known not in {each.id for each in await contract.brands(call)}:
        raise contract.UnknownBrand
    wanted = contract.Brand(id=known, **msgspec.structs.asdict(data))
    return _brand(await contract.save_brand(call, wanted))


@delete(
    "/api/v1/brands/{brand_id:str}",
    permission="tenancy.brand.write",
    status_code=204,
    tags=["tenancy"],
)
async def delete_brand(call: web.Caller, brand_id: FromPath[str]) -> None:
    """Forget a brand; 409 while a domain shows it."""
    await contract.remove_brand(call, ids.parse(brand_id, "brd"))


@put(
    "/api/v1/brands/{brand_id:str}/logo",
    operation_class=_TakesImage,
    permission="tenancy.brand.write",
    request_max_body_size=LOGO_BYTES,
    body_bytes=LOGO_BYTES,
    tags=["tenancy"],
)
async def put_logo(call: web.Caller, brand_id: FromPath[str], body: RawBody) -> BrandView:
    """Upload a logo: JPEG, PNG or WebP, at most 2 MB and 16 megapixels; the body is the file.

    It is decoded and made anew as a PNG of at most 1024 pixels a side. SVG is refused: 400.
    """
    return _brand(await contract.set_logo(call, ids.parse(brand_id, "brd"), bytes(body)))


@get("/api/v1/brand", permission=None, public=True, conditional=True, tags=["tenancy"])
async def brand_here(call: web.Caller, request: Request[Any, Any, State]) -> BrandHere:
    """The brand of the operator, or of the domain the request came to."""
    if call.tenant is None:
        raise NotFound("There is no operator of this name.", code="UNKNOWN_TENANT")
    found = await contract.brand_at(call, request.url.hostname or "")
    return BrandHere(_brand(found) if found else None)


@get(
    "/api/v1/logos/{logo_hash:str}",
    permission=None,
    public=True,
    media_type="image/png",
    tags=["tenancy"],
)
async def get_logo(call: web.Caller, logo_hash: FromPath[str]) -> Response[bytes]:
    """A logo, as PNG. Its address changes with it, so it may be kept for good."""
    found = None
    if call.tenant is not None and logo_hash.isascii() and logo_hash.isalnum():
        found = await contract.logo(call, logo_hash[:64])
    if found is None:
        raise NotFound
    kept = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(found, media_type="image/png", headers=kept)


@get("/api/v1/domains", permission="tenancy.domain.write", tags=["tenancy"])
async def list_domains(call: web.Caller) -> DomainList:
    """Your domains and what the DNS must say for each."""
    return DomainList([_domain(each) for each in await contract.domains(call)])


@post("/api/v1/domains", permission="tenancy.domain.write", status_code=201, tags=["tenancy"])
async def claim_domain(call: web.Caller, data: JSONBody[Claim]) -> DomainView:
    """Say that a domain is yours. It leads here once one of ``records`` stands in the DNS."""
    brand = ids.parse(data.brand_id, "brd") if data.brand_id is not None else None
    return _domain(await contract.claim_domain(call, data.domain, brand))


@post(
    "/api/v1/domains/{domain_name:str}/prove",
    permission="tenancy.domain.write",
    limit="auth",
    status_code=200,
    tags=["tenancy"],
)
async def prove_domain(call: web.Caller, domain_name: FromPath[str]) -> DomainView:
    """Look at the DNS now; it is also looked at every hour of the first week, then every day."""
    return _domain(await contract.prove_domain(call, domain_name))


@delete(
    "/api/v1/domains/{domain_name:str}",
    permission="tenancy.domain.write",
    status_code=204,
    tags=["tenancy"],
)
async def drop_domain(call: web.Caller, domain_name: FromPath[str]) -> None:
    """Give a domain up. Harmless to repeat."""
    await contract.drop_domain(call, domain_name)


def _brand(brand: contract.Brand) -> BrandView:
    logo = f"/api/v1/logos/{brand.logo_hash}" if brand.logo_hash else None
    return BrandView(
        ids.public("brd", brand.id), brand.name, brand.primary_color, brand.secondary_color,
        brand.is_default, logo,
    )  # fmt: skip


def _domain(domain: contract.Domain) -> DomainView:
    return DomainView(
        domain=domain.domain,
        brand_id=ids.public("brd", domain.brand_id) if domain.brand_id else None,
        is_proven=domain.is_proven,
        proven_by=domain.proven_by,
        checked_at=clock.stamp(domain.checked_at) if domain.checked_at else None,
        problem=domain.problem,
        records=[
            Record("TXT", f"_fahrwerk.{domain.domain}", f"fahrwerk-domain={domain.token}"),
            *([Record("CNAME", domain.domain, domain.cname)] if domain.cname else []),
        ],
    )


handlers = [
    list_brands,
    add_brand,
    put_brand,
    delete_brand,
    put_logo,
    brand_here,
    get_logo,
    list_domains,
    claim_domain,
    prove_domain,
    drop_domain,
]
