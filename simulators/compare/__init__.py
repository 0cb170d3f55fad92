"""Measurement of corrections and of motions.

- Simulations with their plans, and the verdict: `evaluate`.
"""
