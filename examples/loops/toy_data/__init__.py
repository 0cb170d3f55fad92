"""Provide data of the example loops.

They are digits, text, and draws whose truth is known.
"""
