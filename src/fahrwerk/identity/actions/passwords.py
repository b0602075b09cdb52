"""A new password: our own rules first, then a list of those that have leaked."""

from __future__ import annotations

import hashlib

import structlog

from fahrwerk.identity import rules
from fahrwerk.identity.providers import breaches
from fahrwerk.kernel import settings
from fahrwerk.kernel.errors import Invalid, Unavailable

log = structlog.get_logger()


async def check(password: str, email: str | None, phone: str | None) -> None:
    """Raise ``Invalid`` for a password that is easily guessed or known to have leaked.

    The list is asked by the first five characters of a hash (k-anonymity), so it learns nothing of
    use. When it is silent our own rules have to do: nobody is kept out by somebody else's outage.
    """
    rules.check_password(password, email, phone)
    if not (url := settings.load().breach_url):
        return
    said = rules.normal(password).encode()
    digest = hashlib.sha1(said, usedforsecurity=False).hexdigest().upper()
    try:
        leaked = await breaches.suffixes(url, digest[:5])
    except Unavailable as silence:
        log.warning("breach list is silent", reason=silence.text)
        return
    if digest[5:] in leaked:
        raise Invalid(
            field="password", issue="was in a data leak, so attackers try it; choose another one"
        )
