"""Settings from the environment: every knob in one frozen value, with the embedded default.

Each field is read from ``FAHRWERK_<NAME>``. No set-up is needed for a laptop: what is unset is
started or made by Fahrwerk itself below the data folder.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from pathlib import Path
from typing import Annotated

import msgspec

ROOMS = (
    "tenancy",
    "site",
    "identity",
    "fleet",
    "pricing",
    "payments",
    "wallet",
    "rentals",
    "notifications",
    "feeds",
)
"""Rooms in this build, in the order of the stairs (lowest first)."""


SHORTEST_SECRET = 32


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of one process. See docs/operate.md for what each one means to an operator."""

    data: Path = Path("var")
    database_url: str | None = None
    """The application's login: neither owner nor superuser. None = embedded PostgreSQL."""
    database_admin_url: str | None = None
    """The owner's login, for migrations only."""
    database_pool: int = 16
    http_host: str = "127.0.0.1"
    http_port: int = 8080
    trusted_proxies: str = ""
    """Addresses or networks of proxies in front of us, e.g. ``10.0.0.0/8,192.0.2.7``: only what
    they say in X-Forwarded-For is believed. Without, the caller is whoever connects."""
    public_url: str | None = None
    mqtt_url: str = "mqtt://127.0.0.1:1883"
    ingest_seats: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1
    """Into how many parts the vehicles are divided among the workers that take in telemetry."""
    omni_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] | None = None
    """Where Omni devices connect (docs/devices.md); None = not at all."""
    teltonika_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] | None = None
    teltonika_codec: Annotated[int, msgspec.Meta(ge=12, le=14)] = 12
    """Of commands: 12, or 14, which names the IMEI once more."""
    device_host: str = "127.0.0.1"
    """The address on which devices are listened for."""
    device_networks: str = ""
    """Who may connect as a device, e.g. ``10.64.0.0/16,fd00::/8``; empty = everybody."""
    directory_networks: str = ""
    """Where LDAP directories may be besides public addresses, e.g. ``10.20.0.0/16``."""
    smtp_url: str | None = None
    mail_from: str = "noreply@fahrwerk.example"
    sms_url: str | None = None
    """Where SMS go as JSON by POST (docs/identity.md); None = into the mailbox, like letters."""
    breach_url: str | None = None
    """A list of leaked passwords, like ``https://api.pwnedpasswords.com`` (docs/identity.md); None
    = our own rules alone, ``sandbox:`` = a handful to try it with."""
    jwt_secret: str | None = None
    """Signs tokens, and seals what has to be shown to others later, such as gateway keys."""
    jwt_secrets_before: str = ""
    """Secrets of before, newest first, divided by commas: still read, no longer used."""
    doors: str = "local"
    rooms_at: str = ""
    """Rooms that other processes serve, e.g. ``payments=http://10.0.0.5:8090``; see ``fahrwerk
    rooms``. Empty = each process does everything itself."""
    rate_limits: str = ""
    """Overrides, e.g. ``general=5000/hour,booking=100/minute``; empty = the contract's values."""
    redis_url: str | None = None
    """Where all processes count requests together; None = each counts by itself."""
    telemetry_days: Annotated[int, msgspec.Meta(ge=8)] = 90
    """How long readings are kept: positions of trips are personal data (GDPR Art. 5)."""
    work_metrics_port: int | None = None
    """Where a worker shows its metrics (/metrics on the HTTP host); None = nowhere."""
    stripe_url: str = "https://api.stripe.com"
    """Where Stripe is; another address only for a test server that stands for it."""
    stripe_platform_secret: str | None = None
    """The platform's own secret key at Stripe: it acts for operators' accounts that are connected
    to its own (Connect, docs/gateways.md); None = there are none."""
    stripe_platform_key: str = ""
    """The publishable key beside it."""
    stripe_platform_webhook_secret: str | None = None
    """Of its endpoint for events of connected accounts."""
    paypal_url: str = "https://api-m.paypal.com"
    """Where PayPal is; ``https://api-m.sandbox.paypal.com`` for keys without real money."""
    map_style: str = "bundled"
    """Of the apps' base map: ``bundled``, ``none``, or the address of a MapLibre style."""
    otlp_endpoint: str | None = None
    log_level: str = "INFO"
    dev: bool = True
    """Shows /dev/mail and lets the sandbox gateway's fault script be set. Off in production."""

    @property
    def address(self) -> str:
        """Where people reach this installation, without a trailing slash."""
        return (self.public_url or f"http://{self.http_host}:{self.http_port}").rstrip("/")

    def gateway_address(self, gateway: str) -> str:
        """Where a payment gateway's server is."""
        return {"stripe": self.stripe_url, "paypal": self.paypal_url}[gateway]


def load(environ: dict[str, str] | None = None) -> Settings:
    """Read settings from the environment; a value that does not fit is named with its variable."""
    env = os.environ if environ is None else environ
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(Settings):
        name = f"FAHRWERK_{field.name.upper()}"
        if (text := env.get(name)) not in (None, ""):
            try:
                values[field.name] = msgspec.convert(
                    Path(str(text)) if field.name == "data" else text, field.type, strict=False
                )
            except msgspec.ValidationError as error:
                raise SystemExit(f"{name}={text!r} does not fit: {error}") from None
    settings = Settings(**values)  # type: ignore[arg-type]
    _check_networks("FAHRWERK_TRUSTED_PROXIES", settings.trusted_proxies)
    _check_networks("FAHRWERK_DIRECTORY_NETWORKS", settings.directory_networks)
    for part in filter(None, map(str.strip, settings.rooms_at.split(","))):
        room, _, url = part.partition("=")
        if room not in ROOMS or not url.startswith(("http://", "https://")):
            raise SystemExit(f"FAHRWERK_ROOMS_AT={part!r} does not fit: room=http://host:port")
    return settings


def _check_networks(name: str, text: str) -> None:
    for part in filter(None, map(str.strip, text.split(","))):
        try:
            ipaddress.ip_network(part)
        except ValueError as error:
            raise SystemExit(f"{name}={text!r} does not fit: {error}") from None


def installation_secrets(settings: Settings) -> list[str]:
    """The secret of now, and those of before that are still read."""
    before = [part.strip() for part in settings.jwt_secrets_before.split(",")]
    return [installation_secret(settings), *filter(None, before)]


def installation_secret(settings: Settings) -> str:
    """The signing secret: given, or made once and kept in the data folder (mode 0600)."""
    if settings.jwt_secret:
        if not settings.dev and len(settings.jwt_secret) < SHORTEST_SECRET:
            raise SystemExit(
                f"FAHRWERK_JWT_SECRET has fewer than {SHORTEST_SECRET} characters: tokens signed "
                "with it could be forged. Make one with: openssl rand -base64 48"
            )
        return settings.jwt_secret
    path = settings.data / "secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as f:
                f.write(secrets.token_urlsafe(48))
        except FileExistsError:
            pass  # another process of this installation was faster: read what it wrote
    return path.read_text().strip()
