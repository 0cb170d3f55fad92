"""Runners of clusters, in a folder each.

A `RunnerRow` in a folder's `__init__.py` is a row of the table of runners. Another package names its runner in the
group "selfcorrect.runners". Nothing imports these folders by name, so a deleted folder is a deleted runner.
"""
