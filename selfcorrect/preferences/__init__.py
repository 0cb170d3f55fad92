"""Preferences of people.

`choices` holds answers about pairs, and `pairing` chooses the next pair to show. `bradley_terry` estimates strengths of
samples, `agreement` measures the agreement of raters, and `reward` predicts preferences from features.
"""
