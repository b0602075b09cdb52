"""OpenID Connect: discovery, code flow with PKCE, ID token (OpenID Connect Core, RFC 7636, 9207).

Signatures are joserfc's. The algorithm must be one of ours *and* fit the kind of the key; a secret
is never a signature key, so a public key cannot pose as one. What a provider publishes is kept for
ten minutes; when a token names a key that is not among them they are fetched once more, at most
every half minute for all log-ins together.
"""

from __future__ import annotations

import base64
import hashlib
import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import extract_compact

from fahrwerk.identity.contract.sso import Oidc
from fahrwerk.identity.rules.sso import check_address, refused
from fahrwerk.kernel import crypto, outside
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from fahrwerk.identity.protocols import Tell

T = TypeVar("T")
KEEP_S = 600.0
REFETCH_S = 30.0
MOST_KEPT = 500
MOST_KEYS = 50
LARGEST_ANSWER = 512 << 10
LONGEST_TOKEN = 64 << 10
SKEW_S = 60
ALGORITHMS = {
    "RSA": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
    "EC": ["ES256", "ES384", "ES512"],
    "OKP": ["EdDSA"],
}
_KINDS: dict[str, Any] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


class Published(msgspec.Struct, frozen=True):
    """What a provider says of itself (OpenID Connect Discovery, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] = msgspec.field(
        default_factory=lambda: ["client_secret_basic"]
    )
    authorization_response_iss_parameter_supported: bool = False


class _Answer(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str = ""


class _Keys(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


_published: dict[tuple[str, bool], tuple[float, Published]] = {}
_keys: dict[str, tuple[float, list[dict[str, Any]]]] = {}
_peers: dict[tuple[str, bool], outside.Peer] = {}


def _keep(kept: dict[Any, Any], name: Any, value: Any) -> None:
    while len(kept) >= MOST_KEPT:
        del kept[next(iter(kept))]
    kept[name] = value


async def _call(method: str, url: str, *, is_dev: bool, **request: Any) -> outside.Answer:
    """One request to an address that a user gave, or that what he gave has led to."""
    check_address(url, "issuer", is_dev=is_dev, schemes=("https",))
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    if (peer := _peers.get((origin, is_dev))) is None:
        peer = outside.stranger("sso", origin, is_dev=is_dev)
        _keep(_peers, (origin, is_dev), peer)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    answer = await peer.call(method, path, **request)
    if len(answer.content) > LARGEST_ANSWER:
        raise refused("provider_answer", "What it answered is too large.")
    return answer


def _read(answer: outside.Answer, kind: type[T], what: str) -> T:
    if answer.status_code != 200:
        raise refused("provider_answer", f"Its {what} answered {answer.status_code}.")
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise refused("provider_answer", f"Its {what} does not answer as it should.") from None


async def published(protocol: Oidc, *, is_dev: bool, tell: Tell) -> Published:
    """The provider's own description, which must name the very issuer that was set up."""
    kept = _published.get((protocol.issuer, is_dev))
    if kept is not None and time.monotonic() < kept[0]:
        tell("discovery", f"{protocol.issuer} (known)")
        return kept[1]
    url = protocol.issuer.rstrip("/") + "/.well-known/openid-configuration"
    found = _read(await _call("GET", url, is_dev=is_dev), Published, "discovery document")
    if found.issuer != protocol.issuer:
        raise refused("issuer", f"It calls itself {found.issuer!r}, not {protocol.issuer!r}."[:300])
    try:
        for each in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
            check_address(each, "issuer", is_dev=is_dev, schemes=("https",))
    except Invalid as problem:
        text = f"Its discovery document names an address that {problem.details['issue']}."
        raise refused("provider_answer", text) from None
    tell("discovery", url)
    _keep(_published, (protocol.issuer, is_dev), (time.monotonic() + KEEP_S, found))
    return found


def authorization_url(
    provider: Published, protocol: Oidc, redirect_uri: str, state: str, nonce: str, verifier: str
) -> str:
    """Where the browser is sent to."""
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": protocol.client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(protocol.scopes),
        "state": state,
        "nonce": nonce,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    mark = "&" if "?" in provider.authorization_endpoint else "?"
    return f"{provider.authorization_endpoint}{mark}{urlencode(query)}"


def check_issuer(provider: Published, came_from: str) -> None:
    """Whose answer this is (RFC 9207): another provider's code must not be sent to this one."""
    is_told = came_from or provider.authorization_response_iss_parameter_supported
    if is_told and came_from != provider.issuer:
        raise refused("issuer", "The answer came from another provider.")


async def claims(
    provider: Published,
    protocol: Oidc,
    secret: str | None,
    *,
    code: str,
    redirect_uri: str,
    verifier: str,
    nonce: str,
    now: float,
    is_dev: bool,
    tell: Tell,
) -> dict[str, Any]:
    """Exchange the code and verify what comes for it: the claims of the ID token, and those of the
    userinfo endpoint that it does not have."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    headers = {"accept": "application/json"}
    if secret is None:
        form["client_id"] = protocol.client_id
    elif "client_secret_basic" in provider.token_endpoint_auth_methods_supported:
        pair = f"{quote(protocol.client_id, safe='')}:{quote(secret, safe='')}"
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": protocol.client_id, "client_secret": secret}
    answer = await _call("POST", provider.token_endpoint, is_dev=is_dev, data=form, headers=headers)
    if answer.status_code in (400, 401):
        raise refused("code", f"It did not accept the code: {answer.text[:200]!r}.")
    tokens = _read(answer, _Answer, "token endpoint")
    tell("code", "exchanged for an ID token")
    found = await verified(provider, protocol, tokens.id_token, nonce=nonce, now=now, is_dev=is_dev)
    tell("id_token", f"signature, issuer, audience, times and nonce are right; {found['sub']!r}")
    if provider.userinfo_endpoint and tokens.access_token:
        headers = {"authorization": f"Bearer {tokens.access_token}", "accept": "application/json"}
        url = provider.userinfo_endpoint
        more = await _call("GET", url, is_dev=is_dev, headers=headers)
        if more.status_code == 200 and "jwt" not in more.headers.get("content-type", ""):
            info = _read(more, dict[str, Any], "userinfo endpoint")
            if info.get("sub") != found["sub"]:
                raise refused("userinfo", "Its userinfo is about somebody else.")
            found = info | found
            tell("userinfo", ", ".join(sorted(info)))
    return found


async def verified(
    provider: Published, protocol: Oidc, token: str, *, nonce: str, now: float, is_dev: bool
) -> dict[str, Any]:
    """The claims of an ID token for us, by its provider, for this very log-in (Core, 3.1.3.7)."""
    said = await _signed(provider, token, is_dev=is_dev)
    if said.get("iss") != provider.issuer:
        raise refused("issuer", "The ID token is by another issuer.")
    audience = said.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    party = said.get("azp")
    if protocol.client_id not in audiences or (len(audiences) > 1 and party is None):
        raise refused("audience", "The ID token is for somebody else.")
    if party is not None and party != protocol.client_id:
        raise refused("audience", "The ID token was issued to somebody else.")
    times = {name: said.get(name) for name in ("exp", "iat", "nbf")}
    for name, at in times.items():
        if isinstance(at, bool) or not isinstance(at, int | float | None):
            raise refused("times", f"The ID token's {name} is no time.")
    expires, issued, begins = times["exp"], times["iat"], times["nbf"]
    if expires is None or expires <= now - SKEW_S:
        raise refused("expired", "The ID token has expired.")
    if issued is None or issued > now + SKEW_S or (begins is not None and begins > now + SKEW_S):
        raise refused("times", "The ID token is from the future; is a clock wrong?")
    if not crypto.same(str(said.get("nonce")), nonce):
        raise refused("nonce", "The ID token is of another log-in.")
    if not isinstance(said.get("sub"), str):
        raise refused("subject", "The ID token names nobody.")
    return said


async def _signed(provider: Published, token: str, *, is_dev: bool) -> dict[str, Any]:
    if len(token) > LONGEST_TOKEN:
        raise refused("id_token", "The ID token is too large.")
    try:
        header = extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError, KeyError):
        raise refused("id_token", "The ID token is malformed.") from None
    kind = next((k for k, names in ALGORITHMS.items() if header.get("alg") in names), None)
    if kind is None:
        raise refused("algorithm", "The ID token is signed in a way that is not accepted.")
    candidates = await _candidates(provider.jwks_uri, kind, header.get("kid"), is_dev=is_dev)
    for each in candidates:
        try:
            key = _KINDS[kind].import_key(each)
            if kind == "RSA" and key.raw_value.key_size < 2048:
                continue
            return jwt.decode(token, key, algorithms=ALGORITHMS[kind]).claims
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    raise refused("signature", "The ID token is not signed by a key of the provider.")


async def _candidates(url: str, kind: str, kid: object, *, is_dev: bool) -> list[dict[str, Any]]:
    """The provider's keys that could have signed: of this kind, and of this id if one is named."""

    def fitting(keys: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            key
            for key in keys
            if key.get("kty") == kind
            and key.get("use", "sig") == "sig"
            and (kid is None or key.get("kid") == kid)
        ]

    now = time.monotonic()
    fetched_at, keys = _keys.get(url, (-KEEP_S, []))
    if now - fetched_at < KEEP_S and (found := fitting(keys)):
        return found
    if now - fetched_at < REFETCH_S:
        return []
    answer = _read(await _call("GET", url, is_dev=is_dev), _Keys, "key set")
    # No private halves, no secrets: only what a signature is checked with.
    keys = [key for key in answer.keys[:MOST_KEYS] if key.get("kty") in ALGORITHMS]
    _keep(_keys, url, (now, keys))
    return fitting(keys)


async def look(protocol: Oidc, *, is_dev: bool, tell: Tell) -> Published:
    """What can be seen of a provider without anybody logging in."""
    found = await published(protocol, is_dev=is_dev, tell=tell)
    answer = _read(await _call("GET", found.jwks_uri, is_dev=is_dev), _Keys, "key set")
    fitting = [key for key in answer.keys[:MOST_KEYS] if key.get("kty") in ALGORITHMS]
    if not fitting:
        raise refused("signature", "It publishes no key for signatures that are accepted here.")
    tell("keys", f"{len(fitting)} at {found.jwks_uri}")
    return found


def forget() -> None:
    """Forget what providers published, for tests of providers that change."""
    _published.clear()
    _keys.clear()
