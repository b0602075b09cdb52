"""Messages to people: booking confirmation and receipt, and critical alerts to staff, by e-mail in
German and English.

Words: a *notice* is one message to one person, written when the event is heard and sent by a job;
a *letter* is what it says, put together only when it is sent; a *mail* is a letter kept in the
mailbox of the demo; a *digest* gathers alerts, so that an outage is one letter. Tables: ``notice``,
``mail``, ``alert_news``, ``alert_pace``. Asks identity, tenancy, fleet and rentals; hears
``BookingConfirmed``, ``rental.ended``, ``topup.credited``, ``topup.failed``, ``wallet.booked``,
``alert.raised``, ``alert.escalated``, ``proof.sent`` and ``security.noticed``; tells
``notification.sent`` and ``notification.failed``. Without an SMTP server letters go to the mailbox,
shown at ``/dev/mail``.
"""
