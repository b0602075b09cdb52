"""A browser without JavaScript: follows links and sends forms as they stand in the page."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urljoin

import httpx

from tests.world import PASSWORD, World, http_app

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call


class Form:
    """A form and what stands in it."""

    def __init__(self, action: str, method: str) -> None:
        self.action = action
        self.method = method
        self.values: dict[str, str] = {}


class Page(HTMLParser):
    """What is in a page: forms, links, text; and what must not be there."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.answer = answer
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.fors: list[str] = []
        self.unsafe: list[str] = []
        self.language = ""
        self._words: list[str] = []
        self._select = ""
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.unsafe += [f"{tag} {n}" for n in given if n == "style" or n.startswith("on")]
        if tag == "html":
            self.language = given["lang"]
        if "id" in given:
            self.ids.append(given["id"])
        if "for" in given:
            self.fors.append(given["for"])
        if tag == "a":
            self.links.append(given.get("href", ""))
        if tag in ("style", "iframe") or (tag == "script" and "src" not in given):
            self.unsafe.append(tag)
        if tag == "form":
            self.forms.append(Form(given["action"], given.get("method", "get")))
        if tag == "input" and self.forms and "name" in given:
            kind = given.get("type", "text")
            if kind not in ("checkbox", "radio") or "checked" in given:
                self.forms[-1].values[given["name"]] = given.get("value", "")
        if tag == "select":
            self._select = given.get("name", "")
        if tag == "option" and self._select and self.forms:
            values = self.forms[-1].values
            if "selected" in given or self._select not in values:
                values[self._select] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    @property
    def text(self) -> str:
        """All words, spaces tidied."""
        return " ".join(" ".join(self._words).replace("\xa0", " ").split())

    def form(self, action: str) -> Form:
        """The form that is sent there."""
        return next(form for form in self.forms if form.action.partition("?")[0] == action)


class Browser:
    """Keeps cookies, says its origin, follows redirects within the site."""

    def __init__(self, world: World, base: str = "https://test", **headers: str) -> None:
        own = {"X-Tenant-ID": world.operator.slug, "accept": "text/html"}
        own |= {"accept-language": "en"} | headers
        transport = httpx.ASGITransport(app=http_app(), raise_app_exceptions=False)  # type: ignore[arg-type]
        self.base = base
        self.client = httpx.AsyncClient(transport=transport, base_url=base, headers=own)

    async def get(self, path: str) -> Page:
        """Open a page."""
        return await self._shown(await self.client.get(path))

    async def send(self, page: Page, action: str, **values: str) -> Page:
        """Fill in a form of a page and send it."""
        form = page.form(action)
        data = {**form.values, **values}
        if form.method == "get":
            path, _, query = form.action.partition("?")
            return await self.get(f"{path}?{urlencode(dict(parse_qsl(query)) | data)}")
        said = {"origin": self.base, "referer": str(page.answer.url)}
        answer = await self.client.post(form.action, data=data, headers=said)
        return await self._shown(answer)

    async def _shown(self, answer: httpx.Response) -> Page:
        for _ in range(5):
            if answer.status_code != 303:
                break
            answer = await self.client.get(urljoin(str(answer.url), answer.headers["location"]))
        return Page(answer)

    async def log_in(self, world: World, rider: Call) -> Page:
        """Log in as a rider of ``world.rider()``."""
        from fahrwerk.identity import contract as identity

        assert rider.user is not None
        person = await identity.person(world.system(), rider.user)
        page = await self.get("/login")
        return await self.send(page, "/login", login=person.email or "", password=PASSWORD)
