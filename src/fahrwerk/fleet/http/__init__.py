"""Endpoints for staff and their fleet, and for gateways that report in vehicles' place."""

from __future__ import annotations

from fahrwerk.fleet.http import (
    accounts,
    alerts,
    battery,
    bulk,
    devices,
    groups,
    history,
    labels,
    live,
    maintenance,
    pairing,
    telemetry,
    tickets,
    vehicles,
    zones,
)

handlers = [
    *accounts.handlers,
    *alerts.handlers,
    *vehicles.handlers,
    *devices.handlers,
    *telemetry.handlers,
    *pairing.handlers,
    *groups.handlers,
    *labels.handlers,
    *live.handlers,
    *zones.handlers,
    *bulk.handlers,
    *history.handlers,
    *maintenance.handlers,
    *tickets.handlers,
    *battery.handlers,
]
