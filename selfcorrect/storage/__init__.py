"""Storage: atomic files, and files of users.

`files`: atomic writes, locks, digests, strict JSON, limits on users' files, places at any address.
`pickles`: pickles, joblib files and PyTorch's archives, read without running code.
"""
