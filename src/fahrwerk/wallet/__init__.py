"""Prepaid balances of riders: top-up, auto top-up, usage, rides paid from the balance, statements.

Words: an *account* is one rider's; a *transaction* is what happened on it, *booked* once the ledger
has it; a *top-up* is a checkout session that ends credited, failed or expired; *usage* is what is
charged against the balance; a *strike* is a refused auto top-up. The money stands in the ledger of
payments (purse, lots, holds); this room asks it to move and keeps what riders see of it. Tables:
``account``, ``transaction``, ``topup``, ``ride``, ``setting``, ``work``; of *resellers*, who earn
a *commission* on what their customers load: ``reseller``, ``reseller_customer``, ``commission``,
``payout``. Asks payments, identity
and tenancy; hears ``PaymentAuthorized``, ``PaymentCompleted``, ``PaymentFailed``,
``payment.action_required``, ``payment.voided``, ``payment.refunded``, ``ledger.lot_expired``,
``rental.ended`` and ``rental.cancelled``;
tells ``wallet.booked``, ``wallet.changed``, ``topup.started``, ``topup.credited`` and
``topup.failed`` and ``reseller.payout_changed``.
"""
