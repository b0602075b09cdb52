"""What an operator tells cities and trip planners, in their own formats: GBFS 3.0 and 2.3.

Words: a *feed* is one file of a format (``vehicle_status``), a *document* its encoded body, a
*rotating id* what a vehicle is called in public until its next trip. Tables: ``setting``, ``check``
(what the last self-check found). Asks tenancy, fleet and pricing; hears nothing; tells
``feeds.changed``. One projection (``rules``) is written down once per version by the adapters in
``protocols``.
"""
