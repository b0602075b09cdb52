"""The nine ways a call can be refused. Nothing else leaves the house (API-02..06, C-48).

Rooms subclass these beside the code that raises them and set ``code`` and ``message``; a status
belongs to the kind, not to the place. What is not one of these is a bug and answered 500.
"""

from __future__ import annotations

from typing import Any, ClassVar


class Problem(Exception):
    """An answer other than success: a machine's ``code``, a person's ``message``, and details."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL_ERROR"
    message: ClassVar[str] = "Something went wrong on our side."
    is_told = False
    """The audit log has it already: the row of the deed that was refused says so."""

    def __init__(
        self, message: str | None = None, *, code: str | None = None, **details: Any
    ) -> None:
        self.text = message or self.message
        self.error_code = code or self.code
        self.details = details
        super().__init__(self.text)


class Invalid(Problem):
    """The request itself is wrong. ``field`` and ``issue`` name what and why (API-03)."""

    status = 400
    code = "VALIDATION_ERROR"
    message = "Request validation failed"


class Unpaid(Problem):
    """A payment was refused (C-16: published as 400, not 402)."""

    status = 400
    code = "PAYMENT_FAILED"
    message = "Payment failed. Please try another payment method."


class Unauthenticated(Problem):
    """No token, or not a valid one (API-04, C-47)."""

    status = 401
    code = "AUTHENTICATION_FAILED"
    message = "Invalid or expired token"


class Forbidden(Problem):
    """Known, but not allowed."""

    status = 403
    code = "PERMISSION_DENIED"
    message = "You do not have the permission this needs."


class NotFound(Problem):
    """Not there, or another operator's: the two look alike on purpose (I7)."""

    status = 404
    code = "NOT_FOUND"
    message = "There is nothing under this id."


class Conflict(Problem):
    """The thing is in a state that does not allow this now."""

    status = 409
    code = "CONFLICT"
    message = "This is not possible in the current state."


class Refused(Problem):
    """Understood and well-formed, but against a rule."""

    status = 422
    code = "REFUSED"
    message = "This is not allowed."


class Busy(Problem):
    """Over a limit; ``retry_after`` in seconds (API-05)."""

    status = 429
    code = "RATE_LIMIT_EXCEEDED"
    message = "Too many requests"


class Unavailable(Problem):
    """Something we need is down or silent; the same request may succeed later (RNT-28)."""

    status = 503
    code = "SERVICE_UNAVAILABLE"
    message = "We're experiencing issues. Please try again shortly."


KINDS: dict[str, type[Problem]] = {
    kind.__name__: kind
    for kind in (
        Invalid, Unpaid, Unauthenticated, Forbidden, NotFound, Conflict, Refused, Busy, Unavailable
    )
}  # fmt: skip


def kind_of(problem: Problem) -> str:
    """The name of the general kind, for the wire format between processes."""
    return next(c.__name__ for c in type(problem).__mro__ if c.__name__ in KINDS)
