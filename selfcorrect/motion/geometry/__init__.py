"""Rotations, vectors and kinematics on arrays."""
