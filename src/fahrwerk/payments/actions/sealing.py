"""What this room keeps sealed: keys of gateways, people's bank accounts, files for the bank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import crypto, resealing
from fahrwerk.payments.actions.mandates import digest_of, purpose
from fahrwerk.payments.gateways import _accounts
from fahrwerk.payments.queries.sepa import file_purpose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Row

_READ = """
SELECT {key} AS key, {column} AS kept FROM payments.{table}
WHERE {column} IS NOT NULL AND ($1::{type} IS NULL OR {key} > $1) ORDER BY {key} LIMIT $2
"""
_WRITE = """
UPDATE payments.{table} t SET {column} = n.anew
FROM unnest($1::{type}[], $2::bytea[], $3::bytea[]) AS n (key, was, anew)
WHERE t.{key} = n.key AND t.{column} = n.was RETURNING 1
"""
_DIGESTS = """
SELECT id AS key, iban_digest AS kept, iban_sealed FROM payments.sepa_mandate
WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2
"""
_OF_DIGESTS = """
UPDATE payments.sepa_mandate m SET iban_digest = n.anew
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS n (key, was, anew)
WHERE m.id = n.key AND m.iban_digest = n.was RETURNING 1
"""


async def reseal(call: Call) -> resealing.Tally:
    """All of it, of one operator; the keyed hashes of bank accounts go along."""
    tally = resealing.Tally()
    for table, key, kind, column, renew in _columns(call):
        place = {"table": table, "key": key, "type": kind, "column": column}
        read, write = _READ.format(**place), _WRITE.format(**place)
        tally = tally.and_also(await resealing.renewed(call, "payments", read, write, renew))
    # Not counted: each is of an account that was.
    await resealing.renewed(call, "payments", _DIGESTS, _OF_DIGESTS, lambda row: _digest(call, row))
    return tally


def _columns(call: Call) -> Iterator[tuple[str, str, str, str, resealing.Renew]]:
    for what in ("secret", "webhook"):
        column = f"{what}_sealed"
        yield "gateway_account", "gateway", "text", column, _of_gateway(call.tenant, what)
    for column, what in (
        ("holder_sealed", "holder"), ("iban_sealed", "iban"), ("was_iban_sealed", "iban"),
    ):  # fmt: skip
        yield "sepa_mandate", "id", "uuid", column, resealing.sealed_for(purpose(call, what))
    yield "sepa_run", "id", "uuid", "file_sealed", _of_file(call)


def _of_gateway(tenant: UUID | None, what: str) -> resealing.Renew:
    return lambda row: resealing.anew(_accounts.purpose(tenant, row["key"], what), row["kept"])


def _of_file(call: Call) -> resealing.Renew:
    return lambda row: resealing.anew(file_purpose(call, row["key"]), row["kept"])


def _digest(call: Call, row: Row) -> str | None:
    now = digest_of(call, crypto.unseal(purpose(call, "iban"), row["iban_sealed"]))
    return None if now == row["kept"] else now
