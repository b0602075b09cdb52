"""What may be committed: nothing of one machine, nothing of one registry, nothing large."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.reading import House, rule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePosixPath

# Put together from pieces: this file is committed too, and is read by the rules below.
MACHINE = re.compile(r"(?<![\w./-])/(?:" + "|".join(("work", "root", "home")) + r")/")
REGISTRIES = [
    ".".join(name)
    for name in (
        ("pypi", "org/simple"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
    )
]
HOME = "/" + "home/"
LARGEST = 2**20

LOCKED = (
    "alpha==1.0 \\\n    --hash=sha256:aa\n"
    "beta==2.0 ; sys_platform == 'linux' \\\n    --hash=sha256:bb\n"
)
PROJECT = '[build-system]\nrequires = ["beta"]\n[project]\ndependencies = ["Alpha[fast]>=1"]\n'
GOOD_LOCKS = {
    "pyproject.toml": PROJECT + '[dependency-groups]\ndev = ["gamma<4"]\n',
    "requirements.lock": LOCKED,
    "requirements-dev.lock": LOCKED + "gamma==3.0 \\\n    --hash=sha256:cc\n",
}


def is_lock(path: PurePosixPath) -> bool:
    return path.suffix == ".lock" or path.stem.endswith(("-lock", ".lock"))


def locked(house: House, name: str) -> dict[str, set[str]]:
    """Package -> its locked versions; several where platforms or Pythons differ."""
    versions: dict[str, set[str]] = {}
    path = house.root / name
    for package, version in re.findall(
        r"^([\w.-]+)==([^\s;]+)", path.read_text() if path.exists() else "", re.MULTILINE
    ):
        versions.setdefault(canonicalize_name(package), set()).add(version)
    return versions


@rule(
    good={"README.md": f"Settings in ~/.config; /api/v1{HOME}orders answers; image in /opt/it\n"},
    bad={
        "docs/run.md": f"It is in {HOME}ada/fahrwerk\n",
        "src/fahrwerk/kernel/settings.py": f'DATA = "{HOME}ada/var"\n',
        "deploy/job.yaml": f"path: {HOME}x\n",
    },
)
def no_path_of_one_machine(house: House) -> Iterator[str]:
    """A path that exists on one machine only works there. Say it relative to the checkout, or let a
    setting say it."""
    for path in house.files:
        for number, line in enumerate(house.text(path).splitlines(), start=1):
            if MACHINE.search(line):
                yield f"{path}:{number}: {line.strip()[:120]}"


@rule(
    good={"README.md": "A package from PyPI\n", "web/package-lock.json": '{"version": "1"}\n'},
    bad={
        "docs/run.md": f"from files.{REGISTRIES[1]}\n",
        "web/.npmrc": f"registry=https://{REGISTRIES[2]}\n",
        "web/package-lock.json": '{"resolved": "https://example.org/x.tgz"}\n',
        "requirements.lock": "alpha @ https://example.org/alpha.whl\n",
    },
)
def no_address_of_a_registry(house: House) -> Iterator[str]:
    """Where packages come from is the machine's business (a mirror, a proxy, the public registry);
    the repository only says which, by version and hash."""
    for path in house.files:
        for number, line in enumerate(house.text(path).splitlines(), start=1):
            if any(each in line for each in REGISTRIES) or (is_lock(path) and "://" in line):
                yield f"{path}:{number}: {line.strip()[:120]}"


@rule(
    good={"docs/map.svg": "x" * 1000},
    bad={"docs/map.pdf": "x" * (LARGEST + 1)},
)
def nothing_committed_is_large(house: House) -> Iterator[str]:
    """Up to 1 MiB a file: larger things are built at set-up or fetched."""
    for path in house.files:
        if (size := (house.root / path).stat().st_size) > LARGEST:
            yield f"{path}: {size / 2**20:.1f} MiB"


@rule(
    good=GOOD_LOCKS,
    bad={
        "requirements.lock": LOCKED.replace("alpha==1.0", "alpha==0.9"),
        "requirements-dev.lock": LOCKED + "gamma==4.0 \\\n    --hash=sha256:cc\n",
        "pyproject.toml": PROJECT.replace("Alpha", "delta") + "[dependency-groups]\ndev = []\n",
    },
)
def locks_are_up_to_date(house: House) -> Iterator[str]:
    """Each dependency in pyproject.toml is locked at a version it allows. If not: make lock."""
    project = tomllib.loads((house.root / "pyproject.toml").read_text())
    run = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    dev = project["dependency-groups"]["dev"]
    for name, wanted in (("requirements.lock", run), ("requirements-dev.lock", [*run, *dev])):
        versions = locked(house, name)
        for requirement in map(Requirement, wanted):
            found = versions.get(canonicalize_name(requirement.name), set())
            if not found:
                yield f"pyproject.toml: {requirement} is not in {name}"
            elif not all(requirement.specifier.contains(v, prereleases=True) for v in found):
                yield f"{name}: {requirement.name} {', '.join(found)} is not {requirement}"


@rule(
    good=GOOD_LOCKS,
    bad={
        "requirements-dev.lock": LOCKED.replace("beta==2.0", "beta==2.1"),
        "requirements.lock": "alpha==1.0\nbeta==2.0 \\\n    --hash=sha256:bb\n",
    },
)
def what_is_tested_is_what_runs(house: House) -> Iterator[str]:
    """Every package is locked by hash, and the set for developers holds the set that runs, version
    for version. If not: make lock."""
    dev = locked(house, "requirements-dev.lock")
    for package, versions in locked(house, "requirements.lock").items():
        if dev.get(package) != versions:
            yield f"requirements-dev.lock: {package} is {dev.get(package)}, not {versions}"
    for name in ("requirements.lock", "requirements-dev.lock"):
        path = house.root / name
        entries = path.read_text() if path.exists() else ""
        for entry in re.split(r"\n(?=[a-z0-9])", entries):
            if "==" in entry and "--hash=sha256:" not in entry:
                yield f"{name}: no hash: {entry.splitlines()[0]}"
