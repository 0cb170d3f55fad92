"""Remedies by name, and how each becomes part of a loop."""
