"""Numbered crash points: places where the fault tests kill this very process (F1).

``FAHRWERK_CRASH_AT=name`` or ``name:3`` (the third time) makes ``point(name)`` send SIGKILL to
ourselves. Unset, as always outside those tests, a point costs one comparison.
"""

from __future__ import annotations

import os
import signal

_at, _, _times = os.environ.get("FAHRWERK_CRASH_AT", "").partition(":")
_left = int(_times or 1)


def point(name: str) -> None:
    """Die here if the environment says so."""
    global _left
    if _at and _at == name:
        _left -= 1
        if _left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
