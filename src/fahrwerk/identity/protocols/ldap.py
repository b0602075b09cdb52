"""LDAP: bind as a reader, search the person, bind as the person (RFC 4511, 4513, 4515).

ldap3 speaks in a thread (docs/decisions). Always over TLS, verified; to an address that was looked
at before (public, or in a network the installation allows); no referrals; time limits on all of it.
An empty password is refused before anything is asked: LDAP would call it an anonymous success.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

with warnings.catch_warnings():
    # ldap3 2.9.1 uses names that pyasn1 calls deprecated; both work.
    warnings.simplefilter("ignore", DeprecationWarning)
    import ldap3  # type: ignore[import-untyped]
    from ldap3.core.exceptions import LDAPException  # type: ignore[import-untyped]
    from ldap3.utils.conv import escape_filter_chars  # type: ignore[import-untyped]

from fahrwerk.identity.contract.sso import Directory
from fahrwerk.identity.rules.sso import MOST_GROUPS, is_reachable, refused
from fahrwerk.kernel.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Collection

    from fahrwerk.identity.protocols import Tell

CONNECT_S = 5
ANSWER_S = 10
MOST_AT_ONCE = 8
LONGEST = 256
UNIQUE = ("entryUUID", "objectGUID", "nsUniqueId", "ipaUniqueID")
"""What names an entry for good, also when it is renamed."""
_seats = asyncio.Semaphore(MOST_AT_ONCE)


class Unreachable(Unavailable):
    """The directory does not answer, or not as it should."""

    code = "SSO_PROVIDER_UNREACHABLE"
    message = "The directory of your organisation does not answer."


async def found(
    protocol: Directory,
    secret: str,
    login: str,
    password: str,
    *,
    networks: Collection[ipaddress.IPv4Network | ipaddress.IPv6Network],
    is_dev: bool,
    tell: Tell,
) -> tuple[str, dict[str, list[str]]]:
    """Who this is: what names the entry for good, and its attributes.

    Raises ``SsoRefused`` (unknown or wrong: the two look alike), ``Unreachable``.
    """
    if not password or not login or len(login) > LONGEST or len(password) > LONGEST:
        raise refused("credentials", "Name or password is wrong.")
    parts = urlsplit(protocol.url)
    host = str(parts.hostname)
    port = parts.port or (636 if parts.scheme == "ldaps" else 389)
    address = await _address(host, port, networks, is_dev=is_dev)
    tell("address", f"{host} is {address}")
    steps: list[tuple[str, str]] = []
    async with _seats:
        try:
            async with asyncio.timeout(CONNECT_S + 4 * ANSWER_S):
                return await asyncio.to_thread(
                    _log_in, protocol, secret, login, password, (host, address, port), steps
                )
        except (LDAPException, OSError, ssl.SSLError, TimeoutError) as error:
            text = f"{Unreachable.message} ({type(error).__name__}: {str(error)[:150]})"
            raise Unreachable(text) from error
        finally:
            for name, detail in steps:
                tell(name, detail)


async def _address(
    host: str,
    port: int,
    networks: Collection[ipaddress.IPv4Network | ipaddress.IPv6Network],
    *,
    is_dev: bool,
) -> str:
    """The address to connect to; all that the name has must be allowed."""
    try:
        answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise Unreachable(f"{host} has no address.") from None
    addresses = [str(each[4][0]).partition("%")[0] for each in answers]
    if not all(is_reachable(each, networks, is_dev=is_dev) for each in addresses):
        raise Unreachable(f"{host} is not a public address, nor in FAHRWERK_DIRECTORY_NETWORKS.")
    return addresses[0]


def _log_in(
    protocol: Directory,
    secret: str,
    login: str,
    password: str,
    place: tuple[str, str, int],
    steps: list[tuple[str, str]],
) -> tuple[str, dict[str, list[str]]]:
    server = _server(protocol, place)
    reader = _bound(server, protocol, protocol.bind_dn, secret)
    if reader is None:
        raise Unreachable("The directory does not accept the reader's name and password.")
    try:
        steps.append(("tls", "the connection is encrypted and the certificate is right"))
        steps.append(("bind", f"as {protocol.bind_dn}"))
        wanted = protocol.user_filter.replace("{login}", escape_filter_chars(login))
        entries = _search(reader, protocol.base_dn, wanted, 2)
        if len(entries) != 1:
            steps.append(("search", f"{len(entries)} entries match"))
            raise refused("credentials", "Name or password is wrong.")
        dn = str(entries[0]["dn"])
        steps.append(("search", dn))
        person = _bound(server, protocol, dn, password)
        if person is None:
            raise refused("credentials", "Name or password is wrong.")
        person.unbind()
        steps.append(("password", "accepted"))
        claims = _texts(entries[0])
        if protocol.group_base_dn:
            groups = protocol.group_filter.replace("{dn}", escape_filter_chars(dn))
            found_ = _search(reader, protocol.group_base_dn, groups, MOST_GROUPS)
            claims["memberOf"] = claims.get("memberOf", []) + [str(g["dn"]) for g in found_]
            steps.append(("groups", f"{len(found_)} found"))
        steps.append(("attributes", ", ".join(sorted(claims))))
        return _name_for_good(entries[0], dn), claims
    finally:
        reader.unbind()


class _Verified(ldap3.Tls):  # type: ignore[misc]
    """TLS as Python does it: chain and name are checked by OpenSSL, for the name that was set up.

    ldap3's own check compares names itself, with functions that Python has since dropped.
    """

    def __init__(self, host: str, ca_pem: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._host = host
        self._context = ssl.create_default_context(cadata=ca_pem or None)

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Called by ldap3 on an open line, before anything is said that matters."""
        raw = connection.socket
        try:
            connection.socket = self._context.wrap_socket(
                raw, do_handshake_on_connect=True, server_hostname=self._host
            )
        except OSError:
            raw.close()
            raise


def _server(protocol: Directory, place: tuple[str, str, int]) -> Any:
    host, address, port = place
    return ldap3.Server(
        address,
        port=port,
        use_ssl=protocol.url.startswith("ldaps:"),
        tls=_Verified(host, protocol.ca_pem),
        get_info=ldap3.NONE,
        connect_timeout=CONNECT_S,
    )


def _bound(server: Any, protocol: Directory, dn: str, password: str) -> Any:
    """A connection bound as ``dn``, or None where the directory does not accept the password."""
    if not password:
        return None
    connection = ldap3.Connection(
        server,
        user=dn,
        password=password,
        authentication=ldap3.SIMPLE,
        receive_timeout=ANSWER_S,
        auto_referrals=False,
        read_only=True,
        raise_exceptions=False,
    )
    connection.open()
    is_encrypted = protocol.url.startswith("ldaps:") or connection.start_tls()
    if is_encrypted and connection.bind():
        return connection
    result = connection.result["description"] if connection.result else ""
    connection.unbind()
    if not is_encrypted:
        raise Unreachable("The directory does not offer StartTLS.")
    if result not in ("invalidCredentials", "inappropriateAuthentication", "unwillingToPerform"):
        raise Unreachable(f"The directory answered {result!r} to a log-in.")
    return None


def _search(connection: Any, base: str, wanted: str, most: int) -> list[dict[str, Any]]:
    connection.search(
        base, wanted,
        search_scope=ldap3.SUBTREE, dereference_aliases=ldap3.DEREF_NEVER,
        attributes=[ldap3.ALL_ATTRIBUTES, ldap3.ALL_OPERATIONAL_ATTRIBUTES],
        size_limit=most, time_limit=ANSWER_S,
    )  # fmt: skip
    result = connection.result["description"]
    if result not in ("success", "sizeLimitExceeded", "noSuchObject", "referral"):
        raise Unreachable(f"The directory answered {result!r} to a search.")
    return [each for each in connection.response or () if each["type"] == "searchResEntry"][:most]


def _texts(entry: dict[str, Any]) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    for name, values in entry["raw_attributes"].items():
        if name.lower() in ("userpassword", "jpegphoto", "thumbnailphoto", "usercertificate"):
            continue
        read = [v.decode("utf-8", "replace")[:1000] for v in values[:MOST_GROUPS]]
        texts[name] = [text for text in read if text]
    return texts


def _name_for_good(entry: dict[str, Any], dn: str) -> str:
    for name in UNIQUE:
        if values := entry["raw_attributes"].get(name):
            raw = values[0]
            return str(raw.hex() if name == "objectGUID" else raw.decode("ascii", "replace"))
    return dn.casefold()
