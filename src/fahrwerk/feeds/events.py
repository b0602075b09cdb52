"""What feeds tells. The stream is ``feeds:<tenant uuid>``."""

from __future__ import annotations

import msgspec

from fahrwerk.kernel.events import event


@event("feeds.changed", topic="feeds")
class FeedsChanged(msgspec.Struct, frozen=True):
    """An operator changed what it publishes; ``fields`` are the names of those that differ now."""

    fields: list[str]
    is_public: bool
