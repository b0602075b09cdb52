"""The platform's HTTP API as the replay uses it: patient, keyed, and able to say when it is.

Every request that changes something has an ``Idempotency-Key``, so a repeat after a lost answer is
harmless. ``X-Fahrwerk-Time`` moves the domain time of one request (permission ``clock.move``).
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self

AWAY_S = 60.0
"""How long the platform may be out of reach, or say 503, before the replay gives up."""
PAUSES_S = (0.1, 0.3, 1.0, 3.0, 5.0)


class Stuck(Exception):
    """The replay cannot go on; the text says why, in a sentence for people."""


class Answer(msgspec.Struct, frozen=True):
    """What came back for one request."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300

    @property
    def error(self) -> dict[str, Any]:
        """The inside of the error envelope; empty when there is none."""
        found = self.body.get("error") if isinstance(self.body, dict) else None
        return found if isinstance(found, dict) else {}

    @property
    def code(self) -> str:
        """The machine's word for what is wrong, else ``HTTP <status>``; empty for 2xx."""
        return "" if self.ok else str(self.error.get("code") or f"HTTP {self.status}")

    def __str__(self) -> str:
        details = self.error.get("details") or ""
        return f"{self.code}: {self.error.get('message', self.body)} {details}".rstrip()


class Person:
    """Somebody with an account; logs in when first needed."""

    def __init__(self, tenant: str, email: str, password: str) -> None:
        self.tenant, self.email, self.password = tenant, email, password
        self.id = ""
        self.token: str | None = None
        self.roles: list[str] = []


class Client:
    """One platform. ``limited`` counts how often it said 429."""

    def __init__(
        self, url: str, connections: int, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.url = url
        self.requests = self.limited = 0
        self._http = httpx.AsyncClient(
            base_url=url,
            timeout=httpx.Timeout(30.0, connect=3.0),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            transport=transport,
            trust_env=False,  # a proxy of the machine does not lead to the machine itself
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def log_in(self, person: Person) -> Answer:
        """Get a token (IDN-06); 401 for a wrong password."""
        body = {"email": person.email, "password": person.password, "tenant": person.tenant}
        headers = {"X-Tenant-ID": person.tenant}
        answer = await self._patient("POST", "/api/v1/auth/login", headers, json=body)
        if answer.ok:
            person.token, user = answer.body["access_token"], answer.body["user"]
            person.id, person.roles = user["id"], user["roles"]
        return answer

    async def ask(
        self,
        person: Person,
        method: str,
        path: str,
        *,
        key: str | None = None,
        at: datetime | None = None,
        headers: dict[str, str] | None = None,
        **request: Any,
    ) -> Answer:
        """One request of ``person``, at time ``at``. Raises ``Stuck`` when nobody answers."""
        for _ in range(2):
            if person.token is None and not (answer := await self.log_in(person)).ok:
                raise Stuck(f"{person.email} cannot log in at {person.tenant}: {answer}")
            sent = {"X-Tenant-ID": person.tenant, "Authorization": f"Bearer {person.token}"}
            if key is not None:
                sent["Idempotency-Key"] = key
            if at is not None:
                sent["X-Fahrwerk-Time"] = at.isoformat()
            answer = await self._patient(method, path, sent | (headers or {}), **request)
            if answer.status != 401:
                break
            person.token = None  # it lasts an hour; a slow replay may take longer
        return answer

    async def must(self, person: Person, method: str, path: str, **request: Any) -> Any:
        """The body of an answer that has to be 2xx. Raises ``Stuck`` with what it was instead."""
        answer = await self.ask(person, method, path, **request)
        if not answer.ok:
            raise Stuck(f"{method} {path}: {answer}")
        return answer.body

    async def _patient(
        self, method: str, path: str, headers: dict[str, str], **request: Any
    ) -> Answer:
        patience = time.monotonic() + AWAY_S
        tries = 0
        while True:
            wait_s = PAUSES_S[min(tries, len(PAUSES_S) - 1)] * random.uniform(0.75, 1.25)
            tries += 1
            try:
                self.requests += 1
                response = await self._http.request(method, path, headers=headers, **request)
            except httpx.HTTPError as error:
                if time.monotonic() > patience:
                    kind = type(error).__name__
                    raise Stuck(f"{self.url} does not answer ({kind}).") from error
            else:
                answer = Answer(response.status_code, _body(response))
                if answer.status == 429:
                    # Waiting is what it asks for, however long; it does not use up the patience.
                    self.limited += 1
                    wait_s = float(answer.error.get("details", {}).get("retry_after", wait_s))
                    patience += wait_s
                elif not _is_passing(answer) or time.monotonic() > patience:
                    return answer
            await asyncio.sleep(wait_s)


def _is_passing(answer: Answer) -> bool:
    """The same request, with the same key, may succeed a little later."""
    return answer.status >= 500 or answer.code == "IDEMPOTENCY_IN_FLIGHT"


def _body(response: httpx.Response) -> Any:
    try:
        return msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        return response.text[:500]
