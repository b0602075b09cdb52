"""What a log-in would do, told step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity.actions import sso_people as people
from fahrwerk.identity.contract.sso import Step
from fahrwerk.kernel.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from fahrwerk.identity.contract.sso import Provider
    from fahrwerk.identity.rules import sso as rules
    from fahrwerk.kernel.call import Call


def teller(steps: list[Step]) -> Callable[[str, str], None]:
    """What adds a step that went well."""
    return lambda name, detail: steps.append(Step(name, True, detail[:500]))


async def dry(call: Call, provider: Provider, said: rules.Said, steps: list[Step]) -> None:
    """What a real log-in would do now."""
    tell = teller(steps)
    mapped = msgspec.to_builtins(said)
    tell("mapping", ", ".join(f"{k}={v}" for k, v in mapped.items() if v not in (None, [], False)))
    try:
        decision = await people.decided(call, provider, said)
    except Problem as problem:
        steps.append(Step(str(problem.details.get("reason", "")), False, problem.text))
        return
    deeds = {
        "log_in": "log in to the account linked before", "link": "link the account made by SCIM",
        "take_over": "take over the account with this address", "create": "make an account",
    }  # fmt: skip
    tell("account", f"would {deeds[decision.deed]}, with the roles {', '.join(decision.roles)}")
