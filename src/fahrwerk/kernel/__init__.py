"""The ground floor: what every room stands on. Knows no room; one file, one job.

Database, events, doors between rooms, HTTP, jobs, clock, money, ids and the rest of the house's
plumbing. A room imports from here; nothing here imports a room.
"""
