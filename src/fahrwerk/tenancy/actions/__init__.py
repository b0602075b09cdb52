"""Operators come, change, are suspended and close; what is theirs is set up."""

from fahrwerk.tenancy.actions.brands import remove_brand, save_brand, set_logo
from fahrwerk.tenancy.actions.domains import claim_domain, drop_domain, prove_domain
from fahrwerk.tenancy.actions.life import (
    change_limits,
    close_operator,
    resume_operator,
    suspend_operator,
)
from fahrwerk.tenancy.actions.markets import add_market, end_market, remove_area, save_area
from fahrwerk.tenancy.actions.operators import change_operator, create_operator
from fahrwerk.tenancy.actions.setup import save_step

__all__ = [
    "add_market",
    "change_limits",
    "change_operator",
    "claim_domain",
    "close_operator",
    "create_operator",
    "drop_domain",
    "end_market",
    "prove_domain",
    "remove_area",
    "remove_brand",
    "resume_operator",
    "save_area",
    "save_brand",
    "save_step",
    "set_logo",
    "suspend_operator",
]
