"""Endpoints: GBFS for everybody, MDS for agencies, and what the operator has to say to both."""

from __future__ import annotations

from fahrwerk.feeds.http import agencies, alerts, gbfs, mds, policies

handlers = [
    *gbfs.handlers,
    *alerts.handlers,
    *mds.handlers,
    *policies.public_handlers,
    *agencies.handlers,
    *policies.handlers,
]
