"""Motions of an average adult."""

from smooth_motions import random_motion, skeleton

__all__ = ["random_motion", "skeleton"]
