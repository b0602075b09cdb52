"""The ride: search, booking, ride, receipt.

Words: one aggregate with two entrances. A *booking* is the rental before the vehicle is unlocked
(pending, then confirmed), a *ride* what follows (in_progress, completed); ``/bookings`` and
``/rentals`` are two views of it. A *deadline* is when a worker looks at a rental next; a *seat* is
one of the places a rider has for rentals at a time. Tables: ``rental``, ``deadline``,
``end_photo``; ``rental_event`` is a view on the event log. Asks fleet, pricing, payments, identity,
tenancy; hears ``VehicleUnlocked``, ``vehicle.released``, ``PaymentAuthorized``, ``PaymentFailed``;
tells ``rental.reserved``, ``BookingConfirmed``, ``rental.started``, ``rental.ended``,
``rental.cancelled``.
"""
