"""Sends what is due: claim, ask, write, hand over, record. No transaction is open meanwhile.

At least once: a worker that dies between the server's "taken" and our record is followed by
another one, whose letter has the same Message-ID.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import structlog

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import alerts
from fahrwerk.identity import contract as identity
from fahrwerk.identity.contract.proofs import ProofLetter, proof_letter
from fahrwerk.kernel import clock, db, events, ids, jobs, money, settings
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import NotFound, Problem
from fahrwerk.notifications import actions, queries, rules
from fahrwerk.notifications.channels import Letter, NotNow, Refused, mailbox, sms, smtp
from fahrwerk.notifications.events import NotificationFailed, NotificationSent
from fahrwerk.notifications.templates import accounts, written
from fahrwerk.payments.contract import debts, sepa
from fahrwerk.rentals import contract as rentals
from fahrwerk.tenancy import contract as tenancy
from fahrwerk.wallet import contract as wallets

if TYPE_CHECKING:
    from fahrwerk.fleet.contract import Vehicle
    from fahrwerk.fleet.contract.alerts import AlertDetails
    from fahrwerk.kernel.call import Call
    from fahrwerk.rentals.contract import Details
    from fahrwerk.tenancy.contract import Operator

BATCH = 10
LEASE_S = 75
"""Longer than the slowest letter takes; then somebody else may try, within the 120 s of I8."""
log = structlog.get_logger()


class Due(msgspec.Struct, frozen=True):
    """A claimed notice; ``attempts`` counts this try and is our claim on it."""

    id: UUID
    tenant: UUID
    user_id: UUID
    template: str
    channel: str
    reference: UUID
    trace: str | None
    attempts: int


class Dropped(Exception):
    """There is nothing to say any more, or nobody to say it to."""


_CLAIM = f"""
UPDATE notifications.notice n
SET attempts = n.attempts + 1, due_at = kernel.now() + interval '{LEASE_S} seconds'
FROM (SELECT tenant_id, id FROM notifications.notice
      WHERE state = 'due' AND due_at <= kernel.now()
      ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED) AS next
WHERE n.tenant_id = next.tenant_id AND n.id = next.id
RETURNING n.id, n.tenant_id, n.user_id, n.template, n.channel, n.reference, n.trace, n.attempts
"""


@jobs.every(5, wake="notifications.notice")
async def send_due() -> bool:
    """Send a batch of due notices of all operators; True when there may be more."""
    house = system(None, "notifications")
    claimed = db.shaped(Due, await db.run("notifications", house, _CLAIM, BATCH))
    ends = await asyncio.gather(*map(_send, claimed), return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return len(claimed) == BATCH


@jobs.every(10, wake="notifications.alert")
async def write_digests() -> None:
    """Tell staff of critical alerts: at once, then no more often than every 15 minutes."""
    for tenant in await actions.operators_with_alert_news():
        await actions.write_digest(system(tenant, "notifications"))


async def _send(due: Due) -> None:
    call = system(due.tenant, "notifications", trace=due.trace)
    config = settings.load()
    try:
        letter, channel = await _letter(call, due, config.mail_from, config.address)
        if channel == "sms" and config.sms_url:
            await sms.send(call, letter, config.sms_url)
        elif channel == "email" and config.smtp_url:
            await smtp.send(call, letter, config.smtp_url)
        else:
            await mailbox.send(call, letter)
    except db.DatabaseDown:
        raise  # nothing can be recorded either: the lease runs out and the notice is due again
    except Dropped as why:
        await _drop(call, due, str(why))
    except NotFound as gone:
        await _drop(call, due, gone.error_code.lower())
    except Refused as why:
        await _fail(call, due, str(why))
    except (NotNow, Problem) as why:
        await _later(call, due, str(why))
    except Exception as error:
        log.error("letter failed", notice=str(due.id), template=due.template, exc_info=error)
        await _later(call, due, f"{type(error).__name__}: {error}")
    else:
        await _sent(call, due)


async def _letter(call: Call, due: Due, sender: str, address: str) -> tuple[Letter, str]:
    """Ask everyone concerned and write the letter; and which way it goes.

    Raises ``Dropped`` when none is wanted.
    """
    form, channel = accounts.file_of(due.template), due.channel
    about = _ABOUT.get(form, _ride)
    contact, operator, subject = await asyncio.gather(
        identity.contact(call, due.user_id), tenancy.operator(call), about(call, due)
    )
    # A link goes to the address it is to prove, which may not be the account's yet.
    to = subject.address if isinstance(subject, ProofLetter) else contact and contact.email
    if contact is not None and not to and form == accounts.NEWS:
        # What is about the account itself reaches those with only a phone number too.
        to, form, channel = contact.phone, accounts.SHORT_NEWS, "sms"
    if contact is None or not to:
        raise Dropped("no_contact" if contact is None else "no_email_address")
    lang = rules.language(contact.locale, operator.locale)
    # Who gave no name is not greeted by an address.
    has_name = contact.name not in (contact.email, contact.phone)
    name = rules.one_line(contact.name) if has_name else ""
    said = _SAY[accounts.file_of(due.template)](subject, operator, lang, address)
    facts = {"user_name": name, "operator": operator, **said}
    texts = written(form, lang, facts)
    letter = Letter(
        notice_id=due.id,
        user_id=due.user_id,
        template=due.template,
        sender=sender,
        sender_name=rules.one_line(operator.name),
        recipient=to,
        recipient_name=name,
        subject=texts.subject,
        text=texts.text,
        html=texts.html,
        language=lang,
        message_id=f"<{due.id}@{sender.rpartition('@')[2]}>",
        at=clock.now(),
    )
    return letter, channel


def _of_vehicle(vehicle: Vehicle, lang: str) -> dict[str, Any]:
    return {
        "vehicle": vehicle,
        "vehicle_word": rules.vehicle_word(vehicle.vehicle_type, lang),
        "vehicle_id": ids.public(fleet.PREFIX[vehicle.vehicle_type], vehicle.id),
    }


def _confirmation(about: Details, operator: Operator, lang: str, address: str) -> dict[str, Any]:
    """What a booking confirmation says (NTF-03); ``estimated_charge`` is the hold (C-19)."""
    rental, vehicle = about.rental, about.vehicle
    if rental.state == "cancelled":
        raise Dropped("booking_cancelled")
    amount = partial(money.formatted, currency=rental.terms.currency, locale=lang)
    location = rules.one_line(vehicle.address)
    if not location and vehicle.latitude is not None and vehicle.longitude is not None:
        location = f"{vehicle.latitude:.5f}, {vehicle.longitude:.5f}"
    until = rental.expires_at if rental.state == "confirmed" else None
    return {
        **_of_vehicle(vehicle, lang),
        "booking_id": ids.public("book", rental.id),
        "location": location,
        "start": rules.moment(rental.planned_start_at, operator.time_zone, lang),
        "unlock_until": until and rules.clock_time(until, operator.time_zone, lang),
        "minutes": rental.estimated_minutes,
        "estimated_price": amount(rental.estimated_minor),
        "estimated_charge": amount(rental.hold_minor),
    }


def _receipt(about: Details, operator: Operator, lang: str, address: str) -> dict[str, Any]:
    """What a receipt says (NTF-05). Raises ``NotNow`` while the ride has no end or no price."""
    rental = about.rental
    rating, started, ended = rental.rating, rental.started_at, rental.ended_at
    if rating is None or started is None or ended is None:
        raise NotNow("the ride is not rated yet")
    amount = partial(money.formatted, currency=rating.currency, locale=lang)
    zone = operator.time_zone
    off, bonus = rating.promo_discount_minor, rating.parking_bonus_minor
    return {
        **_of_vehicle(about.vehicle, lang),
        "booking_id": ids.public("rent", rental.id),
        "ride_day": rules.day(started, zone, lang),
        "started": rules.moment(started, zone, lang),
        "ended": rules.moment(ended, zone, lang),
        "duration": rules.span(int((ended - started).total_seconds()), lang),
        "distance": rules.distance(rental.distance_m, lang) if rental.distance_m else None,
        "rating": rating,
        "base_fee": amount(rating.base_fee_minor),
        "time_cost": amount(rating.time_cost_minor),
        "promotion": amount(off) if off else None,
        "parking_bonus": amount(bonus) if bonus else None,
        "tax": amount(rating.tax_minor),
        "tax_rate": rules.percent(rental.terms.tax_rate_bp, lang),
        "total": amount(rating.total_minor),
        "paid_with": about.payment.method_label if about.payment else None,
        "receipt_url": f"{address}{about.receipt_path}" if about.receipt_path else None,
    }


MOST_ALERTS = 20
"""In one letter; how many more there are is said."""


async def _ride(call: Call, due: Due) -> Details:
    return await rentals.details(call, due.reference)


class _TopupNews(msgspec.Struct, frozen=True):
    topup: wallets.Topup
    wallet: wallets.Wallet


async def _topup(call: Call, due: Due) -> _TopupNews:
    own = await wallets.wallet(call, due.user_id)
    return _TopupNews(await wallets.topup(call, due.reference), own)


def _topup_news(news: _TopupNews, operator: Operator, lang: str, address: str) -> dict[str, Any]:
    top, own = news.topup, news.wallet
    return {
        "amount": money.formatted(top.amount_minor, top.currency, lang),
        "bonus": money.formatted(top.bonus_minor, top.currency, lang) if top.bonus_minor else None,
        "balance": money.formatted(own.balance_minor, own.currency, lang),
        "reason": rules.refusal_words(top.reason, lang),
        "is_paused": own.auto.paused is not None,
        "topup_id": ids.public(wallets.TOPUP_PREFIX, top.id),
    }


async def _low(call: Call, due: Due) -> wallets.Wallet:
    """The account whose balance has become low. Raises ``Dropped`` when it is not any more."""
    own = await wallets.wallet(call, due.user_id)
    if not own.is_low:
        raise Dropped("balance_not_low")
    return own


def _low_news(own: wallets.Wallet, operator: Operator, lang: str, address: str) -> dict[str, Any]:
    auto = own.auto
    return {
        "balance": money.formatted(own.available_minor, own.currency, lang),
        "auto": money.formatted(auto.amount_minor, own.currency, lang)
        if auto.is_on and auto.paused is None
        else None,
    }


class _DebtNews(msgspec.Struct, frozen=True):
    debt: debts.Debt
    step: debts.DebtStep


async def _debt(call: Call, due: Due) -> _DebtNews:
    """The debt and the step it is about. Raises ``Dropped`` when it is paid."""
    step = await debts.debt_step(call, due.reference)
    found = await debts.debt(call, step.debt_id)
    if found.state != "open":
        raise Dropped("debt_closed")
    return _DebtNews(found, step)


def _debt_news(news: _DebtNews, operator: Operator, lang: str, address: str) -> dict[str, Any]:
    debt, step = news.debt, news.step
    return {
        "amount": money.formatted(debt.owed_minor, debt.currency, lang),
        "fee": money.formatted(step.fee_minor, debt.currency, lang) if step.fee_minor else None,
        "reason": rules.refusal_words(debt.reason, lang),
        "number": step.number,
        "booking_id": ids.public("rent", debt.reference),
        "opened": rules.day(debt.opened_at, operator.time_zone, lang),
    }


async def _debit(call: Call, due: Due) -> sepa.AnnouncedDebit:
    """The debit that is announced. Raises ``Dropped`` when it is not coming any more."""
    found = await sepa.announced_debit(call, due.reference)
    if not found.is_coming:
        raise Dropped("debit_over")
    return found


def _debit_news(
    debit: sepa.AnnouncedDebit, operator: Operator, lang: str, address: str
) -> dict[str, Any]:
    return {
        "amount": money.formatted(debit.amount_minor, debit.currency, lang),
        "collect_on": rules.date_words(debit.collect_on, lang),
        "creditor": rules.one_line(debit.creditor),
        "debit": debit,
        "payment_id": ids.public("pay", debit.payment_id) if debit.payment_id else None,
    }


async def _alerts(call: Call, due: Due) -> list[AlertDetails]:
    """Alerts of a digest that nobody has dealt with. Raises ``Dropped`` when there are none."""
    known = await queries.alerts_in_digest(call, due.reference, 10 * MOST_ALERTS)
    found = [await alerts.alert_details(call, each) for each in known]
    if not (waiting := [each for each in found if each.alert.state == "open"]):
        raise Dropped("alerts_over")
    return waiting


def _digest(
    found: list[AlertDetails], operator: Operator, lang: str, address: str
) -> dict[str, Any]:
    """What a letter about alerts says: each with its vehicle, or how many there are."""
    lines = [
        {
            "what": rules.alert_words(each.alert.kind, lang),
            "vehicle": rules.one_line(each.alert.identifier),
            "vehicles": each.alert.vehicles,
            "since": rules.moment(each.alert.raised_at, operator.time_zone, lang),
        }
        for each in found[:MOST_ALERTS]
    ]
    return {"alerts": lines, "count": len(found), "more": len(found) - len(lines)}


async def _proof(call: Call, due: Due) -> ProofLetter:
    """The link and the code. Raises ``Dropped`` when they are used or expired by now."""
    if (found := await proof_letter(call, due.reference)) is None:
        raise Dropped("link_over")
    return found


def _link(letter: ProofLetter, operator: Operator, lang: str, address: str) -> dict[str, Any]:
    words = accounts.link_words(letter.purpose, lang)
    return {
        "words": words,
        "link": letter.link,
        "code": letter.code,
        "good_for": rules.span(letter.minutes * 60, lang),
        "new_address": rules.one_line(letter.new_address) if letter.new_address else None,
    }


async def _security(call: Call, due: Due) -> str:
    return due.template


def _security_news(template: str, operator: Operator, lang: str, address: str) -> dict[str, Any]:
    return {
        "words": accounts.security_words(template, lang),
        "at": rules.moment(clock.now(), operator.time_zone, lang),
        "help_url": f"{address}/account/forgot",
    }


_About = Callable[["Call", Due], Awaitable[Any]]
_ABOUT: dict[str, _About] = {
    "AlertDigest": _alerts,
    "AutoTopupDone": _topup,
    "AutoTopupFailed": _topup,
    "BalanceLow": _low,
    "AccountLink": _proof,
    "AccountSms": _proof,
    "SecurityNews": _security,
    "DebtNotice": _debt,
    "DebitNotice": _debit,
}
"""What a letter is about; any other is about a ride."""
_SAY: dict[str, Callable[[Any, Operator, str, str], dict[str, Any]]] = {
    "BookingConfirmation": _confirmation,
    "RideReceipt": _receipt,
    "AlertDigest": _digest,
    "AutoTopupDone": _topup_news,
    "AutoTopupFailed": _topup_news,
    "BalanceLow": _low_news,
    "AccountLink": _link,
    "AccountSms": _link,
    "SecurityNews": _security_news,
    "DebtNotice": _debt_news,
    "DebitNotice": _debit_news,
}


# Only a notice still due is ended, and its one event is written with it.
_END = f"""
WITH ended AS (
    UPDATE notifications.notice
    SET state = $2, reason = $3, sent_at = $4, version = version + 1
    WHERE tenant_id = kernel.tenant() AND id = $1 AND state = 'due'
    RETURNING id, version
)
{events.INSERT}
SELECT 'notice:' || id, version, $5, $6, $7::jsonb, $8, $9 FROM ended
"""


async def _sent(call: Call, due: Due) -> None:
    """It is out, whoever else has claimed it meanwhile."""
    fact = NotificationSent(due.id, due.user_id, due.template, due.channel)
    told = events.columns(call, fact)
    await db.run("notifications", call, _END, due.id, "sent", None, clock.now(), *told)


async def _fail(call: Call, due: Due, reason: str) -> None:
    log.warning("notice failed", notice=str(due.id), template=due.template, reason=reason)
    fact = NotificationFailed(due.id, due.user_id, due.template, due.channel, reason[:500])
    told = events.columns(call, fact)
    await db.run("notifications", call, _END, due.id, "failed", reason[:500], None, *told)


_PAUSE = """
UPDATE notifications.notice
SET reason = $3, due_at = kernel.now() + make_interval(secs => $4)
WHERE tenant_id = kernel.tenant() AND id = $1 AND state = 'due' AND attempts = $2
"""


async def _later(call: Call, due: Due, reason: str) -> None:
    """Try again after a pause that grows, or give up and keep the reason."""
    pause = rules.pause_s(due.attempts)
    if pause is None:
        await _fail(call, due, reason)
    else:
        args = (due.id, due.attempts, reason[:500], float(pause))
        await db.run("notifications", call, _PAUSE, *args)


_DROP = """
UPDATE notifications.notice SET state = 'dropped', reason = $2
WHERE tenant_id = kernel.tenant() AND id = $1 AND state = 'due'
"""


async def _drop(call: Call, due: Due, reason: str) -> None:
    await db.run("notifications", call, _DROP, due.id, reason)
