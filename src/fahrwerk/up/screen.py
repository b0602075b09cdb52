"""What a person sees of ``up``: lines that stay and, on a terminal, one below that changes."""

from __future__ import annotations

import contextlib
import shutil
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

TITLE = 12
_ERASE = "\r\x1b[K"


class Screen:
    """Writes to a terminal, or plainly to a file or pipe."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.is_terminal = out.isatty()
        self._shown = ""

    def line(self, text: str = "") -> None:
        """Say something that stays."""
        shown = self._shown
        self._write(f"{_ERASE if shown else ''}{text}\n")
        self._shown = ""
        if shown:
            self.status(shown)

    def status(self, text: str) -> None:
        """Say how things are now; on a terminal in place of what was said before."""
        if not self.is_terminal:
            self.line(text)
            return
        self._shown = text[: shutil.get_terminal_size().columns - 1]
        self._write(_ERASE + self._shown)

    def clear(self) -> None:
        """Take the changing line away."""
        if self._shown:
            self._shown = ""
            self._write(_ERASE)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[list[str]]:
        """One step of the start: its title, what the block puts into the list, and its time."""
        began, found = time.monotonic(), list[str]()
        if self.is_terminal:
            self.status(f"  {title:<{TITLE}} ...")
        try:
            yield found
        finally:
            self.clear()
        self.line(f"  {title:<{TITLE}} {', '.join(found):<56} {time.monotonic() - began:5.1f} s")

    def box(self, lines: Sequence[str]) -> None:
        """Lines in a frame."""
        width = max(map(len, lines))
        self.line("  ╭" + "─" * (width + 2) + "╮")
        for line in lines:
            self.line(f"  │ {line:<{width}} │")
        self.line("  ╰" + "─" * (width + 2) + "╯")

    def _write(self, text: str) -> None:
        # Whoever reads us may be gone (a closed terminal); that is no reason to leave children.
        with contextlib.suppress(OSError, ValueError):
            self._out.write(text)
            self._out.flush()
