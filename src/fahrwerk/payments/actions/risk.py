"""The risk of a payment: looked at before a gateway is asked, reviewed by staff."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.kernel import asgi, clock, crypto, db, events
from fahrwerk.kernel.call import system
from fahrwerk.payments.contract.risk import Facts, Risk, RiskLimits, UnknownRisk, Verdict
from fahrwerk.payments.events import PaymentRiskDecided, PaymentRiskReviewed
from fahrwerk.payments.queries.risk import RISK
from fahrwerk.payments.rules import risk as rules

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.rules import Case

NETWORK_DAYS = 30

# One statement for everything that is known now. The same payment with the same method again keeps
# the facts of its first time, and so its decision.
_LOOK = """
WITH method AS (
    SELECT id, country, fingerprint, extract(epoch FROM kernel.now() - created_at) AS age_s
    FROM payments.method WHERE tenant_id = kernel.tenant() AND id = $2
), decided AS (
    INSERT INTO payments.risk AS r
        (payment_id, method_id, rider_id, amount_minor, currency, network, facts)
    SELECT $1, m.id, $3, $4, $5, $6, jsonb_build_object(
        'amount_minor', $4::bigint,
        'hourly', (SELECT count(DISTINCT o.payment_id) FROM payments.risk o
                   WHERE o.tenant_id = kernel.tenant() AND o.rider_id = $3
                     AND o.payment_id <> $1 AND o.at > kernel.now() - interval '1 hour'),
        'declined', (SELECT count(*) FROM payments.payment p
                     JOIN payments.attempt a ON a.tenant_id = p.tenant_id AND a.payment_id = p.id
                     WHERE p.tenant_id = kernel.tenant() AND p.rider_id = $3
                       AND p.created_at > $7::timestamptz - interval '24 hours'
                       AND a.kind = 'authorize' AND a.state = 'declined'),
        'method_age_s', m.age_s,
        'country', m.country,
        'card_riders', (SELECT count(DISTINCT c.rider_id) FROM payments.method c
                        WHERE c.tenant_id = kernel.tenant() AND c.fingerprint = m.fingerprint
                          AND m.fingerprint <> ''),
        'network_riders', (SELECT count(DISTINCT n.rider_id) FROM payments.risk n
                           WHERE n.tenant_id = kernel.tenant() AND n.network = $6 AND $6 <> ''
                             AND n.at > kernel.now() - interval '24 hours'),
        'frauds', (SELECT count(*) FROM payments.risk f
                   LEFT JOIN payments.method c ON c.tenant_id = f.tenant_id AND c.id = f.method_id
                   WHERE f.tenant_id = kernel.tenant() AND f.verdict = 'fraud'
                     AND f.decision <> 'allow'
                     AND (f.rider_id = $3
                          OR (m.fingerprint <> '' AND c.fingerprint = m.fingerprint))))
    FROM method m
    ON CONFLICT (tenant_id, payment_id, method_id) DO UPDATE SET payment_id = r.payment_id
    RETURNING facts, decision, verdict
)
SELECT d.facts, d.decision, d.verdict, s.review_at, s.block_at, s.hourly, s.high_minor, s.countries
FROM decided d LEFT JOIN payments.risk_setting s ON s.tenant_id = kernel.tenant()
"""
_DECIDE = f"""
WITH decided AS (
    UPDATE payments.risk SET decision = $3, score = $4, reasons = $5, version = 1
    WHERE tenant_id = kernel.tenant() AND payment_id = $1 AND method_id = $2 AND version = 0
    RETURNING version
)
{events.INSERT} SELECT $11, version, $6, $7, $8::jsonb, $9, $10 FROM decided
"""


async def is_blocked(call: Call, case: Case, method_id: UUID) -> bool:
    """Decide on a payment with a method; True when no gateway may be asked.

    One round trip for a payment that is like all others.
    """
    rows = await db.run(
        "payments", call, _LOOK, case.id, method_id, case.rider_id, case.amount_minor,
        case.currency, _network_of(call), clock.now(),
    )  # fmt: skip
    if not rows:
        return False  # the method is gone: the gateway will say so
    own = dict(rows[0])
    facts, decision = msgspec.convert(own.pop("facts"), Facts), own.pop("decision")
    if own.pop("verdict") == "cleared":
        return False
    limits = RiskLimits() if own["hourly"] is None else RiskLimits(**own)
    found = rules.assess(facts, limits)
    if found.decision != "allow" and decision == "allow":
        fact = PaymentRiskDecided(
            payment_id=case.id, method_id=method_id, rider_id=case.rider_id,
            decision=found.decision, score=found.score, reasons=found.reasons,
        )  # fmt: skip
        await db.run(
            "payments", call, _DECIDE, case.id, method_id, found.decision, found.score,
            found.reasons, *events.columns(call, fact), f"risk:{case.id}:{method_id}",
        )  # fmt: skip
    return found.decision == "block"


def _network_of(call: Call) -> str:
    """Whom an address belongs to, unreadable; empty for one that says nothing of a person."""
    try:
        is_public = ipaddress.ip_address(call.address.partition("%")[0]).is_global
    except ValueError:
        return ""
    if not is_public:
        return ""
    return crypto.digest_of(f"{crypto.key_for('risk').hex()}{asgi.network_of(call.address)}")[:32]


_REVIEW = f"""
WITH latest AS (
    SELECT payment_id, method_id FROM payments.risk
    WHERE tenant_id = kernel.tenant() AND payment_id = $1 AND decision <> 'allow'
    ORDER BY at DESC, method_id LIMIT 1
), reviewed AS (
    UPDATE payments.risk r SET verdict = $2, note = $3, reviewed_by = $4, reviewed_at = $5,
           version = r.version + 1
    FROM latest l WHERE r.tenant_id = kernel.tenant()
      AND (r.payment_id, r.method_id) = (l.payment_id, l.method_id)
    RETURNING r.*
), told AS (
    {events.INSERT}
    SELECT 'risk:' || payment_id || ':' || method_id, version, $6, $7,
           $8::jsonb || jsonb_build_object('method_id', method_id, 'rider_id', rider_id), $9, $10
    FROM reviewed
)
SELECT {RISK} FROM reviewed
"""


async def review_risk(call: Call, payment_id: UUID, verdict: Verdict, note: str) -> Risk:
    """See the contract."""
    call.require("payments.risk.review")
    nobody = UUID(int=0)  # the statement knows whose it is
    fact = PaymentRiskReviewed(
        payment_id=payment_id, method_id=nobody, rider_id=nobody, verdict=verdict
    )
    rows = await db.run(
        "payments", call, _REVIEW, payment_id, verdict, note.strip(), call.actor, clock.now(),
        *events.columns(call, fact),
    )  # fmt: skip
    if not rows:
        raise UnknownRisk
    return Risk(**rows[0])


_CHANGE = """
INSERT INTO payments.risk_setting (review_at, block_at, hourly, high_minor, countries)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id) DO UPDATE
SET review_at = excluded.review_at, block_at = excluded.block_at, hourly = excluded.hourly,
    high_minor = excluded.high_minor, countries = excluded.countries
"""


async def change_risk_limits(call: Call, wanted: RiskLimits) -> RiskLimits:
    """See the contract."""
    call.require("payments.risk.write")
    limits = rules.checked(wanted)
    await db.run("payments", call, _CHANGE, *msgspec.structs.astuple(limits))
    return limits


_FORGET = f"""
UPDATE payments.risk SET network = ''
WHERE network <> '' AND at < kernel.now() - interval '{NETWORK_DAYS} days'
"""


async def forget_networks() -> None:
    """Addresses have served their purpose after a month (GDPR Art. 5)."""
    await db.run("payments", system(None, "payments"), _FORGET)
