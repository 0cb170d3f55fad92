"""Processes, their supervision, memory and time."""
