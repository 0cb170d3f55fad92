"""Load motions by name or path.

A command line has such words: `deepmimic`, or files and folders of motions.
"""

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

    The motion is y up and in metres, with soles on the floor and an upright rest pose.

    Args:
        reading: Properties that the file does not hold, such as the unit.
        any_body: Read bodies that no corrector could work on, too, such as those without knees.

    Returns:
        The motion, at the frame rate of the file.

    Raises:
        InputError: The file is damaged, or holds several motions: use `load_motions`.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"no file {path}; expected a motion file ({', '.join(readable_suffixes())})")
    return open_motion(path, reading, any_body=any_body).motion


def load_motions(source: str | Path, reading: Reading | None = None) -> list[Motion]:
    """Return all motions of a source.

    Files of a plain folder keep skeletons. Labels are the dataset's; in a plain folder the labels of `label_of`.
    Unreadable files of a folder are left out with a warning.

    Args:
        source: `deepmimic` (the built-in clips), a motion file, the folder of a known dataset (CMU's also as .tar.gz),
            or any folder of motion files. `FOLDER#SPLIT` names a split of a dataset.
        reading: Facts that files lack. If there are any, the path holds plain motion files and is no dataset.

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
        raise InputError(f"{path}: a folder of motion files has no splits, got #{split}")
    else:
        motions = read_most(
            Clip(file.stem, file, partial(_read_file, file, path, reading)) for file in motion_files(path)
        )
    if not motions:
        raise InputError(f"{source}: there are no motions to read here; expected {EXPECTED}")
    return motions


def label_of(path: Path, folder: Path) -> str:
    """Label a file in a folder without an index.

    The label is the subfolder's name, or the file's without a number.
    """
    below = path.relative_to(folder).parent.name
    return below or re.sub(r"[\W_]*\d*$", "", path.stem) or path.stem


def _read_file(path: Path, folder: Path, reading: Reading) -> list[Motion]:
    motions = open_motion(path, reading, any_body=True).motions
    return [motion if motion.label else replace(motion, label=label_of(path, folder)) for motion in motions]
