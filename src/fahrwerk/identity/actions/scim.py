"""Directories make, change and remove users and groups here (IDN-29, IDN-30).

A user of SCIM and the account (the person) are two rows: what the directory says is kept as it said
it, and what that means for the account happens in the same transaction. Inactive or deleted means
barred: sessions end with the commit, on all processes within moments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from fahrwerk.identity.actions import scim_roles
from fahrwerk.identity.actions.log_out import BY_PERSON, end_sessions
from fahrwerk.identity.actions.register import check_room
from fahrwerk.identity.actions.roles import check_not_last_admin, in_line
from fahrwerk.identity.contract.scim import NoResource, NotTheirs, NotUnique, Stale
from fahrwerk.identity.events import UserBlocked, UserRegistered, UserUnblocked
from fahrwerk.identity.queries import scim as queries
from fahrwerk.identity.queries.scim_filter import PREFIX
from fahrwerk.identity.rules.scim_patch import Account, account_of, patched
from fahrwerk.identity.rules.scim_schema import refuse, taken
from fahrwerk.kernel import audit, clock, db, events, ids
from fahrwerk.kernel.errors import NotFound
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

_TAKEN = "23505"  # unique_violation


class Held(msgspec.Struct, frozen=True):
    """A user as it is stored, locked."""

    id: UUID
    person_id: UUID
    data: dict[str, Any]
    is_active: bool
    has_barred: bool
    version: int


async def save_scim_resource(
    call: Call, source_id: UUID, kind: str, resource_id: UUID | None, data: dict[str, Any],
    version: str,
) -> dict[str, Any]:  # fmt: skip
    data = taken(kind, data)
    if kind == "Group":
        chosen = await _save_group(call, source_id, resource_id, data, version)
    elif resource_id is None:
        chosen = await _add_user(call, source_id, data)
    else:
        # Not said is not changed: whoever left out "active" did not mean to let somebody in again.
        chosen = await _change_user(
            call, source_id, resource_id, version, lambda held: {"active": held.is_active} | data
        )
    return await queries.scim_resource(call, source_id, kind, chosen)


async def patch_scim_resource(
    call: Call, source_id: UUID, kind: str, resource_id: UUID, body: dict[str, Any], version: str
) -> dict[str, Any]:
    if kind == "Group":
        before = await queries.scim_resource(call, source_id, kind, resource_id)
        # Members are many: if somebody else changes them at the same time, the later one is told.
        seen = version or before["meta"]["version"]
        data = patched(kind, taken(kind, before), body)
        await _save_group(call, source_id, resource_id, data, seen)
    else:
        await _change_user(
            call, source_id, resource_id, version, lambda held: patched(kind, held.data, body)
        )
    return await queries.scim_resource(call, source_id, kind, resource_id)


async def _audit(call: Call, source_id: UUID, deed: str, subject: UUID) -> None:
    await audit.record(call, f"identity.scim.{deed}", str(subject), f"source:{source_id}")


# Of an account this directory deleted before, the same person has come back.
_LEFT = """
SELECT p.id, p.version FROM identity.person p
WHERE lower(p.email) = lower($2) AND p.status = 'blocked' AND EXISTS (
    SELECT FROM identity.scim_user u WHERE u.tenant_id = p.tenant_id AND u.person_id = p.id
      AND u.source_id = $1 AND u.deleted_at IS NOT NULL AND u.has_barred)
  AND NOT EXISTS (SELECT FROM identity.scim_user u WHERE u.tenant_id = p.tenant_id
                  AND u.person_id = p.id AND u.deleted_at IS NULL)
FOR UPDATE
"""
_FORGET = """
UPDATE identity.scim_user SET has_barred = false WHERE person_id = $1 AND deleted_at IS NOT NULL
"""
_PERSON = """
INSERT INTO identity.person (id, email, first_name, last_name, locale, department,
                             email_verified_at, created_at, updated_at, phone)
SELECT $1, $2::text, $3, $4, $5, $6, CASE WHEN EXISTS (
    SELECT FROM identity.scim_source s JOIN identity.sso_domain d
      ON d.tenant_id = s.tenant_id AND d.provider_id = s.provider_id
    WHERE s.id = $8 AND d.domain = lower(split_part($2::text, '@', 2))) THEN kernel.now() END,
    $7, $7,
    CASE WHEN NOT EXISTS (SELECT FROM identity.person o WHERE o.phone = $9::text) THEN $9 END
ON CONFLICT DO NOTHING
RETURNING version
"""
_USER = """
INSERT INTO identity.scim_user (id, source_id, person_id, user_name, external_id, data, is_active,
                                created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, true, $7, $7)
ON CONFLICT DO NOTHING
RETURNING id
"""


async def _add_user(call: Call, source_id: UUID, data: dict[str, Any]) -> UUID:
    data = {"active": True} | data
    account = account_of(data, was_active=True)
    now, chosen, person = clock.now(), ids.new(), ids.new()
    most = (await tenancy.operator(call)).max_users
    async with db.tx("identity", call) as tx:
        await in_line(tx, call)
        left = await tx.one(_LEFT, source_id, account.email)
        made = None
        if left is not None:
            person = left["id"]
            await _turn(tx, call, person, "blocked", "active")
            await tx.run(_FORGET, person)
            await tx.run(_FOLLOW, person, *_names(account), now, account.phone)
        else:
            await check_room(tx, most)
            made = await tx.one(
                _PERSON, person, account.email, *_names(account)[1:], now, source_id, account.phone
            )
            if made is None:
                raise NotUnique(scim_type="uniqueness")
        if not await tx.run(
            _USER,
            chosen,
            source_id,
            person,
            account.user_name,
            account.external_id,
            _json(data),
            now,
        ):
            raise NotUnique(scim_type="uniqueness")
        if made is not None:
            fact = UserRegistered(person, [])
            await events.emit(tx, call, f"person:{person}", made["version"], fact)
        await scim_roles.give(tx, call, source_id, [chosen])
        if not account.is_active:
            await _bar(tx, call, Held(chosen, person, data, True, False, 1))
    await _audit(call, source_id, "user_added", person)
    return chosen


def _json(data: dict[str, Any]) -> str:
    return msgspec.json.encode(data).decode()


def _names(account: Account) -> tuple[str | None, ...]:
    return (
        account.email,
        account.first_name,
        account.last_name,
        account.locale,
        account.department,
    )


_HELD = """
SELECT id, person_id, data, is_active, has_barred, version FROM identity.scim_user
WHERE source_id = $1 AND id = $2 AND deleted_at IS NULL FOR UPDATE
"""
_CHANGE = """
UPDATE identity.scim_user SET user_name = $2, external_id = $3, data = $4::jsonb,
    version = version + 1, updated_at = $5 WHERE id = $1
"""
# A number that somebody else has, such as the switchboard's, is nobody's way in; and a directory
# that names none takes none away.
_FOLLOW = """
WITH theirs AS (
    SELECT coalesce((SELECT $8::text WHERE NOT EXISTS (
        SELECT FROM identity.person o WHERE o.phone = $8 AND o.id <> $1)), phone) AS phone
    FROM identity.person WHERE id = $1
)
UPDATE identity.person p SET email = $2::text, first_name = $3, last_name = $4, locale = $5,
    department = $6, updated_at = $7,
    email_verified_at = CASE WHEN lower(email) = lower($2::text) THEN email_verified_at END,
    phone = theirs.phone,
    phone_verified_at = CASE WHEN p.phone = theirs.phone THEN phone_verified_at END
FROM theirs WHERE p.id = $1
"""


async def _change_user(
    call: Call, source_id: UUID, resource_id: UUID, version: str, turned: Any
) -> UUID:
    """``turned`` makes the new data of what is stored."""
    deed = "user_changed"
    try:
        async with db.tx("identity", call) as tx:
            await in_line(tx, call)
            held = await _held(tx, source_id, resource_id, version)
            data = turned(held)
            account = account_of(data, was_active=held.is_active)
            now = clock.now()
            await tx.run(_CHANGE, held.id, account.user_name, account.external_id, _json(data), now)
            await tx.run(_FOLLOW, held.person_id, *_names(account), now, account.phone)
            if held.is_active and not account.is_active:
                await _bar(tx, call, held)
                deed = "user_deactivated"
            elif account.is_active and not held.is_active:
                await _unbar(tx, call, held)
                deed = "user_activated"
    except Exception as error:
        if getattr(error, "sqlstate", None) == _TAKEN:
            raise NotUnique(scim_type="uniqueness") from None
        raise
    await _audit(call, source_id, deed, held.person_id)
    return resource_id


async def _held(tx: db.Tx, source_id: UUID, resource_id: UUID, version: str) -> Held:
    row = await tx.one(_HELD, source_id, resource_id)
    if row is None:
        raise NoResource
    _check_version(version, row["version"])
    return Held(**row)


def _check_version(asked: str, version: int) -> None:
    """``If-Match``: only if it is still what was read (RFC 7644, 3.14)."""
    known = [each.strip() for each in asked.split(",")]
    if asked and "*" not in known and queries.tag(version) not in known:
        raise Stale


_TURN = """
UPDATE identity.person SET status = $3, version = version + 1, updated_at = $4
WHERE id = $1 AND status = $2
RETURNING version
"""
_BARRED = "UPDATE identity.scim_user SET is_active = $2, has_barred = $3 WHERE id = $1"
# A directory bars whom it brought. An administrator made by somebody else is not its to bar.
_FOREIGN = """
SELECT r.role FROM identity.person_role r WHERE r.person_id = $1 AND r.role = 'admin'
  AND NOT EXISTS (SELECT FROM identity.sourced_role s
                  WHERE s.tenant_id = r.tenant_id AND s.person_id = $1 AND s.role = r.role)
"""
_IS_ADMIN = "SELECT FROM identity.person_role WHERE person_id = $1 AND role = 'admin'"


async def _turn(tx: db.Tx, call: Call, person: UUID, before: str, after: str) -> bool:
    turned = await tx.one(_TURN, person, before, after, clock.now())
    if turned is None:
        return False
    fact = UserBlocked(person) if after == "blocked" else UserUnblocked(person)
    await events.emit(tx, call, f"person:{person}", turned["version"], fact)
    return True


async def _bar(tx: db.Tx, call: Call, held: Held) -> None:
    if await tx.run(_FOREIGN, held.person_id):
        raise NotTheirs
    if await tx.run(_IS_ADMIN, held.person_id):
        await check_not_last_admin(tx, held.person_id)
    did = await _turn(tx, call, held.person_id, "active", "blocked")
    await tx.run(_BARRED, held.id, False, did or held.has_barred)
    await end_sessions(tx, call, BY_PERSON, held.person_id, reason="deprovisioned")


async def _unbar(tx: db.Tx, call: Call, held: Held) -> None:
    """Only its own bar: whom the operator's staff blocked as well stays blocked."""
    if held.has_barred:
        await _turn(tx, call, held.person_id, "blocked", "active")
    await tx.run(_BARRED, held.id, True, False)


_ADD_GROUP = """
INSERT INTO identity.scim_group (id, source_id, display_name, external_id, created_at, updated_at)
SELECT $1, $2, $3, $4, $5, $5
WHERE (SELECT count(*) FROM identity.scim_group WHERE source_id = $2) < 5000
RETURNING id
"""
_GROUP = """
SELECT id, version, display_name, external_id FROM identity.scim_group
WHERE source_id = $1 AND id = $2 FOR UPDATE
"""
_CHANGE_GROUP = """
UPDATE identity.scim_group SET display_name = $2, external_id = $3, version = version + 1,
    updated_at = $4 WHERE id = $1
"""
_KNOWN = """
SELECT id FROM identity.scim_user WHERE source_id = $1 AND deleted_at IS NULL AND id = ANY($2)
"""
_OUT = """
DELETE FROM identity.scim_member WHERE group_id = $1 AND user_id <> ALL($2) RETURNING user_id
"""
_IN = """
INSERT INTO identity.scim_member (group_id, user_id) SELECT $1, unnest($2::uuid[])
ON CONFLICT DO NOTHING RETURNING user_id
"""


async def _save_group(
    call: Call, source_id: UUID, resource_id: UUID | None, data: dict[str, Any], version: str
) -> UUID:
    name, external = str(data["displayName"]).strip(), data.get("externalId")
    if not 0 < len(name) <= 255 or len(external or "") > 255:
        raise refuse("displayName and externalId have at most 255 characters")
    members = {_user_id(each) for each in data.get("members", [])}
    chosen, now = resource_id or ids.new(), clock.now()
    async with db.tx("identity", call) as tx:
        await in_line(tx, call)
        if len(await tx.run(_KNOWN, source_id, list(members))) < len(members):
            raise refuse("a member is no user of this directory")
        renamed = False
        if resource_id is None:
            if not await tx.run(_ADD_GROUP, chosen, source_id, name, external, now):
                raise refuse("there are 5000 groups already", "tooMany")
        else:
            row = await tx.one(_GROUP, source_id, resource_id)
            if row is None:
                raise NoResource
            _check_version(version, row["version"])
            renamed = (row["display_name"], row["external_id"]) != (name, external)
            await tx.run(_CHANGE_GROUP, chosen, name, external, now)
        gone = {row["user_id"] for row in await tx.run(_OUT, chosen, list(members))}
        come = {row["user_id"] for row in await tx.run(_IN, chosen, list(members))}
        touched = gone | come | (members if renamed else set())
        if len(touched) <= scim_roles.AT_ONCE:
            await scim_roles.give(tx, call, source_id, touched)
    if len(touched) > scim_roles.AT_ONCE:
        await scim_roles.give_some(call, source_id, touched)
    await _audit(call, source_id, "group_saved", chosen)
    return chosen


def _user_id(member: dict[str, Any]) -> UUID:
    try:
        return ids.parse(str(member.get("value")), PREFIX["User"])
    except NotFound:
        raise refuse("a member is no user of this directory") from None


_DELETE = """
UPDATE identity.scim_user SET deleted_at = kernel.now(), version = version + 1, data = '{}',
    external_id = NULL WHERE id = $1
"""
_LEAVE = "DELETE FROM identity.scim_member WHERE user_id = $1"
_UNLINK = """
DELETE FROM identity.sso_link l USING identity.scim_source s
WHERE s.id = $2 AND l.tenant_id = s.tenant_id AND l.provider_id = s.provider_id AND l.person_id = $1
"""
_DELETE_GROUP = """
DELETE FROM identity.scim_group WHERE source_id = $1 AND id = $2 AND version = $3 RETURNING id
"""
_MEMBERS = "SELECT user_id FROM identity.scim_member WHERE group_id = $1"


async def remove_scim_resource(
    call: Call, source_id: UUID, kind: str, resource_id: UUID, version: str
) -> None:
    if kind == "Group":
        async with db.tx("identity", call) as tx:
            row = await tx.one(_GROUP, source_id, resource_id)
            if row is None:
                raise NoResource
            _check_version(version, row["version"])
            members = {each["user_id"] for each in await tx.run(_MEMBERS, resource_id)}
            await tx.run(_DELETE_GROUP, source_id, resource_id, row["version"])
        await scim_roles.give_some(call, source_id, members)
        await _audit(call, source_id, "group_removed", resource_id)
        return
    async with db.tx("identity", call) as tx:
        await in_line(tx, call)
        held = await _held(tx, source_id, resource_id, version)
        await _bar(tx, call, held)
        await tx.run(_LEAVE, held.id)
        await scim_roles.give(tx, call, source_id, [held.id])
        await tx.run(_UNLINK, held.person_id, source_id)
        await tx.run(_DELETE, held.id)
    await _audit(call, source_id, "user_removed", held.person_id)
