"""Pickles, joblib files and PyTorch files, read and written back without running code.

`reader` reads a pickle as a tree of `values`, and lists the names that it may contain. `arrays` decodes arrays in the
tree. `numbers` returns the numbers of a file, and `results` reads and rewrites files of results.
"""
