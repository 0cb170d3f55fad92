"""Comparison with corrections and with plans.

Motions are compared with their corrections, simulations with their plans.
"""
