"""How vehicles are spoken to: one file per wire protocol, pure, found by its name.

A protocol turns bytes into values and values into bytes. It opens no connection and asks no
clock, so every rule about what a vehicle may say, or believe, can be tested without one.
"""
