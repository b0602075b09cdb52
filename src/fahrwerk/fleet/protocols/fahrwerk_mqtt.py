"""Fahrwerk's own protocol between platform and vehicle, over MQTT. Specified in docs/protocol.md.

Commands and their acknowledgements are signed (FLT-23, G-11): the signature covers every byte of
the canonical JSON except itself, so whoever carries a message can neither alter nor invent one;
the counter and the expiry say that it is neither old nor late (F9). Status and telemetry are not
signed: the broker's accounts vouch for them, and nothing is unlocked or charged on their word.

Pure: arguments in, a value or :class:`Refused` out. The exception is :func:`new_keys`, which asks
the system for randomness. Every reader here stands bytes from anywhere, and every writer refuses
to write what its reader would refuse.
"""

from __future__ import annotations

import base64
import hmac
import re
import zlib
from typing import Annotated, Any, Final, Literal, NamedTuple, NoReturn, TypeVar, cast

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta, Struct

from fahrwerk.fleet.protocols._keys import Algorithm as Algorithm
from fahrwerk.fleet.protocols._keys import PlatformKey as PlatformKey
from fahrwerk.fleet.protocols._keys import VehicleKey as VehicleKey
from fahrwerk.fleet.protocols._keys import _Key, base64_of
from fahrwerk.fleet.protocols._keys import handover as handover
from fahrwerk.fleet.protocols._keys import new_keys as new_keys
from fahrwerk.fleet.protocols._keys import public_of as public_of
from fahrwerk.fleet.protocols._keys import taken_over as taken_over

MAX_MESSAGE_BYTES: Final = 4 * 1024
"""Largest command, acknowledgement and status."""
MAX_TELEMETRY_BYTES: Final = 64 * 1024
MAX_READINGS: Final = 1_000
MAX_COUNTER: Final = 2**53 - 1
"""Largest whole number that every JSON reader keeps exactly."""

ACKS: Final = "vehicles/+/acks"
"""What the platform subscribes to, at QoS 1."""
STATUSES: Final = "vehicles/+/status"
TELEMETRY: Final = "vehicles/+/telemetry"

Channel = Literal["commands", "acks", "status", "telemetry"]
Result = Literal["done", "refused", "failed"]
State = Literal["unlocked", "locked", "unlock_failed_auth", "lock_failed_auth", "online", "offline"]

_VEHICLE = r"[a-z]+_[0-9A-Za-z]+"
_WORD = r"[a-z][a-z0-9_]{0,31}"

Id = Annotated[str, Meta(pattern=rf"^{_VEHICLE}\Z", max_length=64)]
Word = Annotated[str, Meta(pattern=rf"^{_WORD}\Z")]
Name = Annotated[str, Meta(pattern=rf"^(?!sig\Z){_WORD}\Z")]  # "sig" stands in a message once
Reference = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_-]{1,64}\Z")]
Millis = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
Counter = Annotated[int, Meta(ge=1, le=MAX_COUNTER)]
Text = Annotated[str, Meta(pattern=r"^[^\x00-\x1f]*\Z", max_length=1_000)]
Whole = Annotated[int, Meta(ge=-MAX_COUNTER, le=MAX_COUNTER)]
Version = Annotated[str, Meta(pattern=r"^[!-~]{1,20}\Z")]


class Refused(Exception):
    """A message is not what it should be: the one error of this protocol.

    ``reason`` is the word an acknowledgement carries. ``field`` names the culprit of a malformed
    message, such as ``[3].latitude``, or is empty. ``claim`` is what a refused command says of
    itself: to be answered, never to be believed, unless the reason is one that is only found in
    authentic commands (``wrong_vehicle``, ``replayed``, ``expired``).
    """

    def __init__(
        self, reason: str, detail: str = "", *, field: str = "", claim: Claim | None = None
    ) -> None:
        self.reason = reason
        self.field = field
        self.claim = claim or Claim()
        super().__init__(": ".join(part for part in (reason, field, detail) if part))


class Claim(Struct, frozen=True):
    """The parts of a command that its acknowledgement repeats; all of them or none."""

    id: Id | None = None
    command: Word | None = None
    counter: Counter | None = None


class Command(Struct, frozen=True, kw_only=True):
    """What the platform tells a vehicle to do."""

    id: Id
    """``cmd_...``; the acknowledgement and the MQTT 5 correlation data repeat it."""
    vehicle_id: Id
    command: Word
    """``unlock``, ``lock``, ``sound``, ``lights``, ..."""
    timestamp: Millis
    """When it was issued."""
    expires: Millis
    """From this moment of the vehicle's clock on it must not be carried out."""
    counter: Counter
    """Grows with each command to this vehicle; never repeats, may skip."""
    user_id: Reference | None
    booking_id: Reference | None
    rental_id: Reference | None
    args: dict[Name, Text | Whole | bool | None] = {}
    """Details of the command, flat. No fractions: they have no canonical form."""

    def __post_init__(self) -> None:
        if self.expires <= self.timestamp:
            raise ValueError("`expires` is not after `timestamp`")


class Ack(Struct, frozen=True, kw_only=True):
    """What became of a command. Id, name and counter are null when they could not be read."""

    command_id: Id | None
    vehicle_id: Id
    command: Word | None
    result: Result
    """``refused``: not tried. ``failed``: tried, and did not work."""
    reason: Word | None
    """``bad_signature replayed expired wrong_vehicle malformed unsupported lock_jammed`` or another
    word of the maker; null when done."""
    counter: Counter | None
    time: Millis

    def __post_init__(self) -> None:
        if (self.result == "done") is not (self.reason is None):
            raise ValueError("`reason` is for what was refused or failed, and needed there")


class Status(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state a vehicle is in now (FLT-22, FLT-23)."""

    status: State
    """``offline`` is the broker's word, the vehicle's last will: its connection broke."""
    command_id: Id | None = None
    """The command it comes from, if it comes from one."""
    time: Millis | None = None
    firmware: Version | None = None
    """With ``online``, as the next two: what it is and what it can be told (FLT-40)."""
    hardware: Version | None = None
    capabilities: Annotated[list[Word], Meta(max_length=20)] | None = None
    zones: Annotated[int, Meta(ge=0, le=MAX_COUNTER)] | None = None
    """The version of the zones it has on board now (section 8)."""


class Reading(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a vehicle measured at one moment; each measurement may be missing.

    (vehicle, ``boot``, ``seq``) names a reading: a broker may deliver it twice or out of order.
    """

    time: Millis
    """By the vehicle's clock, which may be wrong (F14)."""
    boot: Annotated[int, Meta(ge=0, le=MAX_COUNTER)]
    """Random, drawn at each power-up."""
    seq: Annotated[int, Meta(ge=0, le=MAX_COUNTER)]
    """Grows with each reading since power-up."""
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    """WGS 84, degrees; comes with its longitude."""
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    accuracy_m: Annotated[float, Meta(ge=0, le=100_000)] | None = None
    speed_kmh: Annotated[float, Meta(ge=0, le=500)] | None = None
    battery_level: Annotated[float, Meta(ge=0, le=100)] | None = None
    """Percent."""
    voltage: Annotated[float, Meta(ge=0, le=1_500)] | None = None
    temperature: Annotated[float, Meta(ge=-100, le=200)] | None = None
    """Of the battery, degrees Celsius."""
    signal_strength: Annotated[float, Meta(ge=-200, le=0)] | None = None
    """Of the mobile network, dBm."""
    locked: bool | None = None
    odometer_m: Annotated[float, Meta(ge=0, le=10_000_000_000)] | None = None
    tipped: bool | None = None
    """Lies on its side."""
    vehicle_id: Id | None = None
    """Need not be said; if it is, it must be the topic's."""

    def __post_init__(self) -> None:
        if (self.latitude is None) is not (self.longitude is None):
            raise ValueError("`latitude` and `longitude` come together")


# --- commands and acknowledgements


def encode_command(cmd: Command, key: PlatformKey) -> bytes:
    """The signed message for ``vehicles/{id}/commands/{command}``.

    Raises ``Refused("malformed")`` if the vehicle would.
    """
    return _signed(_COMMAND, cmd, key)


def verify_command(
    payload: bytes, key: VehicleKey, vehicle_id: str, now_ms: int, last_counter: int
) -> Command:
    """The command in ``payload``, if ``vehicle_id`` should carry it out now.

    ``last_counter`` is that of the last authentic command, 0 before the first. After success, and
    after the reason ``expired``, the caller must store the new counter before doing anything else.

    Raises :class:`Refused`: ``malformed`` (no JSON object, too large, or signed nonsense),
    ``bad_signature`` (any byte changed, wrong key, other algorithm, none), ``wrong_vehicle``,
    ``replayed`` (the counter has been seen), ``expired``; the first that applies, in this order.
    """
    cmd = _authentic(_COMMAND, payload, key, Command)
    claim = Claim(cmd.id, cmd.command, cmd.counter)
    if cmd.vehicle_id != vehicle_id:
        raise Refused("wrong_vehicle", claim=claim)
    if cmd.counter <= last_counter:
        raise Refused("replayed", claim=claim)
    if cmd.expires <= now_ms:
        raise Refused("expired", claim=claim)
    return cmd


def encode_ack(ack: Ack, key: VehicleKey) -> bytes:
    """The signed message for ``vehicles/{id}/acks``."""
    return _signed(_ACK, ack, key)


def verify_ack(payload: bytes, key: PlatformKey, vehicle_id: str) -> Ack:
    """The acknowledgement in ``payload``, if ``vehicle_id`` signed it.

    Whether the command is known and its counter the same is the caller's to compare. Raises
    :class:`Refused`: ``malformed``, ``bad_signature`` or ``wrong_vehicle``.
    """
    ack = _authentic(_ACK, payload, key, Ack)
    if ack.vehicle_id != vehicle_id:
        raise Refused("wrong_vehicle")
    return ack


# What a signature is for stands before the signed bytes, so that no acknowledgement, nor a message
# of a later version, can ever be passed off as a command, though all are signed with one key.
_COMMAND: Final = b"fahrwerk/1/command\n"
_ACK: Final = b"fahrwerk/1/ack\n"

_Message = TypeVar("_Message", Command, Ack)


def _canonical(fields: dict[str, Any]) -> bytes:
    """JSON with sorted keys, no white space, and no escapes but those JSON demands."""
    return msgspec.json.encode(fields, order="sorted")


def _signed(purpose: bytes, message: Command | Ack, key: _Key) -> bytes:
    fields = msgspec.to_builtins(message)
    _shaped(fields, type(message))
    fields["alg"] = key.alg
    fields["sig"] = _signature(key, purpose + _canonical(fields))
    payload = _canonical(fields)
    if len(payload) > MAX_MESSAGE_BYTES:
        _malformed(f"{len(payload)} bytes are too many")
    return payload


def _authentic(purpose: bytes, payload: bytes, key: _Key, shape: type[_Message]) -> _Message:
    if len(payload) > MAX_MESSAGE_BYTES:
        _malformed(f"{len(payload)} bytes are too many")
    fields = _json(payload)
    if not isinstance(fields, dict):
        _malformed("not a JSON object")
    # Only the canonical form is accepted, not only its meaning: two parsers that disagree, about
    # a key that stands twice for instance, then cannot be played against each other.
    is_canonical = _canonical(fields) == payload
    claim, signature = _claim(fields), fields.pop("sig", None)
    if not (
        is_canonical
        and isinstance(signature, str)
        and fields.get("alg") == key.alg  # the key decides, not the message
        and _is_signature(key, purpose + _canonical(fields), signature)
    ):
        raise Refused("bad_signature", claim=claim)
    return _shaped(fields, shape, claim)


def _signature(key: _Key, signed: bytes) -> str:
    if key.alg == "HS256":
        return base64_of(hmac.digest(key.signs_with, signed, "sha256"))
    return base64_of(Ed25519PrivateKey.from_private_bytes(key.signs_with).sign(signed))


def _is_signature(key: _Key, signed: bytes, signature: str) -> bool:
    if key.alg == "HS256":
        expected = base64_of(hmac.digest(key.checks_with, signed, "sha256"))
        return hmac.compare_digest(expected.encode(), signature.encode())
    try:
        raw = base64.urlsafe_b64decode(signature + "==")
        Ed25519PublicKey.from_public_bytes(key.checks_with).verify(raw, signed)
    except (ValueError, InvalidSignature):
        return False
    return base64_of(raw) == signature  # the decoder is lenient; a signature has one spelling


def _claim(fields: dict[str, Any]) -> Claim:
    try:
        return msgspec.convert(fields, Claim)
    except msgspec.ValidationError:
        return Claim()


# --- status and telemetry


def encode_status(status: Status) -> bytes:
    """The message for ``vehicles/{id}/status``."""
    payload = msgspec.json.encode(status)
    decode_status(payload)
    return payload


def decode_status(payload: bytes) -> Status:
    """The status in ``payload``. Raises ``Refused("malformed")``, its ``field`` the culprit."""
    return _read(payload, MAX_MESSAGE_BYTES, _STATUS)


def encode_readings(readings: list[Reading]) -> bytes:
    """The message for ``vehicles/{id}/telemetry``."""
    payload = msgspec.json.encode(readings[0] if len(readings) == 1 else readings)
    decode_readings(payload)
    return payload


def decode_readings(payload: bytes) -> list[Reading]:
    """The readings in ``payload``, one or an array of 1 to 1,000. All of them are good, or none.

    Fields this version does not know are ignored. Raises ``Refused("malformed")``; its ``field``
    names the culprit, as in ``[3].latitude``.
    """
    readings = _read(payload, MAX_TELEMETRY_BYTES, _READINGS)
    return readings if isinstance(readings, list) else [readings]


_STATUS: Final = msgspec.json.Decoder(Status)
_READINGS: Final = msgspec.json.Decoder(
    Reading | Annotated[list[Reading], Meta(min_length=1, max_length=MAX_READINGS)]
)

# ValueError: text that is not UTF-8.
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)

_Value = TypeVar("_Value")
_Shape = TypeVar("_Shape")


def _read(payload: bytes, max_bytes: int, decoder: msgspec.json.Decoder[_Value]) -> _Value:
    if len(payload) > max_bytes:
        _malformed(f"{len(payload)} bytes are too many")
    try:
        return decoder.decode(payload)
    except _UNREADABLE as error:
        _malformed(str(error))


def _json(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except _UNREADABLE as error:
        _malformed(str(error))


def _shaped(fields: dict[str, Any], shape: type[_Shape], claim: Claim | None = None) -> _Shape:
    try:
        return msgspec.convert(fields, shape)
    except msgspec.ValidationError as error:
        _malformed(str(error), claim)


def _malformed(detail: str, claim: Claim | None = None) -> NoReturn:
    """Refuse; msgspec says where it stumbled as in "... - at `$[3].latitude`"."""
    what, _, where = detail.partition(" - at `$")
    raise Refused("malformed", what, field=where.rstrip("`").lstrip("."), claim=claim) from None


# --- topics


class Topic(NamedTuple):
    """Where a message belongs."""

    vehicle_id: str
    channel: Channel
    operation: str | None = None
    """Of a command; the signed envelope, not the topic, decides what is done."""


_TOPIC: Final = re.compile(
    rf"vehicles/(?=.{{1,64}}/)({_VEHICLE})"
    rf"/(?:(acks|status|telemetry)(?:(?<=telemetry)/[0-9a-f])?|(commands)/({_WORD}))"
)


def parse_topic(topic: str) -> Topic:
    """Read a topic of this protocol. Raises ``Refused("malformed")`` for any other."""
    match = _TOPIC.fullmatch(topic)
    if match is None:
        _malformed("not a topic of this protocol")
    vehicle_id, channel, commands, operation = match.groups()
    return Topic(vehicle_id, cast("Channel", channel or commands), operation)


def vehicle_of(topic: str) -> str:
    """The vehicle a topic belongs to. Raises ``Refused("malformed")`` for a foreign topic."""
    return parse_topic(topic).vehicle_id


def command_topic(vehicle_id: str, operation: str) -> str:
    """Where the platform publishes a command, at QoS 1 and never retained (FLT-21)."""
    return _topic(vehicle_id, f"commands/{operation}")


def command_filter(vehicle_id: str) -> str:
    """What a vehicle subscribes to, at QoS 1."""
    return command_topic(vehicle_id, "x")[:-1] + "+"


def ack_topic(vehicle_id: str) -> str:
    """Where a vehicle answers commands, at QoS 1."""
    return _topic(vehicle_id, "acks")


def status_topic(vehicle_id: str) -> str:
    """Where a vehicle says what state it is in, at QoS 1 (FLT-22)."""
    return _topic(vehicle_id, "status")


def telemetry_topic(vehicle_id: str, *, in_shard: bool = False) -> str:
    """Where a vehicle reports: at QoS 1 what must not be lost, else at QoS 0.

    ``in_shard``: with its shard, so that several workers can divide the vehicles among them.
    """
    return _topic(vehicle_id, f"telemetry/{shard(vehicle_id):x}" if in_shard else "telemetry")


def zones_topic(vehicle_id: str) -> str:
    """Where a vehicle that keeps zones on board is sent them, at QoS 1.

    Of no channel: neither side has to take it apart.
    """
    return f"{status_topic(vehicle_id).removesuffix('status')}zones"


SHARDS: Final = 16


def shard(vehicle_id: str) -> int:
    """Which sixteenth of all vehicles this one belongs to, for ever."""
    return zlib.crc32(vehicle_id.encode()) % SHARDS


def _topic(vehicle_id: str, rest: str) -> str:
    topic = f"vehicles/{vehicle_id}/{rest}"
    if vehicle_of(topic) != vehicle_id:  # no wildcard, and no level more, by way of an id
        _malformed(f"not a vehicle's id: {vehicle_id!r}")
    return topic
