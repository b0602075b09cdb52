"""Reading in what agencies publish: checked, enforced as zones, kept with its versions."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import structlog

from fahrwerk.feeds.contract.agencies import Agency
from fahrwerk.feeds.contract.policies import DocumentVersion, Received
from fahrwerk.feeds.protocols import mds_2_0, mds_policy
from fahrwerk.feeds.queries.agencies import agency_of
from fahrwerk.feeds.queries.policies import geographies_of, newest, policies_of, providers
from fahrwerk.feeds.rules import places
from fahrwerk.feeds.rules import policies as rules
from fahrwerk.fleet.contract import zones
from fahrwerk.kernel import clock, db, outside, settings
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Invalid, Problem, Unavailable

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.feeds.protocols.mds_policy import Geography, Policy
    from fahrwerk.kernel.call import Call

READ_EVERY_S = 600
LEASE_S = 120
log = structlog.get_logger()


async def put_document(call: Call, agency_id: UUID, kind: str, body: bytes) -> Received:
    call.require("feeds.agency.write")
    return await _put(call, await agency_of(call, agency_id), kind, body, "uploaded")


async def _put(call: Call, agency: Agency, kind: str, body: bytes, origin: str) -> Received:
    if kind not in mds_policy.KINDS:
        raise Invalid(field="kind", issue=f"must be one of {', '.join(mds_policy.KINDS)}")
    document = mds_policy.read(kind, body)
    known, policies = await geographies_of(call, agency.id), await policies_of(call, agency.id)
    if isinstance(document, mds_policy.Geographies):
        for n, each in enumerate(document.geographies):
            places.polygons_in(each.geography_json, f"geographies[{n}].geography_json")
        known = {each.geography_id: each for each in document.geographies}
    elif isinstance(document, mds_policy.Policies):
        policies = document.policies
    if kind != "jurisdictions":
        rules.check(policies, known)
    outcome = await enforce(call, agency, policies, known)
    row, is_new = await _keep(call, agency.id, kind, body, origin)
    return Received(
        document=row, is_new=is_new, zones_created=outcome.created,
        zones_replaced=outcome.replaced, zones_deleted=outcome.deleted,
        zones_unchanged=outcome.unchanged,
    )  # fmt: skip


async def enforce(
    call: Call, agency: Agency, policies: list[Policy], known: dict[UUID, Geography]
) -> zones.PolicyOutcome:
    """Make the agency's zones what its policies say; none, where it is reported to no more.

    Raises ``Invalid`` where no zone can be.
    """
    assert call.tenant is not None  # noqa: S101 - asked for an operator only
    house = system(call.tenant, "feeds", trace=call.trace, slug=call.tenant_slug)
    ours = rules.in_force(policies, await providers(house), clock.millis(clock.now()))
    wanted = rules.zones(ours, known) if agency.is_enabled else []
    return await zones.put_policy_zones(house, f"mds:{agency.slug}", wanted)


_KEEP = """
INSERT INTO feeds.document (agency_id, kind, version, body, digest, origin, received_at,
                            received_by)
SELECT $1, $2, coalesce(max(version), 0) + 1, $3, $4, $5, $6, $7 FROM feeds.document
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND kind = $2
RETURNING version, received_at, received_by, origin
"""
_SAME = """
SELECT version, received_at, received_by, origin, digest FROM feeds.document
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND kind = $2 ORDER BY version DESC LIMIT 1
"""
_LOCK = "SELECT 1 FROM feeds.agency WHERE tenant_id = kernel.tenant() AND id = $1 FOR UPDATE"


async def _keep(
    call: Call, agency_id: UUID, kind: str, body: bytes, origin: str
) -> tuple[DocumentVersion, bool]:
    """A new version, unless its items are those of the newest one."""
    items = mds_policy.whole(body, kind)
    digest = hashlib.sha256(msgspec.json.encode(items, order="deterministic")).hexdigest()
    async with db.tx("feeds", call) as tx:
        await tx.run(_LOCK, agency_id)
        row = await tx.one(_SAME, agency_id, kind)
        is_new = row is None or row["digest"] != digest
        if is_new or row is None:
            [row] = await tx.run(
                _KEEP, agency_id, kind, body, digest, origin, clock.now(), call.actor
            )
    version = DocumentVersion(
        kind, row["version"], len(items), row["origin"], row["received_at"], row["received_by"]
    )
    return version, is_new


async def read_agency(call: Call, agency_id: UUID) -> list[Received]:
    call.require("feeds.agency.write")
    agency = await agency_of(call, agency_id)
    try:
        received = await _read(call, agency)
    except Problem as problem:
        await db.run("feeds", call, _READ, agency_id, _words(problem), float(READ_EVERY_S), None)
        raise
    await db.run("feeds", call, _READ, agency_id, None, float(READ_EVERY_S), clock.now())
    return received


def _words(problem: Problem) -> str:
    where = problem.details.get("field")
    issue = problem.details.get("issue", problem.text)
    return (f"{where}: {issue}" if where else str(issue))[:500]


_READ = """
UPDATE feeds.agency SET read_error = $2, read_at = coalesce($4, read_at),
       read_due_at = CASE WHEN read_due_at IS NOT NULL
                          THEN kernel.now() + make_interval(secs => $3) END
WHERE tenant_id = kernel.tenant() AND id = $1
"""


async def _read(call: Call, agency: Agency) -> list[Received]:
    """Geographies first, because policies name them."""
    addresses = {
        "geographies": agency.geography_url,
        "jurisdictions": agency.jurisdiction_url,
        "policies": agency.policy_url,
    }
    received = []
    for kind, url in addresses.items():
        if url is not None:
            received.append(await _put(call, agency, kind, await fetched(url), "fetched"))
    return received


async def fetched(url: str) -> bytes:
    """What an agency's server answers. Raises ``Unavailable`` for anything but a 200."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    peer = outside.stranger(
        "agency", f"{parts.scheme}://{parts.netloc}",
        headers={"accept": f"{mds_2_0.JSON}, application/json;q=0.5"},
        is_dev=settings.load().dev,
    )  # fmt: skip
    try:
        answer = await peer.call("GET", path)
    finally:
        await peer.close()
    if answer.status_code != 200:
        raise Unavailable(f"{parts.hostname} answered {answer.status_code}.", code="AGENCY_SILENT")
    return answer.content


_DUE = f"""
UPDATE feeds.agency a SET read_due_at = kernel.now() + interval '{LEASE_S} seconds'
FROM (SELECT tenant_id, id FROM feeds.agency WHERE read_due_at <= kernel.now()
      ORDER BY read_due_at LIMIT 10 FOR UPDATE SKIP LOCKED) AS next
WHERE a.tenant_id = next.tenant_id AND a.id = next.id
RETURNING a.tenant_id, a.id
"""


async def read_due_agencies() -> bool:
    """Read in what is due, of all operators; True when there may be more."""
    rows = await db.run("feeds", system(None, "feeds"), _DUE)
    for row in rows:
        try:
            await read_agency(system(row["tenant_id"], "feeds"), row["id"])
        except db.DatabaseDown:
            raise
        except Problem as problem:
            log.warning("agency not read", agency=str(row["id"]), reason=_words(problem))
        except Exception as error:
            log.error("agency not read", agency=str(row["id"]), exc_info=error)
    return len(rows) == 10


async def enforce_anew() -> None:
    """Once an hour: policies begin to supersede others, and we may have other provider ids."""
    for row in await db.run("feeds", system(None, "feeds"), _ALL):
        try:
            await enforce_newest(system(row["tenant_id"], "feeds"), row["id"])
        except Problem as problem:
            log.warning("policies not enforced", agency=str(row["id"]), reason=_words(problem))


async def enforce_newest(call: Call, agency_id: UUID) -> None:
    """Enforce what an agency published last, if it published anything."""
    if await newest(call, agency_id, "policies") is not None:
        known = await geographies_of(call, agency_id)
        policies = await policies_of(call, agency_id)
        await enforce(call, await agency_of(call, agency_id), policies, known)


_ALL = """
SELECT tenant_id, id FROM feeds.agency WHERE deleted_at IS NULL ORDER BY tenant_id, id
"""
