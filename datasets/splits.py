"""Parse a source of motions on a command line: a path, or `FOLDER#SPLIT` for a split of a dataset.

This is a module of its own so that mistakes are reported before the readers, which are slow to import, are needed.
"""

from pathlib import Path


def path_and_split(source: str | Path) -> tuple[Path, str | None]:
    """Separate a source into its path and its split after the last #.

    The split is None without a #, or if a file or folder has this very name.
    """
    path = Path(source).expanduser()
    name, mark, split = path.name.rpartition("#")
    return (path.with_name(name), split) if mark and name and not path.exists() else (path, None)
