"""The CMU motion-capture set: an index, BVH files and T-poses.

The folder (or its .tar.gz) has `index.csv` with a row per clip (file, split, skeleton, subject, category, description,
…), the BVH files, and `tpose/`. The skeleton `mb` is not upright at zero rotation. Rotations of all joints are
therefore measured from their orientations in the subject's T-pose, which also puts both kinds of skeletons on SMPL-22.
"""

import csv
import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.geometry.rotations import slerp
from selfcorrect.motion.kinematics import forward_kinematics, local_rotations, make_continuous
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.observation import observe
from selfcorrect.motion.skeleton import SMPL_22, SMPL_22_PARENTS, smpl_22
from selfcorrect.storage.files import limits

from ..files.rigs.bvh import parse_bvh
from .dataset import Clip, Dataset, read_most

INDEX = "index.csv"
_COLUMNS = ("file", "split", "skeleton", "subject", "category", "description")

ReadText = Callable[[str], str]
"""Function that returns the text of a file by its path within the set, or raises KeyError or OSError if the file is
missing."""


_UNITS_M = {"mb": 0.0254 / 0.45, "daz": 0.01}
"""Length of the unit, in m, of each kind of skeleton."""


@dataclass(frozen=True, eq=False)
class _Poses:
    """World poses of SMPL-22's parts.

    The skeleton `daz` has no joint for `spine2`, which gets the midpoint and the mean rotation of its neighbours.
    """

    positions_m: np.ndarray
    """(T, 22, 3) positions."""
    orientations: Rotation
    """(T, 22) orientations."""
    fps: float


def load_cmu(path: Path, split: str | None = None, on_floor: bool = True) -> list[Motion]:
    """Load CMU clips on SMPL-22 with the subject's bone lengths.

    Clips that cannot be read are skipped with a warning.

    Args:
        path: Folder or .tar.gz of the set.
        split: Split or subjects, as in `list_cmu_clips`; None for all.
        on_floor: Whether to move each clip's floor, which was captured up to 13 cm off, to y = 0.

    Returns:
        The motions, with the category as label and the description as text.

    Raises:
        InputError: No clip can be read.
    """
    motions = read_most(list_cmu_clips(path, split))
    if not on_floor:
        return motions
    return [raise_motion(motion, -observe(motion).floor_m) for motion in motions]


def list_cmu_clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[Clip]:
    """List CMU clips, to be read one by one at the height at which they were captured.

    Args:
        folder: Folder or .tar.gz of the set.
        split: "train" or "test", which have no subjects in common, or subject numbers such as "subjects=7,35".
        allow_pickle: Not used, because the set has no pickled files.

    Raises:
        InputError: The index is damaged.
        SettingError: The split or a subject does not exist.
    """
    source = str(folder)
    read_text = _make_reader(folder)

    @cache
    def tpose(kind: str, subject: int) -> _Poses:
        name = "tpose/daz.bvh" if kind == "daz" else f"tpose/mb_{subject:02d}.bvh"
        return _read_poses(source, name, read_text, _UNITS_M[kind])

    def read(row: dict[str, str]) -> list[Motion]:
        return [_read_clip(source, row, read_text, tpose(row["skeleton"], int(row["subject"])))]

    rows = _read_index(source, read_text, split)
    return [Clip(Path(row["file"]).stem, folder / row["file"], partial(read, row)) for row in rows]


def is_cmu(path: Path) -> bool:
    """Return whether a path is a CMU folder or any archive, because no other dataset is read from an archive."""
    return (path / INDEX).is_file() or path.name.endswith((".tar.gz", ".tgz", ".tar"))


def _make_reader(path: Path) -> ReadText:
    if path.is_dir():
        return lambda name: limits.read_text(limits.path_below(path, name))
    return _read_archive(path).__getitem__


def _read_archive(path: Path) -> dict[str, str]:
    """Return the text files of an archive by their paths relative to the index's folder."""
    content = limits.read_bytes(path)
    if content.startswith(b"\x1f\x8b"):
        content = limits.unpack(path, content)
    texts = dict[str, str]()
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:  # noqa: TID251 - in memory
            for member in archive:
                is_text = member.isfile() and not member.issparse() and member.name.endswith((".bvh", INDEX))
                if is_text and (file := archive.extractfile(member)):
                    texts[member.name] = file.read().decode("utf-8")
    except Exception as error:  # a damaged archive may raise any exception
        raise InputError(f"{path}: expected a tar archive of the CMU set, but {error}") from error
    index = next((name for name in texts if Path(name).name == INDEX), None)
    if index is None:
        raise InputError(f"{path}: expected {INDEX} in the archive, got none")
    return {name.removeprefix(index.removesuffix(INDEX)): text for name, text in texts.items()}


def _read_index(source: str, read_text: ReadText, split: str | None) -> list[dict[str, str]]:
    """Return the checked index rows of a split, or of all splits for None."""
    rows = csv.DictReader(io.StringIO(_read_file(source, INDEX, read_text)))
    if missing := [column for column in _COLUMNS if column not in (rows.fieldnames or ())]:
        raise InputError(f"{source}: {INDEX}, line 1: expected the columns {', '.join(_COLUMNS)}; missing {missing}")
    try:
        checked = [_check_row(source, row, rows.line_num) for row in rows]
    except csv.Error as error:
        raise InputError(f"{source}: {INDEX}, line {rows.line_num}: {error}") from error
    kind, _, numbers = (split or "").partition("=")
    listed = numbers.split(",") if kind == "subjects" else []
    wanted = {int(number) for number in listed if number.isdecimal() and len(number) < 10}
    chosen = [row for row in checked if split in (None, row["split"]) or int(row["subject"]) in wanted]
    if not chosen or wanted > {int(row["subject"]) for row in chosen}:
        splits = sorted({row["split"] for row in checked})
        subjects = sorted({int(row["subject"]) for row in checked})
        listed = ",".join(map(str, subjects))
        raise SettingError(
            f"{source}: {INDEX} has no clips of split {split!r}; expected one of {splits} or subjects={listed}"
        )
    return chosen


def _check_row(source: str, row: dict[str, str], line: int) -> dict[str, str]:
    where = f"{source}: {INDEX}, line {line}"
    if any(row[column] is None for column in _COLUMNS):
        raise InputError(f"{where}: expected as many fields as in the first line")
    if row["skeleton"] not in _UNITS_M:
        raise InputError(f"{where}: expected a skeleton of {list(_UNITS_M)}, got {row['skeleton']!r}")
    if not row["subject"].isdecimal() or len(row["subject"]) > 9:
        raise InputError(f"{where}: expected a subject number, got {row['subject']!r}")
    return row


def _read_file(source: str, name: str, read_text: ReadText) -> str:
    try:
        return read_text(name)
    except (KeyError, OSError) as error:
        raise InputError(f"{source}: expected the file {name} of the CMU set, got none") from error


def _read_clip(source: str, row: dict[str, str], read_text: ReadText, tpose: _Poses) -> Motion:
    """Read a clip on SMPL-22, with bones of the T-pose and rotations relative to it."""
    poses = _read_poses(source, row["file"], read_text, _UNITS_M[row["skeleton"]])
    rest_m = tpose.positions_m[0]
    offsets_m = rest_m - rest_m[list(SMPL_22_PARENTS)]
    offsets_m[0] = 0
    skeleton = smpl_22(offsets_m)
    turns = poses.orientations * tpose.orientations[:1].inv()
    rotations = local_rotations(skeleton, turns.as_quat())
    return Motion(
        skeleton,
        root_m=poses.positions_m[:, 0],
        rotations=make_continuous(rotations),
        fps=poses.fps,
        label=row["category"],
        text=row["description"],
        source=f"{source}/{row['file']}",
    )


def _read_poses(source: str, name: str, read_text: ReadText, metres_per_unit: float) -> _Poses:
    """Read the world poses in a CMU file."""
    motion = parse_bvh(_read_file(source, name, read_text), f"{source}/{name}", metres_per_unit).motion
    parts = motion.skeleton.parts
    if missing := [part for part in SMPL_22 if part not in parts and part != "spine2"]:
        raise InputError(f"{source}/{name}: expected the joints of the CMU set, missing: {', '.join(missing)}")
    positions_m, orientations = forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
    # A part without a joint gets the root's pose here, and is filled in below.
    columns = [parts.index(part) if part in parts else 0 for part in SMPL_22]
    positions_m = positions_m[:, columns]
    orientations = orientations[:, columns]
    if "spine2" not in parts:
        low = SMPL_22.index("spine1")
        middle = SMPL_22.index("spine2")
        high = SMPL_22.index("spine3")
        positions_m[:, middle] = (positions_m[:, low] + positions_m[:, high]) / 2
        orientations[:, middle] = slerp(orientations[:, low], orientations[:, high], 0.5)
    return _Poses(positions_m, Rotation.from_quat(orientations), motion.fps)


CMU = Dataset(
    name="cmu",
    title="CMU motion capture, compact BVH set",
    holds="204 clips, 38 minutes, 30 fps, with categories and descriptions",
    obtain="recordings from mocap.cs.cmu.edu; this set is a selection of B. Hahne's BVH conversions (cgspeed).",
    licence="free use; the data themselves may not be resold.",
    layout="index.csv; train/, test/: SUBJECT_TRIAL.bvh; tpose/: mb_SUBJECT.bvh, daz.bvh; or a .tar.gz of these",
    recognises=is_cmu,
    clips=list_cmu_clips,
)
