"""Data of the loops beside this folder: digits, text, and draws whose truth is known."""
