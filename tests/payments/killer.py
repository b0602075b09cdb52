"""Death at a crash point, within a test: the coroutine is abandoned as SIGKILL would leave it."""

from __future__ import annotations


class KilledError(BaseException):
    """Nothing catches this, as nothing catches SIGKILL."""


class Killer:
    """Kills at one point, once."""

    def __init__(self) -> None:
        self.at: str | None = None

    def point(self, name: str) -> None:
        if name == self.at:
            self.at = None
            raise KilledError(name)
