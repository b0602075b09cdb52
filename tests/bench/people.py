"""People and rights: what a verified caller costs a request, log-in, and whether 10,000 tenants
with a million accounts are as fast as one.

What a verified caller costs is what the front door takes longer for him than for a stranger.
Rights are asked as the front door asks them: of as many tenants as there are, each with a role of
its own, so that every one has something to remember. Log-ins are of accounts anywhere among the
million; the password hash, which is slow on purpose, is measured for itself and taken off.

``FAHRWERK_BENCH_TENANTS`` and ``FAHRWERK_BENCH_USERS`` scale it (10,000 and 1,000,000).
"""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from fahrwerk.app import HouseFront
from fahrwerk.identity import contract as identity
from fahrwerk.kernel import crypto, db, ids
from fahrwerk.kernel.admission import Admission
from fahrwerk.kernel.call import system
from fahrwerk.kernel.limits import Limiter, parse
from tests.bench.floors import VERIFIED_US, Figure
from tests.bench.report import say
from tests.bench.stage import SECRET

if TYPE_CHECKING:
    from tests.bench.city import City
    from tests.bench.plan import Plan
    from tests.bench.stage import Stage

TENANTS = int(os.environ.get("FAHRWERK_BENCH_TENANTS", "10000"))
USERS = int(os.environ.get("FAHRWERK_BENCH_USERS", "1000000"))
QUICK_SHARE = 20
PASSWORD = "correct horse battery staple"
_OPERATORS = """
INSERT INTO tenancy.operator (id, slug, name, plan, currency, time_zone, locale, tax_rate_bp,
    tax_included, payment_hold_s, unlock_window_s, max_active_rentals, max_ride_h, max_ride_km,
    created_at, updated_at)
SELECT ('00000000-0000-7000-a000-' || lpad(n::text, 12, '0'))::uuid, 'bench-' || n, 'Bench',
    'Enterprise', 'EUR', 'Europe/Berlin', 'de', 1900, true, 300, 600, 3, 24, 100, now(), now()
FROM generate_series(1, $1::int) AS n ON CONFLICT DO NOTHING
"""
_ROLES = """
INSERT INTO identity.role (tenant_id, name, title, permissions, created_at, updated_at)
SELECT ('00000000-0000-7000-a000-' || lpad(n::text, 12, '0'))::uuid, 'reception', 'Reception',
    ARRAY['identity.person.read'], now(), now()
FROM generate_series(1, $1::int) AS n ON CONFLICT DO NOTHING
"""
_PEOPLE = """
INSERT INTO identity.person (tenant_id, id, email, first_name, last_name, password_hash, created_at,
                             updated_at)
SELECT ('00000000-0000-7000-a000-' || lpad((1 + n % $2::int)::text, 12, '0'))::uuid,
    ('00000000-0000-7000-b000-' || lpad(n::text, 12, '0'))::uuid,
    'u' || n || '@bench.example', 'Ada', 'Bench', $3, now(), now()
FROM generate_series($1::int, $4::int) AS n ON CONFLICT DO NOTHING
"""
_THEIR_ROLES = """
INSERT INTO identity.person_role (tenant_id, person_id, role, granted_at)
SELECT ('00000000-0000-7000-a000-' || lpad((1 + n % $2::int)::text, 12, '0'))::uuid,
    ('00000000-0000-7000-b000-' || lpad(n::text, 12, '0'))::uuid, 'customer', now()
FROM generate_series($1::int, $3::int) AS n ON CONFLICT DO NOTHING
"""
_AT_ONCE = 50_000


def tenant(n: int) -> UUID:
    """The n-th, from 1."""
    return UUID(f"00000000-0000-7000-a000-{n:012}")


async def _fill(on: Stage, tenants: int, users: int) -> None:
    hashed = await crypto.hash_password(PASSWORD)
    owner = await asyncpg.connect(on.owner_dsn)
    try:
        await owner.execute("SET session_replication_role = replica")
        await owner.execute(_OPERATORS, tenants)
        await owner.execute(_ROLES, tenants)
        for first in range(1, users + 1, _AT_ONCE):
            last = min(users, first + _AT_ONCE - 1)
            await owner.execute(_PEOPLE, first, tenants, hashed, last)
            await owner.execute(_THEIR_ROLES, first, tenants, last)
        await owner.execute("ANALYZE tenancy.operator, identity.person, identity.person_role")
    finally:
        await owner.close()


async def measure(on: Stage, _: City, plan: Plan) -> list[Figure]:
    """The lines of the table about people."""
    small = plan.requests < 100_000
    tenants, users = (x // QUICK_SHARE if small else x for x in (TENANTS, USERS))
    say(f"filling {tenants:,} tenants with {users:,} people")
    crypto.set_signing_secret(SECRET)
    await _fill(on, tenants, users)
    await db.open_database(on.dsn, 8)
    try:
        figures = await _verified()
        figures += await _rights(tenants)
        figures += await _log_ins(tenants, users)
    finally:
        await db.close_database()
    return figures


async def _verified() -> list[Figure]:
    """What the front door does for a request, with a token and without, in this process: the way of
    one request there is the same, so what is left is token, session, roles, rights, permission."""
    admission = Admission(HouseFront(), Limiter(parse(f"all={10**9}/minute")))
    token = crypto.issue_token(ids.new(), tenant(1), frozenset({"customer"}), ids.new())
    scope: dict[str, Any] = {
        "method": "GET", "path": "/api/v1/areas", "query_string": b"", "client": ("192.0.2.1", 1),
    }  # fmt: skip
    headers = {b"host": "bench.example", b"x-tenant-id": "bench-1"}
    kinds: dict[str, tuple[dict[bytes, str], str | None]] = {
        "without": (headers, None),
        "with": (headers | {b"authorization": f"Bearer {token}"}, "identity.self"),
    }

    async def took(kind: str, count: int) -> float:
        sent, permission = kinds[kind]
        began = time.process_time()
        for _ in range(count):
            state = {"request_id": "req_bench"}
            call = await admission.call(scope, sent, {"permission": permission}, state)
            if permission is not None:
                call.narrowed(permission, is_scoped=False).require(permission)
        return (time.process_time() - began) / count * 1e6

    await took("with", 200)  # what is asked of the database once
    rounds: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(7):  # in turn: what else the machine does falls on both
        for kind, measured in rounds.items():
            measured.append(await took(kind, 2_000))
    us = {kind: sorted(measured)[len(measured) // 2] for kind, measured in rounds.items()}
    return [
        Figure(
            what="A verified caller: token, session, roles, rights, permission; beyond a stranger",
            measured=us["with"] - us["without"], unit="us", floor=VERIFIED_US, detail=us,
        )
    ]  # fmt: skip


async def _rights(tenants: int) -> list[Figure]:
    """Asked of one tenant again and again, then of all of them in turn."""
    front, user = HouseFront(), ids.new()
    roles = frozenset({"reception"})

    async def ask(which: list[int]) -> float:
        began = time.process_time()
        for n in which:
            await front.rights_of(tenant(n), user, roles)
        return (time.process_time() - began) / len(which) * 1e6

    spread = random.Random(7)
    await ask([1])
    one = await ask([1] * 20_000)
    first = await ask(list(range(1, tenants + 1)))
    # As many as a process remembers at a time; those of the last seconds are asked again.
    recent = list(range(tenants - min(tenants, 2_000) + 1, tenants + 1))
    await ask(recent)
    many = await ask([spread.choice(recent) for _ in range(20_000)])
    return [
        Figure(
            what=f"Rights of a caller, one of {min(tenants, 2_000):,} tenants at a time",
            measured=many, unit="us", limit=one, limit_unit="us, one tenant",
            detail={"first_us": first, "tenants": tenants},
        )
    ]  # fmt: skip


async def _log_ins(tenants: int, users: int) -> list[Figure]:
    """The database's part of a log-in: all of it less the hash."""

    async def took(numbers: list[int]) -> float:
        times: list[float] = []
        for n in numbers:
            call = system(tenant(1 + n % tenants), "bench", slug=f"bench-{1 + n % tenants}")
            began = time.perf_counter()
            await identity.log_in(call, f"u{n}@bench.example", PASSWORD)
            times.append(time.perf_counter() - began)
        return sorted(times)[len(times) // 2] * 1e3

    spread = random.Random(11)
    hashed, hashes = await crypto.hash_password(PASSWORD), []
    for _ in range(30):
        began = time.perf_counter()
        await crypto.password_fits(PASSWORD, hashed)
        hashes.append(time.perf_counter() - began)
    hashing = sorted(hashes)[15] * 1e3
    some = [spread.randrange(1, users + 1) for _ in range(100)]
    await took(some[:5])
    everywhere = await took(some)
    detail: dict[str, Any] = {"hash_ms": hashing, "users": users, "tenants": tenants}
    return [
        Figure(
            what=f"Log-in of one of {users:,} people, without the password hash",
            measured=max(0.0, everywhere - hashing), unit="ms",
            detail={**detail, "whole_ms": everywhere},
        )
    ]  # fmt: skip
