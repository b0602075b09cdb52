"""Endpoints for staff and their fleet, and for gateways that report in vehicles' place."""

from __future__ import annotations

from fahrwerk.fleet.http import devices, vehicles

handlers = [*vehicles.handlers, *devices.handlers]
