"""Measure ratios against a reference of the same run.

The reference is named.
"""
