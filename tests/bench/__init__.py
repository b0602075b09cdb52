"""``make bench``: what the platform does on this machine, as ratios measured in one run.

    .venv/bin/python -m tests.bench                    everything
    .venv/bin/python -m tests.bench search booking     some of it
    .venv/bin/python -m tests.bench --quick            while developing

PostgreSQL at its default durability, the platform's own processes and the load generator share the
machine. Prints a table, writes ``var/bench/<time>.json`` and ends with 1 when a floor (``floors``)
is missed. docs/performance.md says what the figures mean. No test asserts a time.
"""
