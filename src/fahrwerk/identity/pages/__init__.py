"""Pages of accounts: register, log in and out, and look after one's own account (IDN-05, WEB-18).

They work without JavaScript; only passkeys need a script, as browsers have them no other way.
"""

from __future__ import annotations

from fahrwerk.identity.pages import (
    accounts,
    keys,
    own,
    passkeys,
    privacy,
    security,
    sessions,
    sso,
    ways_in,
)

handlers = [
    *sso.handlers,
    *accounts.handlers,
    *ways_in.handlers,
    *passkeys.handlers,
    *own.handlers,
    *security.handlers,
    *sessions.handlers,
    *keys.handlers,
    *privacy.handlers,
]
