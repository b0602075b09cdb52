"""How whole fleets come in: one file per format, pure, bytes to vehicles and problems."""
