"""The ride: search, booking, ride, receipt.

Words: one aggregate with two entrances. A *booking* is the rental before the vehicle is unlocked
(pending, then confirmed), a *ride* what follows (in_progress, completed); ``/bookings`` and
``/rentals`` are two views of it. Table: ``rental``; ``rental_event`` is a view on the event log.
Asks fleet, pricing, payments, identity, tenancy; hears ``VehicleUnlocked``, ``vehicle.released``,
``PaymentAuthorized``, ``PaymentFailed``; tells ``rental.reserved``, ``BookingConfirmed``,
``rental.started``, ``rental.ended``, ``rental.cancelled``.
"""
