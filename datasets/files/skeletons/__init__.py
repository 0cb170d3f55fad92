"""The meaning of a skeleton: names, parts, sides, units and the vertical axis."""
