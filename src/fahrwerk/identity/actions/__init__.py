"""What identity does, one file a verb."""

from fahrwerk.identity.actions.block import block_person, unblock_person
from fahrwerk.identity.actions.change_profile import change_profile
from fahrwerk.identity.actions.log_in import log_in
from fahrwerk.identity.actions.log_out import log_out
from fahrwerk.identity.actions.open_operator import open_operator
from fahrwerk.identity.actions.refresh import refresh
from fahrwerk.identity.actions.register import add_person, register

__all__ = [
    "add_person",
    "block_person",
    "change_profile",
    "log_in",
    "log_out",
    "open_operator",
    "refresh",
    "register",
    "unblock_person",
]
