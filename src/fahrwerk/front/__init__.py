"""The page at ``/``: what runs here and where to go; with FAHRWERK_DEV on, the demo city live.

Not a room: it owns nothing and asks what any other client could ask.
"""
