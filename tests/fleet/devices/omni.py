"""Omni: the frames that its protocol document prints, and a scooter that speaks it."""

from __future__ import annotations

import re

from fahrwerk.fleet.protocols import omni
from tests.fleet.devices import Subject

IMEI = "123456789123456"
EXAMPLES = tuple(
    f"*SCOR,OM,{IMEI},{rest}#\n".encode()
    for rest in (
        "H0,0,412,28,80,0",
        "R0,0,55,1234,1497689816",
        "L0,0,1234,1497689816",
        "L1,0,1234,1497689816,3",
        "S5,3,1,240,10",
        "S6,80,3,221,0,372,372,0,28,460-00,0x27A6,220486467",
        "S7,0,3,0,0",
        "S4,0,0,0,0,0,15,20,25",
        "W0,1",
        "V0,1",
        "D0,0,124458.00,A,2237.7514,N,11408.6214,E,6,0.21,151216,10,M,A",
        "D0,0,033724.00,V,,,,,,,120517,,,N",
        "240101120001,D0,0,120001.0,A,2457.8101,N,12125.5393,E,8,0.8,010124,10.0,M,A",
        "D1,60",
        "G0,110,Jul 4 2018,1101,1101,1101,,,,",
        "E0,1",
        "S1,1",
        "L5,1,0",
    )
)
SIGN_IN = f"*SCOR,OM,{IMEI},Q0,412,80,28#\n".encode()
_ORDER = re.compile(rb"\xff\xff(\*SCOS,[^#]+)#\n")


class Scooter:
    """Gives a key when asked, and obeys whoever has it; says its result until it is thanked."""

    def __init__(self, imei: str = IMEI) -> None:
        self.imei = imei
        self.is_locked = True
        self.key = "0417"
        self.is_jammed = False
        self.heard: list[str] = []
        self.thanked = 0

    def hello(self) -> bytes:
        return self.say("Q0", "412", "80", "28")

    def say(self, instruction: str, *fields: str) -> bytes:
        return omni.encode(omni.Frame("device", self.imei, instruction, fields))

    def take(self, data: bytes) -> bytes:
        lines = _ORDER.findall(data)
        assert b"".join(b"\xff\xff" + each + b"#\n" for each in lines) == data
        return b"".join(self._answer(omni.decode(each)) for each in lines)

    def _answer(self, frame: omni.Frame) -> bytes:
        assert (frame.sender, frame.imei) == ("platform", self.imei)
        self.heard.append(frame.instruction)
        match frame.instruction, frame.fields:
            case "R0", (locks, seconds, user, number):
                assert 1 <= int(seconds) <= 15
                self._asked = (user, number)
                return self.say("R0", locks, self.key, user, number)
            case (("L0" | "L1"), ()):
                self.thanked += 1
            case "L0", (key, user, number):
                assert (user, number) == self._asked
                return self._turn("L0", key)
            case "L1", (key,):
                return self._turn("L1", key)
            case "L5", (operation,):
                return self.say("L5", operation, "0")
            case (("V0" | "S7" | "S4"), fields):
                return self.say(frame.instruction, *fields)
        return b""

    def _turn(self, instruction: str, key: str) -> bytes:
        result = "2" if key != self.key else "1" if self.is_jammed else "0"
        if result == "0":
            self.is_locked = instruction == "L1"
        return self.say(instruction, result, *self._asked, *(["3"] * (instruction == "L1")))


SUBJECT = Subject("omni", omni.Conversation, Scooter, EXAMPLES, imei=IMEI)
