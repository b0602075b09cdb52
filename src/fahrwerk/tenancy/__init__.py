"""Operators: who runs a fleet here, in which currency, time zone, language and under which tax.

Words: an *operator* is a *tenant*. Table: ``tenancy.operator``. Asks nobody; tells
``operator.created`` and ``operator.changed``. It is the only room whose table is not walled by
tenant, because it is where tenants are looked up.
"""
