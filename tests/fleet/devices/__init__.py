"""One file per protocol: messages from its public documentation, and a device that speaks it.

Each has a ``SUBJECT``; tests/fleet/test_devices.py finds it there and tries the protocol with it.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from fahrwerk.fleet.protocols import Conversation


class Device(Protocol):
    """The other end of a conversation, obedient and without a fault."""

    @property
    def is_locked(self) -> bool:
        """What its lock's own sensor says."""

    def hello(self) -> bytes:
        """What it says first."""

    def take(self, data: bytes) -> bytes:
        """What it answers to whole messages of the platform."""


@dataclass(frozen=True)
class Subject:
    """A protocol to be tried."""

    name: str
    talk: Callable[[], Conversation]
    device: Callable[[], Device]
    examples: tuple[bytes, ...]
    """Messages that a device sends after its first words, all good."""
    imei: str | None = None
    """What the device says it is; None where something else vouches for it."""
    is_stream: bool = True
    """False: the transport delivers whole messages (MQTT, HTTP)."""


def subjects() -> list[Subject]:
    """All of them, by name."""
    names = sorted(each.name for each in pkgutil.iter_modules(__path__))
    return [importlib.import_module(f"{__name__}.{name}").SUBJECT for name in names]
