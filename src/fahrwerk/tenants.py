"""``fahrwerk tenant``: a whole tenant into one file and out of it, and the end of those closed.

A program, beside ``fahrwerk books``. What comes in is suspended until its books, its audit log and
the invariants of all rooms have been found to hold (TEN-15, TEN-16, TEN-29).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from fahrwerk import secrets
from fahrwerk.app import database_urls, examinations, grounded
from fahrwerk.kernel import archive, audit, clock, crypto, db, ids, moving, transport
from fahrwerk.kernel.belongings import NotMoved
from fahrwerk.kernel.call import system
from fahrwerk.kernel.jobs import cron
from fahrwerk.kernel.live import hub
from fahrwerk.kernel.settings import load
from fahrwerk.payments.contract import ledger
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from uuid import UUID

    from fahrwerk.kernel.settings import Settings

    Say = Callable[[str], None]

log = structlog.get_logger()
ROOT = "tenancy.operator"
_CHANGED = "tenancy.operator"


async def export(settings: Settings, slug: str, path: Path, say: Say, key: Path | None) -> int:
    """Write a tenant into a new file, and the key of what is sealed into another; the exit code."""
    async with grounded(settings, "cli"):
        operator = await tenancy.operator_by_slug(system(None, "cli"), slug)
        if operator is None:
            say(f"there is no operator {slug}")
            return 1
        _, owner = database_urls(settings)
        sealed_with = transport.new_key(key) if key is not None else None
        manifest = await moving.export(
            owner, ROOT, operator.id, path, say, secrets.reseal_all, sealed_with
        )
    rows = sum(part.rows for part in manifest.parts)
    say(f"{slug}: {rows:,} rows of {len(manifest.parts)} tables in {path}")
    return 0


async def bring_in(
    settings: Settings, path: Path, slug: str | None, say: Say, key: Path | None
) -> int:
    """Bring a file in, under another short name if one is given; the exit code."""
    manifest = archive.read_manifest(path)
    was = str(manifest.root["slug"])
    name = slug or was
    # Short names never change hands, and each has its own id: as when an operator is opened.
    tenant = manifest.tenant if name == was else ids.derived("operator", name)
    own: dict[str, Any] = {"slug": name, "status": "suspended", "deletes_at": None}
    own |= {"status_reason": "is being brought in"}
    if name != was:
        own["domain"] = None
    async with grounded(settings, "cli"):
        there = await tenancy.operator_by_slug(system(None, "cli"), name)
        if there is not None or await tenancy.operator_by_id(system(None, "cli"), tenant):
            say(f"there is an operator {name} already")
            return 1
        _, owner = database_urls(settings)
        sealed_with = transport.read_key(key) if key is not None else None
        await moving.bring_in(
            owner, ROOT, path, tenant, own, say, secrets.reseal_all, sealed_with, admitted
        )
        hub.signal(_CHANGED)  # that there is none was remembered
        # Keyed hashes are made of what is sealed: now that it is.
        await secrets.reseal_all(system(tenant, "cli", slug=name))
        return await verified(tenant, name, str(manifest.root["status"]), say)


_BEYOND = """
SELECT EXISTS (SELECT FROM identity.person_role WHERE tenant_id = $1 AND role = 'platform')
    OR EXISTS (SELECT FROM identity.scoped_grant WHERE tenant_id = $1 AND role = 'platform')
    OR EXISTS (SELECT FROM identity.role, unnest(permissions) AS may WHERE tenant_id = $1
               AND (may LIKE '%*' OR may LIKE 'tenancy.operator.%'
                    AND may <> 'tenancy.operator.change'))
"""


async def admitted(owner: Any, tenant: UUID) -> None:
    """What a file may not say by itself: raise ``NotMoved``, or take it as a mere claim."""
    await within_bounds(owner, tenant)
    await unproven(owner, tenant)


async def within_bounds(owner: Any, tenant: UUID) -> None:
    """Who runs this installation is not said by a file: raise ``NotMoved`` where one says it."""
    if await owner.fetchval(_BEYOND, tenant):
        raise NotMoved(
            "somebody in it may do what only the platform may: take that role away where the file "
            "comes from, and give it here"
        )


_CLAIM = """
INSERT INTO tenancy.domain (tenant_id, domain, token, created_at)
SELECT id, domain, $2, kernel.now() FROM tenancy.operator
WHERE id = $1 AND length(domain) <= 253 ON CONFLICT DO NOTHING
"""
_NO_DOMAIN = "UPDATE tenancy.operator SET domain = NULL WHERE id = $1"
_DOMAINS = "SELECT domain FROM tenancy.domain WHERE tenant_id = $1"
_UNPROVEN = """
UPDATE tenancy.domain SET token = $3, proven_by = NULL, proven_at = NULL, checked_at = NULL,
       problem = NULL, failures = 0, created_at = kernel.now()
WHERE tenant_id = $1 AND domain = $2
"""


async def unproven(owner: Any, tenant: UUID) -> None:
    """Domains lead here once the DNS has proven it here, not because a file says so.

    Each is claimed anew, the one the platform had entered too; the hourly look does the rest. Their
    tokens are new: what stands in the DNS for everybody to read does not say whose the file is.
    """
    await owner.execute(_CLAIM, tenant, crypto.new_secret())
    await owner.execute(_NO_DOMAIN, tenant)
    for row in await owner.fetch(_DOMAINS, tenant):
        await owner.execute(_UNPROVEN, tenant, row["domain"], crypto.new_secret())


_OPEN = """
UPDATE tenancy.operator SET status = $2, status_reason = NULL, status_since = $3, deletes_at = NULL
WHERE id = $1
"""


async def verified(tenant: UUID, slug: str, status: str, say: Say) -> int:
    """Examine what came in, and open it when all of it holds; the exit code."""
    call = system(tenant, "cli", slug=slug)
    findings = await ledger.proof(call)
    wrong = [f"books: {each.check} {each.subject} {each.detail}" for each in findings]
    if (at := await audit.verify(tenant)) is not None:
        wrong.append(f"audit: the chain is broken at {at}")
    else:
        await audit.seal_again(tenant)
    for ask in examinations():
        wrong += [f"{name}: {detail}" for name, detail in await ask(call)]
    for each in wrong:
        say(f"  {each}")
    if wrong:
        say(f"{slug} stays suspended: {len(wrong)} findings")
        return 1
    # One that was closing goes on being closed by hand: its time began elsewhere.
    opened = "suspended" if status == "closing" else status
    await db.run("tenancy", system(None, "cli"), _OPEN, tenant, opened, clock.now())
    hub.signal(_CHANGED)
    say(f"{slug} holds: {opened}")
    return 0


_DUE = """
SELECT id, slug FROM tenancy.operator
WHERE status = 'closing' AND deletes_at <= $1 ORDER BY deletes_at
"""
_CLOSED = """
UPDATE tenancy.operator SET status = 'closed', deletes_at = NULL, domain = NULL, name = slug,
       status_reason = NULL, status_since = $2, version = version + 1
WHERE id = $1 AND status = 'closing'
"""


async def sweep(settings: Settings, is_sure: bool, say: Say) -> int:
    """Delete the data of tenants whose time has run out; without ``is_sure`` only say which."""
    async with grounded(settings, "cli"):
        await _sweep(settings, is_sure, say)
    return 0


async def _sweep(settings: Settings, is_sure: bool, say: Say) -> None:
    call = system(None, "cli")
    for row in await db.run("tenancy", call, _DUE, clock.now()):
        if not is_sure:
            say(f"{row['slug']} would be deleted (--yes)")
            continue
        _, owner = database_urls(settings)
        gone = await moving.remove(owner, row["id"], say)
        await db.run("tenancy", call, _CLOSED, row["id"], clock.now())
        hub.signal(_CHANGED)
        say(f"{row['slug']}: {gone:,} rows deleted")


@cron("51 2 * * *")
async def sweep_each_night() -> None:
    """What ``fahrwerk tenant sweep --yes`` does, where this worker has the owner's login."""
    settings = load()
    is_owner = settings.database_admin_url or not settings.database_url
    if not is_owner:
        due = await db.run("tenancy", system(None, "cli"), _DUE, clock.now())
        if due:
            log.warning("closed tenants wait for `fahrwerk tenant sweep`", tenants=len(due))
        return
    await _sweep(settings, True, lambda line: log.info("tenant sweep", did=line))
