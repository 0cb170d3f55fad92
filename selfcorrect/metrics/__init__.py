"""Metrics of samples for any domain.

They are functions of vectors. `frechet`: distances between Gaussians. `neighbours`: precision, recall, density,
coverage. `spread`: variances.
"""
