"""Load motions by the words of a command line: `deepmimic`, or a path to a motion file or folder."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

from selfcorrect.core.errors import InputError
from selfcorrect.motion.motion import Motion

from .collections.catalog import recognise
from .collections.cmu import CMU, load_cmu
from .collections.dataset import Clip, read_most
from .collections.deepmimic import load_deepmimic
from .files.formats import readable_suffixes
from .files.open import motion_files, open_motion
from .files.skeletons.reading import Reading
from .splits import path_and_split

EXPECTED = (
    f"deepmimic, a motion file ({', '.join(readable_suffixes())}), a folder of them, or a dataset's folder, "
    "with # and one of its splits where it has some"
)


def load_motion(path: str | Path, reading: Reading | None = None, *, any_body: bool = False) -> Motion:
    """Read a motion file of any known format.

    The motion is y up and in metres, with its soles on the floor and an upright rest pose.

    Args:
        reading: Facts that the file does not state, such as the unit.
        any_body: Also read bodies that correctors do not support, such as bodies without knees.

    Returns:
        The motion, at the frame rate of the file.

    Raises:
        InputError: The file is damaged, or holds several motions; use `load_motions` then.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"no file {path}; expected a motion file ({', '.join(readable_suffixes())})")
    return open_motion(path, reading, any_body=any_body).motion


def load_motions(source: str | Path, reading: Reading | None = None) -> list[Motion]:
    """Load all motions of a source.

    Labels are the dataset's, or in a plain folder follow from the path (`label_of`). Unreadable files of a folder are
    skipped with a warning.

    Args:
        source: `deepmimic` (the built-in clips), a motion file, the folder of a known dataset (for CMU also a .tar.gz),
            or any folder of motion files. `FOLDER#SPLIT` names a split of a dataset.
        reading: Facts that the files do not state. If it states any, the path is read as plain motion files even if it
            is a known dataset.

    Returns:
        The motions, each on the skeleton and at the frame rate of its file.

    Raises:
        InputError: The source does not exist or holds no motions.
    """
    reading = reading or Reading()
    if source == "deepmimic":
        return load_deepmimic()
    path, split = path_and_split(source)
    if not path.exists():
        raise InputError(f"no file or folder {source}; expected {EXPECTED}")
    if CMU.recognises(path) and not reading.tells_anything:
        return load_cmu(path, split)
    if not path.is_dir():
        motions = _read_file(path, path.parent, reading)
    elif not reading.tells_anything and (dataset := recognise(path)):
        motions = read_most(dataset.clips(path, split))
    elif split is not None:
        raise InputError(f"{path}: only known datasets have splits, got #{split} for a folder of motion files")
    else:
        motions = read_most(
            Clip(file.stem, file, partial(_read_file, file, path, reading)) for file in motion_files(path)
        )
    if not motions:
        raise InputError(f"{source}: no motions found; expected {EXPECTED}")
    return motions


def label_of(path: Path, folder: Path) -> str:
    """Label a file of a plain folder by its subfolder, or else by the file name without its number."""
    below = path.relative_to(folder).parent.name
    return below or re.sub(r"[\W_]*\d*$", "", path.stem) or path.stem


def _read_file(path: Path, folder: Path, reading: Reading) -> list[Motion]:
    motions = open_motion(path, reading, any_body=True).motions
    return [motion if motion.label else replace(motion, label=label_of(path, folder)) for motion in motions]
