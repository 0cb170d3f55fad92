"""Comparison of motions with their corrections, and of simulations with their plans."""
