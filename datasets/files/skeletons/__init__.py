"""Meaning of a skeleton: names, parts, sides, units, the up axis."""
