"""Where a verb of this room meets the database's refusals, the event log and the caches."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.errors import Problem


@contextmanager
def refused_by(**constraints: Callable[[], Problem]) -> Iterator[None]:
    """Answer with a problem where the named constraint refuses: of a race, the index knows best."""
    try:
        yield
    except Exception as error:
        problem = constraints.get(getattr(error, "constraint_name", None) or "")
        if problem is None:
            raise
        raise problem() from error


def title(kind: type[Any]) -> tuple[str, str]:
    """Name and topic of a kind of event, for statements that put its data together in SQL."""
    return kind.event_name, kind.event_topic


class _Signals(Protocol):
    def signal(self, name: str) -> None: ...


def tell_caches(signals: _Signals, call: Call, *cells: int | None) -> None:
    """Hint that what is available in these H3 cells has changed (FLT-39).

    ``signals`` is the transaction, which sends it after its commit, or the hub.
    """
    for cell in set(cells) - {None}:
        signals.signal(f"fleet.cell:{call.tenant}:{cell}")
