"""Parse sources of motions on a command line.

A source is a path, or `FOLDER#SPLIT` for a split of a dataset. Apart from the readers, so that mistakes are reported
before anything heavy is imported.
"""

from pathlib import Path


def path_and_split(source: str | Path) -> tuple[Path, str | None]:
    """Split a source into path and split.

    The split follows the last #. It is None if the path itself has that name.
    """
    path = Path(source).expanduser()
    name, mark, split = path.name.rpartition("#")
    return (path.with_name(name), split) if mark and name and not path.exists() else (path, None)
