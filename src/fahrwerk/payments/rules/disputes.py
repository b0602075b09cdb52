"""Which of two looks at a dispute is the newer one, and what money moved between them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fahrwerk.payments.gateways import Dispute

_RANK = {"needs_response": 0, "under_review": 1, "won": 2, "lost": 2}


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """How a dispute stands, as far as we know."""

    state: str = "needs_response"
    withdrawn_minor: int = 0
    fee_minor: int = 0
    moves: int = 0


def is_closed(state: str) -> bool:
    """True when the bank has decided."""
    return _RANK[state] == 2


def stand_of(found: Dispute) -> Stand:
    """What of a look at the gateway is kept."""
    return Stand(
        state=found.state,
        withdrawn_minor=found.withdrawn_minor,
        fee_minor=found.fee_minor,
        moves=found.moves,
    )


def newer(known: Stand, found: Stand) -> Stand:
    """Of two looks the one that saw more: looks may be written in any order.

    More moves of money are newer; of as many, the state that is further on. A bank may overturn
    what it decided: won and lost follow each other by what was moved, or else by being told later.
    """
    if found.moves != known.moves:
        return found if found.moves > known.moves else known
    ahead = _RANK[found.state] > _RANK[known.state]
    overturned = is_closed(found.state) and is_closed(known.state) and found.state != known.state
    return found if ahead or (overturned and found.moves == 0) else known


def to_owe(now: Stand, owed_minor: int, *, is_wanted: bool) -> int:
    """What of a dispute is to be owed again, where ``owed_minor`` is so far."""
    is_lost = now.state == "lost" and (is_wanted or owed_minor > 0)
    return max(0, now.withdrawn_minor) if is_lost else 0


def texts_of_ride(facts: Iterable[tuple[str, dict[str, Any]]], links: dict[str, str]) -> str:
    """What the log tells about a ride and its payment, as an evidence text in English.

    ``facts``: ``(name, data)`` in order; ``links``: where receipt, track and photos are.
    """
    lines = ["The cardholder booked and took this ride with our service:"]
    for name, data in facts:
        if name == "rental.reserved":
            lines.append(f"- Booked under {data['booking_id']} by the customer {data['user_id']}.")
        elif name == "rental.started":
            lines.append(f"- The vehicle confirmed its unlock at {data['started_at']} (UTC).")
        elif name == "rental.ended":
            price = f"{data['total_minor'] / 100:.2f} {data['currency']}"
            lines.append(
                f"- Ridden from {data['started_at']} to {data['ended_at']} (UTC): "
                f"{data['duration_s']} s, {data['distance_m']} m. Price: {price}."
            )
        elif name == "PaymentAuthorized":
            lines.append(f"- The payment was authorised at {data['authorized_at']} (UTC).")
        elif name == "payment.captured":
            price = f"{data['amount'] / 100:.2f} {data['currency']}"
            lines.append(f"- Charged after the ride: {price}.")
    lines += [f"- {what}: {where}" for what, where in links.items()]
    return "\n".join(lines)
