"""Endpoints for staff and their fleet, and for gateways that report in vehicles' place."""

from __future__ import annotations

from fahrwerk.fleet.http import (
    alerts,
    battery,
    bulk,
    devices,
    history,
    live,
    maintenance,
    pairing,
    telemetry,
    tickets,
    vehicles,
    zones,
)

handlers = [
    *alerts.handlers,
    *vehicles.handlers,
    *devices.handlers,
    *telemetry.handlers,
    *pairing.handlers,
    *live.handlers,
    *zones.handlers,
    *bulk.handlers,
    *history.handlers,
    *maintenance.handlers,
    *tickets.handlers,
    *battery.handlers,
]
