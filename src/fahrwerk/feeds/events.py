"""What feeds tells. Streams are ``feeds:<tenant uuid>`` and ``agency:<uuid>``."""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.kernel.events import event


@event("feeds.changed", topic="feeds")
class FeedsChanged(msgspec.Struct, frozen=True):
    """An operator changed what it publishes; ``fields`` are the names of those that differ now."""

    fields: list[str]
    is_public: bool


@event("agency.added", topic="feeds")
class AgencyAdded(msgspec.Struct, frozen=True):
    """An operator reports to an agency from now on; stream ``agency:<uuid>``."""

    agency_id: UUID
    slug: str


@event("agency.deleted", topic="feeds")
class AgencyDeleted(msgspec.Struct, frozen=True):
    """An operator reports to an agency no more; stream ``agency:<uuid>``."""

    agency_id: UUID
    slug: str


@event("agency.changed", topic="feeds")
class AgencyChanged(msgspec.Struct, frozen=True):
    """What an agency may know, or where its policies are read, has changed: ``fields``."""

    agency_id: UUID
    fields: list[str]
