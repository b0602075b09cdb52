"""Clients as the tests of identity use them."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from tests.world import http_app

LOGIN = "/api/v1/auth/login"
REFRESH = "/api/v1/auth/refresh"
ME = "/api/v1/users/me"


def bare(app: Any = None, **headers: str) -> httpx.AsyncClient:
    """A client that says nothing of operator or person by itself."""
    served: Any = app or http_app()
    transport = httpx.ASGITransport(app=served, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)


def bearer(token: str) -> dict[str, str]:
    """The header for a token."""
    return {"Authorization": f"Bearer {token}"}


def error_of(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The inside of the envelope, which must be whole (API-02, C-48)."""
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error.keys() == {"code", "message", "details", "request_id"}
    assert error["code"] == code
    assert error["request_id"] == response.headers["x-request-id"]
    return error


def unpadded(part: str) -> bytes:
    """A part of a token, decoded."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
