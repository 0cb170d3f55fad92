"""What a skeleton means: names, parts, units, the up axis."""
