"""Vehicles: what they are, where they are, who holds them, what they are told and what they say.

Words: a *hold* is a lease on a vehicle for one rental, with an expiry; a *command* goes to a
vehicle and is *acknowledged* by it (signed), then *verified* by what its telemetry shows; a
vehicle is *connected* when it has a device that speaks to us, else it is opened by other means; to
*pair* is to give a device its key; *silent* is a connected vehicle not heard for five minutes, and
*stale* one not heard for two. A *device* is paired by its IMEI where it speaks another maker's
protocol; one that speaks and is not paired is a *stranger*.

Tables, by subject (each has a page in docs/):

- vehicles and devices: ``vehicle vehicle_group vehicle_key vehicle_version device stranger
  link_problem command``
- telemetry: ``telemetry``, ``intake`` (what was heard of each vehicle), ``ingest_seat`` (who
  listens to which)
- zones: ``zone zone_version zone_stamp zone_limit zone_bundle``
- battery: ``battery_threshold battery_change battery_plan battery_stop``
- maintenance: ``ride downtime service_interval ticket ticket_part fault_report maintenance_record``
- alerts: ``alert alert_entry alert_silence alert_watch alert_condition alert_trace``
- work on many vehicles: ``bulk_job bulk_item``

Asks identity whose session has ended, and tenancy for an operator's time zone. Hears
``rental.ended``, ``rental.cancelled``. Tells ``VehicleReserved``, ``VehicleUnlocked``,
``command.failed``, ``zone.changed``, ``battery.*``, ``maintenance.*``, ``alert.*``,
``vehicle_group.changed`` and ``vehicle.*``: created, changed, moved, paired, unpaired,
hold_extended, released, returned, locked, offline, online, battery_critical, battery_changed.

Hints to waiting processes: ``fleet.command`` (something to send), ``fleet.command:<uuid>`` (that
command changed), ``fleet.zones:<tenant>``, ``fleet.alert:<tenant>``, ``fleet.battery`` and
``fleet.bulk`` (changed, or to be done), ``fleet.device:<IMEI>`` (paired, or not any more),
``fleet.cell:<tenant>:<H3 cell>`` (what is available there changed).
"""
