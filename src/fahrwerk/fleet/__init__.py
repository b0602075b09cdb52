"""Vehicles: what they are, where they are, who holds them, what they are told and what they say.

Words: a *hold* is a lease on a vehicle for one rental, with an expiry; a *command* goes to a
vehicle and is *acknowledged* by it (signed), then *verified* by what its telemetry shows; a
vehicle is *connected* when it speaks to us, else it is opened by other means. Tables: ``vehicle``,
``vehicle_key``, ``command``, ``telemetry``. Asks tenancy; tells ``VehicleReserved``,
``vehicle.released``, ``VehicleUnlocked``, ``vehicle.locked``, ``command.failed``,
``vehicle.offline``.
"""
