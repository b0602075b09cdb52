"""The platform's HTTP API as an app on a rider's phone uses it: nothing here knows its inside.

``Api`` asks once and tells what came back. ``Session`` is a person who is logged in and patient:
the token is renewed when it ends, and while the platform is away or busy the same request, with the
same key, is sent again after 1, 2, 4 and 8 seconds (RNT-28).
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

PAUSES_S = (1.0, 2.0, 4.0, 8.0)
LONGEST_WAIT_S = 60.0
# A ride's unlock and payment may take the platform ten seconds each.
ANSWER_WITHIN_S = 20.0
OWN_WORDS = frozenset({"VEHICLE_OFFLINE", "PAYMENT_PENDING"})
"""503 with one of these says something of the vehicle or the bank, not that the platform is away:
what to do then is the rider's decision."""


class Away(Exception):
    """The platform gave no answer: not running, restarting, or out of reach."""


class Answer(msgspec.Struct, frozen=True):
    """What came back for one request."""

    method: str
    path: str
    status: int
    body: Any
    ms: float
    key: str | None = None

    @property
    def ok(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The machine's word for what is wrong; empty when nothing is."""
        return str(self.find("error", "code") or "") if not self.ok else ""

    def find(self, *names: str) -> Any:
        """The value behind these names, one inside the other; None where one is missing."""
        value = self.body
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return value


class Api:
    """One platform, for one operator's people. ``told`` is called with every answer."""

    def __init__(
        self,
        url: str,
        tenant: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        told: Callable[[Answer], None] = lambda _: None,
    ) -> None:
        self.url, self.tenant, self.told = url, tenant, told
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"X-Tenant-ID": tenant},
            timeout=httpx.Timeout(ANSWER_WITHIN_S, connect=3.0),
            limits=httpx.Limits(max_connections=40, max_keepalive_connections=20),
            transport=transport,
            trust_env=False,  # a proxy of the machine does not lead to the machine itself
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close idle connections."""
        await self._client.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        key: str | None = None,
        **query: Any,
    ) -> Answer:
        """One request, sent once. Raises ``Away`` when no answer came."""
        headers = {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if key:
            headers["Idempotency-Key"] = key
        began = time.monotonic()
        try:
            response = await self._client.request(
                method,
                path,
                content=None if body is None else msgspec.json.encode(body),
                headers=headers
                | ({"Content-Type": "application/json"} if body is not None else {}),
                params=query or None,
            )
        except (httpx.HTTPError, OSError) as error:
            raise Away(f"{self.url} does not answer ({type(error).__name__})") from error
        answer = Answer(
            method,
            path,
            response.status_code,
            _read(response),
            1000 * (time.monotonic() - began),
            key,
        )
        self.told(answer)
        return answer


def _read(response: httpx.Response) -> Any:
    if response.headers.get("content-type", "").startswith("application/json"):
        try:
            return msgspec.json.decode(response.content)
        except msgspec.DecodeError:
            return None
    return response.text


class Session:
    """One person, logged in with ``email`` and ``password``."""

    def __init__(self, api: Api, email: str, password: str, rng: random.Random) -> None:
        self.api, self.email, self._password, self._rng = api, email, password, rng
        self._token: str | None = None
        self._refresh: str | None = None

    @property
    def is_open(self) -> bool:
        """Has logged in, and the platform has not said otherwise since."""
        return self._token is not None

    async def log_in(self) -> Answer:
        """IDN-06. The answer is 401 when platform and person disagree about the password."""
        answer = await self._patient(
            "POST",
            "/api/v1/auth/login",
            {"email": self.email, "password": self._password, "tenant": self.api.tenant},
        )
        self._token = answer.find("access_token") if answer.ok else None
        self._refresh = answer.find("refresh_token") if answer.ok else None
        return answer

    async def register(self, first_name: str, last_name: str, locale: str) -> Answer:
        """Become a rider of this operator (IDN-01). Then log in."""
        return await self._patient(
            "POST",
            "/api/v1/auth/register",
            {
                "email": self.email,
                "password": self._password,
                "first_name": first_name,
                "last_name": last_name,
                "locale": locale,
            },
        )

    async def ask(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **query: Any
    ) -> Answer:
        """One request of this person; anything but GET is keyed, so that repeats are harmless.

        Raises ``Away`` when the platform stays away over all the pauses.
        """
        if method != "GET" and key is None:
            key = uuid4().hex
        if self._token is None:
            await self.log_in()
        answer = await self._patient(method, path, body, token=self._token, key=key, **query)
        if answer.status == 401 and await self._renew():
            answer = await self._patient(method, path, body, token=self._token, key=key, **query)
        return answer

    async def _renew(self) -> bool:
        """A new access token by the refresh token, else by logging in again (IDN-07)."""
        if self._refresh is not None:
            answer = await self._patient("POST", "/api/v1/auth/refresh", token=self._refresh)
            if answer.ok:
                self._token = answer.find("access_token")
                self._refresh = answer.find("refresh_token") or self._refresh
                return True
        return (await self.log_in()).ok

    async def _patient(self, method: str, path: str, body: Any = None, **request: Any) -> Answer:
        for pause_s in (*PAUSES_S, None):
            try:
                answer = await self.api.ask(method, path, body, **request)
            except Away:
                if pause_s is None:
                    raise
            else:
                wait_s = _told_to_wait(answer, pause_s)
                if wait_s is None:
                    return answer
                pause_s = wait_s
            # Uneven, or all who were turned away together would come back together.
            await asyncio.sleep((pause_s or 0.0) * self._rng.uniform(0.75, 1.25))
        raise AssertionError("unreachable")


def _told_to_wait(answer: Answer, pause_s: float | None) -> float | None:
    """How long to wait before the same request again; None when this answer is the answer."""
    is_busy = answer.status in (429, 502, 503) or answer.code == "IDEMPOTENCY_IN_FLIGHT"
    if not is_busy or answer.code in OWN_WORDS or pause_s is None:
        return None
    asked = answer.find("error", "details", "retry_after")
    wait_s = float(asked) if isinstance(asked, int | float) else 0.0
    return min(max(pause_s, wait_s), LONGEST_WAIT_S)
