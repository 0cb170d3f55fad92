"""Distances between distributions and measures of coverage, for any domain."""
