"""People: registration, login, sessions, roles and what each role may do.

Words: a *person* has an account with one operator; a *session* is one login and its line of refresh
tokens. Tables: ``person``, ``person_role``, ``session``, ``refresh_token``. Asks tenancy; tells
``user.registered``, ``user.blocked``, ``user.unblocked`` and ``session.revoked``. Tokens are signed
in ``kernel.crypto``, and refused at once when their session has ended (``ended_sessions``).
Single sign-on (``sso_*`` tables, adapters in ``protocols/``) and SCIM (``scim_*``) bring people of
other organisations in, and put them out. Ways in and how they are guarded: ``proof`` and ``wish``
(links and codes), ``totp``, ``recovery_code``, ``challenge``, ``passkey``, ``failure``,
``attempt``,
``device``; programs have an ``api_key``; ``id_check`` (adapters in ``providers/``) and ``policy``
are
what an operator asks for. These tell ``proof.sent``, ``user.verified``, ``security.noticed`` and
``id_check.decided``.
"""
