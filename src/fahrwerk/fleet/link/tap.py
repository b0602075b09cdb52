"""A line that only listens, and acknowledges what has been kept: nothing before.

The broker keeps a session for its client identifier. Whatever was published at QoS 1 while nobody
listened, or was heard and not acknowledged when the listener died, comes again.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gmqtt import Client
from gmqtt.mqtt.connection import MQTTConnection
from gmqtt.mqtt.protocol import MQTTProtocol

from fahrwerk.fleet.protocols.line import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SESSION_S: Final = 86_400
"""How long the broker keeps messages for a listener that is away."""
RECEIVE_MAXIMUM: Final = 65_535
"""Messages the broker may send ahead of our acknowledgements (MQTT 5): all that can be said. What
it has sent survives its death here; what it keeps may not (docs/operate.md)."""
_PUBACK = b"\x40\x02"


class Told(NamedTuple):
    """One message."""

    topic: str
    payload: bytes
    mid: int
    """Of this connection; 0 = needs no acknowledgement."""
    client: Client
    """The connection it came by."""


class _Protocol(MQTTProtocol):  # type: ignore[misc]  # gmqtt has no types
    """Takes messages out of what came as it comes.

    gmqtt reads in a task of its own, which is cancelled when the connection ends: what had come and
    was not looked at yet would be lost, though a broker that died thought it delivered.
    """

    _left = b""

    def data_received(self, data: bytes) -> None:
        left = self._left + data
        taken = self._read_packet(left)
        if taken < 0:
            self._transport.abort()
        self._left = left[taken:]

    def eof_received(self) -> bool:
        return False  # the broker has gone: close, nobody waits in a reader to find out

    async def _read_loop(self) -> None:
        """There is nothing left to read."""


class _Client(Client):  # type: ignore[misc]
    async def _create_connection(
        self, host: str, port: int, ssl: bool, clean_session: bool, keepalive: int
    ) -> MQTTConnection:
        self._connack_received.clear()
        self._connection_lost.clear()
        handler = self._package_handler
        made = partial(
            _Protocol, connection_state=self._connection_state, id_generator=handler.id_generator
        )
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(made, host, port, ssl=ssl or None)
        return MQTTConnection(transport, protocol, clean_session, keepalive, handler)


class Tap(Line):
    """Hears ``filters`` and hands on every message as it comes.

    gmqtt acknowledges as soon as it has called back, or makes a task of every message. Here neither
    will do, so its handler of QoS 1 is replaced by ours: 2 us a message, and acknowledgements leave
    in one piece for a whole batch.
    """

    _keeps_session = True

    def __init__(
        self,
        client_id: str,
        url: str,
        filters: Sequence[str],
        others: Iterable[str],
        on_message: Callable[[Told], None],
        on_lost: Callable[[], None],
    ) -> None:
        """``others``: what this client may have subscribed to in a former life and now must not."""
        super().__init__(client_id, url, filters, lambda *_: None, on_lost)
        self._others = [each for each in others if each not in filters]
        self._on_told = on_message

    def _new_client(self, **how: Any) -> Client:
        client = _Client(
            self._client_id,
            **how | {"clean_session": False},
            session_expiry_interval=SESSION_S,
            receive_maximum=RECEIVE_MAXIMUM,
        )
        handler, tell = client._package_handler, self._on_told

        def at_least_once(mid: int, payload: bytes, topic: str, _: dict[str, Any]) -> None:
            tell(Told(topic, payload, mid, client))

        handler._handle_qos_1_publish_packet = at_least_once
        return client

    def _subscribe(self, client: Client) -> None:
        # What an earlier division of the vehicles had given to this seat.
        for each in self._others:
            client.unsubscribe(each)
        super()._subscribe(client)

    def _hear(
        self, client: Client, topic: str, payload: bytes, _qos: int, _properties: dict[str, Any]
    ) -> None:
        self._on_told(Told(topic, payload, 0, client))

    def acknowledge(self, told: Iterable[Told]) -> None:
        """These are kept. What came by an earlier connection comes again: its numbers are void."""
        client = self._client
        if client is None or not client.is_connected:
            return
        mids = [each.mid for each in told if each.mid and each.client is client]
        if mids:
            client._connection.send_package(
                b"".join(_PUBACK + mid.to_bytes(2, "big") for mid in mids)
            )

    def hold(self, *, is_held: bool) -> None:
        """Take nothing more from the network, or go on: then the broker has to wait, or keep it."""
        if self._client is not None and self._client._connection is not None:
            transport = self._client._connection._transport
            if not transport.is_closing():
                (transport.pause_reading if is_held else transport.resume_reading)()
