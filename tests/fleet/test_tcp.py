"""Devices of other makers on real sockets, with the real link and database."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import (
    DevicePaired,
    NotSupported,
    UnknownDevice,
    UnknownVehicle,
    VehicleChange,
)
from fahrwerk.fleet.link import tcp
from fahrwerk.fleet.protocols.fahrwerk_mqtt import ack_topic  # noqa: F401
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Conflict, Forbidden, Invalid
from fahrwerk.kernel.settings import Settings
from tests.fleet.devices import teltonika as trackers
from tests.fleet.devices.omni import Scooter
from tests.fleet.devices.teltonika import Tracker
from tests.fleet.devices.traccar import FORWARDED
from tests.fleet.street import hold, last_news, news, report, row, unlock
from tests.world import make_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from fahrwerk.fleet.contract import Vehicle
    from tests.fleet.devices import Device
    from tests.world import World

_imeis = itertools.count(860_000_000_000_000)
