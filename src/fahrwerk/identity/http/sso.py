"""Single sign-on over HTTP: for administrators who set it up, and for apps that log in by it.

The browser's own way (out to the provider and back) is in ``sso_browser``.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from msgspec import Meta

from fahrwerk.identity.contract import Client, Login
from fahrwerk.identity.contract import sso as identity
from fahrwerk.identity.http.accounts import NOT_KEPT, DeviceProof, LoggedIn, bound, user_of
from fahrwerk.identity.queries.sso import base_of
from fahrwerk.kernel import clock, ids, settings, web
from fahrwerk.kernel.call import Call

UserAgent = Annotated[str, HeaderParameter(name="User-Agent", required=False)]
Secret = Annotated[str, Meta(min_length=1, max_length=2000)]
Group = Annotated[str, Meta(min_length=1, max_length=300)]
RoleName = Annotated[str, Meta(min_length=1, max_length=50)]
Place = Annotated[str, Meta(min_length=1, max_length=1000)]
PREFIX = "sso"


class SsoProviderBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An identity provider. ``protocol.type`` is ``oidc``, ``saml`` or ``ldap``."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    protocol: identity.Oidc | identity.Saml | identity.Directory
    secret: Secret | None = None
    mapping: Annotated[dict[str, Group], Meta(max_length=20)] = {}
    role_rules: Annotated[list[identity.RoleRule], Meta(max_length=200)] = []
    default_roles: Annotated[list[RoleName], Meta(max_length=10)] = msgspec.field(
        default_factory=lambda: ["customer"]
    )
    domains: Annotated[list[Annotated[str, Meta(max_length=253)]], Meta(max_length=50)] = []
    redirect_uris: Annotated[list[Place], Meta(max_length=20)] = []
    is_enabled: bool = True
    is_enforced: bool = False
    may_create: bool = True
    may_link_by_email: bool = False
    rank: Annotated[int, Meta(ge=1, le=100)] = 50
    """In which order people are offered it: the lowest first."""
    version: Annotated[int, Meta(ge=1, le=1 << 62)] | None = None
    """As it was read: a change of somebody else in between is then a 409."""


class SsoProviderView(msgspec.Struct, frozen=True, kw_only=True):
    """A provider, without its secret, and what has to be entered there about us."""

    id: str
    name: str
    protocol: identity.Oidc | identity.Saml | identity.Directory
    has_secret: bool
    mapping: dict[str, str]
    role_rules: list[identity.RoleRule]
    default_roles: list[str]
    domains: list[str]
    redirect_uris: list[str]
    is_enabled: bool
    is_enforced: bool
    may_create: bool
    may_link_by_email: bool
    rank: int
    version: int
    created_at: str
    updated_at: str
    callback_url: str
    """OIDC: the redirect URI to register there."""
    metadata_url: str
    """SAML: our metadata, which is our entity id too."""


class SsoProviders(msgspec.Struct, frozen=True):
    """All providers of the operator."""

    providers: list[SsoProviderView]


class SsoChoice(msgspec.Struct, frozen=True):
    """A way to log in."""

    id: str
    name: str
    protocol: str
    is_enforced: bool


class SsoChoices(msgspec.Struct, frozen=True):
    """Ways to log in for everybody, or for one e-mail domain."""

    providers: list[SsoChoice]


class SsoStartBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An app wants somebody to log in. ``code_challenge`` is of its own PKCE verifier (S256)."""

    provider: Annotated[str, Meta(max_length=50)]
    redirect_uri: Place
    code_challenge: Annotated[str, Meta(min_length=43, max_length=43)]
    state: Annotated[str, Meta(max_length=500)] = ""


class SsoStarted(msgspec.Struct, frozen=True):
    """The address to open in a browser, within ten minutes, once."""

    url: str


class SsoTokenBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code that came to ``redirect_uri``, and the verifier of the challenge."""

    code: Annotated[str, Meta(max_length=200)]
    code_verifier: Annotated[str, Meta(min_length=43, max_length=128)]


class DirectoryLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name and password at an LDAP directory."""

    provider: Annotated[str, Meta(max_length=50)]
    login: Annotated[str, Meta(max_length=256)]
    password: Annotated[str, Meta(max_length=256)]

    def __repr__(self) -> str:
        return f"DirectoryLogin({self.provider})"


class SsoTestBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Only LDAP needs these: the other protocols ask in the browser."""

    login: Annotated[str, Meta(max_length=256)] = ""
    password: Annotated[str, Meta(max_length=256)] = ""

    def __repr__(self) -> str:
        return "SsoTestBody()"


class SsoTest(msgspec.Struct, frozen=True, kw_only=True):
    """A log-in run dry. ``url``: open it in a browser, then ask for the test again."""

    id: str | None
    url: str | None
    is_over: bool
    is_ok: bool
    steps: list[identity.Step]


def _view(call: Call, each: identity.Provider) -> SsoProviderView:
    base = base_of(call, each.id)
    values = {name: getattr(each, name) for name in identity.Provider.__struct_fields__}
    values |= {
        "id": ids.public(PREFIX, each.id),
        "created_at": clock.stamp(each.created_at),
        "updated_at": clock.stamp(each.updated_at),
    }
    return SsoProviderView(
        **values, callback_url=f"{base}/callback", metadata_url=f"{base}/metadata"
    )


async def _saved(call: Call, data: SsoProviderBody, chosen: UUID | None) -> SsoProviderView:
    values = msgspec.structs.asdict(data)
    version = values.pop("version")
    wanted = identity.NewProvider(**values)
    return _view(call, await identity.save_sso_provider(call, wanted, chosen, version))


@get("/api/v1/sso/providers", permission="identity.sso.read", tags=["identity"])
async def list_sso_providers(call: web.Caller) -> SsoProviders:
    """All identity providers of the operator (at most 50)."""
    return SsoProviders([_view(call, each) for each in await identity.sso_providers(call)])


@post("/api/v1/sso/providers", permission="identity.sso.write", unkeyed=True, tags=["identity"])
async def add_sso_provider(call: web.Caller, data: JSONBody[SsoProviderBody]) -> SsoProviderView:
    """Add an identity provider (IDN-20..23): OIDC, SAML 2.0 or LDAP. See docs/sso.md.

    A role can be given by it only by somebody who may all that role may: 403. 409
    ``SSO_DOMAIN_CLAIMED``.
    """
    return await _saved(call, data, None)


@get(
    "/api/v1/sso/providers/{sso_provider_id:str}", permission="identity.sso.read", tags=["identity"]
)
async def get_sso_provider(call: web.Caller, sso_provider_id: FromPath[str]) -> SsoProviderView:
    """One identity provider."""
    return _view(call, await identity.sso_provider(call, ids.parse(sso_provider_id, PREFIX)))


@put(
    "/api/v1/sso/providers/{sso_provider_id:str}",
    permission="identity.sso.write",
    unkeyed=True,
    tags=["identity"],
)
async def change_sso_provider(
    call: web.Caller, sso_provider_id: FromPath[str], data: JSONBody[SsoProviderBody]
) -> SsoProviderView:
    """Replace what is set up. Without ``secret`` the old one stays, if the address stays too.

    ``is_enabled: false`` ends all sessions begun by it within a second.
    """
    return await _saved(call, data, ids.parse(sso_provider_id, PREFIX))


@delete(
    "/api/v1/sso/providers/{sso_provider_id:str}",
    permission="identity.sso.write",
    tags=["identity"],
)
async def remove_sso_provider(call: web.Caller, sso_provider_id: FromPath[str]) -> None:
    """Forget a provider: sessions begun by it end, accounts stay."""
    await identity.remove_sso_provider(call, ids.parse(sso_provider_id, PREFIX))


@post(
    "/api/v1/sso/providers/{sso_provider_id:str}/test",
    permission="identity.sso.write",
    limit="auth",
    unkeyed=True,
    status_code=200,
    tags=["identity"],
)
async def try_sso_provider(
    call: web.Caller, sso_provider_id: FromPath[str], data: JSONBody[SsoTestBody]
) -> SsoTest:
    """Run a log-in dry and say every step; nobody is logged in, nothing is made."""
    chosen = ids.parse(sso_provider_id, PREFIX)
    return _test(call, await identity.try_sso_provider(call, chosen, data.login, data.password))


@get("/api/v1/sso/tests/{sso_test_id:str}", permission="identity.sso.read", tags=["identity"])
async def get_sso_test(call: web.Caller, sso_test_id: FromPath[str]) -> SsoTest:
    """How a test in a browser went, for half an hour."""
    return _test(call, await identity.sso_trial(call, ids.parse(sso_test_id, "sst")))


def _test(call: Call, trial: identity.Trial) -> SsoTest:
    return SsoTest(
        id=ids.public("sst", trial.id) if trial.id else None,
        url=_go(call, trial.ticket) if trial.ticket else None,
        is_over=trial.is_over,
        is_ok=trial.is_over and all(step.is_ok for step in trial.steps),
        steps=trial.steps,
    )


def _go(call: Call, ticket: str) -> str:
    return f"{settings.load().address}/sso/{call.tenant_slug}/go?ticket={ticket}"


@get("/api/v1/auth/sso/providers", permission=None, public=True, limit="page", tags=["identity"])
async def list_sso_choices(
    call: web.Caller,
    email: Annotated[
        str, QueryParameter(max_length=255, description="whose domain decides; empty: all")
    ] = "",
) -> SsoChoices:
    """Ways to log in, to choose from; with ``email`` those of its domain. Tells no accounts."""
    shown = [
        SsoChoice(ids.public(PREFIX, each.id), each.name, each.protocol, each.is_enforced)
        for each in await identity.sso_choices(call, email.replace("\0", ""))
    ]
    return SsoChoices(shown)


@post(
    "/api/v1/auth/sso/start",
    permission=None,
    public=True,
    limit="page",
    unkeyed=True,
    status_code=200,
    tags=["identity"],
)
async def start_sso(call: web.Caller, data: JSONBody[SsoStartBody]) -> Response[SsoStarted]:
    """Begin a log-in by OIDC or SAML (IDN-25): open ``url`` in the system's browser.

    It ends at ``redirect_uri`` with ``code`` and ``state``, or with ``error`` and ``reason``.
    """
    wish = identity.Wish(
        flow="app",
        redirect_uri=data.redirect_uri,
        state=data.state,
        code_challenge=data.code_challenge,
    )
    started = await identity.start_sso(call, ids.parse(data.provider, PREFIX), wish)
    return Response(SsoStarted(_go(call, started.ticket)), headers=NOT_KEPT)


@post(
    "/api/v1/auth/sso/token",
    permission=None,
    public=True,
    limit="page",
    unkeyed=True,
    status_code=200,
    tags=["identity"],
)
async def redeem_sso_code(
    call: web.Caller, data: JSONBody[SsoTokenBody], agent: UserAgent = "", proof: DeviceProof = ""
) -> Response[LoggedIn]:
    """Tokens for the code of a log-in, within a minute, once. 401 ``SSO_REFUSED``.

    A ``DPoP`` header binds the session to the device's key, as with any log-in.
    """
    client = bound(Client(name=agent), proof, "/api/v1/auth/sso/token")
    return _tokens(
        call, await identity.redeem_sso_code(call, data.code, data.code_verifier, client)
    )


@post(
    "/api/v1/auth/sso/ldap",
    permission=None,
    public=True,
    limit="auth",
    unkeyed=True,
    status_code=200,
    tags=["identity"],
)
async def log_in_by_directory(
    call: web.Caller, data: JSONBody[DirectoryLogin], agent: UserAgent = "", proof: DeviceProof = ""
) -> Response[LoggedIn]:
    """Log in at an LDAP directory. 401 ``SSO_REFUSED``; 503 when the directory is silent."""
    chosen = ids.parse(data.provider, PREFIX)
    client = bound(Client(name=agent), proof, "/api/v1/auth/sso/ldap")
    return _tokens(
        call, await identity.log_in_by_directory(call, chosen, data.login, data.password, client)
    )


def _tokens(call: Call, done: Login) -> Response[LoggedIn]:
    body = LoggedIn(
        done.access_token, done.refresh_token, "Bearer", done.expires_in, user_of(call, done.person)
    )
    return Response(body, headers=NOT_KEPT)


handlers = [
    list_sso_providers,
    add_sso_provider,
    get_sso_provider,
    change_sso_provider,
    remove_sso_provider,
    try_sso_provider,
    get_sso_test,
    list_sso_choices,
    start_sso,
    redeem_sso_code,
    log_in_by_directory,
]
