"""Correcting motion files: a file (`correct_file`), its result and verdict, and the report of all (`batch`,
`report`).
"""
