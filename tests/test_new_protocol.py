"""``fahrwerk new protocol``: what it writes passes the conformance suite at once, in a copy."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from fahrwerk.new import NotPossible, new_protocol
from tests.test_new import BESIDE, ROOT, RULES, run


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout with a protocol ``acme_2`` in it."""
    root = tmp_path_factory.mktemp("checkout")
    skipped = shutil.ignore_patterns("__pycache__", "var", "*.csv", "*.gz")
    for folder in ("src", "tests"):
        shutil.copytree(ROOT / folder, root / folder, ignore=skipped)
    for name in BESIDE:
        shutil.copy(ROOT / name, root / name)
    said = new_protocol("acme_2", root)
    assert "DeviceProtocol" in said
    assert "acme_2_port" in said
    return root


NEW = ("src/fahrwerk/fleet/protocols/acme_2.py", "tests/fleet/devices/acme_2.py")


def test_it_passes_the_conformance_suite(copy: Path) -> None:
    suite = ("-q", "-p", "no:cacheprovider", "tests/fleet/test_devices.py", "-k", "acme_2")
    done = run(copy, "pytest", *suite)
    assert done.returncode == 0, done.stdout[-3000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 9


def test_it_is_written_in_the_style_of_the_house(copy: Path) -> None:
    for command in (("ruff", "check", *NEW), ("ruff", "format", "--check", *NEW), ("mypy", *NEW)):
        done = run(copy, *command)
        assert done.returncode == 0, done.stdout
    (copy / "rules.py").write_text(RULES)
    done = run(copy, "rules")
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stdout.splitlines() if "acme_2" in line]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Acme", "small letters"),
        ("../x", "small letters"),
        ("acme_", "small letters"),
        ("", "small letters"),
        ("x" * 21, "small letters"),
        ("import", "name it as its maker does"),
        ("utils", "name it as its maker does"),
        ("omni", "is there already"),
    ],
)
def test_unfit_names_are_refused_in_a_sentence(name: str, says: str) -> None:
    folder = ROOT / "src/fahrwerk/fleet/protocols"
    before = sorted(folder.iterdir())
    with pytest.raises(NotPossible, match=says):
        new_protocol(name, ROOT)
    assert sorted(folder.iterdir()) == before


def test_only_a_checkout_can_be_extended(tmp_path: Path) -> None:
    with pytest.raises(NotPossible, match="not a checkout"):
        new_protocol("acme", tmp_path)
    assert not list(tmp_path.iterdir())
