"""``fahrwerk accounts``: writes the broker's files, so that each vehicle has its own account."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from fahrwerk.fleet.contract import PREFIX
from fahrwerk.fleet.contract import accounts as fleet
from fahrwerk.fleet.rules import accounts as rules
from fahrwerk.kernel import ids
from fahrwerk.kernel.call import system

if TYPE_CHECKING:
    from pathlib import Path

PART = 5_000


async def write(mqtt_url: str, passwords: Path, acl: Path, reload: int | None) -> int:
    """Write both files anew, each at once; how many vehicles may log in.

    The platform's own account is the one in ``mqtt_url``. ``reload``: the broker's process id, told
    to look. Raises ``ValueError`` for an address without user name and password, ``OSError``.
    """
    url = urlsplit(mqtt_url)
    if not url.username or not url.password:
        raise ValueError(
            "FAHRWERK_MQTT_URL names no user and password: with accounts for vehicles the platform "
            "needs one too (mqtts://user:password@host:8883)."
        )
    platform = unquote(url.username)
    salt = secrets.token_bytes(rules.SALT_BYTES)
    logins = [(platform, rules.secret_of(unquote(url.password), salt))]
    after = None
    while part := await fleet.broker_logins(system(None, "accounts"), after, PART):
        logins += [(ids.public(PREFIX[e.vehicle_type], e.vehicle_id), e.secret) for e in part]
        after = part[-1].vehicle_id
    _replace(acl, rules.ACL.format(platform=platform))
    _replace(passwords, rules.password_file(logins))
    if reload is not None:
        os.kill(reload, signal.SIGHUP)
    return len(logins) - 1


def _replace(path: Path, text: str) -> None:
    """At once, with the owner and mode it had; else readable by us alone."""
    beside = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        shutil.copymode(path, beside)
        had = path.stat()
        with contextlib.suppress(PermissionError):
            os.chown(beside, had.st_uid, had.st_gid)
    beside.replace(path)
