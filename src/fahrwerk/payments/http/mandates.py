"""SEPA mandates over HTTP: riders sign, amend and revoke their own; staff look after all."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta

from fahrwerk.kernel import clock, ids, web
from fahrwerk.payments.contract import mandates as doors
from fahrwerk.payments.gateways.sepa import TOKEN

State = Literal["pending", "active", "blocked", "ended", "revoked", "expired"]
Iban = Annotated[str, Meta(min_length=15, max_length=50, examples=["DE89 3704 0044 0532 0130 00"])]
Bic = Annotated[str, Meta(min_length=8, max_length=11, examples=["COBADEFFXXX"])]
Holder = Annotated[str, Meta(min_length=2, max_length=70, examples=["Ada Lovelace"])]


class MandateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The account to be debited, and the version of the text the rider agreed to."""

    iban: Iban
    holder: Holder
    agreed_text: Annotated[str, Meta(min_length=1, max_length=40, examples=["2026-11/2"])]
    """`version` of `GET /api/v1/payments/sepa/mandate-text`."""
    bic: Bic | None = None
    scheme: Literal["CORE", "B2B"] = "CORE"
    one_off: bool = False
    make_default: bool = False

    def __repr__(self) -> str:
        return "MandateRequest()"


class AmendmentRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rider's new account."""

    iban: Iban
    bic: Bic | None = None
    holder: Holder | None = None
    """Not given: as before."""

    def __repr__(self) -> str:
        return "AmendmentRequest()"


class MandateTextView(msgspec.Struct, frozen=True):
    """What the rider is to agree to, in their language."""

    version: str
    text: str
    creditor: str
    creditor_id: str


class MandateView(msgspec.Struct, frozen=True, kw_only=True):
    """A mandate; the account is masked (PAY-24)."""

    id: str
    """Also the `gateway_token` with which a confirmed B2B mandate is stored as a method."""
    user_id: str
    reference: str
    creditor_id: str
    scheme: str
    one_off: bool
    iban: str
    bic: str | None
    status: str
    """pending, active, blocked, ended, revoked, expired"""
    reason: str | None
    signed_at: str
    signed_text: str
    signed_from: str
    last_used_on: str | None
    payment_method_id: str | None


class OwnMandatesView(msgspec.Struct, frozen=True):
    """All mandates of the caller, newest first."""

    mandates: list[MandateView]


class MandatesView(msgspec.Struct, frozen=True):
    """A page of mandates, newest first."""

    mandates: list[MandateView]
    pagination: web.Pagination


@get(
    "/api/v1/payments/sepa/mandate-text", permission="payments.method.read", tags=["payments"]
)  # fmt: skip
async def get_mandate_text(call: web.Caller) -> MandateTextView:
    """The text of a mandate: to be shown to the rider, whose consent names its version.

    409 ``NO_PAYMENT_GATEWAY`` while the operator does not collect by SEPA.
    """
    offer = await doors.mandate_offer(call)
    return MandateTextView(offer.version, offer.text, offer.creditor, offer.creditor_id)


@post(
    "/api/v1/payments/sepa/mandates",
    permission="payments.method.write",
    unkeyed=True,
    status_code=201,
    tags=["payments"],
)
async def post_mandate(call: web.Caller, data: JSONBody[MandateRequest]) -> MandateView:
    """Sign a SEPA mandate: it becomes a payment method (PAY-33).

    The same account again answers the mandate there is; one for companies (B2B) is a method when
    the rider's bank has confirmed it.
    """
    wanted = doors.NewMandate(
        iban=data.iban,
        holder=data.holder,
        agreed_text=data.agreed_text,
        bic=data.bic,
        scheme=data.scheme,
        is_one_off=data.one_off,
        make_default=data.make_default,
    )
    return _view(await doors.sign_mandate(call, wanted))


@get("/api/v1/payments/sepa/mandates", permission="payments.method.read", tags=["payments"])
async def list_own_mandates(call: web.Caller) -> OwnMandatesView:
    """The caller's mandates."""
    return OwnMandatesView([_view(each) for each in await doors.own_mandates(call)])


@post(
    "/api/v1/payments/sepa/mandates/{mandate_id:str}/amend",
    permission="payments.method.write",
    unkeyed=True,
    status_code=200,
    tags=["payments"],
)
async def post_amendment(
    call: web.Caller, mandate_id: FromPath[str], data: JSONBody[AmendmentRequest]
) -> MandateView:
    """The account has changed: the mandate stays, and the next debit tells the banks."""
    found = await doors.amend_mandate(
        call, ids.parse(mandate_id, TOKEN), data.iban, data.bic, data.holder
    )
    return _view(found)


@post(
    "/api/v1/payments/sepa/mandates/{mandate_id:str}/revoke",
    permission="payments.method.write",
    while_suspended=True,
    status_code=200,
    tags=["payments"],
)
async def post_revocation(call: web.Caller, mandate_id: FromPath[str]) -> MandateView:
    """Nothing more is debited; what the bank has not got yet is to be paid in another way."""
    return _view(await doors.revoke_mandate(call, ids.parse(mandate_id, TOKEN)))


@post(
    "/api/v1/payments/sepa/mandates/{mandate_id:str}/confirm",
    permission="payments.mandate.write_any",
    status_code=200,
    tags=["payments"],
)
async def post_confirmation(call: web.Caller, mandate_id: FromPath[str]) -> MandateView:
    """The rider's bank has confirmed this mandate (B2B)."""
    return _view(await doors.confirm_mandate(call, ids.parse(mandate_id, TOKEN)))


@get(
    "/api/v1/payments/sepa/all-mandates", permission="payments.mandate.read_any", tags=["payments"]
)  # fmt: skip
async def list_mandates(
    call: web.Caller,
    user_id: FromQuery[str | None] = None,
    status: Annotated[State | None, QueryParameter(name="status")] = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> MandatesView:
    """Everybody's mandates, newest first."""
    rider = None if user_id is None else ids.parse(user_id, "usr")
    page = await doors.mandates(call, rider, status, limit, offset)
    rows = [_view(each) for each in page.mandates]
    return MandatesView(rows, web.pagination(page.total, limit, offset, len(rows)))


def _view(found: doors.Mandate) -> MandateView:
    return MandateView(
        id=ids.public(TOKEN, found.id),
        user_id=ids.public("usr", found.rider_id),
        reference=found.reference,
        creditor_id=found.creditor_id,
        scheme=found.scheme,
        one_off=found.is_one_off,
        iban=found.iban_masked,
        bic=found.bic,
        status=found.state,
        reason=found.reason,
        signed_at=clock.stamp(found.signed_at),
        signed_text=found.signed_text,
        signed_from=found.signed_from,
        last_used_on=None if found.last_used_on is None else found.last_used_on.isoformat(),
        payment_method_id=None if found.method_id is None else ids.public("pm", found.method_id),
    )


handlers = [
    get_mandate_text,
    post_mandate,
    list_own_mandates,
    post_amendment,
    post_revocation,
    post_confirmation,
    list_mandates,
]
