"""Where a server process spends its CPU time: ``python -m tests.bench.sampler OUT module args...``

Runs the module as ``python -m`` would and looks at its stack at every tick of CPU time it uses
(ITIMER_PROF; the system's tick is 1 to 4 ms). Each look is booked on the innermost frame that
belongs to a layer below; what runs in C (JSON, the HTTP parser, asyncpg's protocol) is booked on
the Python frame around or next to it. SIGUSR1 writes OUT and begins anew.
"""

from __future__ import annotations

import linecache
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import msgspec

EVERY_S = 0.001

LAYERS: tuple[tuple[str, str], ...] = (
    ("kernel/crypto.py", "auth"),
    ("joserfc/", "auth"),
    ("identity/rules.py", "auth"),
    ("kernel/call.py", "auth"),
    ("kernel/limits.py", "limiter"),
    ("prometheus_client/", "metrics"),
    ("structlog/", "log context"),
    ("kernel/geo.py", "cells"),
    ("h3/", "cells"),
    ("asyncpg/", "SQL client"),
    ("kernel/db.py", "SQL client"),
    ("kernel/live.py", "signals"),
    ("kernel/pump.py", "pump"),
    ("kernel/jobs.py", "nudges"),
    ("procrastinate/", "job queue"),
    ("psycopg", "job queue"),
    ("kernel/events.py", "event"),
    ("kernel/doors.py", "doors"),
    ("kernel/web.py", "door"),
    ("kernel/server.py", "HTTP server"),
    ("kernel/asgi.py", "door"),
    ("kernel/keyed.py", "door"),
    ("kernel/admission.py", "limiter"),
    ("kernel/ids.py", "ids"),
    ("kernel/clock.py", "clock"),
    ("kernel/", "kernel, other"),
    ("fahrwerk/tenancy/", "room tenancy"),
    ("fahrwerk/identity/", "room identity"),
    ("fahrwerk/pricing/", "room pricing"),
    ("fahrwerk/payments/", "room payments"),
    ("fahrwerk/fleet/", "room fleet"),
    ("fahrwerk/rentals/", "room rentals"),
    ("litestar/", "framework"),
    ("uvicorn/", "HTTP server"),
    ("asyncio/", "event loop"),
    ("uvloop/", "event loop"),
)
"""Part of a file's name -> layer; the first that fits."""
WORDS = (("json.encode(", "encode"), ("msgpack.encode(", "encode"))
"""Part of a source line -> layer: C called from there."""


class Samples:
    """What was seen so far."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.layers: Counter[str] = Counter()
        self.lines: Counter[str] = Counter()
        self._known: dict[tuple[str, int], str | None] = {}

    def look(self, _: int, frame: FrameType | None) -> None:
        """Book one tick."""
        at: FrameType | None = frame
        while at is not None:
            layer = self._layer(at.f_code.co_filename, at.f_lineno or 0)
            if layer is not None:
                self.layers[layer] += 1
                name = "/".join(Path(at.f_code.co_filename).parts[-2:])
                self.lines[f"{layer}: {name}:{at.f_lineno} {at.f_code.co_name}"] += 1
                break
            at = at.f_back
        else:
            self.layers["event loop"] += 1

    def _layer(self, file: str, line: int) -> str | None:
        key = (file, line)
        if key not in self._known:
            self._known[key] = _layer_of(file, line)
        return self._known[key]

    def write(self, *_: object) -> None:
        """Everything since the last write, and forget it."""
        found = {"layers": self.layers, "lines": dict(self.lines.most_common(200))}
        part = self.out.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(found))
        part.rename(self.out)
        self.layers, self.lines = Counter(), Counter()


def _layer_of(file: str, line: int) -> str | None:
    source = linecache.getline(file, line)
    for part, layer in WORDS:
        if part in source and "fahrwerk" in file:
            return layer
    return next((layer for part, layer in LAYERS if part in file), None)


def main() -> None:
    """Sample what the rest of the command line runs."""
    out, module, *arguments = sys.argv[1:]
    samples = Samples(Path(out))
    signal.signal(signal.SIGPROF, samples.look)
    signal.signal(signal.SIGUSR1, samples.write)
    signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
