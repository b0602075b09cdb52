"""Teltonika: packets printed at wiki.teltonika-gps.com, and a tracker with a relay on output 1."""

from __future__ import annotations

from fahrwerk.fleet.protocols import teltonika
from fahrwerk.fleet.protocols.teltonika import Text
from tests.fleet.devices import Subject

IMEI = "356307042441013"
LOGIN = bytes.fromhex("000F333536333037303432343431303133")
CODEC_8 = bytes.fromhex(
    "000000000000003608010000016B40D8EA30010000000000000000000000000000000105021503010101425E0F01"
    "F10000601A014E0000000000000000010000C7CF"
)
CODEC_8_SHORT = bytes.fromhex(
    "000000000000002808010000016B40D9AD80010000000000000000000000000000000103021503010101425E1000"
    "00010000F22A"
)
CODEC_8_TWO = bytes.fromhex(
    "000000000000004308020000016B40D57B480100000000000000000000000000000001010101000000000000016B"
    "40D5C198010000000000000000000000000000000101010101000000020000252C"
)
CODEC_8E = bytes.fromhex(
    "000000000000004A8E010000016B412CEE0001000000000000000000000000000000000100050001000101000100"
    "11001D00010010015E2C880002000B000000003544C87A000E000000001DD7E06A00000100002994"
)
CODEC_16 = bytes.fromhex(
    "000000000000005F10020000016BDBC7833000000000000000000000000000000000000B05040200010000030002"
    "000B00270042563A00000000016BDBC7871800000000000000000000000000000000000B05040200010000030002"
    "000B00260042563A00000200005FB3"
)
GETINFO = bytes.fromhex("000000000000000F0C010500000007676574696E666F0100004312")
GETIO = bytes.fromhex("000000000000000D0C010500000005676574696F01000000CB")
GETINFO_ANSWER = bytes.fromhex(
    "00000000000000900C010600000088494E493A323031392F372F323220373A3232205254433A323031392F372F32"
    "3220373A3533205253543A32204552523A312053523A302042523A302043463A302046473A3020464C3A30205455"
    "3A302F302055543A3020534D533A30204E4F4750533A303A3330204750533A31205341543A302052533A33205246"
    "3A36352053463A31204D443A30010000C78F"
)
GETVER_14 = bytes.fromhex("00000000000000160E01050000000E0352093081452251676574766572010000D2C1")
GETVER_14_ANSWER = bytes.fromhex(
    "00000000000000AB0E0106000000A303520930814522515665723A30332E31382E31345F3034204750533A41584E"
    "5F352E31305F333333332048773A464D42313230204D6F643A313520494D45493A33353230393330383134353232"
    "353120496E69743A323031382D31312D323220373A313320557074696D653A3137323334204D41433A3630424444"
    "30303136323631205350433A312830292041584C3A30204F42443A3020424C3A312E362042543A340100007AAE"
)


class Tracker:
    """Sets its outputs as told, and says so."""

    def __init__(self, imei: str = IMEI) -> None:
        self.imei = imei
        self.outputs = {"DOUT1": "0", "DOUT2": "0"}
        self.heard: list[str] = []
        self.taken: list[bytes] = []
        """What was said to it that is not a command: its acceptance, acknowledgements."""

    @property
    def is_locked(self) -> bool:
        return self.outputs["DOUT1"] == "0"

    def hello(self) -> bytes:
        return len(self.imei).to_bytes(2) + self.imei.encode()

    def take(self, data: bytes) -> bytes:
        if len(data) in (1, 4):
            self.taken.append(data)
            return b""
        command = teltonika.decode(data)
        assert isinstance(command, Text)
        assert (command.kind, command.imei) in ((5, None), (5, self.imei))
        self.heard.append(command.text)
        return self.say(self._set(command.text), command.codec)

    def say(self, text: str, codec: int = teltonika.CODEC_12) -> bytes:
        return teltonika.encode_text(Text(codec, 6, text, self.imei))

    def _set(self, text: str) -> str:
        verb, states, *_ = text.split(" ")
        assert verb == "setdigout"
        said = []
        for name, state in zip(self.outputs, states, strict=False):
            self.outputs[name] = self.outputs[name] if state == "?" else state
            said.append(f"{name}:IGNORED" if state == "?" else f"{name}:{state} Timeout:INFINITY")
        return " ".join(said)


SUBJECT = Subject(
    "teltonika",
    teltonika.Conversation,
    Tracker,
    (CODEC_8, CODEC_8_SHORT, CODEC_8_TWO, CODEC_8E, CODEC_16, GETINFO_ANSWER),
    imei=IMEI,
)
