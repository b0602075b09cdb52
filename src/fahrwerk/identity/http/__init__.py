"""Accounts, log-in and people over HTTP: for apps by tokens, for browsers by a cookie."""

from __future__ import annotations

from fahrwerk.identity.http import (
    accounts,
    auditing,
    checks,
    factors,
    keys,
    operators,
    own,
    pages,
    people,
    privacy,
    privacy_staff,
    roles,
    scim,
    scim_sources,
    sso,
    sso_browser,
    ways_in,
)

handlers = [
    *accounts.handlers,
    *operators.handlers,
    *people.handlers,
    *auditing.handlers,
    *pages.handlers,
    *privacy.handlers,
    *privacy_staff.handlers,
    *roles.handlers,
    *scim.handlers,
    *scim_sources.handlers,
    *sso.handlers,
    *sso_browser.handlers,
    *keys.handlers,
    *own.handlers,
    *ways_in.handlers,
    *factors.handlers,
    *checks.handlers,
]
