"""The demo's operator and the people everybody may log in as.

``fahrwerk seed`` makes them, ``fahrwerk up`` prints them, the city uses them. They are public, so
an installation that others can reach must not have them: only ``seed`` ever makes any.
"""

from __future__ import annotations

from typing import NamedTuple

TENANT = "mobility"
PLATFORM_TENANT = "platform"


class Login(NamedTuple):
    """Someone to log in as."""

    who: str
    tenant: str
    email: str
    password: str
    role: str
    first_name: str
    last_name: str


ADMIN = Login(
    "Administrator", TENANT, "admin@mobility.example", "demo-admin-2026", "admin", "Alma", "Arendt"
)
PROVIDER = Login(
    "Fleet", TENANT, "fleet@mobility.example", "demo-fleet-2026", "provider", "Finn", "Falk"
)
SUPPORT = Login(
    "Support", TENANT, "support@mobility.example", "demo-support-2026", "support", "Sina", "Sommer"
)
RIDER = Login(
    "Rider", TENANT, "rider@mobility.example", "demo-rider-2026", "customer", "Rosa", "Reuter"
)
PLATFORM = Login(
    *("Platform", PLATFORM_TENANT, "platform@fahrwerk.example", "demo-platform-2026"),
    *("platform", "Petra", "Prinz"),
)
LOGINS = (ADMIN, PROVIDER, SUPPORT, RIDER, PLATFORM)

CITY = "berlin"
MDS_TOKEN = "mds_demo-berlin-2026"  # noqa: S105 - public, as the passwords above
"""With what the demo's city reads the MDS Provider API (docs/mds.md)."""

RATE_LIMITS = "auth=600/minute"
"""All the city's riders log in from one address: the contract's 10 a minute would keep them out."""
