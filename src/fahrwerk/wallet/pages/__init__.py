"""The rider's portal: balance, top-ups, transactions, payment methods (WAL-03..09, WAL-34)."""

from __future__ import annotations

from fahrwerk.site.contract import shell
from fahrwerk.wallet.pages import account, debts, overview, topup

for path, label, permission in (
    ("/portal/", "Balance", "wallet.account.read"),
    ("/portal/transactions", "Transactions", "wallet.account.read"),
    ("/portal/billing", "Billing", "wallet.topup.create"),
    ("/portal/usage", "Usage", "wallet.account.read"),
    ("/portal/methods", "Payment methods", "payments.method.read"),
    ("/portal/debts", "Open amounts", "payments.payment.read"),
):
    shell.offer(path, label, permission)

handlers = [*overview.handlers, *topup.handlers, *account.handlers, *debts.handlers]
