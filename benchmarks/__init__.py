"""Benchmarks whose results are ratios to a named reference in the same run."""
