"""Storage: files that are written at once or not at all, and files of users.

`files`: atomic writes, locks, digests, strict JSON, limits on users' files, places at any address.
`pickles`: pickles, joblib files and PyTorch's archives, read without running code.
"""
