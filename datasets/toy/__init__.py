"""Data that need no download: draws whose truth is known, digits, text."""
