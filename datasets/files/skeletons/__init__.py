"""The meaning of a skeleton.

It covers names, parts, sides, units and the vertical axis.
"""
