"""``fahrwerk new protocol acme``: a codec for another maker's devices, and a device that speaks it.

What is written is a whole small protocol of text lines, which passes the conformance suite. Rewrite
it, message by message, into what the maker's document says, and the device with it: the suite goes
on saying what the link relies on.
"""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING

from fahrwerk.new.room import NotPossible, put_in_format

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_NAME = 20
_TAKEN = frozenset(("line", "port", "sandbox", "own", "common", "base", "utils", "helper", "impl"))


def new_protocol(name: str, root: Path) -> str:
    """Write protocol ``name`` into the checkout ``root``; what to say about it.

    Raises ``NotPossible`` and writes nothing when the name is unfit or taken.
    """
    _check(name, root)
    words = {"NAME": name, "Name": name.replace("_", " ").title().replace(" ", "")}
    written = []
    for path, text in _FILES.items():
        target = root / path.replace("NAME", name)
        filled = re.sub("NAME|Name", lambda match: words[match[0]], text.lstrip("\n"))
        target.write_text(filled, encoding="utf-8")
        written.append(str(target.relative_to(root)))
    put_in_format(root, written)
    listed = "\n".join(f"  {path}" for path in written)
    return f"The protocol {name} speaks:\n{listed}\n\n{_by_hand(name)}"


def _check(name: str, root: Path) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or len(name) > LONGEST_NAME:
        raise NotPossible(
            f"{name!r} cannot be the name of a protocol: up to {LONGEST_NAME} small letters, "
            "digits and underscores, a letter first."
        )
    if name in _TAKEN or keyword.iskeyword(name):
        raise NotPossible(f"{name!r} cannot be the name of a protocol: name it as its maker does.")
    if not (root / "src/fahrwerk/fleet/protocols/__init__.py").is_file():
        raise NotPossible(f"{root} is not a checkout of Fahrwerk: run this where its Makefile is.")
    for path in _FILES:
        if (taken := root / path.replace("NAME", name)).exists():
            raise NotPossible(f"{taken.relative_to(root)} is there already.")


def _by_hand(name: str) -> str:
    steps = (
        f"rewrite the two into what the maker's document says, with the frames that it prints as "
        f"EXAMPLES: .venv/bin/pytest tests/fleet/test_devices.py -k {name}",
        f'put "{name}" into DeviceProtocol in src/fahrwerk/fleet/contract.py, and into COMMANDED '
        "in src/fahrwerk/fleet/actions/pairing.py what can be said in it",
        f"give it a port: {name}_port in src/fahrwerk/kernel/settings.py (and in docs/operate.md), "
        "and a line in wanted() of src/fahrwerk/fleet/link/tcp.py",
        "say in docs/devices.md which devices speak it and how they are connected",
    )
    listed = "\n".join(f"  {number}. {step}" for number, step in enumerate(steps, start=1))
    return f'By hand:\n{listed}\nThen: make check && make test ARGS="tests/fleet"'


_FILES = {
    "src/fahrwerk/fleet/protocols/NAME.py": '''
"""Name: say which devices speak it, and where its document is to be found.

Lines of text over TCP. A device says ``hello <imei>``, then ``state <locked> <battery>``. It is
told ``unlock <number>`` or ``lock <number>`` and answers ``ok <number>`` or ``no <number>``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

from fahrwerk.fleet.protocols import Answer, Heard, Malformed, Order, Reading, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

MOST_BYTES: Final = 256
_HELLO: Final = re.compile(rb"hello ([0-9]{15})")
_STATE: Final = re.compile(rb"state ([01]) ([0-9]{1,3})")
_ANSWER: Final = re.compile(rb"(ok|no) ([0-9]{1,10})")


def decode_state(line: bytes, now: datetime) -> Reading:
    """What a ``state`` line measured. Raises ``Malformed``."""
    match = _STATE.fullmatch(line)
    if match is None or int(match[2]) > 100:
        raise Malformed("bad_state")
    return Reading(time=now, is_locked=match[1] == b"1", battery_level=int(match[2]))


class Conversation:
    """One device's connection: see ``fahrwerk.fleet.protocols.Conversation``."""

    capabilities: ClassVar[frozenset[str]] = frozenset(("unlock", "lock"))
    most_kept: ClassVar[int] = MOST_BYTES
    refusal: ClassVar[bytes] = b"unknown\\n"

    def __init__(self) -> None:
        self._rest = b""
        self._imei: str | None = None
        self._order: Order | None = None
        self._number = 0

    @property
    def kept(self) -> int:
        return len(self._rest)

    def is_busy(self, now: datetime) -> bool:
        return self._order is not None and now < self._order.expires_at

    def hear(self, data: bytes, now: datetime) -> Iterator[Heard]:
        """See the port. A line that cannot be read is skipped; one that does not end is not."""
        *lines, rest = (self._rest + data).split(b"\\n")
        self._rest = rest[:MOST_BYTES]
        for line in lines:
            try:
                yield self._understood(line, now)
            except Malformed as error:
                yield Heard(problem=error.reason)
        if len(rest) > MOST_BYTES:
            raise Malformed("too_long", f"{len(rest)} bytes without an end")

    def _understood(self, line: bytes, now: datetime) -> Heard:
        if self._imei is None:
            match = _HELLO.fullmatch(line)
            if match is None:
                raise Malformed("no_hello")
            self._imei = match[1].decode()
            return Heard(imei=self._imei, reply=b"welcome\\n")
        if match := _ANSWER.fullmatch(line):
            return Heard(answer=self._answer(match[1] == b"ok", int(match[2])))
        return Heard(readings=(decode_state(line, now),))

    def _answer(self, is_done: bool, number: int) -> Answer | None:
        """The number says which order it is; a late answer is still told."""
        order = self._order
        if order is None or number != self._number:
            return None
        self._order = None
        return Answer(order.id, "done") if is_done else Answer(order.id, "failed", "lock_failed")

    def tell(self, order: Order, now: datetime) -> bytes:
        """See the port."""
        if self._imei is None or self.is_busy(now):
            raise RuntimeError("nobody to talk to, or in the middle of another order")
        if order.operation not in self.capabilities:
            raise Unsupported(order.operation)
        self._order, self._number = order, self._number + 1
        return f"{order.operation} {self._number}\\n".encode()
''',
    "tests/fleet/devices/NAME.py": '''
"""Name: lines that its document prints, and a device that speaks it."""

from __future__ import annotations

from fahrwerk.fleet.protocols import NAME
from tests.fleet.devices import Subject

IMEI = "860000000000001"
EXAMPLES = (b"state 1 80\\n", b"state 0 7\\n", b"ok 1\\n")


class Thing:
    """Obeys."""

    def __init__(self, imei: str = IMEI) -> None:
        self.imei = imei
        self.is_locked = True

    def hello(self) -> bytes:
        return f"hello {self.imei}\\n".encode()

    def take(self, data: bytes) -> bytes:
        return b"".join(self._answer(line) for line in data.splitlines())

    def _answer(self, line: bytes) -> bytes:
        if line == b"welcome":
            return b""
        operation, number = line.split(b" ")
        self.is_locked = operation == b"lock"
        return b"ok " + number + b"\\n"


SUBJECT = Subject("NAME", NAME.Conversation, Thing, EXAMPLES, imei=IMEI)
''',
}
