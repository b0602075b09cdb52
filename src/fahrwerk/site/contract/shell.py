"""How a room shows a page: ``await shell.page(visit, "wallet/dashboard.html", balance=...)``.

Templates stand in ``<room>/pages``; they extend ``site/layout.html`` and use the macros of
``site/forms.html``. Texts are written in English in the template, ``t("Balance")``; what they are
in another language stands in ``<room>/pages/<language>.json``. Nothing in a page may run or be
fetched that is not a file of ours: the policy in ``HEADERS`` says so to the browser.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import jinja2
import msgspec

from fahrwerk.kernel import crypto, money, web
from fahrwerk.kernel.errors import Invalid, NotFound, Problem, Unauthenticated
from fahrwerk.site import contract as site
from fahrwerk.site import rules
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date
    from uuid import UUID

    from fahrwerk.kernel.asgi import Headers
    from fahrwerk.kernel.cookies import Visit

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "private, no-store",
    "permissions-policy": "camera=(), microphone=(), payment=(), usb=()",
    "vary": "cookie, accept-language",
}
KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript", ".svg": "image/svg+xml"}
CONSENT, FLASH, THEME = "fahrwerk-consent", "fahrwerk-flash", "fahrwerk-theme"
THEMES = ("auto", "light", "dark")
_ROOMS = Path(__file__).parents[2]


class Entry(msgspec.Struct, frozen=True):
    """A line of the navigation, shown to who has the permission."""

    path: str
    label: str
    permission: str


_entries: list[Entry] = []


def offer(path: str, label: str, permission: str) -> None:
    """Put a page into the navigation; for rooms, as they are loaded. ``label`` in English."""
    entry = Entry(path, label, permission)
    if entry not in _entries:
        _entries.append(entry)


class Choice(msgspec.Struct, frozen=True):
    """What a browser's owner chose about cookies."""

    id: str = ""
    allowed: frozenset[str] = frozenset()


def _source(name: str) -> tuple[str, str, Callable[[], bool]]:
    room, _, file = name.partition("/")
    path = _ROOMS / room / "pages" / file
    return path.read_text(encoding="utf-8"), str(path), lambda: True


_TEMPLATES = jinja2.Environment(
    loader=jinja2.FunctionLoader(_source),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All texts of a language by their English ones, from all rooms."""
    found: dict[str, str] = {}
    for path in sorted(_ROOMS.glob(f"*/pages/{language}.json")):
        for english, text in json.loads(path.read_text(encoding="utf-8")).items():
            if found.setdefault(english, text) != text:
                raise RuntimeError(f"{path}: {english!r} is {found[english]!r} in another room")
    return found


def told(language: str, english: str, **values: object) -> str:
    """A text in a language; English where there is none."""
    text = catalogue(language).get(english, english) if language != "en" else english
    return text.format(**values) if values else text


@lru_cache(maxsize=64)
def address_of(name: str) -> str:
    """Where a file of a room's pages is found, ``wallet/live.js``: by its content, for ever."""
    room, _, file = name.partition("/")
    body = (_ROOMS / room / "pages" / file).read_bytes()
    return f"/site/{hashlib.blake2b(body, digest_size=6).hexdigest()}/{room}/{file}"


@cache
def files() -> dict[str, bytes]:
    """All styles, scripts and pictures of pages by name: what is asked for is looked up here."""
    paths = [path for path in _ROOMS.glob("*/pages/*") if path.suffix in KINDS]
    return {f"{path.parent.parent.name}/{path.name}": path.read_bytes() for path in paths}


def when(at: datetime, zone: str, language: str) -> str:
    """A time as people write it, where the operator is."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{day(local.date(), language)}, {local.hour:02}:{local.minute:02}"


def sum_of(visit: Visit, minor: int, currency: str) -> str:
    """An amount as the visitor's language writes it."""
    return money.formatted(minor, currency, _language(visit))


def _local(at: date | datetime, zone: str) -> date:
    return at.astimezone(ZoneInfo(zone)).date() if isinstance(at, datetime) else at


def _short(at: date, language: str) -> str:
    return f"{at.day}.{at.month}." if language == "de" else f"{at.day} {_MONTHS[at.month - 1]}"


def _number(value: float, digits: int, language: str) -> str:
    text = f"{value:.{digits}f}"
    return text.replace(".", ",") if language == "de" else text


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day(at: date, language: str) -> str:
    """``20.11.2026`` in German, ``20 Nov 2026`` in English."""
    if language == "de":
        return f"{at.day:02}.{at.month:02}.{at.year}"
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def _language(visit: Visit | None) -> str:
    return visit.call.locale[:2] if visit and visit.call.locale[:2] in rules.LANGUAGES else "en"


def choice_of(visit: Visit) -> Choice | None:
    """What this browser's owner allowed; None as long as nobody has chosen."""
    number, is_there, allowed = visit.jar.get(CONSENT).partition(".")
    return Choice(number, frozenset(filter(None, allowed.split(".")))) if is_there else None


_known: dict[UUID | None, tuple[tenancy.Operator, site.Look]] = {}
"""As last shown: an error page must not ask anybody."""


def _context(
    visit: Visit | None,
    operator: tenancy.Operator | None,
    look: site.Look,
    language: str,
) -> dict[str, Any]:
    call = visit.call if visit else None
    currency = operator.currency if operator else "EUR"
    zone = operator.time_zone if operator else "UTC"
    may = call.may if call else lambda _: False
    theme = visit.jar.get(THEME) if visit else ""
    return {
        "visit": visit,
        "operator": operator,
        "look": look,
        "language": language,
        "languages": rules.LANGUAGES,
        "theme": theme if theme in THEMES else "auto",
        "themes": THEMES,
        "t": lambda english, **values: told(language, english, **values),
        "file": address_of,
        "money": lambda minor, cur=None: money.formatted(minor, cur or currency, language),
        "when": lambda at: when(at, zone, language),
        "day": lambda at: day(_local(at, zone), language),
        "short": lambda at: _short(at, language),
        "number": lambda value, digits: _number(value, digits, language),
        "entries": [e for e in _entries if may(e.permission)],
        "is_known": bool(call and call.user),
        "here": visit.path if visit else "/",
        "has_chosen": visit is None or operator is None or choice_of(visit) is not None,
        "flash": _flash(visit) if visit else None,
    }


async def page(visit: Visit, template: str, *, status: int = 200, **values: Any) -> web.Html:
    """A page in the layout, in the visitor's language. Raises ``UnknownOperator`` for no operator.

    In the template: ``t``, ``money`` (minor units), ``when``, ``day``, ``file``, ``visit``,
    ``operator``, ``look`` and what is given here.
    """
    operator = await tenancy.operator(visit.call)
    look = await site.look(visit.call, visit.host)
    if len(_known) >= 4096:
        _known.clear()
    _known[operator.id] = (operator, look)
    context = _context(visit, operator, look, _language(visit))
    html = _TEMPLATES.get_template(template).render(context | values)
    return web.page_response(html, status, HEADERS)


def go(visit: Visit, path: str, said: str = "", kind: str = "done") -> web.Html:
    """On to another page of ours (303); ``said``, in English, is shown there once.

    ``kind``: done | warning. A path that is none of ours leads to the first page.
    """
    if said:
        visit.jar.put(FLASH, _signed(f"{kind}:{said}"), 60)
    return web.page_response("", 303, HEADERS | {"location": rules.safe_path(path)})


def _signed(text: str) -> str:
    body = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return f"{body}.{_mac(body)}"


def _mac(body: str) -> str:
    mac = hmac.digest(crypto.key_for("flash"), body.encode(), "sha256")
    return base64.urlsafe_b64encode(mac[:12]).decode()


def _flash(visit: Visit) -> tuple[str, str] | None:
    """What the page before wanted to say: kind and text; taken out of the cookie by that."""
    body, _, mac = visit.jar.get(FLASH).partition(".")
    if not body:
        return None
    visit.jar.drop(FLASH)
    if not mac.isascii() or not crypto.same(_mac(body), mac):
        return None
    kind, _, text = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode().partition(":")
    return kind, told(_language(visit), text)


def issues_of(visit: Visit, problem: Problem) -> dict[str, str]:
    """What to show at a form's fields for a problem; under ``""`` what is of no field."""
    language = _language(visit)
    if isinstance(problem, Invalid) and problem.details.get("field"):
        issue = str(problem.details.get("issue", ""))
        known = language == "en" or issue in catalogue(language)
        text = told(language, issue if known else "Please check this.")
        return {str(problem.details["field"]): text[:1].upper() + text[1:]}
    return {"": told(language, problem.text)}


_TITLES = {
    403: "Not allowed",
    404: "Not found",
    429: "Too many requests",
    503: "Back in a moment",
}


def error_page(
    visit: Visit | None, problem: Problem, request_id: str, accept: str
) -> tuple[int, Headers, bytes]:
    """A problem as a page; whoever has to log in first is led there, and back afterwards.

    ``accept``: the browser's languages, for a path that nobody knows.
    """
    wanted = accept.strip().lower()[:2]
    language = _language(visit) if visit or wanted not in rules.LANGUAGES else wanted
    own = {name.encode(): value.encode() for name, value in HEADERS.items()}
    if isinstance(problem, Unauthenticated) and visit is not None:
        target = "/login"
        if rules.safe_path(visit.path) == visit.path:
            target += f"?next={_quoted(visit.path)}"
        own[b"location"] = target.encode()
        return 303, list(own.items()), b""
    title = told(language, _TITLES.get(problem.status, "Something went wrong"))
    text = told(language, NotFound.message if problem.status == 404 else problem.text)
    tenant = visit.call.tenant if visit else None
    operator, look = _known.get(tenant, (None, site.Look()))
    context = _context(visit, operator, look, language) | {
        "title": title,
        "text": text,
        "request_id": request_id,
        "status": problem.status,
    }
    body = _TEMPLATES.get_template("site/error.html").render(context).encode()
    own[b"content-type"] = b"text/html; charset=utf-8"
    if "retry_after" in problem.details:
        own[b"retry-after"] = str(problem.details["retry_after"]).encode()
    return problem.status, list(own.items()), body


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("&", "%26").replace("#", "%23").replace("+", "%2B")
