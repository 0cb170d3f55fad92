"""Metrics of samples for any domain, as functions of vectors.

`frechet`: distances between Gaussians. `neighbours`: precision, recall, density, coverage. `spread`: variances.
"""
