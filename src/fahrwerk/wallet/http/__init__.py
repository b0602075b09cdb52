"""Wallets over HTTP: a rider's own, the live balance, and staff's."""

from __future__ import annotations

from fahrwerk.wallet.http import debts, live, own, resellers, staff

handlers = [*own.handlers, *live.handlers, *debts.handlers, *staff.handlers, *resellers.handlers]
