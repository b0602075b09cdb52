"""The test button: a log-in that logs nobody in and makes nothing, with every step told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.actions.sso import started_attempt
from fahrwerk.identity.actions.sso_directory import said_by_directory
from fahrwerk.identity.actions.sso_dry import dry, teller
from fahrwerk.identity.contract.sso import Directory, Oidc, Step, Trial, Wish
from fahrwerk.identity.protocols import oidc, saml
from fahrwerk.identity.queries import sso as queries
from fahrwerk.kernel import clock, settings
from fahrwerk.kernel.errors import Problem

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

TEST_S = 1800


async def try_sso_provider(call: Call, provider_id: UUID, login: str, password: str) -> Trial:
    call.require("identity.sso.write")
    provider, _ = await queries.with_secret(call, provider_id)
    steps: list[Step] = []
    tell = teller(steps)
    try:
        if isinstance(provider.protocol, Directory):
            said = await said_by_directory(call, provider, login, password, steps)
            await dry(call, provider, said, steps)
            return Trial(steps=steps, is_over=True)
        if isinstance(provider.protocol, Oidc):
            await oidc.look(provider.protocol, is_dev=settings.load().dev, tell=tell)
        else:
            saml.look(provider.protocol, clock.now(), tell)
    except Problem as problem:
        reason = str(problem.details.get("reason", problem.error_code.lower()))
        steps.append(Step(reason, False, problem.text))
        return Trial(steps=steps, is_over=True)
    wish = Wish(flow="test", redirect_uri="")
    started = await started_attempt(call, provider_id, wish, TEST_S, steps)
    return Trial(id=started.attempt_id, ticket=started.ticket, steps=steps, is_over=False)
