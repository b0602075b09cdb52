"""What other rooms, and the world, may ask of feeds: GBFS; MDS in the modules beside this."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import NotFound


class Document(msgspec.Struct, frozen=True):
    """One feed as it is sent: JSON in UTF-8, good for another ``fresh_s`` seconds."""

    body: bytes
    fresh_s: int


class Setting(msgspec.Struct, frozen=True):
    """What an operator publishes."""

    is_public: bool = True
    contact_email: str | None = None
    """Where readers report faults; None = the sender of the platform's letters."""
    license_url: str | None = None
    """None = CC0: GBFS reads silence as a gift to everyone."""
    has_draft: bool = False
    """Also publishes the draft of the next GBFS (3.1-RC3)."""
    micromobility_id: UUID | None = None
    """provider_id of scooters and e-bikes in MDS; None = one made from the operator's id."""
    car_share_id: UUID | None = None
    """The same of cars and vans: MDS has a provider_id for each mode."""
    mds_days: int = 730
    """So long it is kept, and answered, what agencies were told by MDS."""


class SettingChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; what is left out stays as it is."""

    is_public: bool | msgspec.UnsetType = msgspec.UNSET
    contact_email: str | msgspec.UnsetType | None = msgspec.UNSET
    license_url: str | msgspec.UnsetType | None = msgspec.UNSET
    has_draft: bool | msgspec.UnsetType = msgspec.UNSET
    micromobility_id: UUID | msgspec.UnsetType | None = msgspec.UNSET
    car_share_id: UUID | msgspec.UnsetType | None = msgspec.UNSET
    mds_days: int | msgspec.UnsetType = msgspec.UNSET


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's feeds compared with its vehicles; all numbers are vehicles.

    Differences are summed over the versions of the feed, so one vehicle may count twice.
    """

    checked_at: datetime
    available: int
    """In truth: nobody holds them, their place is known."""
    disabled: int
    """In truth: offline or in maintenance, their place is known."""
    shown_as_available: int
    shown_as_disabled: int
    missing: int
    doubled: int
    in_use: int
    """Reserved or ridden, and shown all the same."""
    strange: int
    """Ids that no vehicle has."""
    wrong: int
    """Available shown as disabled, or the reverse."""
    unplaced: int
    """Held by nobody, but their place is unknown, so they cannot be shown."""
    moving: int
    """Changed while they were looked at; not judged."""

    @property
    def differences(self) -> int:
        """0 when the feeds say what is."""
        return self.missing + self.doubled + self.in_use + self.strange + self.wrong


class MdsCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What an agency was told by MDS compared with the vehicles; all numbers are vehicles."""

    agency: str
    """Its short name."""
    checked_at: datetime
    vehicles: int
    shown: int
    missing: int
    strange: int
    wrong: int
    waiting: int

    @property
    def differences(self) -> int:
        """0 when it knows what is."""
        return self.missing + self.strange + self.wrong


class PastCheck(msgspec.Struct, frozen=True):
    """An hour of self-checks of one feed: its last figures and its most differences."""

    feed: str
    """``gbfs``, or ``mds:`` and the agency's short name."""
    hour: datetime
    checks: int
    vehicles: int
    shown: int
    differences: int


class UnknownFeed(NotFound):
    """No such operator, version or feed, or its operator does not publish: they look alike."""

    code = "UNKNOWN_FEED"
    message = "There is no such feed."


class NotChecked(NotFound):
    """The self-check has not come to this operator yet; it does every few minutes."""

    code = "NOT_CHECKED_YET"
    message = "This feed has not been checked yet."


@query
async def document(call: Call, slug: str, version: str, name: str) -> Document:
    """A feed of the operator ``slug``, whatever the call's tenant: public.

    ``version`` is 3.0, 2.3 or (if published) 3.1-RC3, ``name`` as in the specification
    (``vehicle_status``; in 2.3 ``free_bike_status``), without ``.json``. Kept in the process for
    its time to live. Raises ``UnknownFeed``.
    """
    raise AssertionError


@query
async def check(call: Call, slug: str) -> Check:
    """What the last self-check of an operator's feeds found: public.

    Raises ``UnknownFeed``, ``NotChecked``.
    """
    raise AssertionError


@query
async def mds_checks(call: Call, slug: str) -> list[MdsCheck]:
    """What the last self-check found for each agency of an operator: public; empty before it.

    Raises ``UnknownFeed``.
    """
    raise AssertionError


@query
async def past_checks(call: Call) -> list[PastCheck]:
    """What the self-checks of the last seven days found, hour by hour, the oldest first
    (permission ``feeds.setting.read``)."""
    raise AssertionError


@query
async def setting(call: Call) -> Setting:
    """What the call's operator publishes (permission ``feeds.setting.read``)."""
    raise AssertionError


@action
async def change_setting(call: Call, change: SettingChange) -> Setting:
    """Change what the call's operator publishes (permission ``feeds.setting.write``).

    A change without a difference is harmless and tells nothing. Raises ``Invalid`` (not an e-mail
    address, not an https address).
    """
    raise AssertionError
