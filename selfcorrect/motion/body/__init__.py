"""Bodies around skeletons.

These are surface and soles, SMPL, body models, and rest poses.
"""
