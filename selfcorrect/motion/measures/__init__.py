"""Measures of motions: plausibility, contacts, and distances between sets."""
