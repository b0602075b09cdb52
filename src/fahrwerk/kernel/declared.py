"""What endpoints declare, read off the framework, for the document and for quick answers."""

from __future__ import annotations

import inspect
import re
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec
from litestar import Litestar, Response
from litestar.response import Stream

from fahrwerk.kernel import document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def is_of_framework(handler: Any) -> bool:
    return bool(handler.fn.__module__.startswith("litestar."))


def endpoints(app: Litestar) -> Iterator[tuple[str, str, Any]]:
    """Path, method and handler of everything that is ours."""
    for route in app.routes:
        for method, (handler, _) in getattr(route, "route_handler_map", {}).items():
            if not is_of_framework(handler):
                yield getattr(route, "path_format", route.path), str(method), handler


def openapi(app: Litestar) -> dict[str, Any]:
    """The OpenAPI document of an application."""
    raw = app.openapi_schema.to_schema()["paths"]
    return document.document(
        version("fahrwerk"),
        [
            _endpoint(path, method, handler, raw[path][method.lower()])
            for path, method, handler in endpoints(app)
            if handler.resolve_include_in_schema()
        ],
    )


def _endpoint(path: str, method: str, handler: Any, raw: dict[str, Any]) -> document.Endpoint:
    opt, data = handler.opt, handler.parsed_data_field
    answer = handler.parsed_fn_signature.return_type.annotation
    if isinstance(answer, type) and issubclass(answer, Stream):
        answer = str
    elif isinstance(get_origin(answer), type) and issubclass(get_origin(answer), Response):
        answer = get_args(answer)[0]
    if told := (handler.responses or {}).get(handler.status_code):
        answer = told.data_container
    limit = opt.get("limit", "general")
    is_write = method in document.WRITES
    any_body = {"content": {"*/*": {"schema": {}}}, "required": True}
    return document.Endpoint(
        path=path,
        method=method,
        paths=tuple(sorted(re.sub(r":\w+}", "}", each) for each in handler.paths)),
        name=handler.fn.__name__,
        doc=inspect.getdoc(handler.fn) or "",
        tag=next(iter(handler.resolve_tags() or ()), "operations"),
        permission=opt.get("permission"),
        limit=limit,
        is_keyed=is_write and limit is not None and not opt.get("unkeyed"),
        is_conditional=bool(opt.get("conditional")),
        page=opt.get("page"),
        parameters=_arguments(handler, raw),
        body=data.annotation if data is not None else None,
        is_body_required=data is None or not data.has_default,
        raw_body=raw.get("requestBody", any_body) if opt.get("takes") == "bytes" else None,
        answer=None if answer is type(None) else answer,
        media=str(getattr(handler.media_type, "value", handler.media_type) or "application/json"),
        status=handler.status_code,
        others={
            status: told.data_container
            for status, told in (handler.responses or {}).items()
            if status != handler.status_code
        },
    )


def reader(handler: Any) -> Callable[[bytes], tuple[Any, ...] | None]:
    """What reads a query string as this endpoint's arguments, by its own signature.

    None for whatever is not plainly right: the framework then says what is wrong with it.
    """
    fields = {
        name: (_bounded(field), field.default if field.has_default else msgspec.NODEFAULT)
        for name, field in handler.parsed_fn_signature.parameters.items()
        if name != "call"
    }
    kind = msgspec.defstruct(
        "Query", [(n, *field) for n, field in fields.items()], forbid_unknown_fields=True
    )

    @lru_cache(maxsize=2048)  # riders look again, and at the same places
    def read(query: bytes) -> tuple[Any, ...] | None:
        try:
            pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True)
            given = dict(pairs)
            if len(given) < len(pairs):
                return None
            return msgspec.structs.astuple(msgspec.convert(given, kind, strict=False))
        except ValueError:  # msgspec's and Unicode's are such
            return None

    return lambda query: read(query) if len(query) <= 200 else None


_BOUNDS = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length")


def _arguments(handler: Any, raw: dict[str, Any]) -> list[document.Argument]:
    """The parameters the framework sees, with their types as msgspec takes them."""
    fields = {}
    for name, field in handler.parsed_fn_signature.parameters.items():
        about = field.kwarg_definition
        alias = [getattr(about, each, None) for each in ("name", "query", "header")]
        fields[next(filter(None, alias), name)] = field
    found = []
    for given in raw.get("parameters", []):
        field = fields[given["name"]]
        about = field.kwarg_definition
        found.append(
            document.Argument(
                name=given["name"],
                place=given["in"],
                kind=_bounded(field),
                about=getattr(about, "description", None),
                is_required=bool(given["required"]),
                default=field.default if field.has_default else None,
            )
        )
    return found


def _bounded(field: Any) -> Any:
    """The type of a parameter with its bounds, as msgspec takes it."""
    about = field.kwarg_definition
    bounds = {b: v for b in _BOUNDS if (v := getattr(about, b, None)) is not None}
    return Annotated[_without_none(field.annotation), msgspec.Meta(**bounds)]


def _without_none(kind: Any) -> Any:
    """A parameter is there or not; as text it cannot be null."""
    kinds = [each for each in get_args(kind) if each is not type(None)]
    return Union[tuple(kinds)] if type(None) in get_args(kind) else kind  # noqa: UP007
