"""Tools of the workshop: nothing in here is part of the running platform."""
