"""Domains are claimed, and lead here once the DNS agrees (TEN-08, TEN-23)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import audit, clock, crypto, db, names
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.live import hub
from fahrwerk.tenancy.actions.setup import step_done
from fahrwerk.tenancy.contract import DomainTaken, brands
from fahrwerk.tenancy.contract.brands import Domain, UnknownBrand, UnknownDomain
from fahrwerk.tenancy.queries import CHANGED, operator_by_id, platform_hosts
from fahrwerk.tenancy.queries.brands import DOMAIN_COLUMNS, domain_of, target_of
from fahrwerk.tenancy.rules import brands as rules

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

MOST_DOMAINS = 50
_MAY = "tenancy.domain.write"

_TAKEN = """
SELECT tenant_id FROM tenancy.domain WHERE domain = $1 AND proven_at IS NOT NULL
UNION ALL SELECT id FROM tenancy.operator WHERE domain = $1
"""
_BRAND = "SELECT id FROM tenancy.brand WHERE id = $1"
_CLAIM = f"""
INSERT INTO tenancy.domain (domain, brand_id, token, created_at)
SELECT $1, $2, $3, $4
WHERE (SELECT count(*) FROM tenancy.domain WHERE domain <> $1) < {MOST_DOMAINS}
ON CONFLICT (tenant_id, domain) DO UPDATE SET brand_id = excluded.brand_id
RETURNING {DOMAIN_COLUMNS}
"""


async def claim_domain(call: Call, domain: str, brand_id: UUID | None) -> Domain:
    call.require(_MAY)
    wanted = rules.domain_of(domain, platform_hosts())
    await _check_free(call, wanted)
    async with db.tx("tenancy", call) as tx:
        if brand_id is not None and await tx.one(_BRAND, brand_id) is None:
            raise UnknownBrand
        row = await tx.one(_CLAIM, wanted, brand_id, crypto.new_secret(), clock.now())
        tx.signal(brands.CHANGED)
    if row is None:
        raise Invalid(field="domain", issue=f"there can be {MOST_DOMAINS} domains")
    audit.changed(f"domain:{wanted}", None, {"claimed": True})
    return domain_of(call, row)


async def _check_free(call: Call, domain: str) -> None:
    """Raise ``DomainTaken`` when it leads to somebody else: asked without an operator, as routes
    are."""
    rows = await db.run("tenancy", system(None, "tenancy"), _TAKEN, domain)
    if any(row["tenant_id"] != call.tenant for row in rows):
        raise DomainTaken


_ONE = f"SELECT {DOMAIN_COLUMNS} FROM tenancy.domain WHERE domain = $1"
# A proof once found stays through a bad fortnight of the DNS, and lapses then.
_LOOKED = f"""
UPDATE tenancy.domain SET checked_at = kernel.now(), problem = $3,
       failures = CASE WHEN $2::text IS NULL THEN failures + 1 ELSE 0 END,
       proven_by = CASE WHEN $2 IS NOT NULL THEN $2
                        WHEN failures + 1 < {rules.MOST_FAILURES} THEN proven_by END,
       proven_at = CASE WHEN $2 IS NOT NULL THEN coalesce(proven_at, kernel.now())
                        WHEN failures + 1 < {rules.MOST_FAILURES} THEN proven_at END
WHERE domain = $1 RETURNING {DOMAIN_COLUMNS}
"""
_UNIQUE = "23505"  # unique_violation: another operator has proven it in this very moment


async def prove_domain(call: Call, domain: str) -> Domain:
    call.require(_MAY)
    row = await db.one("tenancy", call, _ONE, domain.strip().rstrip(".").lower())
    if row is None:
        raise UnknownDomain
    return await look(call, row)


async def look(call: Call, row: db.Row) -> Domain:
    """Ask the DNS about one domain and keep what it says."""
    domain, was_proven = row["domain"], row["proven_at"] is not None
    if not was_proven:
        await _check_free(call, domain)
    txt = await names.ask("TXT", f"_fahrwerk.{domain}")
    cname = await names.ask("CNAME", domain)
    proven_by, problem = rules.proof_in(txt, cname, row["token"], target_of(call.tenant_slug))
    try:
        async with db.tx("tenancy", call) as tx:
            looked = await tx.one(_LOOKED, domain, proven_by, problem)
            if looked is None:
                raise UnknownDomain
            if proven_by is not None:
                await step_done(tx, call, "domain")
            if (looked["proven_at"] is not None) != was_proven:
                tx.signal(CHANGED)
    except Exception as error:
        if getattr(error, "sqlstate", None) == _UNIQUE:
            raise DomainTaken from None
        raise
    is_proven = looked["proven_at"] is not None
    audit.changed(f"domain:{domain}", {"proven": was_proven}, {"proven": is_proven})
    return domain_of(call, looked)


_DROP = "DELETE FROM tenancy.domain WHERE domain = $1 RETURNING domain"


async def drop_domain(call: Call, domain: str) -> None:
    call.require(_MAY)
    name = domain.strip().rstrip(".").lower()
    if await db.run("tenancy", call, _DROP, name):
        hub.signal(CHANGED)
        audit.changed(f"domain:{name}", {"claimed": True}, None)


_DUE = """
SELECT tenant_id, domain, token, proven_at FROM tenancy.domain
WHERE checked_at IS NULL AND created_at > now() - interval '7 days'
   OR checked_at < now() - CASE WHEN proven_at IS NULL THEN interval '1 hour'
                                ELSE interval '1 day' END
      AND (proven_at IS NOT NULL OR created_at > now() - interval '7 days')
ORDER BY checked_at NULLS FIRST LIMIT 20
"""


async def look_at_due() -> bool:
    """Look at the domains whose turn it is; True when there may be more."""
    rows = await db.run("tenancy", system(None, "tenancy"), _DUE)
    for row in rows:
        operator = await operator_by_id(system(None, "tenancy"), row["tenant_id"])
        if operator is not None:
            call = system(operator.id, "tenancy", slug=operator.slug)
            try:
                await look(call, row)
            except (DomainTaken, UnknownDomain, names.NamesDown):
                await db.run("tenancy", call, _LATER, row["domain"])
    return len(rows) == 20


_LATER = "UPDATE tenancy.domain SET checked_at = kernel.now() WHERE domain = $1"
