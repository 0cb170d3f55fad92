"""Storage: files written atomically, and files of users read safely.

`files`: atomic writes, locks, digests, strict JSON, limits on users' files. `pickles`: pickles, joblib
files and PyTorch's archives, read without running code.
"""
