"""Second factors of one's own account: the authenticator app, recovery codes, passkeys."""

from __future__ import annotations

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from fahrwerk.identity.contract import factors, passkeys
from fahrwerk.identity.http.accounts import NOT_KEPT
from fahrwerk.identity.http.own import Label
from fahrwerk.identity.http.ways_in import (
    AppSetup,
    Ceremony,
    Code,
    Credential,
    Host,
    Token,
    small,
)
from fahrwerk.kernel import clock, ids, web


class AppCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code of the authenticator app."""

    code: Code


class RecoveryCodes(msgspec.Struct, frozen=True):
    """Ways in without the app: shown once, each good once."""

    recovery_codes: list[str]


class PasskeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """One passkey; ``is_suspected``: its counter went back, it does not log in any more."""

    id: str
    name: str
    rp_id: str
    is_synced: bool
    is_suspected: bool
    created_at: str
    last_used_at: str | None


class PasskeysShown(msgspec.Struct, frozen=True):
    """All passkeys of a person, at most 25."""

    passkeys: list[PasskeyShown]


class NewPasskey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The browser's answer to the options."""

    challenge: Token
    credential: Credential
    name: Label = "Passkey"


class PasskeyName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to call it."""

    name: Label


def _passkey(passkey: passkeys.Passkey) -> PasskeyShown:
    return PasskeyShown(
        id=ids.public(passkeys.PASSKEY_PREFIX, passkey.id),
        name=passkey.name,
        rp_id=passkey.rp_id,
        is_synced=passkey.is_synced,
        is_suspected=passkey.is_suspected,
        created_at=clock.stamp(passkey.created_at),
        last_used_at=clock.stamp(passkey.last_used_at) if passkey.last_used_at else None,
    )


@post(
    "/api/v1/me/totp",
    permission="identity.self",
    limit="auth",
    unkeyed=True,
    status_code=200,
    tags=["identity"],
)
async def begin_totp(call: web.Caller) -> Response[AppSetup]:
    """Set up an authenticator app; it counts when its first code is confirmed."""
    made = await factors.begin_totp(call)
    return Response(AppSetup(made.secret, made.uri, made.qr_svg), headers=NOT_KEPT)


@post(
    "/api/v1/me/totp/confirm",
    permission="identity.self",
    limit="auth",
    unkeyed=True,
    status_code=200,
    tags=["identity"],
)
async def confirm_totp(call: web.Caller, data: JSONBody[AppCode]) -> Response[RecoveryCodes]:
    """The app's first code; from now on log-in asks for one. Answers ten recovery codes."""
    codes = await factors.confirm_totp(call, data.code)
    return Response(RecoveryCodes(codes), headers=NOT_KEPT)


@delete("/api/v1/me/totp", permission="identity.self", limit="auth", tags=["identity"])
async def remove_totp(call: web.Caller) -> None:
    """Do without the app and its recovery codes."""
    await factors.remove_totp(call)


@post(
    "/api/v1/me/recovery-codes",
    permission="identity.self",
    limit="auth",
    unkeyed=True,
    status_code=200,
    tags=["identity"],
)
async def new_recovery_codes(call: web.Caller) -> Response[RecoveryCodes]:
    """Ten new recovery codes; those of before are worth nothing."""
    codes = await factors.new_recovery_codes(call)
    return Response(RecoveryCodes(codes), headers=NOT_KEPT)


@get("/api/v1/me/passkeys", permission="identity.self", tags=["identity"])
async def list_passkeys(call: web.Caller) -> PasskeysShown:
    """Your passkeys, oldest first."""
    return PasskeysShown([_passkey(each) for each in await passkeys.passkeys(call)])


@post(
    "/api/v1/me/passkeys/options",
    permission="identity.self",
    limit="auth",
    unkeyed=True,
    status_code=200,
    tags=["identity"],
)
async def begin_passkey(call: web.Caller, host: Host = "") -> Response[Ceremony]:
    """What the browser needs to make a passkey for this host."""
    made = await passkeys.begin_passkey(call, host)
    return Response(Ceremony(made.challenge, made.options), headers=NOT_KEPT)


@post(
    "/api/v1/me/passkeys",
    permission="identity.self",
    limit="auth",
    unkeyed=True,
    status_code=201,
    tags=["identity"],
)
async def add_passkey(call: web.Caller, data: JSONBody[NewPasskey]) -> PasskeyShown:
    """Add the passkey the browser has made. 401 ``PASSKEY_REFUSED``, 409
    ``PASSKEY_ALREADY_THERE``."""
    credential = small(data.credential)
    return _passkey(await passkeys.add_passkey(call, data.challenge, data.name, credential))


@patch("/api/v1/me/passkeys/{passkey_id:str}", permission="identity.self", tags=["identity"])
async def rename_passkey(
    call: web.Caller, passkey_id: FromPath[str], data: JSONBody[PasskeyName]
) -> PasskeyShown:
    """Give a passkey another name."""
    found = ids.parse(passkey_id, passkeys.PASSKEY_PREFIX)
    return _passkey(await passkeys.rename_passkey(call, found, data.name))


@delete("/api/v1/me/passkeys/{passkey_id:str}", permission="identity.self", tags=["identity"])
async def delete_passkey(call: web.Caller, passkey_id: FromPath[str]) -> None:
    """Do without a passkey."""
    await passkeys.delete_passkey(call, ids.parse(passkey_id, passkeys.PASSKEY_PREFIX))


handlers = [
    begin_totp,
    confirm_totp,
    remove_totp,
    new_recovery_codes,
    list_passkeys,
    begin_passkey,
    add_passkey,
    rename_passkey,
    delete_passkey,
]
