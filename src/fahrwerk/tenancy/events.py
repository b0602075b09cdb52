"""What tenancy tells. Streams are ``operator:<uuid>``, in the log of that operator."""

from __future__ import annotations

import msgspec

from fahrwerk.kernel.events import event


@event("operator.created", topic="tenancy")
class OperatorCreated(msgspec.Struct, frozen=True):
    """A new operator; others lay out what one needs (default tariffs, for example)."""

    slug: str
    currency: str


@event("operator.changed", topic="tenancy")
class OperatorChanged(msgspec.Struct, frozen=True):
    """An operator changed its own rules; ``fields`` are the names of those that differ now."""

    slug: str
    fields: list[str]


@event("operator.status_changed", topic="tenancy")
class OperatorStatusChanged(msgspec.Struct, frozen=True):
    """The platform suspended, opened or closed an operator: active | suspended | closing."""

    slug: str
    status: str
