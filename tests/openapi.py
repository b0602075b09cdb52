"""The OpenAPI document of this build, as tests read it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import httpx

from fahrwerk.kernel import web
from tests.world import http_app


class Operation(NamedTuple):
    method: str
    path: str
    said: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.said["operationId"])

    @property
    def is_endless(self) -> bool:
        """A stream, once it is answered: to be asked only for what is not there."""
        content = self.said["responses"].get("200", {}).get("content", {})
        return "text/event-stream" in content


@cache
def document() -> dict[str, Any]:
    return web.openapi(http_app())


@cache
def operations() -> list[Operation]:
    return [
        Operation(method, path, said)
        for path, item in document()["paths"].items()
        for method, said in item.items()
    ]


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """What a reference points to."""
    while "$ref" in node:
        found: Any = document()
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def parameters(operation: Operation) -> dict[str, dict[str, Any]]:
    return {p["name"]: p for p in map(resolved, operation.said["parameters"])}


def everything(node: Any) -> Iterator[dict[str, Any]]:
    """Every object within a document."""
    if isinstance(node, dict):
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from everything(each)


def body_schema(operation: Operation) -> dict[str, Any] | None:
    content = operation.said.get("requestBody", {}).get("content", {})
    return kind_of(content["application/json"]["schema"]) if "application/json" in content else None


def kind_of(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without its references, and of a choice the first that is not null."""
    schema = resolved(schema)
    for each in schema.get("anyOf", ()):
        if each != {"type": "null"}:
            return kind_of(each)
    return schema


def smallest(schema: dict[str, Any]) -> Any:
    """The least that fits a schema."""
    schema = kind_of(schema)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {
                name: smallest(schema["properties"][name]) for name in schema.get("required", ())
            }
        case "array":
            return [smallest(schema["items"])] * max(1, schema.get("minItems", 0))
        case "string" if schema.get("format") == "date":
            return "1990-11-20"
        case "string" if schema.get("format") == "date-time":
            return "2026-11-20T10:00:00Z"
        case "string":
            length = max(4, schema.get("minLength", 0))
            return "x" * min(length, schema.get("maxLength", length))
        case "integer" | "number":
            return schema.get("minimum", 1)
        case _:
            return False


def checked(answer: httpx.Response, *statuses: int, about: str = "") -> dict[str, Any]:
    """The inside of the one error format; with one of the statuses, or any below 500."""
    said = f"{about}: {answer.status_code} {answer.text[:300]}"
    assert answer.status_code < 500, said
    assert not statuses or answer.status_code in statuses, said
    assert answer.headers["x-request-id"], said
    if answer.status_code < 400:
        return {}
    assert answer.headers["content-type"] == "application/json", said
    error: dict[str, Any] = answer.json()["error"]
    assert error.keys() == {"code", "message", "details", "request_id"}, said
    assert error["request_id"] == answer.headers["x-request-id"], said
    return error
