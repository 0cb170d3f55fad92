"""Formats that a single program or lab writes, in a folder each.

A `Format` in a folder's `__init__.py` is a row of the table of formats. Another package names the same object in the
group "selfcorrect.formats". Nothing imports these folders by name, so a deleted folder is a deleted format.
"""
