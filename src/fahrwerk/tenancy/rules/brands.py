"""What a brand and a domain may look like, and what proves a domain. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fahrwerk.kernel.errors import Invalid
from fahrwerk.tenancy import rules

if TYPE_CHECKING:
    from collections.abc import Collection

    from fahrwerk.tenancy.contract.brands import Brand

_COLOR = re.compile(r"#[0-9a-f]{6}")
MOST_FAILURES = 14
PROOF = "fahrwerk-domain="


def check_brand(brand: Brand) -> None:
    """Raise ``Invalid`` for a brand nobody could show."""
    if not 1 <= len(brand.name.strip()) <= 100 or not brand.name.isprintable():
        raise Invalid(field="name", issue="must have 1 to 100 printable characters")
    for field in ("primary_color", "secondary_color"):
        if not _COLOR.fullmatch(getattr(brand, field)):
            raise Invalid(field=field, issue="must be of the kind #1a2b3c")


def domain_of(text: str, platform_hosts: Collection[str]) -> str:
    """A domain as it is kept. Raises ``Invalid`` for none, or one of the platform's own."""
    domain = text.strip().rstrip(".").lower()
    if not rules.is_host(domain):
        raise Invalid(field="domain", issue="must be a host name such as rides.example.org")
    if any(domain == host or domain.endswith(f".{host}") for host in platform_hosts):
        raise Invalid(field="domain", issue="is the platform's own")
    return domain


def proof_in(
    txt: Collection[str], cname: Collection[str], token: str, target: str | None
) -> tuple[str | None, str | None]:
    """``(proven_by, problem)``: by the TXT record, or by a CNAME that points at the operator."""
    if any(each.strip() == f"{PROOF}{token}" for each in txt):
        return "txt", None
    if any(each.rstrip(".").lower() == target for each in cname):
        return "cname", None
    if any(each.startswith(PROOF) for each in txt):
        return None, "the TXT record has another value"
    if cname:
        return None, f"the CNAME points at {sorted(cname)[0][:200]}"
    return None, "there is neither the TXT record nor the CNAME"
