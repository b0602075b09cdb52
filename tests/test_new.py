"""``fahrwerk new room``: what it writes is right at once, tried in a copy of the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fahrwerk.new import LONGEST_NAME, NotPossible, new_room

ROOT = Path(__file__).resolve().parents[1]
BESIDE = (
    "pyproject.toml",
    ".importlinter",
    "Makefile",
    "requirements.lock",
    "requirements-dev.lock",
)
# Without what says which test run and database we are part of.
OWN = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")} | {"NO_COLOR": "1"}
RULES = """
from tests.house.reading import ROOT, RULES, House
from tests.house import files, imports, rooms, sql, writing
house = House(ROOT)
for rule in RULES:
    for line in rule.check(house):
        print(line)
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout with a room ``parking`` in it, and done by hand what is asked for."""
    root = tmp_path_factory.mktemp("checkout")
    skipped = shutil.ignore_patterns("__pycache__", "var", "*.csv", "*.gz")
    for folder in ("src", "tests"):
        shutil.copytree(ROOT / folder, root / folder, ignore=skipped)
    for name in BESIDE:
        shutil.copy(ROOT / name, root / name)
    said = new_room("parking", root)
    assert "(parking)" in said
    assert "ROOMS" in said
    settings = root / "src/fahrwerk/kernel/settings.py"
    settings.write_text(
        re.sub(r'^(    "fleet",)$', r'\1\n    "parking",', settings.read_text(), flags=re.M)
    )
    stairs = root / ".importlinter"
    stairs.write_text(stairs.read_text().replace("    (fleet)\n", "    (parking)\n    (fleet)\n"))
    return root


def run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=root,
        # The checkout's own package is installed as well; the folder named first wins.
        env=OWN | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
        capture_output=True,
        text=True,
        timeout=110,
    )


@pytest.mark.parametrize("name", ["a", "parking", "zone", "p" * LONGEST_NAME])
def test_it_is_written_in_the_style_of_the_house(name: str, copy: Path) -> None:
    """Whatever the name: it decides how long lines are and how imports are sorted."""
    if name != "parking":
        new_room(name, copy)
    new = (f"src/fahrwerk/{name}", f"tests/{name}")
    for command in (("ruff", "check", *new), ("ruff", "format", "--check", *new)):
        done = run(copy, *command)
        assert done.returncode == 0, done.stdout
    if name != "parking":
        for folder in new:
            shutil.rmtree(copy / folder)


def test_it_keeps_the_rules_of_the_house(copy: Path) -> None:
    (copy / "rules.py").write_text(RULES)
    done = run(copy, "rules")
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stdout.splitlines() if "parking" in line]


def test_its_types_are_right(copy: Path) -> None:
    done = run(copy, "mypy", "src/fahrwerk/parking", "tests/parking")
    assert not [line for line in done.stdout.splitlines() if "parking" in line], done.stdout
    assert "errors prevented further checking" not in done.stdout


def test_it_keeps_to_the_stairs(copy: Path) -> None:
    script = "from importlinter.cli import lint_imports_command as run; run()"
    done = subprocess.run(
        [sys.executable, "-c", script, "--no-cache"],
        cwd=copy,
        env=OWN | {"PYTHONPATH": str(copy / "src")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "parking" not in done.stdout, done.stdout


@pytest.mark.process
def test_its_tests_pass(copy: Path) -> None:
    done = run(copy, "pytest", "-q", "-p", "no:cacheprovider", "tests/parking")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "6 passed" in done.stdout


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Parking", "small letters"),
        ("park-ing", "small letters"),
        ("2go", "small letters"),
        ("", "small letters"),
        ("../x", "small letters"),
        ("order", "means something else"),
        ("import", "means something else"),
        ("utils", "means something else"),
        ("kernel", "means something else"),
        ("p" * (LONGEST_NAME + 1), "small letters"),
        ("fleet", "is there already"),
        ("cli", "is there already"),
        ("house", "tests/house is there already"),
    ],
)
def test_unfit_names_are_refused_in_a_sentence(name: str, says: str) -> None:
    before = sorted((ROOT / "src/fahrwerk").iterdir())
    with pytest.raises(NotPossible, match=says):
        new_room(name, ROOT)
    assert sorted((ROOT / "src/fahrwerk").iterdir()) == before


def test_only_a_checkout_can_be_furnished(tmp_path: Path) -> None:
    with pytest.raises(NotPossible, match="not a checkout"):
        new_room("parking", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_room_foreseen_on_the_stairs_is_not_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "src/fahrwerk/kernel").mkdir(parents=True)
    (tmp_path / "src/fahrwerk/kernel/settings.py").touch()
    (tmp_path / ".importlinter").write_text("layers =\n    (wallet)\n    kernel\n")
    assert ".importlinter" not in new_room("wallet", tmp_path)
    assert ".importlinter" in new_room("parking", tmp_path)
