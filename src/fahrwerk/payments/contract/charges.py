"""Charging a stored method for something that is no ride: authorise and capture in one go.

The wallet's top-ups are paid like this. What became of it is told by the payment's state, not by an
error: a charge that is refused is an answer like any other.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action
from fahrwerk.payments.contract import Payment


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be charged to whom. ``payment_id`` names it: repeating it charges once."""

    payment_id: UUID
    reference: UUID
    """What it is for; no other payment may have it."""
    rider_id: UUID
    amount_minor: int
    currency: str
    method_id: UUID | None = None
    """None = the rider's default method."""
    is_off_session: bool = False
    """The rider is not there: a bank that wants a confirmation refuses instead."""
    return_path: str | None = None
    """Instead of a stored method the rider pays at a page of the gateway, which sends them back to
    this place of ours (a path of at most 150 characters; ``result=success`` or ``result=cancelled``
    is added). The page is in ``next_action``; void the payment to close it."""


@action
async def charge(call: Call, wanted: Charge) -> Payment:
    """Open the payment, authorise it and capture all of it; as far as it comes now.

    Harmless to repeat, and to be repeated until ``state`` is ``completed``, ``failed`` or
    ``voided``: a repeat goes on where it stands. ``action_required`` has ``next_action``;
    ``unknown`` and ``authorized`` go on by themselves. Who names no method (or pays at a page) is
    taken to another gateway when the first one provably did not take it (PAY-02). Raises
    ``UnknownMethod`` before anything is sent, ``Invalid`` (amount, currency), ``NoGateway`` (none
    has pages), ``Conflict`` (the reference has another payment).
    """
    raise AssertionError
