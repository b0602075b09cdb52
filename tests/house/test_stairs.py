"""Tries ``.importlinter`` on small packages: it sees questions upwards and lets news pass."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.house.reading import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RUN = "from importlinter.cli import lint_imports_command as run; run()"

STANDING = {
    "kernel/clock.py": "",
    "tenancy/contract.py": "from fahrwerk.kernel import clock\n",
    "payments/contract.py": "from fahrwerk.tenancy import contract\n",
    "payments/handlers.py": "from fahrwerk.rentals.events import RentalEnded\n",
    "rentals/contract.py": "from fahrwerk.payments import contract\n",
    "rentals/events.py": "class RentalEnded: ...\n",
    "analytics/handlers.py": "from fahrwerk.notifications import events\n",
    "notifications/events.py": "",
    "app.py": "from fahrwerk.rentals import contract\n",
    "cli.py": "from fahrwerk import app\n",
}


def lint(root: Path, *trees: Mapping[str, str]) -> tuple[int, str]:
    """Run import-linter with our contract on a package made of these files."""
    for tree in trees:
        for path, text in tree.items():
            file = root / "fahrwerk" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            for folder in {file.parent, root / "fahrwerk"}:
                (folder / "__init__.py").touch()
    done = subprocess.run(
        # the checkout's own package is importable as well; the folder named first wins
        [sys.executable, "-c", RUN, "--config", str(ROOT / ".importlinter"), "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_house_in_order_passes(tmp_path: Path) -> None:
    status, said = lint(tmp_path, STANDING)
    assert status == 0, said
    assert "Contracts: 1 kept, 0 broken." in said


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("payments/actions.py", "import fahrwerk.rentals.contract\n", id="upwards"),
        pytest.param(
            "payments/rules.py", "import fahrwerk.rentals.events\n", id="only-handlers-hear"
        ),
        pytest.param("analytics/jobs.py", "import fahrwerk.notifications.events\n", id="sideways"),
        pytest.param("kernel/handlers2.py", "import fahrwerk.tenancy.contract\n", id="kernel"),
        pytest.param("rentals/jobs.py", "import fahrwerk.app\n", id="room-asks-program"),
        pytest.param("parking/contract.py", "", id="room-on-no-step"),
    ],
)
def test_a_wrong_step_is_seen(path: str, text: str, tmp_path: Path) -> None:
    status, said = lint(tmp_path, STANDING, {path: text})
    assert status == 1, said
    assert path.removesuffix("/contract.py").removesuffix(".py").replace("/", ".") in said
