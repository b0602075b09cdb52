"""What runs on a vehicle: the reference agent for a small Linux board (docs/device-agent.md).

A real client of docs/protocol.md and of nothing else: it shares the wire code
(``fleet.protocols``) and no room with the platform. The simulated vehicle obeys by the same rules.
"""
