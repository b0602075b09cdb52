"""People: registration, login, sessions, roles and what each role may do.

Words: a *person* has an account with one operator; a *session* is one login and its line of refresh
tokens. Tables: ``person``, ``person_role``, ``session``, ``refresh_token``. Asks tenancy; tells
``user.registered``, ``user.blocked``, ``user.unblocked`` and ``session.revoked``. Tokens are signed
in ``kernel.crypto``, and refused at once when their session has ended (``ended_sessions``).

Ways in: ``proof`` and ``wish`` (links and codes), ``totp``, ``recovery_code``, ``passkey`` and
``challenge``. All of them end in ``actions/entrance.py``, where every session, of an app or of a
browser, is admitted. How they are guarded: ``failure``, ``attempt``, ``device``, ``device_proof``.
Programs have an ``api_key``. ``policy`` and ``id_check`` (adapters in ``providers/``) are what an
operator asks for. These tell ``proof.sent``, ``user.verified``, ``security.noticed`` and
``id_check.decided``.

Single sign-on (``sso_*``, adapters in ``protocols/``) and SCIM (``scim_*``) bring people of other
organisations in, and put them out. ``pages/`` is one's own account in a browser.

Privacy: ``consent`` and ``consent_text``, ``privacy_request`` and ``privacy_file`` (copies and
erasures), ``privacy_setting``, ``retention`` and ``retention_run``; an erasure tells
``person.erased``, and every room says in ``PERSONAL`` what it holds (``kernel.privacy``).
"""
