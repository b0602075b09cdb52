"""Alerts that are work for the workshop: a rule may open a ticket (``opens_ticket``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet.actions.tickets import open_within
from fahrwerk.fleet.queries.alerts import in_force
from fahrwerk.fleet.rules import maintenance
from fahrwerk.kernel import ids

if TYPE_CHECKING:
    from fahrwerk.fleet.events import AlertRaised
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx

_RULES = "SELECT rules FROM fleet.alert_watch WHERE tenant_id = kernel.tenant()"
_SILENCED = """
SELECT 1 FROM fleet.alert_silence
WHERE tenant_id = kernel.tenant() AND until > kernel.now() AND (rule IS NULL OR rule = $1)
  AND (vehicle_id IS NULL OR vehicle_id = $2) LIMIT 1
"""
_LOCK_VEHICLE = "SELECT status FROM fleet.vehicle WHERE id = $1 FOR UPDATE"
_IS_OPEN = """
SELECT 1 FROM fleet.ticket
WHERE vehicle_id = $1 AND closed_at IS NULL AND (kind = $2 OR rule = $3) LIMIT 1
"""


async def open_for_alert(tx: Tx, call: Call, alert: AlertRaised, version: int) -> None:
    """Open the ticket that the alert's rule wants, unless somebody is to look at it already.

    The rules are those of now: an alert of a rule that is gone opens nothing.
    """
    if alert.vehicle_id is None:
        return
    row = await tx.one(_RULES)
    rules = {each.name: each for each in in_force(row["rules"] if row else None)}
    rule = rules.get(alert.rule)
    if rule is None or rule.opens_ticket is None:
        return
    if await tx.one(_SILENCED, alert.rule, alert.vehicle_id) is not None:
        return
    vehicle = await tx.one(_LOCK_VEHICLE, alert.vehicle_id)
    if vehicle is None or vehicle["status"] == "retired":
        return
    wanted = rule.opens_ticket
    if await tx.one(_IS_OPEN, alert.vehicle_id, wanted.kind, rule.name) is not None:
        return
    severity = wanted.severity or maintenance.severity_of(wanted.kind)
    about = f"Alert {rule.name} ({rule.kind}): {alert.value:g}."
    ticket_id = ids.derived("ticket of alert", alert.alert_id, version)
    await open_within(
        tx, call, alert.vehicle_id, wanted.kind, severity, "alert", about, ticket_id,
        rule=rule.name,
    )  # fmt: skip
