"""`sc.compare` on users' models and data.

Their own correctors and models are a study.
"""
