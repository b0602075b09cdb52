"""Money through gateways: methods, payments, attempts, captures, voids and refunds.

Words: a *payment* is what one rental owes; an *attempt* is one operation at the gateway (authorise,
capture, void, refund) in three phases: written as *sent*, called outside any transaction, written
with its result. *unknown* means the gateway did not say: a janitor asks again with the same key.
Tables: ``method``, ``payment``, ``attempt``, ``gateway_event``. Asks tenancy and identity; hears
``rental.ended`` and ``rental.cancelled``; tells ``PaymentAuthorized``, ``PaymentCompleted``,
``PaymentFailed``, ``payment.voided``, ``payment.refunded``.
"""
