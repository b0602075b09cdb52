"""The ledger against pgbench with the same SQL, and what spreading a hot account brings.

Both sides post sales of a thousand riders at the database's default durability, over the same
number of connections, in turn. A journal is three lines: the rider's account, revenue, tax.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import asyncpg

from fahrwerk.kernel import db
from fahrwerk.kernel.call import system
from fahrwerk.payments.contract import ledger
from fahrwerk.payments.rules import ledger as rules
from tests.bench import posting, replay
from tests.bench.capture import NEW, Script
from tests.bench.floors import LEDGER, LEDGER_HOT, Figure
from tests.bench.report import median, noise, say

if TYPE_CHECKING:
    from tests.bench.city import City
    from tests.bench.plan import Plan
    from tests.bench.stage import Stage

EACH = 8
"""Connections of one process of the platform."""
HOT_CONNECTIONS = 32
RIDER = "00000000-0000-8000-8000-"
"""How ids begin of the accounts that pgbench posts to: it cannot derive ours."""
_RIDERS = f"""
INSERT INTO payments.account (tenant_id, id, code, owner, kind, currency)
SELECT $1, ('{RIDER}' || lpad(i::text, 12, '0'))::uuid, 'receivables', 'bench-' || i, 'asset', 'EUR'
FROM generate_series(1, {posting.RIDERS}) AS i ON CONFLICT DO NOTHING
"""
_POST = """\\set i :client_id * :each + :n
\\set n :n + 1
\\set rider random(1, {riders})
\\set shard {shard}
\\set gross random(100, 5000)
\\set tax :gross * 19 / 119
\\set net :tax - :gross
\\set owed 0 - :tax
SELECT outcome, journal_id, known_digest
FROM payments.post(gen_random_uuid(), (:prefix)::text || (:i)::text, 'sale', gen_random_uuid(),
    now(), '', 'pgbench', NULL, sha256(((:prefix)::text || (:i)::text)::bytea),
    ARRAY[('{rider}' || lpad((:rider)::text, 12, '0'))::uuid, (:revenue)::uuid, (:vat)::uuid],
    ARRAY[0, :shard, :shard]::smallint[], ARRAY[:gross, :net, :owed]::bigint[]);
"""


async def measure(stage: Stage, city: City, plan: Plan) -> list[Figure]:
    """The two lines of the table about the ledger."""
    await _lay_out(stage, city)
    ours: list[float] = []
    limits: list[float] = []
    for turn in range(plan.rounds):
        ours.append(_platform(stage, city, plan, turn))
        limits.append(_pgbench(stage, city, plan.postings, plan.processes * EACH, turn=turn))
        say(f"ledger: {ours[-1]:,.0f} postings/s, pgbench {limits[-1]:,.0f}")
    one: list[float] = []
    spread: list[float] = []
    for turn in range(plan.rounds, 2 * plan.rounds):
        count = plan.postings // 2
        one.append(_pgbench(stage, city, count // 2, HOT_CONNECTIONS, turn=2 * turn, shard="1"))
        spread.append(_pgbench(stage, city, count, HOT_CONNECTIONS, turn=2 * turn + 1))
        say(f"hot account: {one[-1]:,.0f}/s in one row, {spread[-1]:,.0f}/s in 16")
    findings = await _proved(stage, city)
    return [
        Figure(
            what="ledger posting", measured=median(ours), unit="/s", limit=median(limits),
            limit_unit="/s", floor=LEDGER, noise=max(noise(ours), noise(limits)),
            sound=not findings, detail={"findings": findings[:5]},
        ),
        Figure(
            what="hot account, 16 shards", measured=median(spread), unit="/s", limit=median(one),
            limit_unit="/s", floor=LEDGER_HOT, noise=max(noise(one), noise(spread)),
            sound=not findings,
        ),
    ]  # fmt: skip


async def _lay_out(stage: Stage, city: City) -> None:
    """Every account there will be, so that nobody makes any while it is measured."""
    owner = await asyncpg.connect(stage.owner_dsn)
    try:
        await replay.make_login(owner)
        await owner.execute(_RIDERS, city.tenant)
    finally:
        await owner.close()
    await db.open_database(stage.dsn, 8)
    try:
        call = system(city.tenant, "payments")
        for number in range(-2 * posting.RIDERS, 0):
            await ledger.post_journal(call, posting.sale(number))
    finally:
        await db.close_database()


def _platform(stage: Stage, city: City, plan: Plan, turn: int) -> float:
    """Postings a second of all processes together."""
    each = plan.postings // plan.processes
    first = turn * plan.postings
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.bench.posting", stage.dsn, str(city.tenant)),
                *(str(first + n * each), str(each), str(EACH)),
            ],
            env=stage.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for n in range(plan.processes)
    ]  # fmt: skip
    try:
        for process in processes:
            _heard(process)
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        took = [float(_heard(process)) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return each * plan.processes / max(took)


def _heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    if not (line := process.stdout.readline()):
        raise RuntimeError(f"{process.args!r} ended by itself")
    return line


def _pgbench(
    stage: Stage, city: City, count: int, connections: int, *, turn: int,
    shard: str = f"random(1, {rules.SHARDS})",
) -> float:  # fmt: skip
    def quoted(code: str) -> str:
        return f"'{rules.account_id(city.tenant, code, '', 'EUR')}'"

    text = _POST.format(riders=posting.RIDERS, rider=RIDER, shard=shard)
    text = text.replace(":revenue", quoted("revenue.1900")).replace(":vat", quoted("vat.1900"))
    # What begins like a new row's id is different in each turn.
    script = Script(text, {"prefix": f"{NEW}{connections:03}-"}, [])
    ran = replay.replay(stage, script, city.tenant, count=count, connections=connections, turn=turn)
    return ran.per_second


async def _proved(stage: Stage, city: City) -> list[str]:
    """What the proof finds in the books afterwards, but for the digests that pgbench made up."""
    await db.open_database(stage.dsn, 2)
    try:
        found = await ledger.proof(system(city.tenant, "payments"))
    finally:
        await db.close_database()
    wrong: list[Any] = [str(each) for each in found if each.check not in ("digests", "replay")]
    return wrong
