"""Files that are safe from crashes, damage and malice.

Writing: `writing` (`write_atomically`, `replacing`, `write_folder`), `locks` (`FolderLock`), `digests`. Reading:
`limits` (`open_file`, `check_unpacked`, `path_below`), `strict_json` (`read_json`), `arrays` (NumPy).
"""
