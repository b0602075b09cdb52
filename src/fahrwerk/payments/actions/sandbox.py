"""Make the sandbox gateway misbehave: for demonstrations and fault tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments.gateways import sandbox

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract import GatewayFault

MOST_FAULTS = 100


async def script_sandbox(call: Call, faults: list[GatewayFault]) -> None:
    """See the contract."""
    call.require("payments.sandbox.write")
    if len(faults) > MOST_FAULTS:
        raise Invalid(field="faults", issue=f"at most {MOST_FAULTS}")
    await sandbox.script(call, faults)
