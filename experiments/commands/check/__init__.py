"""Checking motion files against rules: reading, reports, settings."""
