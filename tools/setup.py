"""Make ``.venv`` hold exactly what a lock file asks for; do nothing when it already does.

    python3 tools/setup.py run     what the platform needs              (make up)
    python3 tools/setup.py dev     and what its tests and checks need   (make test, check, bench)
    python3 tools/setup.py bare    only the environment itself          (make lock)

Any Python from 3.7 on can read this file, so that someone with an old one is told so instead of
being shown a syntax error. Only the standard library: nothing is installed yet when it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"run": "requirements.lock", "dev": "requirements-dev.lock"}
FREE_MB = {"run": 600, "dev": 900}
"""Wanted on disk before installing: the packages, and pip's downloads beside them."""

OLDEST, NEWEST = (3, 11), (3, 13)
NAMES = ("python3.11", "python3.12", "python3.13", "python3", "python")
"""Tried in this order: the locked set is tested most on the first."""

PROBE = """
import json, sys
lacks = []
for part in ("venv", "ensurepip"):
    try:
        __import__(part)
    except ImportError:
        lacks.append(part)
print(json.dumps([sys.version_info[:3], getattr(sys, "_base_executable", sys.executable), lacks]))
"""


class SetupError(Exception):
    """Something the person at the keyboard can put right; the text says what and how."""


class Python(NamedTuple):
    """One interpreter that answered."""

    name: str
    version: tuple[int, ...]
    executable: str
    lacks: tuple[str, ...] = ()

    @property
    def suits(self) -> bool:
        return OLDEST <= self.version[:2] <= NEWEST

    def __str__(self) -> str:
        return "{}, {}".format(".".join(map(str, self.version)), self.executable)


def say(line: str, end: str = "\n") -> None:
    sys.stdout.write(line + end)
    sys.stdout.flush()


# --- Python


def ask(command: str) -> Python | None:
    """What this command says about itself; None when it is no Python or does not start."""
    try:
        answer = subprocess.run(
            [command, "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30
        )
        version, executable, lacks = json.loads(answer.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return Python(command, tuple(version), executable, tuple(lacks))


def choose(found: Sequence[Python]) -> Python:
    """The first that suits, or an error that shows what there is."""
    suiting = [python for python in found if python.suits]
    for python in suiting:
        if not python.lacks:
            return python
    if suiting:
        python = suiting[0]
        raise SetupError(
            "Python {} lacks its own part {}.\n"
            "On Debian and Ubuntu: apt install python{}.{}-venv".format(
                python, " and ".join(python.lacks), *python.version[:2]
            )
        )
    each = {python.executable: python for python in reversed(found)}
    seen = "\n".join(f"  {python.name:<12} {python}" for python in each.values()) or "  nothing"
    raise SetupError(
        "Fahrwerk runs on Python 3.11, 3.12 or 3.13, and none of them answers. Found instead:\n"
        f"{seen}\n"
        "Install one of the three, or name one that is not on the PATH:\n"
        "  make up PYTHON=/path/to/python3.12"
    )


def find_python(wanted: str | None) -> Python:
    """The interpreter asked for, or the best on the PATH."""
    if wanted and ask(wanted) is None:
        raise SetupError(f"PYTHON={wanted} does not start or is no Python.")
    answers = [ask(name) for name in ([wanted] if wanted else [*NAMES, sys.executable])]
    return choose([python for python in answers if python])


# --- pip


DIAGNOSES = (
    (
        r"No space left on device|\[Errno 28\]|Disk quota exceeded",
        "The disk is full. An installation takes up to 900 MB, in .venv and in the folder for\n"
        "temporary files (TMPDIR).",
    ),
    (
        r"DO NOT MATCH THE HASHES",
        "A downloaded package is not the one that was locked, so it was not installed. Either the\n"
        "registry or something in between serves other files, or a download was damaged: try once\n"
        "more, then ask whoever runs the registry. Do not work around this.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError",
        "The registry's certificate is not trusted here. Behind a company proxy, name its\n"
        "certificate file in PIP_CERT.",
    ),
    (
        r"connection broken by|name resolution|Name or service not known|NewConnectionError"
        r"|Connection refused|ConnectTimeout|ReadTimeout|ProxyError|Network is unreachable"
        r"|HTTPError|HTTP error",
        "The package registry did not answer. Setup needs it once for each change of the lock;\n"
        "pip's own settings (PIP_INDEX_URL, HTTPS_PROXY, pip.conf) are respected.",
    ),
    (
        r"Permission denied|\[Errno 13\]|Read-only file system",
        "A file or folder may not be written. Does .venv belong to someone else, or was setup run\n"
        "with sudo once?",
    ),
    (
        r"No matching distribution found|Could not find a version",
        "The registry has no ready-made package for this machine or this Python, and nothing is\n"
        "compiled here on purpose. Try Python 3.11, on Linux with glibc or on macOS.",
    ),
)


def diagnose(output: str) -> str:
    """Plain words for what a failed command said, followed by its own last words."""
    last = "\n".join("  " + line for line in output.strip().splitlines()[-6:])
    for pattern, words in DIAGNOSES:
        if re.search(pattern, output):
            return f"{words}\nLast words:\n{last}"
    return f"The cause is not a usual one. Last words:\n{last}"


def pip_environment() -> dict[str, str]:
    """The caller's settings for registries and proxies, but none that would divert an install."""
    diverting = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONHOME", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if name not in diverting}
    return {
        **kept,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PYTHONNOUSERSITE": "1",
    }


def pip(python: Path, *arguments: str, packages: int = 0) -> None:
    """Run pip; with ``packages`` given, count them on the terminal as pip comes to each."""
    process = subprocess.Popen(
        [str(python), "-m", "pip", *arguments],
        cwd=str(ROOT),
        env=pip_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    kept: deque[str] = deque(maxlen=200)
    come_to = 0
    for line in process.stdout or ():
        kept.append(line)
        if packages and line.startswith(("Collecting ", "Requirement already satisfied: ")):
            come_to += 1
            if sys.stdout.isatty():
                say(f"\r[3/4] Packages     {come_to} of {packages} ", end="")
    if packages and sys.stdout.isatty():
        say("\r\x1b[K", end="")
    if process.wait() != 0:
        raise SetupError(diagnose("".join(kept)))


def tell(*command: str) -> tuple[bool, str]:
    """Whether a short command succeeded, and what it said."""
    done = subprocess.run(
        list(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode == 0, done.stdout.strip()


# --- the environment


def environment(folder: Path, wanted: str | None, steps: int) -> Path:
    """An environment with a suitable Python and with pip: the present one if it is healthy."""
    python = folder / "bin" / "python"
    present = ask(str(python))
    if present and present.suits:
        say("[1/{}] Python       {}".format(steps, ".".join(map(str, present.version))))
        say(f"[2/{steps}] Environment  {folder.name}, as it is")
    else:
        base = find_python(wanted)
        say(f"[1/{steps}] Python       {base}")
        why = "made new"
        if folder.exists():
            why += f", the old one has Python {present}" if present else ", the old one is broken"
        say(f"[2/{steps}] Environment  {folder.name}, {why}")
        # pip is added below, where a foreign environment without it is served as well
        made, said = tell(base.executable, "-m", "venv", "--clear", "--without-pip", str(folder))
        if not made:
            raise SetupError(f"The environment could not be made. {diagnose(said)}")
    give_pip(python)
    return python


def give_pip(python: Path) -> None:
    """Environments of uv come without pip; Python carries one along, so no network is needed."""
    has_pip, _ = tell(str(python), "-m", "pip", "--version")
    if not has_pip:
        given, said = tell(str(python), "-m", "ensurepip", "--upgrade")
        if not given:
            raise SetupError(f"pip could not be put into .venv. {diagnose(said)}")


def digest(kind: str) -> str:
    """Changes when an installation would: lock, project file, or where the checkout stands."""
    what = hashlib.sha256(str(ROOT).encode())  # the scripts in .venv/bin carry this path
    for name in (LOCKS[kind], "pyproject.toml"):
        what.update((ROOT / name).read_bytes())
    return what.hexdigest()


def is_done(stamp: Path, kind: str) -> bool:
    """True when this installation, or the larger one for developers, is already there."""
    script = stamp.parent / "bin" / "fahrwerk"
    try:
        done = json.loads(stamp.read_text())
    except (OSError, ValueError):
        return False
    return bool(done.get(kind) == digest(kind)) and os.access(str(script), os.X_OK)


def install(folder: Path, kind: str, wanted: str | None) -> None:
    """Environment, locked packages, then the project itself on top of them."""
    lock = ROOT / LOCKS[kind]
    if not lock.exists():
        raise SetupError(f"{lock.name} is missing: is this a complete checkout?")
    free = shutil.disk_usage(str(ROOT)).free // 2**20
    if free < FREE_MB[kind]:
        raise SetupError(
            f"{free} MB are free on this disk, and an installation takes up to {FREE_MB[kind]} MB."
        )
    python = environment(folder, wanted, steps=4)
    stamp = folder / "fahrwerk-setup.json"
    if stamp.exists():
        stamp.unlink()  # half an installation must not look like one

    packages = len(re.findall(r"^[a-z0-9]\S*==", lock.read_text(), re.MULTILINE))
    began = time.monotonic()
    if not sys.stdout.isatty():
        say(f"[3/4] Packages     {packages} in {lock.name} ...")
    # Wheels only: building one would fetch a build system that nobody locked.
    pip(
        *(python, "install", "--progress-bar", "off", "--only-binary", ":all:"),
        *("--require-hashes", "-r", str(lock)),
        packages=packages,
    )
    say(f"[3/4] Packages     {packages} in {lock.name}, {time.monotonic() - began:.0f} s")

    began = time.monotonic()
    # Without isolation for the same reason: the build system stands in the lock.
    pip(python, "install", "--no-deps", "--no-build-isolation", "--editable", ".")
    say(f"[4/4] Fahrwerk     from src/, {time.monotonic() - began:.0f} s")

    kinds = ["run", "dev"] if kind == "dev" else ["run"]  # the larger set contains the smaller
    stamp.write_text(json.dumps({each: digest(each) for each in kinds}))


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Two setups of one checkout at once would spoil each other's files: the second waits."""
    with open(__file__) as this_file:
        try:
            fcntl.flock(this_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("setup: another setup of this checkout is running; waiting for it.")
            fcntl.flock(this_file, fcntl.LOCK_EX)
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kind", choices=["run", "dev", "bare"])
    parser.add_argument("--python", help="interpreter for a new environment")
    chosen = parser.parse_args(arguments)
    folder = ROOT / ".venv"
    try:
        with alone():
            if chosen.kind == "bare":
                environment(folder, chosen.python, steps=2)
            elif not is_done(folder / "fahrwerk-setup.json", chosen.kind):
                install(folder, chosen.kind, chosen.python)
    except SetupError as error:
        sys.stderr.write(f"setup: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"setup: {diagnose(str(error)).splitlines()[0]} ({error})\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("setup: stopped. Run it again to go on.\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
