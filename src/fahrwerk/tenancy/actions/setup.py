"""How far an operator's set-up is: said by its wizard, or seen by what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fahrwerk.kernel import clock, db
from fahrwerk.tenancy.queries.setup import setup
from fahrwerk.tenancy.rules import setup as rules

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.tenancy.contract.life import Setup

_DONE = """
INSERT INTO tenancy.setup_step (step, state, at, actor) VALUES ($1, 'done', $2, $3)
ON CONFLICT (tenant_id, step) DO UPDATE SET state = 'done', at = excluded.at, actor = excluded.actor
WHERE setup_step.state <> 'done'
"""


async def step_done(tx: db.Tx, call: Call, name: str) -> None:
    """A step was taken, whoever took it. Part of a transaction; harmless to repeat."""
    await tx.run(_DONE, name, clock.now(), call.actor)


_SAVE = """
INSERT INTO tenancy.setup_step (step, state, data, at, actor) VALUES ($1, $2, $3::jsonb, $4, $5)
ON CONFLICT (tenant_id, step) DO UPDATE
SET state = excluded.state, data = excluded.data, at = excluded.at, actor = excluded.actor
"""


async def save_step(call: Call, name: str, state: str | None, data: dict[str, Any]) -> Setup:
    call.require("tenancy.operator.change")
    rules.check_step(name, state, data)
    await db.run("tenancy", call, _SAVE, name, state or "open", data, clock.now(), call.actor)
    return await setup(call)
