"""Correcting motion files: one (`correct_file`), its result and verdict, and the report of all (`batch`, `report`)."""
