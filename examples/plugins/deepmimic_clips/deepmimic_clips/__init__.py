"""A format of motion files, as a package of somebody else adds it: the clips of DeepMimic (Peng et al. 2018).

A corrected clip is written as BVH, because the humanoid of the clips has hinges for knees and elbows.
"""

from pathlib import Path

from selfcorrect.datasets.collections.deepmimic import read_clip
from selfcorrect.datasets.files.formats import Format
from selfcorrect.datasets.files.motion_file import MotionFile
from selfcorrect.datasets.files.rigs.bvh import write_motion
from selfcorrect.datasets.files.skeletons.reading import Reading

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
