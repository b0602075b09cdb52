"""What may be asked of cities' policies: read in, kept with their versions, enforced as zones, and
served to the public where an operator is the agency's delegate (MDS Policy, Geography,
Jurisdiction)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import NotFound

DocumentKind = Literal["policies", "geographies", "jurisdictions"]


class DocumentVersion(msgspec.Struct, frozen=True):
    """One version of what an agency published."""

    kind: str
    version: int
    items: int
    origin: str
    """fetched | uploaded"""
    received_at: datetime
    received_by: str


class DocumentPage(msgspec.Struct, frozen=True):
    """One page of a list and how many there are in all."""

    documents: list[DocumentVersion]
    total: int


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a document."""

    document: DocumentVersion
    is_new: bool
    """False: it says what the newest version says already."""
    zones_created: int
    zones_replaced: int
    zones_deleted: int
    zones_unchanged: int


class RuleShown(msgspec.Struct, frozen=True, kw_only=True):
    """A rule and what we make of it."""

    rule_id: UUID
    name: str
    rule_type: str
    enforced_as: str | None
    """The kind of zone; None = kept and shown, not enforced."""
    speed_limit_kmh: int | None
    vehicle_types: list[str]
    """Ours that it is about."""


class PolicyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A policy in the newest version."""

    policy_id: UUID
    name: str
    description: str
    start_at: datetime
    end_at: datetime | None
    is_in_force: bool
    """It concerns us, has begun, and is neither over nor superseded."""
    rules: list[RuleShown]


class PolicyPage(msgspec.Struct, frozen=True):
    """One page of a list and how many there are in all."""

    policies: list[PolicyShown]
    total: int


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a published document; times in milliseconds since 1970."""

    item_id: UUID | None = None
    start: int | None = None
    end: int | None = None
    only_updated: bool = False
    only_active: bool = False


class NotPublished(NotFound):
    """No such operator, agency, document or item, or not published by us: they look alike."""

    code = "NOT_PUBLISHED"
    message = "There is no such document."


class UnknownGeography(NotFound):
    """The agency has published no such geography."""

    code = "UNKNOWN_GEOGRAPHY"
    message = "There is no such geography."


@query
async def policies(call: Call, agency_id: UUID, limit: int, offset: int) -> PolicyPage:
    """An agency's policies, in the order it published them (permission ``feeds.agency.read``).

    Raises ``UnknownAgency``.
    """
    raise AssertionError


@query
async def document_versions(
    call: Call, agency_id: UUID, kind: str, limit: int, offset: int
) -> DocumentPage:
    """All versions of a document, newest first (permission ``feeds.agency.read``).

    Raises ``UnknownAgency``.
    """
    raise AssertionError


@query
async def published(call: Call, slug: str, agency: str, kind: str, wanted: Wanted) -> bytes:
    """A document of the agency ``agency`` of the operator ``slug``, encoded as MDS: public.

    Raises ``NotPublished``.
    """
    raise AssertionError


@action
async def put_document(call: Call, agency_id: UUID, kind: str, body: bytes) -> Received:
    """Read in what an agency published (permission ``feeds.agency.write``).

    Geographies first: policies must not name one that is not there. What policies forbid is
    enforced at once. Repeating it is harmless. Raises ``UnknownAgency``, ``Invalid`` (with the
    place of the mistake): then nothing has changed.
    """
    raise AssertionError


@action
async def read_agency(call: Call, agency_id: UUID) -> list[Received]:
    """Fetch the agency's documents now (permission ``feeds.agency.write``).

    Raises ``UnknownAgency``, ``Unavailable`` (its server), ``Invalid`` (what it publishes).
    """
    raise AssertionError
