"""A provider that looks at nothing: the document's token says what becomes of it.

``doc_valid``: verified for a year. ``doc_soon``: verified until a minute from now. ``doc_pending``:
verified after ten seconds. ``doc_rejected``, ``doc_forged``, ``doc_underage``: rejected. Any other:
not taken.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from fahrwerk.identity.providers import Refused, Verdict

if TYPE_CHECKING:
    from fahrwerk.identity.providers import Question

_GOOD_FOR = {
    "doc_valid": timedelta(days=365),
    "doc_soon": timedelta(minutes=1),
    "doc_pending": timedelta(days=365),
}
_REASONS = {
    "doc_rejected": "not_readable",
    "doc_forged": "document_forged",
    "doc_underage": "too_young",
}
_WAIT = timedelta(seconds=10)


class Sandbox:
    """Keeps nothing: all that it has to know again stands in the reference."""

    async def start(self, question: Question, now: datetime) -> Verdict:
        """As the token says."""
        token = question.document
        if token not in _GOOD_FOR and token not in _REASONS:
            raise Refused("unknown_document")
        at = int(now.timestamp())
        return self._look(f"{question.kind}:{token}:{at}:{question.key}", now)

    async def verdict(self, reference: str, now: datetime) -> Verdict:
        """The same again, and what was pending is decided when its time has come."""
        return self._look(reference, now)

    def _look(self, reference: str, now: datetime) -> Verdict:
        kind, token, at, _ = reference.split(":")
        began = datetime.fromtimestamp(int(at), UTC)
        if token in _REASONS:
            return Verdict(state="rejected", reference=reference, reason=_REASONS[token])
        if token == "doc_pending" and now < began + _WAIT:  # noqa: S105 - a document's, no secret
            return Verdict(state="pending", reference=reference)
        return Verdict(
            state="verified",
            reference=reference,
            classes=["B"] if kind == "licence" else [],
            good_until=began + _GOOD_FOR[token],
        )


provider = Sandbox()
