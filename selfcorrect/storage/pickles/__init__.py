"""Pickles, joblib and PyTorch files, read safely.

They are read and written back without running code. `reader` reads a pickle as a tree of `values` and lists the names
that it may hold; `arrays` decodes arrays in the tree. `numbers` returns the numbers of a file, `results` reads and
rewrites files of results.
"""
