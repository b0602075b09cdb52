"""Look whether a known weakness is in what the lock files name (GDP-25, TST-08).

    .venv/bin/python -m tools.audit

pip-audit compares each locked version with the advisories that PyPI keeps. Where those cannot be
reached (a workshop without the internet, a mirror that has none) nothing is known: that is said,
and is no failure. The exit code: 1 when something is known against a version.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tools.lock import DEV, ROOT, RUN, find_uv

PIP_AUDIT = "pip-audit==2.9.0"
ADVISORIES = "https://pypi.org/pypi/requests/2.19.0/json"
"""A version with known weaknesses: asked for only to see whether they are to be had."""
PATIENCE_S = 5
UNKNOWN = "audit: the advisories cannot be reached from here; nothing was compared.\n"


def is_reachable(address: str = ADVISORIES) -> bool:
    """Whether advisories are to be had from here."""
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:  # noqa: S310
            return bool(json.load(answer).get("vulnerabilities"))
    except (urllib.error.URLError, OSError, ValueError):
        return False


def command(uv: str, lock: Path) -> list[str]:
    """Compares what stands in a lock file, as it stands: nothing is resolved or installed."""
    return [
        uv, "tool", "run", "--from", PIP_AUDIT, "pip-audit", "--requirement", str(lock),
        "--vulnerability-service", "pypi", "--disable-pip", "--require-hashes",
        "--progress-spinner", "off",
    ]  # fmt: skip


def is_there(uv: str) -> bool:
    """Whether pip-audit itself is to be had: from the index, or from before."""
    asked = [uv, "tool", "run", "--from", PIP_AUDIT, "pip-audit", "--version"]
    return subprocess.run(asked, capture_output=True).returncode == 0


def main() -> int:
    """Compare both lock files; 1 when something is known against a version in them."""
    if not is_reachable():
        sys.stdout.write(UNKNOWN)
        return 0
    uv = find_uv()
    if not is_there(uv):
        sys.stdout.write(f"audit: {PIP_AUDIT} cannot be had from here; nothing was compared.\n")
        return 0
    return max(subprocess.run(command(uv, ROOT / lock)).returncode for lock in (RUN, DEV))


if __name__ == "__main__":
    sys.exit(main())
