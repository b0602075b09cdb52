"""Runs every rule: over the house itself, and over the samples that prove the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.house import files, imports, rooms, sql, writing
from tests.house.reading import PROGRAMS, ROOMS, ROOT, RULES, House, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOUSE = House(ROOT)
SHELVES = (files, imports, rooms, sql, writing)  # importing them declares the rules

each_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])


def build(root: Path, *trees: Mapping[str, str]) -> House:
    for tree in trees:
        for path, text in tree.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
    return House(root)


@each_rule
def test_the_house_keeps(rule: Rule) -> None:
    wrong = list(rule.check(HOUSE))
    if wrong:
        pytest.fail("\n".join([rule.why, "", *wrong]), pytrace=False)


@each_rule
def test_nothing_is_said_against_a_good_house(rule: Rule, tmp_path: Path) -> None:
    assert list(rule.check(build(tmp_path, rule.good))) == []


@pytest.mark.parametrize(
    ("rule", "path"),
    [pytest.param(rule, path, id=f"{rule.name}-{path}") for rule in RULES for path in rule.bad],
)
def test_a_bad_sample_is_seen(rule: Rule, path: str, tmp_path: Path) -> None:
    wrong = list(rule.check(build(tmp_path, rule.good, {path: rule.bad[path]})))
    assert wrong, f"{rule.name} has nothing against {path}"
    assert all(line.startswith(path) for line in wrong), wrong


def test_the_rules_have_something_to_read() -> None:
    """A moved folder would let every rule pass; so the reading itself is looked at."""
    modules = {source.module for source in HOUSE.platform}
    assert {"fahrwerk", "fahrwerk.kernel.clock", "fahrwerk.kernel.db"} <= modules
    assert "tests.house.test_house" in {source.module for source in HOUSE.python}
    assert {"rentals", "fleet", "tenancy"} <= ROOMS
    assert "kernel" not in ROOMS
    assert {"app", "cli", "sim"} <= PROGRAMS
    assert all(shelf.__name__ in {rule.check.__module__ for rule in RULES} for shelf in SHELVES)
