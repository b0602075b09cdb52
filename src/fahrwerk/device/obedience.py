"""The vehicle's half of a command: what it believes, carries out once, and answers (FLT-23).

Pure but for the counter, which it has stored before a command is handed out: section 3 of
docs/protocol.md. Used by the agent and by the simulated vehicle, so that both keep to one reading
of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire

if TYPE_CHECKING:
    from collections.abc import Callable

Properties = dict[str, Any]
"""Of MQTT 5, as they came with the command."""


class Heard(NamedTuple):
    """What follows from one message: a command to carry out now, or an answer to give."""

    command: wire.Command | None = None
    ack: bytes | None = None
    is_repeat: bool = False
    """The answer is that of the first time: nothing is carried out twice."""
    status: wire.State | None = None
    command_id: str | None = None
    trusts_topic: bool = True
    """The command's signature was good, so the answer may also go where it asks for it."""


class Obedience:
    """One vehicle's memory of what it was told.

    ``counter`` is that of the last authentic command. ``store`` is told each new one and returns
    when it outlives a power cut; what it raises goes to the caller, and nothing is carried out.
    """

    def __init__(
        self,
        vehicle_id: str,
        key: wire.VehicleKey,
        counter: int,
        store: Callable[[int], None],
        now_ms: Callable[[], int],
    ) -> None:
        self.counter = counter
        self._id, self._key = vehicle_id, key
        self._store, self._now_ms = store, now_ms
        self._last: tuple[wire.Claim, bytes] | None = None

    def hear(self, payload: bytes, operation: str | None) -> Heard:
        """Judge a message that came on ``commands/{operation}``."""
        try:
            command = wire.verify_command(
                payload, self._key, self._id, self._now_ms(), self.counter
            )
        except wire.Refused as refused:
            return self._refused(refused, operation)
        self._remember(command.counter)
        self._last = None  # whatever becomes of it: the answer before it is history
        return Heard(command)

    def _refused(self, refused: wire.Refused, operation: str | None) -> Heard:
        claim, reason = refused.claim, refused.reason
        if reason == "replayed" and self._last and self._last[0] == claim:
            # The last command, delivered again: the first answer may have been lost.
            return Heard(ack=self._last[1], is_repeat=True)
        if reason == "expired" and claim.counter:
            self._remember(claim.counter)
        ack = self._signed(claim, "refused", reason)
        if reason == "expired":
            self._last = claim, ack
        status: wire.State | None = None
        if reason == "bad_signature" and operation == "unlock":
            status = "unlock_failed_auth"
        elif reason == "bad_signature" and operation == "lock":
            status = "lock_failed_auth"
        is_stranger = reason in ("bad_signature", "malformed")
        return Heard(None, ack, False, status, claim.id, not is_stranger)

    def answer(self, command: wire.Command, result: wire.Result, reason: str | None) -> bytes:
        """The signed acknowledgement of a command that was handed out; kept for a repeat."""
        claim = wire.Claim(command.id, command.command, command.counter)
        ack = self._signed(claim, result, reason)
        self._last = claim, ack
        return ack

    def _remember(self, counter: int) -> None:
        self._store(counter)
        self.counter = counter

    def _signed(self, claim: wire.Claim, result: wire.Result, reason: str | None) -> bytes:
        ack = wire.Ack(
            command_id=claim.id,
            vehicle_id=self._id,
            command=claim.command,
            result=result,
            reason=reason,
            counter=claim.counter,
            time=self._now_ms(),
        )
        return wire.encode_ack(ack, self._key)


def answers_to(
    vehicle_id: str, properties: Properties, *, trusts_topic: bool
) -> tuple[list[str], Properties]:
    """The topics an acknowledgement goes to, and the MQTT 5 properties it carries.

    To the vehicle's own topic always, and where an authentic MQTT 5 request asks for it.
    """
    own = wire.ack_topic(vehicle_id)
    echo = {name: v[0] for name, v in properties.items() if name == "correlation_data"}
    wanted = properties.get("response_topic", [own])[0] if trusts_topic else own
    also = [wanted] if wanted and wanted != own and not set(wanted) & set("+#") else []
    return [own, *also], echo
