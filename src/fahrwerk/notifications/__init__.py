"""Messages to people: booking confirmation and receipt by e-mail, in German and English.

Words: a *notice* is one message to one person, written when the event is heard and sent by a job;
a *letter* is what it says, put together only when it is sent; a *mail* is a letter kept in the
mailbox of the demo. Tables: ``notice``, ``mail``. Asks identity, tenancy and rentals; hears
``BookingConfirmed`` and ``rental.ended``; tells ``notification.sent`` and ``notification.failed``.
Without an SMTP server letters go to the mailbox, shown at ``/dev/mail``.
"""
