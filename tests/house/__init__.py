"""The style of the house as tests: quick, on the text alone, and each tried on a bad sample.

A rule is a function that reads the house and yields what it finds wrong, one line each. It cannot
be declared without samples it must object to (``bad``) and a small house it must be content with
(``good``), so no rule rots unseen. ``test_house.py`` runs all of them, the rules stand in

    imports.py    who may import whom, and the one door of each driver
    rooms.py      the same furniture in every room, and what may stand in which piece
    sql.py        migrations and the wall around tenants
    writing.py    time, output, errors, length
    files.py      what may be committed

and ``.importlinter`` holds the stairs, tried in ``test_stairs.py``. What only a running database
can tell is tested elsewhere.
"""
