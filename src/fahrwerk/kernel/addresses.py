"""Network addresses: which of them lead out into the open internet."""

from __future__ import annotations

import ipaddress

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_OF_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")
"""Where one cloud has its metadata (192.0.0.192); not all Pythons take it for what it is."""


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """True for the address of one server in the open internet: where a user's address may lead.

    An IPv6 address that is but a wrapper of an IPv4 one (mapped, 6to4, Teredo, NAT64) leads where
    that one does.
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None or address.is_site_local:
            return False
    elif address in _OF_PROTOCOLS:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved
