"""Correcting motion files: one file, its record, the report of all."""
