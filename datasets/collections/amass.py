"""AMASS: motion capture of many laboratories on one body model.

Mahmood et al., "AMASS: Archive of Motion Capture as Surface Shapes", ICCV 2019. Its files: `files.people`.
"""

import zipfile
from functools import partial
from pathlib import Path

from selfcorrect.core.errors import SettingError
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.arrays import read_shapes

from ..files.formats import is_motion_file
from ..files.open import open_motion
from ..files.skeletons.reading import Reading
from .dataset import Clip, Dataset, MissingData


def _motion_files(folder: Path) -> list[Path]:
    """List all files except those with only a person's shape.

    A single file is returned as it is.
    """
    files = [folder] if folder.is_file() else sorted(folder.rglob("*.npz"))
    return list(filter(is_motion_file, files))


AMASS_READING = Reading(up="z")
"""Reading options of AMASS. Its vertical axis holds even where a body lies and its posture says otherwise."""


def _read(path: Path) -> list[Motion]:
    reading = Reading() if "Rh" in _array_names(path) else AMASS_READING  # with `Rh`, a generator's file, y up
    return [open_motion(path, reading, any_body=True).motion]


def _array_names(path: Path) -> set[str]:
    """Return the array names in a .npz file.

    The set is empty for a damaged file.
    """
    try:
        return set(read_shapes(path))
    except (OSError, ValueError, zipfile.BadZipFile):
        return set()


def list_amass_clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[Clip]:
    """List the recordings in an AMASS folder or file.

    The folder may hold the whole set or a subset. Bodies are average.
    """
    if split is not None:
        raise SettingError(f"{folder}: AMASS defines no splits; pass the folder of a subset instead of {split!r}")
    files = _motion_files(folder)
    if not files:
        raise MissingData(f"{folder}: no AMASS files (.npz) found. Source: {AMASS.obtain} Licence: {AMASS.licence}")
    names = [str(path.relative_to(folder).with_suffix("")) if path != folder else path.stem for path in files]
    return [Clip(name, path, partial(_read, path)) for name, path in zip(names, files, strict=True)]


def recognises_amass(path: Path) -> bool:
    """Return whether a file or folder has AMASS fields.

    Only the first file of a folder is read, and only if no file there is of another kind.
    """
    if path.is_dir():
        others = any(path.rglob("*.bvh"))
        return not others and any(recognises_amass(file) for file in _motion_files(path)[:1])
    return path.suffix == ".npz" and {"poses", "trans"} <= _array_names(path)


AMASS = Dataset(
    name="amass",
    title="AMASS",
    holds="more than 11,000 motions, 40 hours, 60 to 150 fps, with body shapes and fingers",
    obtain="after registration at the AMASS web site of the Max Planck Institute for Intelligent Systems, per subset, "
    'as "SMPL+H G" or "SMPL-X G".',
    licence="non-commercial scientific research; not to be passed on.",
    layout="SUBSET/SUBJECT/NAME_poses.npz (SMPL+H) or NAME_stageii.npz (SMPL-X):\n"
    "poses (T, 156 or 165), trans (T, 3), betas, gender, mocap_framerate or mocap_frame_rate",
    recognises=recognises_amass,
    clips=list_amass_clips,
)
