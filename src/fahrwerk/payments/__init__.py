"""Money through gateways, and the books: payments, attempts, refunds; accounts, journals, lots.

Words: a *payment* is what one rental owes; an *attempt* is one operation at the gateway (authorise,
capture, void, refund) in three phases: written as *sent*, called outside any transaction, written
with its result. *unknown* means the gateway did not say: a worker asks again with the same key. A
*case* is a payment with all its attempts; ``rules`` decides on it. The *hold* is authorised before
the ride, an *extra* what the ride cost beyond it. Tables: ``method``, ``payment``, ``attempt``,
``work``, ``gateway_event``, ``dispute``; those named ``sandbox_*`` stand for a remote gateway's own
books. An operator's own account at a gateway is in ``gateway_account`` (keys sealed), beside it
what the gateway calls our riders and orders: ``gateway_customer``, ``gateway_order``. It may be
*connected* to the platform's own account, which then takes a *platform fee* of each capture.

A *promise* is an authorisation that reserves nothing: a bank account, debited for what the ride
cost; that capture is *processing* for days, then done, declined, and later maybe *returned*. An
*open item* is money in suspense that waits for a person.

By SEPA direct debit (docs/sepa.md) a *mandate* is a method; an *order* is what the bank is to move,
a *run* a file for it, a *line* a movement on its statement. Tables: ``sepa_settings``,
``sepa_mandate``, ``sepa_order``, ``sepa_run``, ``sepa_statement``, ``sepa_line``.

The *ledger* is double entry: a *journal* posts *entries* (debit positive) to *accounts* of the
chart in ``rules/ledger.py``; a *purse* is an owner's prepaid money, made of *lots*; its *holds* are
leases (here the hold of a payment is a gateway's, the hold of a purse is ours). Tables:
``account``, ``journal``, ``entry``, ``hold``, ``lot``, ``lot_use``.

A *debt* is a ride that could not be collected, a *step* what its dunning did; *evidence* is what an
operator says against a dispute; a *page* is a gateway's, where a rider pays; a *difference* is
where a gateway's own list is not ours; an *answer* is what staff did about a failed refund. Tables:
``debt``, ``debt_step``, ``dunning``, ``evidence``, ``transfer``, ``difference``, ``comparison``,
``refund_answer``.

Asks tenancy for the operator's tax rate; hears ``rental.ended`` and ``rental.cancelled``; tells
``PaymentAuthorized``, ``payment.processing``, ``payment.captured``, ``PaymentCompleted``,
``PaymentFailed``, ``payment.pending``, ``payment.action_required``, ``payment.voided``,
``payment.refunded``, ``payment.refund_failed``, ``payment.disputed``, ``payment.dispute_changed``,
``payment.returned``, ``sepa.debit_announced``, ``mandate.changed``, ``payment.dispute_money``,
``payment.dispute_owed``, ``payment.evidence_given``, ``payment.fee_charged``,
``payment.fee_kept``,
``payment.written_off``, ``debt.opened``, ``debt.reminded``, ``debt.closed``,
``ledger.hold_expired``, ``ledger.lot_expired``.
"""
