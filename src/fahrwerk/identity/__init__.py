"""People: registration, login, sessions, roles and what each role may do.

Words: a *person* has an account with one operator; a *session* is one login and its line of refresh
tokens. Tables: ``person``, ``person_role``, ``session``, ``refresh_token``. Asks tenancy; tells
``user.registered``, ``user.blocked``, ``user.unblocked`` and ``session.revoked``. Tokens are signed
in ``kernel.crypto``, and refused at once when their session has ended (``ended_sessions``); single
sign-on will join beside the password in ``actions/log_in``.
"""
