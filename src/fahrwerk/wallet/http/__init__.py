"""Wallets over HTTP: a rider's own, the live balance, and staff's."""

from __future__ import annotations

from fahrwerk.wallet.http import live, own, staff

handlers = [*own.handlers, *live.handlers, *staff.handlers]
