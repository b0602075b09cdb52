"""The sandbox's test cards: what each token looks like and how it misbehaves.

The table for people is docs/sandbox-gateway.md; a test keeps the two alike.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Operation = Literal[
    "set_up",
    "authorize",
    "confirm",
    "capture",
    "void",
    "refund",
    "read",
    "evidence",
    "transfer",
    "list",
]
FaultKind = Literal[
    "declined",
    "timeout_before",
    "timeout_after",
    "error_500_before",
    "error_500_after",
    "rate_limited",
    "slow",
    "wrong_amount",
    "wrong_fee",
    "delayed",
    "late",
    "missing",
]


class Fault(msgspec.Struct, frozen=True):
    """One way to misbehave.

    ``declined`` is an answer (with ``code``) and always given; all others spoil the first request
    with a key only, so that asking again with the same key gets the truth.
    """

    kind: FaultKind
    code: str | None = None
    seconds: float = 0.0


class TestCard(msgspec.Struct, frozen=True):
    """A token's card and its faults by operation; ``challenge``: 3-D Secure, and how it ends."""

    __test__ = False

    last4: str
    brand: str = "Visa"
    expires: str = "12/34"
    faults: dict[str, Fault] = {}
    challenge: Literal["passes", "fails"] | None = None
    is_disputed: bool = False
    """Its owner disputes every charge at once."""
    country: str = "DE"
    fingerprint: str = ""
    """Empty: every rider's card is another one, though the token is the same."""


SLOW_S = 3.0
DELAYED_S = 10.0
LATE_S = 30.0

_SPOILED: dict[str, Fault] = {
    "TimeoutBefore": Fault("timeout_before"),
    "TimeoutAfter": Fault("timeout_after"),
    "Error500Before": Fault("error_500_before"),
    "Error500After": Fault("error_500_after"),
    "RateLimited": Fault("rate_limited"),
    "Slow": Fault("slow", None, SLOW_S),
    "WrongAmount": Fault("wrong_amount"),
    "Delayed": Fault("delayed", None, DELAYED_S),
    "Late": Fault("late", None, LATE_S),
}
_OPERATIONS = ("capture", "void", "refund")
_REFUSALS = {
    "chargeDeclined": ("0002", "card_declined"),
    "insufficientFunds": ("9995", "insufficient_funds"),
    "expiredCard": ("0069", "expired_card"),
    "fraudSuspected": ("0019", "fraud_suspected"),
}


def _all() -> dict[str, TestCard]:
    cards = {
        "tok_visa": TestCard("4242"),
        "tok_mastercard": TestCard("4444", "Mastercard"),
        "tok_amex": TestCard("0005", "American Express"),
        "tok_visaAbroad": TestCard("0024", country="US"),
        "tok_visaShared": TestCard("0077", fingerprint="shared"),
        "tok_setupDeclined": TestCard(
            "0101", faults={"set_up": Fault("declined", "incorrect_cvc")}
        ),
        "tok_createDispute": TestCard("0259", is_disputed=True),
        "tok_threeDSecure": TestCard("3155", challenge="passes"),
        "tok_threeDSecureFails": TestCard("3063", challenge="fails"),
    }
    for name, (last4, code) in _REFUSALS.items():
        cards[f"tok_{name}"] = TestCard(last4, faults={"authorize": Fault("declined", code)})
    for name, fault in _SPOILED.items():
        cards[f"tok_{name[0].lower()}{name[1:]}"] = TestCard("1881", faults={"authorize": fault})
        for operation in _OPERATIONS:
            token = f"tok_{operation}{name}"
            cards[token] = TestCard("1882", faults={operation: fault})
    for operation in _OPERATIONS:
        code = f"{operation}_failed"
        cards[f"tok_{operation}Fails"] = TestCard(
            "1883", faults={operation: Fault("declined", code)}
        )
    return cards


CARDS = _all()
