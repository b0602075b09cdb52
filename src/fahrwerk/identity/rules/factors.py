"""Second factors: who needs one, which code of an authenticator app is right, recovery codes."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pyotp
from pyotp.utils import strings_equal

if TYPE_CHECKING:
    from collections.abc import Collection

STEP_S = 30
DIGITS = 6
RECOVERY_CODES = 10
RECOVERY_BYTES = 10
"""80 bits: not to be guessed, so a plain hash keeps them."""


def methods(
    roles: Collection[str], asked_of: Collection[str], *, has_totp: bool, has_passkey: bool
) -> list[str]:
    """How somebody with the right password has to go on; empty: he need not.

    Whoever set up an app is asked for it; others only for a role that the operator names.
    """
    if has_totp:
        return ["totp", "recovery_code"]
    if not set(roles) & set(asked_of):
        return []
    return ["passkey"] if has_passkey else ["enrol_totp"]


def step_of(secret: str, code: str, at: float, last_step: int) -> int | None:
    """The time step (RFC 6238) whose code this is, or None.

    One step early or late is right too, as clocks differ; none up to ``last_step``, so that a code
    that was seen over a shoulder is worth nothing once it was used.
    """
    if len(code) != DIGITS or not code.isascii() or not code.isdigit():
        return None
    now = int(at) // STEP_S
    app = pyotp.TOTP(secret, digits=DIGITS, interval=STEP_S)
    found = None
    for step in (now - 1, now, now + 1):
        if strings_equal(app.generate_otp(max(step, 0)), code) and step > last_step:
            found = step if found is None else found
    return found


def uri_of(secret: str, account: str, issuer: str) -> str:
    """What the app reads from the picture."""
    return pyotp.TOTP(secret, digits=DIGITS, interval=STEP_S).provisioning_uri(
        name=account, issuer_name=issuer.replace(":", " ")
    )


def recovery_code(random: bytes) -> str:
    """``XXXX-XXXX-XXXX-XXXX`` of the letters and digits that are not mixed up."""
    text = base64.b32encode(random).decode()
    return "-".join(text[i : i + 4] for i in range(0, len(text), 4))
