"""Single sign-on: the operator's identity providers, and log-in by them (IDN-20..25)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from fahrwerk.identity.contract import Client, Login
from fahrwerk.identity.contract.pages import PageSession
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound, Unauthenticated

Short = Annotated[str, Meta(max_length=255)]
Address = Annotated[str, Meta(max_length=1000)]


class Oidc(msgspec.Struct, frozen=True, tag="oidc", forbid_unknown_fields=True):
    """OpenID Connect: code flow with PKCE. Its secret is the client secret, if it has one."""

    issuer: Address
    client_id: Short
    scopes: Annotated[list[Short], Meta(max_length=20)] = msgspec.field(
        default_factory=lambda: ["openid", "email", "profile"]
    )


class Saml(msgspec.Struct, frozen=True, tag="saml", forbid_unknown_fields=True):
    """SAML 2.0, as its metadata says: give ``metadata_xml`` or ``metadata_url``, read the rest."""

    metadata_url: Address = ""
    """Read anew when a signature is by a key that is not known yet."""
    metadata_xml: Annotated[str, Meta(max_length=400_000)] = ""
    entity_id: Address = ""
    sso_url: Address = ""
    certificates: Annotated[list[str], Meta(max_length=10)] = []
    """DER, base64. Only by these may assertions be signed."""


class Directory(msgspec.Struct, frozen=True, tag="ldap", forbid_unknown_fields=True):
    """LDAP: bind, search, bind. Its secret is the password of ``bind_dn``."""

    url: Address
    """``ldaps://host[:636]``, or ``ldap://host[:389]``: then StartTLS is always used."""
    bind_dn: Address
    base_dn: Address
    user_filter: Address = "(&(objectClass=person)(|(uid={login})(mail={login})))"
    """``{login}`` is what was typed, escaped."""
    group_base_dn: Address = ""
    """Where groups are looked for; empty: only ``memberOf`` of the person counts."""
    group_filter: Address = "(&(objectClass=groupOfNames)(member={dn}))"
    ca_pem: Annotated[str, Meta(max_length=20_000)] = ""
    """Who signed its certificate, where that is no public authority."""


Protocol = Oidc | Saml | Directory


class RoleRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is in this group at the provider has this role here (IDN-23)."""

    group: Annotated[str, Meta(min_length=1, max_length=500)]
    role: Annotated[str, Meta(min_length=1, max_length=50)]


class NewProvider(msgspec.Struct, frozen=True, kw_only=True):
    """An identity provider as an administrator describes it. Does not print its secret."""

    name: str
    protocol: Protocol
    secret: str | None = None
    """None: the one that was set before stays."""
    mapping: dict[str, str] = {}
    """Our field to their attribute: email, first_name, last_name, department, locale, username,
    external_id, groups, role. What is left out is found under its usual names (IDN-22)."""
    role_rules: list[RoleRule] = []
    default_roles: list[str] = msgspec.field(default_factory=lambda: ["customer"])
    domains: list[str] = []
    """E-mail domains the provider speaks for."""
    redirect_uris: list[str] = []
    """Where apps may be sent back to after log-in, letter by letter."""
    is_enabled: bool = True
    is_enforced: bool = False
    """People of its domains cannot log in by password, administrators excepted."""
    may_create: bool = True
    """A first log-in makes an account (IDN-24)."""
    may_link_by_email: bool = False
    """A first log-in takes over an account with an address of its domains."""
    rank: int = 50
    """Of several the lowest is offered first; equals by name."""

    def __repr__(self) -> str:
        return f"NewProvider({self.name})"


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """An identity provider as it may be shown: never its secret."""

    id: UUID
    name: str
    protocol: Protocol
    has_secret: bool
    mapping: dict[str, str]
    role_rules: list[RoleRule]
    default_roles: list[str]
    domains: list[str]
    redirect_uris: list[str]
    is_enabled: bool
    is_enforced: bool
    may_create: bool
    may_link_by_email: bool
    rank: int
    version: int
    created_at: datetime
    updated_at: datetime


class Choice(msgspec.Struct, frozen=True):
    """A provider as strangers see it, to choose how to log in."""

    id: UUID
    name: str
    protocol: str
    """oidc | saml | ldap"""
    is_enforced: bool


class Link(msgspec.Struct, frozen=True):
    """A provider at which a person can log in to this account, because he did before."""

    provider_id: UUID
    name: str
    linked_at: datetime
    last_used_at: datetime


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """How a log-in shall go on after the provider."""

    flow: str
    """``app``: back to ``redirect_uri`` with a code; ``page``: with a cookie, to a local path."""
    redirect_uri: str
    state: str = ""
    """The app's own, given back as it was."""
    code_challenge: str = ""
    """The app's own PKCE challenge, S256."""


class Started(msgspec.Struct, frozen=True):
    """A log-in under way: whose browser opens our page with ``ticket`` is sent to the provider."""

    attempt_id: UUID
    ticket: str


class Leaving(msgspec.Struct, frozen=True):
    """Where the browser goes now, and the cookie by which it is known when it comes back."""

    url: str
    cookie: str
    secret: str


class Came(msgspec.Struct, frozen=True, kw_only=True):
    """How a browser came back from a provider."""

    state: str
    code: str = ""
    issuer: str = ""
    """``iss`` of RFC 9207."""
    error: str = ""
    description: str = ""


class Landing(msgspec.Struct, frozen=True, kw_only=True):
    """How it ends for the browser: an address, with a page session, or the steps of a test."""

    url: str = ""
    session: PageSession | None = None
    cookie: str = ""
    """Of this log-in; not needed any more."""
    steps: list[Step] | None = None


class Step(msgspec.Struct, frozen=True):
    """One thing that was done or checked in a test of a provider."""

    name: str
    is_ok: bool
    detail: str


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A test of a provider: nobody is logged in by it."""

    id: UUID | None = None
    ticket: str | None = None
    """To be opened in a browser where the protocol needs one; else all has been said."""
    steps: list[Step]
    is_over: bool


class UnknownProvider(NotFound):
    """No such provider with this operator, or it is switched off."""

    code = "UNKNOWN_SSO_PROVIDER"
    message = "There is no such identity provider."


class DomainClaimed(Conflict):
    """Another provider of this operator speaks for the domain."""

    code = "SSO_DOMAIN_CLAIMED"
    message = "Another identity provider already speaks for this domain."


class SsoRefused(Unauthenticated):
    """The log-in by the provider failed; ``reason`` says in a word why."""

    code = "SSO_REFUSED"
    message = "The log-in at your organisation could not be accepted."


class SsoRequired(Unauthenticated):
    """The operator asks people of this domain to log in at their provider; ``provider`` says
    which."""

    code = "SSO_REQUIRED"
    message = "Please log in with your organisation's account."


@query
async def sso_providers(call: Call) -> list[Provider]:
    """All providers of the operator, by rank, at most 50 (permission ``identity.sso.read``)."""
    raise AssertionError


@query
async def sso_provider(call: Call, provider_id: UUID) -> Provider:
    """One of them (permission ``identity.sso.read``). Raises ``UnknownProvider``."""
    raise AssertionError


@query
async def sso_choices(call: Call, email: str) -> list[Choice]:
    """Providers that are switched on: that of the address's domain, or all if it has none.

    For everybody. Says nothing about accounts: only the domain is looked at.
    """
    raise AssertionError


@query
async def sso_links(call: Call) -> list[Link]:
    """The providers that the caller's own account is linked to, by name, at most 50."""
    raise AssertionError


@query
async def sso_trial(call: Call, attempt_id: UUID) -> Trial:
    """How a test goes (permission ``identity.sso.read``); for ten minutes. ``UnknownProvider``."""
    raise AssertionError


@query
async def saml_metadata(call: Call, provider_id: UUID) -> str:
    """Our metadata for this provider, XML, for everybody. Raises ``UnknownProvider``."""
    raise AssertionError


@action
async def save_sso_provider(
    call: Call, wanted: NewProvider, provider_id: UUID | None, version: int | None
) -> Provider:
    """Add a provider, or replace one (permission ``identity.sso.write``).

    Nobody lets a provider give roles that may more than he may: ``Forbidden``. Switching it off
    ends the sessions begun by it. ``version``: as it was read, or None. Raises ``Invalid``,
    ``UnknownProvider``, ``DomainClaimed``, ``Conflict`` (changed meanwhile), ``Unavailable`` (its
    metadata address does not answer).
    """
    raise AssertionError


@action
async def remove_sso_provider(call: Call, provider_id: UUID) -> None:
    """Forget a provider and its links (permission ``identity.sso.write``). Accounts stay, sessions
    begun by it end. Raises ``UnknownProvider``."""
    raise AssertionError


@action
async def try_sso_provider(call: Call, provider_id: UUID, login: str, password: str) -> Trial:
    """Run a log-in dry (permission ``identity.sso.write``): every step is told, nobody logged in.

    LDAP needs ``login`` and ``password``; the others go on in a browser. Works while switched off.
    """
    raise AssertionError


@action
async def start_sso(call: Call, provider_id: UUID, wish: Wish) -> Started:
    """Begin a log-in by OIDC or SAML; good for ten minutes.

    Raises ``UnknownProvider``, ``Invalid`` (an address that is not among the provider's
    ``redirect_uris``, no PKCE challenge, LDAP).
    """
    raise AssertionError


@action
async def leave_for_sso(call: Call, ticket: str) -> Leaving:
    """Send the browser that has the ticket to its provider; once. Raises ``SsoRefused``."""
    raise AssertionError


@action
async def return_from_sso(
    call: Call, provider_id: UUID, came: Came, secret: str, device: str
) -> Landing:
    """A browser is back from an OIDC provider; ``secret`` is its cookie's, ``device`` its name.

    Raises ``SsoRefused`` when it is not known where it wants to go; other refusals are told there.
    """
    raise AssertionError


@action
async def take_assertion(call: Call, provider_id: UUID, response: str, state: str) -> str:
    """Verify a SAML response; answers what the browser's next request names as ``token``.

    That request, unlike this one, brings the cookie: see :func:`finish_sso`.
    """
    raise AssertionError


@action
async def finish_sso(call: Call, token: str, secret: str, device: str) -> Landing:
    """The browser that left is back with a verified assertion. Errors as ``return_from_sso``."""
    raise AssertionError


@action
async def redeem_sso_code(call: Call, code: str, verifier: str, client: Client) -> Login:
    """Tokens for the code an app got, within a minute, once; with its PKCE verifier (RFC 7636).

    Raises ``SsoRefused``.
    """
    raise AssertionError


@action
async def log_in_by_directory(
    call: Call, provider_id: UUID, login: str, password: str, client: Client
) -> Login:
    """Log in at an LDAP directory. Raises ``SsoRefused``, ``UnknownProvider``, ``Unavailable``."""
    raise AssertionError


@action
async def log_in_page_by_directory(
    call: Call, provider_id: UUID, login: str, password: str, device: str
) -> PageSession:
    """The same for a browser: a page session instead of tokens."""
    raise AssertionError
