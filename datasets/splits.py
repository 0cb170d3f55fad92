"""Sources of motions by the words of a command line: a path, or `FOLDER#SPLIT` for a split of a dataset.

Apart from the readers, so that mistakes are reported before anything heavy is imported.
"""

from pathlib import Path


def path_and_split(source: str | Path) -> tuple[Path, str | None]:
    """Return the path of a source and the split named after its last #, None if the path itself has that name."""
    path = Path(source).expanduser()
    name, mark, split = path.name.rpartition("#")
    return (path.with_name(name), split) if mark and name and not path.exists() else (path, None)
