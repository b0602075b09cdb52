"""Payments' tests do not wait ten seconds for a gateway that stays silent on purpose."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import crash
from fahrwerk.payments import gateways
from fahrwerk.payments.gateways import _accounts
from tests.payments.fakes.paypal import FakePayPal
from tests.payments.fakes.server import served
from tests.payments.fakes.stripe import FakeStripe
from tests.payments.killer import Killer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateways, "TIMEOUT_S", 1.5)


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Killer]:
    """Kills this test at a crash point, once; fails when it never got there."""
    found = Killer()
    monkeypatch.setattr(crash, "point", found.point)
    yield found
    assert found.at is None, f"{found.at} was never passed"


@pytest.fixture(scope="session")
async def stripe() -> AsyncIterator[FakeStripe]:
    """What stands for Stripe, on loopback."""
    fake = FakeStripe()
    async with served(fake) as fake.address:
        os.environ["FAHRWERK_STRIPE_URL"] = fake.address
        yield fake
        del os.environ["FAHRWERK_STRIPE_URL"]
        await _accounts.close()


@pytest.fixture(scope="session")
async def paypal() -> AsyncIterator[FakePayPal]:
    """What stands for PayPal, on loopback."""
    fake = FakePayPal()
    async with served(fake) as fake.address:
        os.environ["FAHRWERK_PAYPAL_URL"] = fake.address
        yield fake
        del os.environ["FAHRWERK_PAYPAL_URL"]
        await _accounts.close()
