"""Run a command inside a fence: a time limit, and nothing it started lives longer than it.

    python3 tools/fence.py --minutes 40 -- make test

Tests start servers, brokers and browsers, some of which leave their parent's session on purpose,
so neither a process group nor a name finds them all (and a name finds other people's as well).
Instead this process asks Linux to hand it every orphan among its descendants, and ends those, by
their ids. What had to be ended is printed and makes the result a failure: a test that leaves a
server behind is broken.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
LEFT_RUNNING = 70
TIMED_OUT = 124  # as timeout(1) has it


def adopt_orphans() -> None:
    """Descendants whose parent ends become our children (Linux; elsewhere orphans get away)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants() -> dict[int, str]:
    """Every living process below this one: id and name."""
    children: dict[int, list[tuple[int, str]]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # the name stands in brackets and may hold anything, brackets and blanks included
            head, _, tail = entry.read_text(errors="replace").rpartition(")")
            number, _, name = head.partition(" (")
            state, parent = tail.split()[:2]
            if state != "Z":
                children.setdefault(int(parent), []).append((int(number), name))
    found: dict[int, str] = {}
    ask = [os.getpid()]
    while ask:
        for pid, name in children.get(ask.pop(), []):
            found[pid] = name
            ask.append(pid)
    return found


def gone_within(seconds: float) -> bool:
    """True as soon as nothing below this process runs any more."""
    until = time.monotonic() + seconds
    quiet = 0
    while True:
        # Twice, because a process handed to us between two reads of the table is in neither.
        quiet = 0 if descendants() else quiet + 1
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass  # a child that has ended stays in the table until it is asked for
        if quiet == 2:
            return True
        if not quiet and time.monotonic() > until:
            return False
        time.sleep(0.05)


def end_all(grace_s: float) -> dict[int, str]:
    """End what is left, first politely. Returns what did not go by itself within the grace."""
    if gone_within(grace_s):
        return {}
    left = descendants()
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for pid in descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
        if gone_within(5):
            break
    return left


def run(command: list[str], limit_s: float, grace_s: float) -> int:
    """The command's status, or one of our own when it took too long or left something running."""
    adopt_orphans()
    process = subprocess.Popen(command)
    # Stopped from outside: pass it on and clean up after it. Ctrl-C reaches the command anyway.
    signal.signal(signal.SIGTERM, lambda got, _frame: process.send_signal(got))
    signal.signal(signal.SIGINT, lambda _got, _frame: None)
    try:
        status = process.wait(limit_s)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"fence: not done after {limit_s / 60:g} min: {' '.join(command)}\n")
        end_all(0)
        return TIMED_OUT
    left = end_all(grace_s)
    if left:
        names = ", ".join(f"{name} ({pid})" for pid, name in sorted(left.items()))
        sys.stderr.write(f"fence: left running and ended now: {names}\n")
    if status < 0:
        status = 128 - status  # ended by a signal, told the way shells tell it
    return status or (LEFT_RUNNING if left else 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--grace", type=float, default=10, help="seconds for stragglers to go")
    parser.add_argument("command", nargs="+")
    chosen = parser.parse_args()
    return run(chosen.command, chosen.minutes * 60, chosen.grace)


if __name__ == "__main__":
    sys.exit(main())
