"""Operators: who runs a fleet here, in which currency, time zone, language and under which tax.

Words: an *operator* is a *tenant*; an *area* is a city, a *market* its rules with the time they
hold. Tables: ``operator``, ``domain``, ``brand``, ``area``, ``market``, ``setup_step``. Asks
nobody; tells ``operator.created``, ``operator.changed`` and ``operator.status_changed``.
``operator`` is not walled by tenant, because it is where tenants are looked up.
"""
