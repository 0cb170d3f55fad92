"""Data of the example loops: digits, text, and draws from known distributions."""
