"""A line to a broker: one MQTT connection at a time, version 5 or else 3.1.1.

The one part of a protocol that does I/O; the platform and the simulated vehicle both speak through
it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from gmqtt import Client, Message, Subscription
from gmqtt.mqtt.handler import MQTTConnectError
from gmqtt.storage import PersistentStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log = logging.getLogger(__name__)
# gmqtt writes a traceback for every connection that ends; with hundreds of vehicles and one broker
# that restarts this is all one would see. What matters of it, open() raises.
logging.getLogger("gmqtt").setLevel(logging.CRITICAL)

MQTT_5, MQTT_3_1_1 = 5, 4
KEEP_ALIVE_S = 60
OPEN_WITHIN_S = 10
CLOSE_WITHIN_S = 2
HELD_UP_S = 0.02

_REFUSED = 0x80  # SUBACK codes from here on
# Whoever has a line decides when it is opened again. (gmqtt reads -1 as for ever, 0 as once.)
_NEVER_RECONNECT = {"reconnect_retries": -2}


class Line:
    """Carries messages while it is open; swallows them while it is not, as a dead network does.

    ``url`` is ``mqtt://[user:password@]host:port``, or ``mqtts`` for TLS. What is published on
    ``topic_filter`` goes to ``on_message(topic, payload, properties)``. ``on_lost()`` is called
    when the connection ends other than by ``close()``; ``will`` is what the broker then publishes
    in its place, as (topic, payload).
    """

    _keeps_session = False
    """The broker knows this client from before, and what it had subscribed to."""

    def __init__(
        self,
        client_id: str,
        url: str,
        topic_filter: str | Sequence[str],
        on_message: Callable[[str, bytes, dict[str, Any]], None],
        on_lost: Callable[[], None],
        *,
        will: tuple[str, bytes] | None = None,
    ) -> None:
        self._client_id, self._url = client_id, url
        self._filters = (topic_filter,) if isinstance(topic_filter, str) else tuple(topic_filter)
        self._on_message, self._on_lost = on_message, on_lost
        self._will = will
        self._unacknowledged = PersistentStorage()
        self._client: Client | None = None
        self._outbox: deque[tuple[str, bytes, int, dict[str, Any]]] = deque(maxlen=1_000)
        self._versions: tuple[int, ...] = (MQTT_5, MQTT_3_1_1)

    @property
    def is_open(self) -> bool:
        """There is a connection, as far as one can tell from this end."""
        return self._client is not None

    @property
    def version(self) -> int:
        """Of MQTT: the one the broker was found to speak, or the one to try first."""
        return self._versions[0]

    def publish(self, topic: str, payload: bytes, *, qos: int, **properties: Any) -> None:
        """Send, in order; the properties only where the broker speaks MQTT 5."""
        self._outbox.append((topic, payload, qos, properties))
        if len(self._outbox) == 1:
            self._send()

    def _send(self) -> None:
        while self._outbox:
            topic, payload, qos, properties = self._outbox.popleft()
            if self._client is None or not self._client.is_connected:
                continue
            try:
                self._client.publish(topic, payload, qos=qos, **properties)
            except OverflowError:
                # The broker allows so many unacknowledged messages and no more (Mosquitto: 20).
                self._outbox.appendleft((topic, payload, qos, properties))
                asyncio.get_running_loop().call_later(HELD_UP_S, self._send)
                return

    async def delivered(self) -> bool:
        """Wait for the broker to have acknowledged all that was published at QoS 1.

        False when the connection ended before: then some of it may have arrived.
        """
        client, sent = self._client, self._unacknowledged
        if client is None:
            return False
        while self._client is client:
            if not self._outbox and sent.is_empty:
                return self._client is not None and bool(self._client.is_connected)
            await asyncio.sleep(HELD_UP_S)
        return False

    async def open(self) -> None:
        """Connect and subscribe. Raises ``OSError`` with what went wrong last."""
        # What worked last time is tried alone; if it fails, the next try is open to both again.
        versions, self._versions = self._versions, (MQTT_5, MQTT_3_1_1)
        for version in versions:
            try:
                await self._dial(version)
            except ConnectionRefusedError:
                raise  # nobody is there, and it may be back in a moment: that is not the version's
            except OSError:
                if version == versions[-1]:
                    raise
            else:
                self._versions = (version,)
                return

    async def close(self) -> None:
        """Say goodbye, if there is anybody to say it to."""
        client, self._client = self._client, None
        if client is not None:
            await _hang_up(client)

    async def _dial(self, version: int) -> None:
        url = urlsplit(self._url)
        # A clean session: what was sent while it was away must not reach it late.
        self._unacknowledged = PersistentStorage()
        will = Message(self._will[0], self._will[1], qos=1) if self._will else None
        client = self._new_client(clean_session=True, will_message=will)
        client.set_config(_NEVER_RECONNECT)
        if url.username:
            client.set_auth_credentials(unquote(url.username), unquote(url.password or ""))
        outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def settle(problem: str) -> None:
            if not outcome.done():
                outcome.set_result(problem)

        def on_connect(_client: Client, is_known: int, *_: Any) -> None:
            self._subscribe(client)
            if is_known and self._keeps_session:
                settle("")  # it is subscribed already, and what has been kept comes first

        def on_subscribe(_client: Client, _mid: int, granted: tuple[int, ...], _more: Any) -> None:
            settle(
                ""
                if max(granted) < _REFUSED
                else f"{', '.join(self._filters)} may not be subscribed to"
            )

        def on_disconnect(*_: Any) -> None:
            settle("the broker closed the connection")
            if self._client is client:
                self._client = None
                self._on_lost()

        client.on_connect = on_connect
        client.on_subscribe = on_subscribe
        client.on_disconnect = on_disconnect
        client.on_message = self._hear
        self._client = client  # a message may come with the same bytes as the SUBACK
        dialing = asyncio.ensure_future(
            client.connect(
                url.hostname,
                url.port or (8883 if url.scheme == "mqtts" else 1883),
                ssl=url.scheme == "mqtts",
                keepalive=KEEP_ALIVE_S,
                version=version,
            )
        )
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                await asyncio.wait((dialing, outcome), return_when=asyncio.FIRST_COMPLETED)
                if dialing.done():
                    dialing.result()
                if problem := await outcome:
                    raise ConnectionError(problem)
        except BaseException as error:
            dialing.cancel()
            self._client = None
            await _hang_up(client)
            if isinstance(error, MQTTConnectError):
                raise ConnectionError(str(error)) from None
            raise

    def _new_client(self, **how: Any) -> Client:
        return Client(self._client_id, persistent_storage=self._unacknowledged, **how)

    def _subscribe(self, client: Client) -> None:
        client.subscribe([Subscription(each, qos=1) for each in self._filters])

    def _hear(
        self, _client: Client, topic: str, payload: bytes, _qos: int, properties: dict[str, Any]
    ) -> None:
        try:
            self._on_message(topic, bytes(payload), properties)
        except Exception:  # gmqtt would swallow it without a word
            _log.exception("%s failed at a message on %s", self._client_id, topic)


async def _hang_up(client: Client) -> None:
    try:
        async with asyncio.timeout(CLOSE_WITHIN_S):
            await client.disconnect()
    except OSError as error:
        _log.debug("could not say goodbye: %s", error)
