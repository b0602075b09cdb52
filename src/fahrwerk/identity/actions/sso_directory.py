"""Log-in by name and password at an LDAP directory; who guesses is slowed down as everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.actions import attempts
from fahrwerk.identity.actions import sso_people as people
from fahrwerk.identity.actions.sso import secret_of
from fahrwerk.identity.actions.sso_dry import teller
from fahrwerk.identity.contract.sso import Directory, Provider, Step, UnknownProvider
from fahrwerk.identity.protocols import ldap
from fahrwerk.identity.queries import sso as queries
from fahrwerk.identity.rules import sso as rules
from fahrwerk.kernel import settings

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.identity.contract import Client, Login
    from fahrwerk.identity.contract.pages import PageSession
    from fahrwerk.kernel.call import Call


async def log_in_by_directory(
    call: Call, provider_id: UUID, login: str, password: str, client: Client
) -> Login:
    person_id = await _admitted(call, provider_id, login, password)
    return await people.log_in_as(call, provider_id, person_id, client)


async def log_in_page_by_directory(
    call: Call, provider_id: UUID, login: str, password: str, device: str
) -> PageSession:
    person_id = await _admitted(call, provider_id, login, password)
    return await people.log_in_page_as(call, provider_id, person_id, device)


async def _admitted(call: Call, provider_id: UUID, login: str, password: str) -> UUID:
    provider, _ = await queries.with_secret(call, provider_id)
    if not provider.is_enabled or not isinstance(provider.protocol, Directory):
        raise UnknownProvider
    # Here, before the directory is asked: many of them bar an account after a few wrong tries.
    who = attempts.digest("ldap", provider_id, login.strip().lower()[: ldap.LONGEST])
    counted = await attempts.count(call, who)
    if counted.is_attack:
        raise rules.refused("credentials", "Name or password is wrong.")
    said = await said_by_directory(call, provider, login, password, [])
    await attempts.forgive(call, counted)
    return await people.admitted(call, provider, said)


async def said_by_directory(
    call: Call, provider: Provider, login: str, password: str, steps: list[Step]
) -> rules.Said:
    """What the directory says of who has this name and password."""
    if not isinstance(provider.protocol, Directory):
        raise UnknownProvider
    subject, claims = await ldap.found(
        provider.protocol, await secret_of(call, provider) or "", login, password,
        networks=queries.directory_networks(), is_dev=settings.load().dev, tell=teller(steps),
    )  # fmt: skip
    return rules.said(provider.mapping, provider.domains, provider.protocol.url, subject, claims)
