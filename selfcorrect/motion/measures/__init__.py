"""Measures of motions: plausibility, contacts, distances between sets."""
