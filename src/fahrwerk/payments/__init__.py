"""Money through gateways: methods, payments, attempts, captures, voids and refunds.

Words: a *payment* is what one rental owes; an *attempt* is one operation at the gateway (authorise,
capture, void, refund) in three phases: written as *sent*, called outside any transaction, written
with its result. *unknown* means the gateway did not say: a worker asks again with the same key. A
*case* is a payment with all its attempts; ``rules`` decides on it. The *hold* is authorised before
the ride, an *extra* what the ride cost beyond it. Tables: ``method``, ``payment``, ``attempt``,
``work``, ``gateway_event``; those named ``sandbox_*`` stand for a remote gateway's own books. Asks
nobody; hears ``rental.ended`` and ``rental.cancelled``; tells ``PaymentAuthorized``,
``PaymentCompleted``, ``PaymentFailed``, ``payment.pending``, ``payment.action_required``,
``payment.voided``, ``payment.refunded``.
"""
