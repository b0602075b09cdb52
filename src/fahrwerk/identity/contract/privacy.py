"""Privacy: consents, one's own data, erasure, retention (GDP-01..06, GDP-24)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from fahrwerk.identity.rules.privacy import Kept as Kept
from fahrwerk.identity.rules.privacy import Purpose as Purpose
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound

REQUEST_PREFIX = "prv"
"""Of public ids: ``prv_...``."""
Way = Literal["app", "page", "staff"]
Kind = Literal["export", "erasure"]


class ConsentText(msgspec.Struct, frozen=True, kw_only=True):
    """What is agreed to for one purpose, in one language."""

    purpose: Purpose
    title: str
    locale: str
    version: int
    """0: the text that comes with Fahrwerk."""
    body: str
    published_at: datetime | None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said to a text, and the proof of it."""

    id: UUID
    purpose: Purpose
    is_given: bool
    version: int
    locale: str
    text_digest: str
    way: str
    address: str
    device: str
    at: datetime
    ended_at: datetime | None
    """Withdrawn, or answered anew."""


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with one purpose: the text of now, the last answer, what that means."""

    text: ConsentText
    answer: Answer | None
    is_given: bool
    """Given, to the text of now, and not withdrawn: only then data may be used for it."""
    is_asked: bool
    """Never answered, or the text has changed since."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asked for: the own data, or to be erased.

    ``state`` of an export: waiting -> running -> ready -> expired, or failed. Of an erasure:
    waiting -> erasing -> done, or refused (``result`` says why), cancelled.
    """

    id: UUID
    person_id: UUID
    kind: Kind
    state: str
    locale: str
    asked_by: str
    asked_at: datetime
    due_at: datetime
    """By law."""
    sections: int
    sections_done: int
    rows: int
    bytes: int
    result: dict[str, Any] | None
    next_at: datetime | None
    """When it goes on; until then an erasure can be called off."""
    ended_at: datetime | None
    expires_at: datetime | None


class RequestPage(msgspec.Struct, frozen=True):
    """Newest first."""

    requests: list[Request]
    total: int


class Obstacle(msgspec.Struct, frozen=True):
    """Why somebody cannot be erased now."""

    code: str
    text: str
    details: dict[str, Any]


class File(msgspec.Struct, frozen=True):
    """An export that is ready."""

    name: str
    bytes: int
    parts: int
    turn: int


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """``officer``: whom people may turn to about their data. ``grace_days``: how long an erasure
    may still be called off."""

    officer: str = ""
    grace_days: int = 0


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long one kind of data is kept."""

    rule: str
    """``fleet.telemetry``"""
    title: str
    days: int
    usual_days: int
    least: int
    most: int


class RetentionRun(msgspec.Struct, frozen=True, kw_only=True):
    """What one night threw away of one kind."""

    id: UUID
    rule: str
    before: datetime
    deleted: int
    at: datetime


class RunPage(msgspec.Struct, frozen=True):
    """Newest first."""

    runs: list[RetentionRun]
    total: int


class Processing(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the records of processing (Art. 30)."""

    section: str
    title: str
    purpose: str
    basis: str
    columns: list[str]
    kept: str
    recipients: str
    at_erasure: str
    why_kept: str


class SectionView(msgspec.Struct, frozen=True, kw_only=True):
    """What is held of one kind, as a page shows it."""

    section: str
    title: str
    purpose: str
    basis: str
    kept: str
    recipients: str
    columns: list[str]
    rows: list[list[str]]
    has_more: bool


class UnknownRequest(NotFound):
    """Not there, or somebody else's."""

    code = "UNKNOWN_PRIVACY_REQUEST"
    message = "There is no such request."


class NotErasable(Conflict):
    """Something stands against it; ``details.obstacles`` says what, one by one."""

    code = "ERASURE_NOT_POSSIBLE"
    message = "The account cannot be deleted yet."


class TooLate(Conflict):
    """It is under way or over."""

    code = "PRIVACY_REQUEST_CLOSED"
    message = "This request cannot be called off any more."


class TextChanged(Conflict):
    """The answer was to another text than that of now: show the new one and ask again."""

    code = "CONSENT_TEXT_CHANGED"
    message = "The text has changed. Please read the new one."


class NoFile(Conflict):
    """Not ready yet, or its seven days are over."""

    code = "EXPORT_NOT_READY"
    message = "This file is not there (any more)."


@query
async def consents(call: Call, person_id: UUID) -> list[Consent]:
    """How it stands with all purposes. One's own, or with ``identity.privacy.read``."""
    raise AssertionError


@query
async def consent_history(call: Call, person_id: UUID, limit: int, offset: int) -> list[Answer]:
    """All answers ever given, newest first. One's own, or with ``identity.privacy.read``."""
    raise AssertionError


@query
async def may_use(call: Call, person_id: UUID, purpose: Purpose) -> bool:
    """True when somebody's data may be used for a purpose now: for rooms, before they do."""
    raise AssertionError


@action
async def answer_consent(
    call: Call, purpose: Purpose, is_given: bool, version: int | None, way: Way, device: str
) -> Consent:
    """Write down what the caller says to a text. ``version`` is that which was shown.

    Raises ``TextChanged``.
    """
    raise AssertionError


@query
async def consent_text(call: Call, purpose: Purpose, locale: str) -> ConsentText:
    """What is agreed to now, in a language."""
    raise AssertionError


@action
async def publish_consent_text(call: Call, purpose: Purpose, locale: str, body: str) -> ConsentText:
    """New words to agree to (permission ``identity.privacy.write``): everybody is asked again.

    The same text again changes nothing. Raises ``Invalid`` (``terms`` and ``privacy`` are texts of
    the site).
    """
    raise AssertionError


@query
async def erasure_obstacles(call: Call, person_id: UUID) -> list[Obstacle]:
    """What stands against erasing somebody now. One's own, or with ``identity.privacy.read``."""
    raise AssertionError


@action
async def ask_export(call: Call, person_id: UUID) -> Request:
    """Have somebody's data put together (Art. 15, 20). Asking again while it is under way is the
    same request.

    One's own with a log-in confirmed lately, or with ``identity.privacy.write``. Raises
    ``ConfirmationNeeded``, ``NotFound``.
    """
    raise AssertionError


@action
async def ask_erasure(call: Call, person_id: UUID) -> Request:
    """Have somebody erased (Art. 17). Raises ``NotErasable`` and as ``ask_export``.

    From now on nobody rides with this account, and after the operator's days of grace there is no
    way back.
    """
    raise AssertionError


@action
async def cancel_request(call: Call, request_id: UUID) -> Request:
    """Call off what has not begun. Raises ``UnknownRequest``, ``TooLate``."""
    raise AssertionError


@query
async def request(call: Call, request_id: UUID) -> Request:
    """One's own, or with ``identity.privacy.read``. Raises ``UnknownRequest``."""
    raise AssertionError


@query
async def requests(
    call: Call, person_id: UUID | None, state: str | None, limit: int, offset: int
) -> RequestPage:
    """One's own; of somebody or everybody (None) with ``identity.privacy.read``."""
    raise AssertionError


@query
async def own_data(call: Call, most: int) -> list[SectionView]:
    """What is held about the caller, at most so many rows of each kind (WEB-19)."""
    raise AssertionError


@query
async def export_file(call: Call, request_id: UUID) -> File:
    """An export that is ready, for who it is about. Raises ``UnknownRequest``, ``NoFile``."""
    raise AssertionError


@query
async def export_part(call: Call, request_id: UUID, turn: int, number: int) -> bytes:
    """One part of the file, from 0. Raises as ``export_file``."""
    raise AssertionError


@action
async def restrict(call: Call, person_id: UUID, is_restricted: bool, reason: str) -> None:
    """Keep somebody's data without using them (Art. 18), or use them again.

    One's own, or with ``identity.privacy.write``. What an erasure has restricted stays so. Raises
    ``Invalid``, ``NotFound``.
    """
    raise AssertionError


@query
async def restricted_since(call: Call, person_id: UUID) -> datetime | None:
    """Since when somebody's data are only kept. One's own, or with ``identity.privacy.read``."""
    raise AssertionError


@query
async def privacy_setting(call: Call) -> Setting:
    """The operator's."""
    raise AssertionError


@action
async def change_privacy_setting(call: Call, wanted: Setting) -> Setting:
    """Permission ``identity.privacy.write``. Raises ``Invalid``."""
    raise AssertionError


@query
async def retention(call: Call) -> list[Retention]:
    """How long what is kept (permission ``identity.privacy.read``)."""
    raise AssertionError


@action
async def change_retention(call: Call, days: dict[str, int]) -> list[Retention]:
    """Set days by rule (permission ``identity.privacy.write``). Raises ``Invalid``."""
    raise AssertionError


@query
async def retention_runs(call: Call, limit: int, offset: int) -> RunPage:
    """What was thrown away (permission ``identity.privacy.read``)."""
    raise AssertionError


@query
async def processing(call: Call, locale: str) -> list[Processing]:
    """The records of processing, as the rooms say what they hold (Art. 30)."""
    raise AssertionError
