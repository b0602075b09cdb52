"""How guessing is slowed down without locking the owner out.

Failures are counted for the login name *and* the place they come from, so a stranger's failures
slow the stranger. Over all places there is a cap: above it no password is right any more, except
from a device that logged in before; links by e-mail and passkeys still work.
"""

from __future__ import annotations

FREE = 10
"""Failures from one place before pauses begin."""
LONGEST_PAUSE_S = 900
CAP = 100
"""Failures for one login name from everywhere within ``WINDOW_S``: then it is an attack."""
WINDOW_S = 3600
CODE_CAP = 10
"""Wrong codes of an authenticator app for one person within ``WINDOW_S``; who may try has passed
the password already."""


def pause_s(failures: int) -> int:
    """Seconds until the next try from this place, after so many failures in a row."""
    return 0 if failures < FREE else min(LONGEST_PAUSE_S, 2 ** min(failures - FREE + 1, 20))


PAUSES_S = [pause_s(failures) for failures in range(1, 20)]
"""After the first, second ... failure; after more than these the last one."""
