"""Passwords of vehicles as Mosquitto keeps them, and what its two files say."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ITERATIONS = 101
"""Mosquitto's own number. Of no weight here: nobody guesses 256 random bits."""
SALT_BYTES, _HASH_BYTES = 12, 64

ACL = """# Written by `fahrwerk accounts`: changes are lost.
user {platform}
topic read vehicles/+/acks
topic read vehicles/+/status
topic read vehicles/+/telemetry
topic read vehicles/+/telemetry/#
topic write vehicles/+/commands/+
topic write vehicles/+/zones

pattern read vehicles/%u/commands/+
pattern read vehicles/%u/zones
pattern write vehicles/%u/acks
pattern write vehicles/%u/status
pattern write vehicles/%u/telemetry
pattern write vehicles/%u/telemetry/+
"""
"""Each vehicle under its own topic; docs/protocol.md, 1."""


def secret_of(password: str, salt: bytes) -> str:
    """What Mosquitto compares a password with; ``salt`` is random, ``SALT_BYTES`` of it."""
    made = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, _HASH_BYTES)
    parts = (base64.b64encode(each).decode() for each in (salt, made))
    return f"$7${ITERATIONS}${'$'.join(parts)}"


def fits(password: str, secret: str) -> bool:
    """Whether this is the password."""
    salt = base64.b64decode(secret.split("$")[3])
    return hmac.compare_digest(secret_of(password, salt), secret)


def password_file(logins: Iterable[tuple[str, str]]) -> str:
    """Mosquitto's ``password_file``, of user names and secrets."""
    return "".join(f"{name}:{secret}\n" for name, secret in logins)
