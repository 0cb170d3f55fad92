"""Measurement of corrections and of motions.

- Motions with their corrections: `comparison`. Simulations with their plans, and the verdict: `evaluate`.
- Forces that a motion needs beyond floor and muscles: `feasibility`.
"""
