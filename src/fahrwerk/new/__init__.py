"""``fahrwerk new``: the furniture of a new room, the skeleton of a new protocol.

What is written passes `make check` and its own tests at once; what a program should not decide is
said, to be done by hand.
"""

from __future__ import annotations

from fahrwerk.new.protocol import new_protocol
from fahrwerk.new.room import LONGEST_NAME, NotPossible, new_room

__all__ = ["LONGEST_NAME", "NotPossible", "new_protocol", "new_room"]
