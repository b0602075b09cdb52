"""Vehicles: what they are, where they are, who holds them, what they are told and what they say.

Words: a *hold* is a lease on a vehicle for one rental, with an expiry; a *command* goes to a
vehicle and is *acknowledged* by it (signed), then *verified* by what its telemetry shows; a
vehicle is *connected* when it has a device that speaks to us, else it is opened by other means; to
*pair* is to give a device its key; *silent* is a connected vehicle not heard for five minutes, and
*stale* one not heard for two. A *device* is paired by its IMEI where it speaks another maker's
protocol. Tables: ``vehicle``, ``vehicle_key``, ``device``, ``command``, ``telemetry``.

Asks nobody. Hears ``rental.ended``, ``rental.cancelled``. Tells ``VehicleReserved``,
``VehicleUnlocked``, ``command.failed`` and ``vehicle.*``: created, changed, moved, paired,
unpaired, hold_extended, released, returned, locked, offline, online. Hints to waiting processes:
``fleet.command`` (something to send), ``fleet.command:<uuid>`` (that command changed),
``fleet.device:<IMEI>`` (paired, or not any more), ``fleet.cell:<tenant>:<H3 cell>`` (what is
available there changed).
"""
