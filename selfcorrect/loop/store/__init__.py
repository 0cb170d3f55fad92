"""Run folders, committed generation by generation.

A folder belongs to one process at a time and has one config. Stores: `protocol` (`Record`, `Store`), `folder_store`
(`FolderStore`), `memory` (`MemoryStore`). Folders: `run_folder` (`claim_folder`), `generation_files` (the files of a
generation), `origin` (to what each part belongs). Curves: `tracking` (`WandbLog`, `write_json_lines`).
"""
