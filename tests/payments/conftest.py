"""Payments' tests do not wait ten seconds for a gateway that stays silent on purpose."""

from __future__ import annotations

import pytest

from fahrwerk.payments import gateways


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateways, "TIMEOUT_S", 0.7)
