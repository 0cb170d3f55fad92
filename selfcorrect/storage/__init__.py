"""Storage: run folders with generations, files that are written at once or not at all, files of users.

`runs`: stores of generations (`FolderStore`, `MemoryStore`), run folders, curves and Weights & Biases.
`files`: atomic writes, locks, digests, strict JSON, limits on users' files, places at any address.
`pickles`: pickles, joblib files and PyTorch's archives, read without running code.
"""
