"""Theory of loops.

`theory` has closed forms for stability, error variance, Gaussians, regression, categories and ancestry, each
with its source. `curation` has limits of curation by several raters. `estimation` fits constants to curves of a run.
"""
