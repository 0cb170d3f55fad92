"""Motions to look at."""
