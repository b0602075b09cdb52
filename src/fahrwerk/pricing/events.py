"""What pricing tells. Streams are ``tariff:<uuid>`` and ``promotion:<uuid>``."""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.kernel.events import event


@event("tariff.changed", topic="pricing")
class TariffChanged(msgspec.Struct, frozen=True):
    """An operator changed a price (EV-12)."""

    tariff_id: UUID
    vehicle_type: str


@event("promotion.created", topic="pricing")
class PromotionCreated(msgspec.Struct, frozen=True):
    """An operator gives something away."""

    promotion_id: UUID
    code: str
