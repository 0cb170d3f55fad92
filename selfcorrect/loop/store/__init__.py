"""Run folders: one process at a time, one config, and generations that are committed whole.

Stores: `protocol` (`Record`, `Store`), `folder_store` (`FolderStore`), `memory` (`MemoryStore`). Folders: `run_folder`
(`claim_folder`), `generation_files` (the files of a generation). Curves: `tracking` (`WandbLog`, `write_rows`).
"""
