"""Toy data without a download.

There are draws whose truth is known, digits, and text.
"""
