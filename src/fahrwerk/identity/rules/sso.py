"""What single sign-on decides: whom an identity provider's word makes, and what may be set. Pure.

``Said`` is what a provider said, whatever its protocol; ``decide`` whose account that is.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from fahrwerk.identity import rules
from fahrwerk.identity.contract.sso import (
    Directory,
    NewProvider,
    Oidc,
    Provider,
    RoleRule,
    Saml,
    SsoRefused,
)
from fahrwerk.kernel.addresses import is_public
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

MOST_PROVIDERS = 50
LONGEST_SUBJECT = 255
MOST_GROUPS = 1000
_CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"
_MICROSOFT = "http://schemas.microsoft.com"
USUAL: dict[str, tuple[str, ...]] = {
    "email": ("email", "mail", f"{_CLAIMS}/emailaddress", "urn:oid:0.9.2342.19200300.100.1.3"),
    "first_name": ("given_name", "givenName", f"{_CLAIMS}/givenname", "urn:oid:2.5.4.42"),
    "last_name": ("family_name", "sn", f"{_CLAIMS}/surname", "urn:oid:2.5.4.4"),
    "department": ("department", "departmentNumber", "ou"),
    "locale": ("locale", "preferredLanguage"),
    "username": (
        *("preferred_username", "uid", "sAMAccountName", f"{_CLAIMS}/name"),
        "urn:oid:0.9.2342.19200300.100.1.1",
    ),
    "external_id": (
        *("oid", "externalId", "employeeNumber"),
        f"{_MICROSOFT}/identity/claims/objectidentifier",
    ),
    "groups": (
        *("groups", "memberOf", "eduPersonAffiliation"),
        f"{_MICROSOFT}/ws/2008/06/identity/claims/groups",
    ),
    "role": ("role", "roles", f"{_MICROSOFT}/ws/2008/06/identity/claims/role"),
}
"""Under which names our fields usually come, where the operator's mapping says nothing."""
RIDERS = frozenset({"customer", "business_user"})
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_APP_SCHEME = re.compile(r"[a-z][a-z0-9]*(\.[a-z0-9-]+)+")


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider said of somebody, in our words."""

    issuer: str
    subject: str
    email: str | None = None
    is_email_trusted: bool = False
    username: str | None = None
    external_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    department: str | None = None
    locale: str | None = None
    groups: list[str] = []


class Known(msgspec.Struct, frozen=True):
    """An account that may be the one."""

    id: UUID
    status: str
    roles: frozenset[str]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The accounts here that what was said might be about."""

    linked: Known | None = None
    """By (issuer, subject)."""
    provisioned: Known | None = None
    """Made by the same company's SCIM, under this name."""
    same_email: Known | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """``deed``: log_in | link | take_over | create."""

    deed: str
    person: UUID | None
    roles: list[str]


def said(
    mapping: Mapping[str, str],
    domains: Collection[str],
    issuer: str,
    subject: str,
    claims: Mapping[str, Any],
) -> Said:
    """A provider's attributes in our words. Raises ``SsoRefused`` for a subject that is none."""
    if not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise refused("subject", "It named nobody.")

    def values(field: str) -> list[str]:
        names = (mapping[field],) if mapping.get(field) else USUAL[field]
        return next((v for name in names if (v := texts(claims.get(name)))), [])

    def first(field: str, most: int) -> str | None:
        text = " ".join(next(iter(values(field)), "").split())
        return text[:most] if text and text.isprintable() else None

    email = first("email", rules.LONGEST_EMAIL + 1)
    try:
        email = rules.email_of(email) if email else None
    except Invalid:
        email = None
    verified = claims.get("email_verified")
    is_ours = email is not None and domain_of(email) in domains
    locale = (first("locale", 20) or "").replace("_", "-").partition("-")[0].lower()
    return Said(
        issuer=issuer,
        subject=subject,
        email=email,
        # Who speaks for a domain needs no other proof; but what it calls unverified is not proven.
        is_email_trusted=email is not None
        and (verified in (True, "true") or (is_ours and verified is None)),
        username=first("username", 255),
        external_id=first("external_id", 255),
        first_name=first("first_name", rules.LONGEST_NAME),
        last_name=first("last_name", rules.LONGEST_NAME),
        department=first("department", 100),
        locale=locale if locale in ("de", "en") else None,
        groups=list(dict.fromkeys(values("groups") + values("role")))[:MOST_GROUPS],
    )


def texts(value: Any) -> list[str]:
    """An attribute's values as text, whether it has one or many."""
    each = value if isinstance(value, list) else [value]
    return [str(v) for v in each if isinstance(v, str | int) and not isinstance(v, bool)]


NOT_GIVEN = frozenset({"platform", "recorder"})
"""Roles that no provider and no directory gives, whatever stands in its rules: those may have come
with a tenant's file."""


def roles_for(
    groups: Iterable[str], role_rules: Iterable[RoleRule], default: Iterable[str]
) -> list[str]:
    """The roles that these groups give. Groups of a directory match by DN or by common name."""
    names = {name for group in groups for name in _names_of(group)}
    mapped = {rule.role for rule in role_rules if rule.group.casefold() in names}
    return sorted(mapped.union(default) - NOT_GIVEN)


def _names_of(group: str) -> set[str]:
    """A group's whole name, and of a DN its first value too: ``cn=fleet,ou=groups`` is ``fleet``.

    Only ``cn``, and only without escapes: a name must not be able to pose as another.
    """
    names = {group.casefold()}
    if match := re.match(r"cn=([^,+\\\"<>;=]+)(?:,|$)", group, re.IGNORECASE):
        names.add(match[1].strip().casefold())
    return names


def decide(provider: Provider, what: Said, found: Found) -> Decision:
    """Whose account this is. Raises ``SsoRefused``; ``reason`` is for the app, text for people.

    An account that is here already is never taken by its address alone: only where the operator
    allows it, for a domain the provider speaks for, and if the account may no more than the
    provider could give.
    """
    roles = roles_for(what.groups, provider.role_rules, provider.default_roles)
    for deed, known in (("log_in", found.linked), ("link", found.provisioned)):
        if known is not None:
            if known.status != "active":
                raise refused("blocked", "This account is blocked.")
            return Decision(deed=deed, person=known.id, roles=roles)
    if what.email is None:
        raise refused("email_missing", "It gave no e-mail address.")
    if not what.is_email_trusted:
        raise refused("email_unverified", "It has not verified this e-mail address.")
    if not roles:
        raise refused("no_role", "None of its groups has a role here.")
    known = found.same_email
    if known is not None:
        grantable = RIDERS.union(
            (rule.role for rule in provider.role_rules), provider.default_roles
        )
        is_ours = domain_of(what.email) in provider.domains
        if not (provider.may_link_by_email and is_ours and known.roles <= grantable):
            raise refused("account_exists", "There is already an account with this address.")
        if known.status != "active":
            raise refused("blocked", "This account is blocked.")
        return Decision(deed="take_over", person=known.id, roles=roles)
    if not provider.may_create:
        raise refused("not_provisioned", "There is no account for this person yet.")
    return Decision(deed="create", person=None, roles=roles)


def refused(reason: str, text: str) -> SsoRefused:
    """A refusal with its reason."""
    return SsoRefused(f"{SsoRefused.message} {text}", reason=reason)


def domain_of(email: str) -> str:
    """What stands behind the @, in small letters."""
    return email.replace("\0", "").rpartition("@")[2].strip().lower()


def cookie_of(state: str) -> str:
    """The cookie of a log-in: each has its own, so that two tabs do not take each other's."""
    return f"fahrwerk-sso-{hashlib.sha256(state.encode()).hexdigest()[:10]}"


def is_challenge(text: str) -> bool:
    """True for a PKCE challenge by S256."""
    return bool(_CHALLENGE.fullmatch(text))


def is_verifier(text: str) -> bool:
    """True for a PKCE verifier (RFC 7636, 4.1)."""
    return bool(_VERIFIER.fullmatch(text))


def local_path(text: str) -> str:
    """A path of our own pages to go to after log-in; the start page for anything else.

    ``//host`` and ``/\\host`` are other sites to a browser.
    """
    is_local = re.fullmatch(r"/(?![/\\])[!-~]{0,500}", text) and "\\" not in text
    return text if is_local else "/"


def check_address(url: str, field: str, *, is_dev: bool, schemes: tuple[str, ...]) -> None:
    """Raise ``Invalid`` unless it is an address by one of ``schemes``, with no user or fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Invalid(field=field, issue="is not an address") from None
    allowed = (*schemes, "http") if is_dev and "https" in schemes else schemes
    if parts.scheme not in allowed or not parts.hostname or port == 0:
        raise Invalid(field=field, issue=f"must be an address with {' or '.join(schemes)}")
    if parts.username is not None or parts.fragment or not re.fullmatch(r"[!-~]+", url):
        raise Invalid(field=field, issue="must have no user, no fragment and no spaces")


def check_redirect(uri: str, *, is_dev: bool) -> None:
    """Raise ``Invalid`` unless an app may be sent there: https, its own scheme, or itself."""
    scheme, _, rest = uri.partition(":")
    if _APP_SCHEME.fullmatch(scheme) and re.fullmatch(r"[!-~]{1,900}", rest) and "#" not in rest:
        return
    check_address(uri, "redirect_uris", is_dev=is_dev, schemes=("https",))
    host = urlsplit(uri).hostname or ""
    if uri.startswith("http:") and host not in ("localhost", "127.0.0.1"):
        raise Invalid(field="redirect_uris", issue="must be https")


def check(wanted: NewProvider, *, is_dev: bool) -> NewProvider:
    """The provider as it may be stored. Raises ``Invalid``."""
    name = " ".join(wanted.name.split())
    if not 0 < len(name) <= 100 or not name.isprintable():
        raise Invalid(field="name", issue="must have 1 to 100 printable characters")
    if unknown := sorted(wanted.mapping.keys() - USUAL.keys()):
        raise Invalid(field="mapping", issue=f"there is no field {unknown[0]!r}"[:200])
    if any(not 0 < len(each) <= 300 for each in wanted.mapping.values()):
        raise Invalid(field="mapping", issue="names of attributes have 1 to 300 characters")
    domains = sorted({each.strip().lower() for each in wanted.domains})
    for domain in domains:
        if not _DOMAIN.fullmatch(domain):
            raise Invalid(field="domains", issue="must be like example.org")
    if wanted.is_enforced and not domains:
        raise Invalid(field="is_enforced", issue="needs domains to be enforced for")
    for uri in wanted.redirect_uris:
        check_redirect(uri, is_dev=is_dev)
    if not 1 <= wanted.rank <= 100:
        raise Invalid(field="rank", issue="must be 1 to 100")
    roles = {rule.role for rule in wanted.role_rules}.union(wanted.default_roles)
    if roles & NOT_GIVEN:
        raise Invalid(field="role_rules", issue="platform and recorder cannot be given by others")
    if wanted.secret is not None and not 0 < len(wanted.secret) <= 2000:
        raise Invalid(field="secret", issue="must have 1 to 2000 characters")
    _check_protocol(wanted.protocol, is_dev=is_dev)
    return msgspec.structs.replace(wanted, name=name, domains=domains)


def _check_protocol(protocol: Oidc | Saml | Directory, *, is_dev: bool) -> None:
    if isinstance(protocol, Oidc):
        check_address(protocol.issuer, "issuer", is_dev=is_dev, schemes=("https",))
        if "?" in protocol.issuer:
            raise Invalid(field="issuer", issue="must have no query")
        if not protocol.client_id or not protocol.client_id.isprintable():
            raise Invalid(field="client_id", issue="is missing")
        if "openid" not in protocol.scopes:
            raise Invalid(field="scopes", issue="must contain openid")
        if any(not re.fullmatch(r"[!#-\[\]-~]+", scope) for scope in protocol.scopes):
            raise Invalid(field="scopes", issue="must be words without spaces")
    elif isinstance(protocol, Saml):
        if not (protocol.metadata_url or protocol.metadata_xml or protocol.entity_id):
            raise Invalid(field="metadata_xml", issue="metadata_xml or metadata_url is needed")
        if protocol.metadata_url:
            field = "metadata_url"
            check_address(protocol.metadata_url, field, is_dev=is_dev, schemes=("https",))
    else:
        check_address(protocol.url, "url", is_dev=False, schemes=("ldaps", "ldap"))
        for field in ("bind_dn", "base_dn"):
            if not getattr(protocol, field).strip():
                raise Invalid(field=field, issue="is missing")
        for field, mark in (("user_filter", "{login}"), ("group_filter", "{dn}")):
            text = getattr(protocol, field)
            if mark not in text or text.count("(") != text.count(")") or text[:1] != "(":
                raise Invalid(field=field, issue=f"must be a filter in brackets with {mark}")


def is_reachable(
    address: str,
    networks: Collection[ipaddress.IPv4Network | ipaddress.IPv6Network],
    *,
    is_dev: bool,
) -> bool:
    """True where a directory may be: public, in one of ``networks``, in development right here."""
    ip = ipaddress.ip_address(address)
    is_here = is_dev and ip.is_loopback
    return is_public(ip) or is_here or any(ip in each for each in networks)
