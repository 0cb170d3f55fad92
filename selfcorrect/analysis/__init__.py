"""Theory of loops.

`theory` has closed forms for stability, error variance, Gaussians, regression, categories and ancestry, each
with its source.
"""
