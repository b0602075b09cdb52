"""Pages to register, log in and log out; they work without JavaScript (IDN-05, WEB-18)."""

from __future__ import annotations

from fahrwerk.identity.pages import accounts, sso, ways_in

handlers = [*sso.handlers, *accounts.handlers, *ways_in.handlers]
