"""Prices: tariffs per operator and vehicle type, promotions, quotes and the rating of a ride.

Words: a *tariff* is what the operator set; *terms* are the tariff and promotion as agreed at the
start of one ride and kept with it (PRC-19); a *quote* estimates, a *rating* computes what a ride
cost. Tables: ``tariff``, ``promotion``, ``redemption``. Asks tenancy and fleet; hears
``operator.created`` and ``rental.ended``; tells ``tariff.changed`` and ``promotion.created``.
"""
