"""Pages over HTTP: what an endpoint is given for a browser, and problems as HTML.

An endpoint says ``page=True``; see ``kernel.cookies`` for who it is and where it came from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request, Response
from litestar.di import NamedDependency

from fahrwerk.kernel import asgi, document
from fahrwerk.kernel.cookies import Visit
from fahrwerk.kernel.errors import Invalid, Problem

Html = Response[str]
Visitor = NamedDependency[Visit]
"""The type of the ``visit`` argument of a page."""
Form = NamedDependency[dict[str, str]]
"""The type of the ``form`` argument of a page: fields by name, the token checked and taken out."""
ErrorPage = Callable[[Visit | None, Problem, str, str], tuple[int, asgi.Headers, bytes]]
"""Visit (if one was made), problem, request id and accepted languages, to status, headers, body."""


def page_response(html: str, status: int, headers: dict[str, str]) -> Response[str]:
    """A page, for where no framework is known."""
    kind = "text/html; charset=utf-8"
    return Response(html, status_code=status, headers=headers, media_type=kind)


def provide_visit(request: Request[Any, Any, Any]) -> Visit:
    """The ``visit`` argument of every page."""
    visit: Visit = request.scope["fahrwerk"]["visit"]  # type: ignore[typeddict-item]
    return visit


async def provide_form(request: Request[Any, Any, Any]) -> dict[str, str]:
    """The ``form`` argument: what was entered, by name. Raises ``StaleForm``, ``Invalid``."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise asgi.NotThisMedia(field="Content-Type", issue="must be that of a form")
    body = await request.body()
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200
        )
    except ValueError:  # Unicode's too
        raise Invalid(field="body", issue="is not a form") from None
    fields = {name: value.replace("\0", "") for name, value in pairs}
    provide_visit(request).check_form(fields.pop("form_token", ""))
    return fields


def shown(
    request: Request[Any, Any, Any], problem: Problem, request_id: str
) -> Response[bytes] | None:
    """The problem as HTML, where a page was asked for; of what does not exist Accept says so."""
    show: ErrorPage | None = request.app.state.get("error_page")
    scope, state = request.scope, request.scope.get("fahrwerk")
    if state is None:
        is_page = not scope["path"].startswith("/api/") and (
            "text/html" in request.headers.get("accept", "")
        )
    else:
        is_page = bool(scope["route_handler"].opt.get("html"))
    if show is None or not is_page:
        return None
    visit = state.get("visit") if isinstance(state, dict) else None
    status, headers, body = show(
        visit, problem, request_id, request.headers.get("accept-language", "")
    )
    own = {n.decode(): v.decode() for n, v in headers}
    if state is None:
        safe = {n.decode(): v.decode() for n, v in asgi.SAFE_HEADERS}
        own = safe | {"x-request-id": request_id} | own
    return Response(body, status_code=status, headers=own, media_type="text/html; charset=utf-8")


def check(path: str, method: str, handler: Any) -> None:
    """Raise at start-up unless what a browser sends is a form with its token, or no form at all.

    Endpoints that the API's document shows speak JSON, which no form can send; the others HTML.
    """
    if path.startswith("/api/") and handler.opt["page"] != "also":
        raise RuntimeError(f"{path} ({handler}) is a page below /api/, where no cookie counts")
    is_form = "form" in handler.parsed_fn_signature.parameters
    if method in document.WRITES and not is_form and not handler.resolve_include_in_schema():
        raise RuntimeError(f"{path} ({handler}) takes no form, whose token would be checked")
    handler.opt["html"] = not handler.resolve_include_in_schema()
