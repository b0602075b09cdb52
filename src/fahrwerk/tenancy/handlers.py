"""What tenancy hears: steps of an operator's set-up that were taken elsewhere (WEB-16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet.events import VehicleCreated
from fahrwerk.identity.events import SsoProviderAdded, UserRegistered, UserRolesChanged
from fahrwerk.kernel.events import on
from fahrwerk.payments.events import GatewayConnected
from fahrwerk.pricing.events import TariffChanged
from fahrwerk.tenancy.actions.setup import step_done
from fahrwerk.tenancy.events import OperatorCreated

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx
    from fahrwerk.kernel.events import Fact


@on(OperatorCreated)
async def on_operator_created(tx: Tx, call: Call, event: OperatorCreated, fact: Fact) -> None:
    """Name, plan, currency: the first step is the creation itself."""
    await step_done(tx, call, "company")


@on(UserRegistered)
async def on_user_registered(tx: Tx, call: Call, event: UserRegistered, fact: Fact) -> None:
    """The first administrator is there."""
    if "admin" in event.roles:
        await step_done(tx, call, "admin")


@on(UserRolesChanged)
async def on_roles_changed(tx: Tx, call: Call, event: UserRolesChanged, fact: Fact) -> None:
    """Somebody became the administrator."""
    if "admin" in event.roles:
        await step_done(tx, call, "admin")


@on(TariffChanged)
async def on_tariff_changed(tx: Tx, call: Call, event: TariffChanged, fact: Fact) -> None:
    """There are prices."""
    await step_done(tx, call, "tariffs")


@on(SsoProviderAdded)
async def on_sso_provider_added(tx: Tx, call: Call, event: SsoProviderAdded, fact: Fact) -> None:
    """Companies' people can come in."""
    await step_done(tx, call, "sso")


@on(GatewayConnected)
async def on_gateway_connected(tx: Tx, call: Call, event: GatewayConnected, fact: Fact) -> None:
    """Money can come in, to the operator's own account."""
    await step_done(tx, call, "payments")


@on(VehicleCreated)
async def on_vehicle_created(tx: Tx, call: Call, event: VehicleCreated, fact: Fact) -> None:
    """There is something to rent out. The step is written once, however many come."""
    await step_done(tx, call, "vehicles")
