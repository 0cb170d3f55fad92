"""A format of motion files, as a package of somebody else adds it: the clips of DeepMimic (Peng et al. 2018).

A corrected clip is written as BVH, because the humanoid of the clips has hinges for knees and elbows.
"""

from pathlib import Path

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.collections.deepmimic import FRAME_NUMBERS, joint_rotations, motion_of_frames, skeleton
from selfcorrect.datasets.files.formats import Format
from selfcorrect.datasets.files.motion_file import MotionFile
from selfcorrect.datasets.files.rigs.bvh import write_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.limits import check_unpacked
from selfcorrect.storage.files.strict_json import read_json

_LARGEST = 1e9

DEEPMIMIC = Format(
    name="deepmimic",
    suffixes=(".txt",),
    holds="a clip of DeepMimic's humanoid, as JSON",
    reader="deepmimic_clips:open_clip",
    writer=None,
    written_as=".bvh",
    recognises="deepmimic_clips:is_clip",
)


def is_clip(path: Path) -> bool:
    """Return whether a text file begins like a clip."""
    with path.open("rb") as file:
        return file.read(200).lstrip().startswith(b'{\n"Loop"')


def open_clip(path: Path, reading: Reading) -> MotionFile:
    """Read a clip at the rate that `--fps` gives, 30 fps by default."""
    return MotionFile((read_clip(path, reading.fps or 30.0),), (), write_motion)


def read_clip(path: Path, fps: float = 30.0) -> Motion:
    """Read a clip at `fps`, labelled by its name without "humanoid3d_". Raises InputError naming file and frame."""
    frames = _read_frames(path, read_json(path))
    bad = np.argwhere(np.linalg.norm(joint_rotations(frames), axis=-1) < 1e-6)
    if len(bad):
        raise InputError(f"{path}: frame {bad[0, 0]}: a quaternion of length 0 for {skeleton().names[bad[0, 1]]}")
    check_unpacked(path, frames[:-1, 0].sum() * fps * frames[0].nbytes, stored=frames.nbytes)
    return motion_of_frames(path.name, frames, fps)


def _read_frames(path: Path, content: object) -> np.ndarray:
    """Return the numbers of a clip, (T, 44), checked."""
    rows = content.get("Frames") if isinstance(content, dict) else None
    if not isinstance(rows, list) or len(rows) < 2:
        raise InputError(f'{path}: expected a list "Frames" of at least two frames')
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != FRAME_NUMBERS or not all(map(_is_number, row)):
            raise InputError(f"{path}: frame {index}: expected {FRAME_NUMBERS} finite numbers, got {str(row)[:60]}")
    frames = np.array(rows, dtype=float)
    is_bad = frames[:-1, 0] <= 0
    if np.any(is_bad):
        index = int(np.argmax(is_bad))
        raise InputError(f"{path}: frame {index}: expected a positive duration, got {frames[index, 0]}")
    return frames


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= _LARGEST
