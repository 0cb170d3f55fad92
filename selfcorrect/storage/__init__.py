"""What outlives a process: generations of a loop, files that are there whole or not at all, numbers from others' files.

`protocol` says what a loop asks of a store. `memory` and `folder_store` are the two kinds there are. `run_folder` owns
a folder on disk. `generation_files` knows the files of one generation.
"""
