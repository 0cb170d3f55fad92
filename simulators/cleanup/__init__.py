"""Kinematic clean-up: repairs before the simulation."""
