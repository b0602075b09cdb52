"""Fahrwerk: the open chassis shared mobility runs on. ARCHITECTURE.md is the plan of the house."""
