"""Money through gateways, and the books: payments, attempts, refunds; accounts, journals, lots.

Words: a *payment* is what one rental owes; an *attempt* is one operation at the gateway (authorise,
capture, void, refund) in three phases: written as *sent*, called outside any transaction, written
with its result. *unknown* means the gateway did not say: a worker asks again with the same key. A
*case* is a payment with all its attempts; ``rules`` decides on it. The *hold* is authorised before
the ride, an *extra* what the ride cost beyond it. Tables: ``method``, ``payment``, ``attempt``,
``work``, ``gateway_event``, ``dispute``; those named ``sandbox_*`` stand for a remote gateway's own
books. An operator's own account at a gateway is in ``gateway_account`` (keys sealed), beside it
what the gateway calls our riders and orders: ``gateway_customer``, ``gateway_order``.

The *ledger* is double entry: a *journal* posts *entries* (debit positive) to *accounts* of the
chart in ``rules/ledger.py``; a *purse* is an owner's prepaid money, made of *lots*; its *holds* are
leases (here the hold of a payment is a gateway's, the hold of a purse is ours). Tables:
``account``, ``journal``, ``entry``, ``hold``, ``lot``, ``lot_use``.

Asks tenancy for the operator's tax rate; hears ``rental.ended`` and ``rental.cancelled``; tells
``PaymentAuthorized``, ``payment.captured``, ``PaymentCompleted``, ``PaymentFailed``,
``payment.pending``, ``payment.action_required``, ``payment.voided``, ``payment.refunded``,
``payment.refund_failed``, ``payment.disputed``, ``payment.dispute_changed``,
``ledger.hold_expired``, ``ledger.lot_expired``.
"""
