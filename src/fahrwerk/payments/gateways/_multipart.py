"""Files in the body of a request (RFC 7578), written so that the same content is the same bytes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Part(NamedTuple):
    """A field, or a file when it has a name; names and types are ours, never a user's quotes."""

    field: str
    content: bytes
    media_type: str | None = None
    file_name: str | None = None


def body(parts: Sequence[Part]) -> tuple[str, bytes]:
    """``content-type, body``. Gateways compare repeats byte by byte: the boundary is derived."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.field.encode() + b"\0" + part.content)
    boundary = f"fahrwerk-{digest.hexdigest()[:40]}"
    lines = bytearray()
    for part in parts:
        name = f'; filename="{part.file_name}"' if part.file_name else ""
        lines += f'--{boundary}\r\ncontent-disposition: form-data; name="{part.field}"'.encode()
        lines += f"{name}\r\n".encode()
        if part.media_type:
            lines += f"content-type: {part.media_type}\r\n".encode()
        lines += b"\r\n" + part.content + b"\r\n"
    lines += f"--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", bytes(lines)
