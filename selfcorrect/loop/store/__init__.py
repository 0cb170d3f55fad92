"""Run folders, committed generation by generation.

One process has a folder at a time, with one config. Stores: `protocol` (`Record`, `Store`), `folder_store`
(`FolderStore`), `memory` (`MemoryStore`). Folders: `run_folder` (`claim_folder`), `generation_files` (the files of a
generation). Curves: `tracking` (`WandbLog`, `write_rows`).
"""
