"""Revenue as a series, read from the books in one statement."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments.contract.revenue import LEAST_DAYS, MOST_PERIODS, Revenue, Sold
from fahrwerk.payments.queries.ledger import READ
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from datetime import datetime

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract.revenue import Period

# Periods are cut in local time, so that one with a change of clocks is still one. An account is
# read by its index on time whatever number of rows it is spread over: hence DISTINCT.
_REVENUE = """
WITH period AS (
    SELECT local, local AT TIME ZONE $3 AS begins,
           (local + ('1 ' || $4)::interval) AT TIME ZONE $3 AS ends
    FROM generate_series(date_trunc($4, $1::timestamptz AT TIME ZONE $3),
                         date_trunc($4, $2::timestamptz AT TIME ZONE $3),
                         ('1 ' || $4)::interval) AS local
), account AS (
    SELECT DISTINCT id, split_part(code, '.', 1) AS part FROM payments.account
    WHERE tenant_id = kernel.tenant() AND currency = $5
      AND split_part(code, '.', 1) IN ('revenue', 'vat', 'refunds')
), sold AS (
    SELECT date_trunc($4, e.at AT TIME ZONE $3) AS local, a.part, -sum(e.amount_minor) AS amount
    FROM account a
    JOIN payments.entry e ON e.tenant_id = kernel.tenant() AND e.account_id = a.id
    WHERE e.at >= (SELECT min(begins) FROM period) AND e.at < (SELECT max(ends) FROM period)
    GROUP BY 1, 2
)
SELECT p.begins, p.ends,
       coalesce(sum(s.amount) FILTER (WHERE s.part = 'revenue'), 0)::bigint AS net_minor,
       coalesce(sum(s.amount) FILTER (WHERE s.part = 'vat'), 0)::bigint AS tax_minor,
       coalesce(sum(s.amount) FILTER (WHERE s.part = 'refunds'), 0)::bigint AS refunds_minor,
       coalesce(sum(s.amount), 0)::bigint AS total_minor
FROM period p LEFT JOIN sold s USING (local)
GROUP BY p.begins, p.ends ORDER BY p.begins
"""


async def revenue(call: Call, since: datetime, until: datetime, by: Period) -> Revenue:
    """See the contract."""
    call.require(READ)
    if not timedelta(0) <= until - since <= timedelta(days=LEAST_DAYS[by] * (MOST_PERIODS - 2)):
        raise Invalid(field="from", issue=f"must be before to, by {MOST_PERIODS} periods at most")
    own = await tenancy.operator(call)
    rows = await db.run("payments", call, _REVENUE, since, until, own.time_zone, by, own.currency)
    return Revenue(own.currency, [Sold(**row) for row in rows])
