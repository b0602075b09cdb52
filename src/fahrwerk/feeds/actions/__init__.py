"""The verbs of this room."""

from __future__ import annotations

from fahrwerk.feeds.actions.agencies import (
    add_agency,
    change_agency,
    delete_agency,
    issue_token,
    revoke_token,
    subscribe,
    unsubscribe,
)
from fahrwerk.feeds.actions.alerts import end_alert, publish_alert
from fahrwerk.feeds.actions.change_setting import change_setting
from fahrwerk.feeds.actions.policies import put_document, read_agency
from fahrwerk.feeds.actions.sealing import reseal

__all__ = [
    "add_agency",
    "change_agency",
    "change_setting",
    "delete_agency",
    "end_alert",
    "issue_token",
    "publish_alert",
    "put_document",
    "read_agency",
    "reseal",
    "revoke_token",
    "subscribe",
    "unsubscribe",
]
