"""Labels for vehicles: the QR code that riders scan, alone or as a sheet to print."""

from __future__ import annotations

import html
import io
from typing import Annotated

import segno
from litestar import Response, get
from litestar.params import FromPath, FromQuery, QueryParameter

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import Vehicle
from fahrwerk.fleet.http.groups import GroupReference, group_id_of
from fahrwerk.fleet.http.live import Status
from fahrwerk.fleet.http.vehicles import VehicleType
from fahrwerk.kernel import web
from fahrwerk.kernel.errors import Invalid

MOST_LABELS = 500
Scale = Annotated[int, QueryParameter(ge=1, le=40, description="Pixels a module")]
Millimetres = Annotated[int, QueryParameter(ge=15, le=150, description="Side of a code")]
Identifiers = Annotated[
    str | None,
    QueryParameter(max_length=10_000, description="Ids or identifiers, by commas; null = all"),
]
LabelLimit = Annotated[int, QueryParameter(ge=1, le=MOST_LABELS, description="Most labels")]
_HEADERS = {"cache-control": "no-store"}
_PAGE_HEADERS = {
    **_HEADERS,
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
}


def _code(vehicle: Vehicle) -> segno.QRCode:
    """What riders scan, and what a vehicle is found by (FLT-15, FLT-27). A quarter of it may be
    scratched away: it is outdoors for years."""
    return segno.make_qr(vehicle.qr_code or vehicle.identifier, error="q")


def _written(vehicle: Vehicle, kind: str, scale: int) -> bytes:
    out = io.BytesIO()
    _code(vehicle).save(out, kind=kind, scale=scale, border=4)
    return out.getvalue()


@get(
    "/api/v1/vehicles/{vehicle_id:str}/qr",
    permission="fleet.live.read",
    scoped=True,
    media_type="image/svg+xml",
    tags=["fleet"],
)
async def qr_svg(call: web.Caller, vehicle_id: FromPath[str], scale: Scale = 8) -> Response[bytes]:
    """The vehicle's QR code as SVG: its ``qr_code``, or its identifier if it has none."""
    body = _written(await fleet.find_vehicle(call, vehicle_id), "svg", scale)
    return Response(body, media_type="image/svg+xml", headers=_HEADERS)


@get(
    "/api/v1/vehicles/{vehicle_id:str}/qr.png",
    permission="fleet.live.read",
    scoped=True,
    media_type="image/png",
    tags=["fleet"],
)
async def qr_png(call: web.Caller, vehicle_id: FromPath[str], scale: Scale = 8) -> Response[bytes]:
    """The same as PNG."""
    body = _written(await fleet.find_vehicle(call, vehicle_id), "png", scale)
    return Response(body, media_type="image/png", headers=_HEADERS)


@get(
    "/api/v1/fleet/labels",
    permission="fleet.live.read",
    scoped=True,
    media_type="text/html",
    tags=["fleet"],
)
async def labels(
    call: web.Caller,
    vehicles: Identifiers = None,
    vehicle_type: Annotated[VehicleType | None, QueryParameter(name="type")] = None,
    status: FromQuery[Status | None] = None,
    group: GroupReference = None,
    size: Millimetres = 40,
    limit: LabelLimit = 100,
    offset: web.Offset = 0,
) -> Response[bytes]:
    """A page of labels to print, one beside the other: of the vehicles named, or of a part of the
    fleet by identifier. No label is cut by the end of a sheet."""
    if vehicles is not None:
        named = [each.strip() for each in vehicles.split(",") if each.strip()]
        if not 1 <= len(named) <= MOST_LABELS:
            raise Invalid(field="vehicles", issue=f"must be 1 to {MOST_LABELS}")
        shown = [await fleet.find_vehicle(call, each) for each in named]
    else:
        group_id = await group_id_of(call, group)
        page = await fleet.vehicles(call, vehicle_type, status, None, 0, limit, offset, group_id)
        shown = page.vehicles
    body = _sheet(shown, size).encode()
    return Response(body, media_type="text/html", headers=_PAGE_HEADERS)


def _sheet(vehicles: list[Vehicle], size_mm: int) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Labels</title><style>'
        "@page{margin:10mm}body{margin:0;font:3mm/1.3 sans-serif}"
        "figure{display:inline-block;margin:0 3mm 3mm 0;padding:2mm;border:0.2mm dashed #999;"
        "text-align:center;break-inside:avoid;vertical-align:top}"
        f"svg{{display:block;width:{size_mm}mm;height:{size_mm}mm}}"
        f"figcaption{{max-width:{size_mm}mm;overflow-wrap:anywhere}}b{{font-size:4mm}}"
        f"</style></head><body>{''.join(map(_label, vehicles))}</body></html>"
    )


def _label(vehicle: Vehicle) -> str:
    picture = _code(vehicle).svg_inline(omitsize=True, border=4)
    code = vehicle.qr_code or vehicle.identifier
    about = "" if code == vehicle.identifier else f"<br>{html.escape(code)}"
    return (
        f"<figure>{picture}<figcaption><b>{html.escape(vehicle.identifier)}</b>{about}"
        "</figcaption></figure>"
    )


handlers = [qr_svg, qr_png, labels]
