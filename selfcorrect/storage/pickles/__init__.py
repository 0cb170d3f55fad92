"""Pickles, joblib files and PyTorch's archives, read and written back without running code in them.

`reader` reads a pickle as a tree of `trees`, which lists the names that it may hold; `arrays` decodes arrays in it.
`numbers` returns the numbers of a file, `results` reads and rewrites files of results.
"""
