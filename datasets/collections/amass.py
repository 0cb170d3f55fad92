"""AMASS, motion capture from many laboratories on one body model.

Source: Mahmood et al., "AMASS: Archive of Motion Capture as Surface Shapes", ICCV 2019. `files.people` reads the files.
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


def _list_motion_files(folder: Path) -> list[Path]:
    """List the motion files below a folder, or return a single file.

    Files that hold only a person's shape are skipped.
    """
    files = [folder] if folder.is_file() else sorted(folder.rglob("*.npz"))
    return list(filter(is_motion_file, files))


AMASS_READING = Reading(up="z")
"""Reading options for AMASS. Its axis is known, so it is not inferred from the posture, which fails if a body lies."""


def _read(path: Path) -> list[Motion]:
    reading = (
        Reading() if "Rh" in _read_array_names(path) else AMASS_READING
    )  # a generator's file, which has `Rh`, is y up
    return [open_motion(path, reading, any_body=True).motion]


def _read_array_names(path: Path) -> set[str]:
    """Return the array names in a .npz file, or an empty set if it is damaged."""
    try:
        return set(read_shapes(path))
    except (OSError, ValueError, zipfile.BadZipFile):
        return set()


def list_amass_clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[Clip]:
    """List the recordings in a folder of AMASS or of one of its subsets, or in a single file.

    The recordings are read on average bodies, not on the subjects' own.
    """
    if split is not None:
        raise SettingError(f"{folder}: AMASS defines no splits; pass the folder of a subset instead of {split!r}")
    files = _list_motion_files(folder)
    if not files:
        raise MissingData(f"{folder}: no AMASS files (.npz) found. Source: {AMASS.obtain} Licence: {AMASS.licence}")
    names = [str(path.relative_to(folder).with_suffix("")) if path != folder else path.stem for path in files]
    return [Clip(name, path, partial(_read, path)) for name, path in zip(names, files, strict=True)]


def is_amass(path: Path) -> bool:
    """Return whether a file or folder has AMASS fields.

    Of a folder, only the first file is read. A folder with BVH files is not AMASS.
    """
    if path.is_dir():
        others = any(path.rglob("*.bvh"))
        return not others and any(is_amass(file) for file in _list_motion_files(path)[:1])
    return path.suffix == ".npz" and {"poses", "trans"} <= _read_array_names(path)


AMASS = Dataset(
    name="amass",
    title="AMASS",
    holds="more than 11,000 motions, 40 hours, 60 to 150 fps, with body shapes and fingers",
    obtain="after registration at the AMASS web site of the Max Planck Institute for Intelligent Systems, per subset, "
    'as "SMPL+H G" or "SMPL-X G".',
    licence="non-commercial scientific research; not to be passed on.",
    layout="SUBSET/SUBJECT/NAME_poses.npz (SMPL+H) or NAME_stageii.npz (SMPL-X):\n"
    "poses (T, 156 or 165), trans (T, 3), betas, gender, mocap_framerate or mocap_frame_rate",
    recognises=is_amass,
    clips=list_amass_clips,
)
