"""``fahrwerk up``: the whole platform on this machine, started, watched, healed and stopped.

The process of ``up`` only looks after others: PostgreSQL, broker, worker, HTTP and the simulated
city, each a process of its own. One that ends is started again, with growing pauses; Ctrl-C or
SIGTERM ends them in reverse order, the database last. Nothing survives ``up``, even when it is
killed: see ``leash``.

    run.py         the order of things: start, watch, stop
    processes.py   one process of ours, and PostgreSQL: start, has it ended, stop
    leash.py       how they notice that we are gone
    obstacles.py   what may stand in the way: another ``up``, a taken port
    screen.py      what a person sees

It is the demo and the developer's machine. In production something better looks after processes
(systemd, Kubernetes), and ``fahrwerk migrate``, ``serve`` and ``work`` are all it needs.
"""
