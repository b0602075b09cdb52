"""What an operator tells cities and trip planners in their own formats: GBFS, and MDS both ways.

Words: a *feed* is one file of GBFS, a *document* an encoded body, a *rotating id* what a vehicle is
called in public until its next trip. An *agency* is a city that reads MDS with a *token*; it is
*told* of events and trips within its area, and may have a *subscription*: a server of its own that
we push to. A *happening* is what fleet said of a vehicle, *placed* once it is known where that was.

Tables: ``setting``, ``check``; ``agency``, ``token``, ``subscription``, ``document`` (what a city
published, all versions); ``vehicle``, ``happening``, ``trip`` (what happened); ``told_vehicle``,
``told_event``, ``told_trip`` (what each agency knows), ``mds_check``, ``check_past``,
``check_turn``.

Asks tenancy, fleet, pricing and rentals; writes cities' policies to fleet as zones. Hears what
becomes of vehicles (``vehicle.*``, ``VehicleReserved``, ``VehicleUnlocked``) and ``rental.ended``.
Tells ``feeds.changed``, ``agency.added``, ``agency.changed``, ``agency.deleted``. Hints:
``feeds.setting:<tenant>``, ``feeds.vehicle``, ``feeds.trip``, ``feeds.subscription``,
``feeds.agency``, ``feeds.forget``.
"""
