"""UESTC: forty exercises seen from eight sides, in the files that MDM and its followers use.

Ji et al., "A Large-scale RGB-D Database for Arbitrary-view Human Action Recognition", ACM Multimedia 2018; poses
estimated from video, so they shake and slide.
"""

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.limits import read_text
from selfcorrect.storage.pickles.numbers import read_pickled_numbers

from .camera_poses import motion_of_poses, numbers, rows_of
from .dataset import Clip, Dataset, require

FPS = 30.0
POSES, NAMES, ACTIONS = "vibe_cache_refined.pkl", "info/names.txt", "info/action_classes.txt"
TRAINING_SUBJECTS = frozenset(
    (1, 2, 6, 12, 13, 16, 21, 24, 28, 29, 30, 31, 33, 35, 39, 41, 42, 45, 47, 50, 52, 54, 55, 57, 59, 61, 63, 64, 67,
     69, 70, 71, 73, 77, 81, 84, 86, 87, 88, 90, 91, 93, 96, 99, 102, 103, 104, 107, 108, 112, 113)
)  # fmt: skip
"""The published split; all other subjects are for testing."""

_PELVIS = 8
_FOCAL_LENGTH_PIXELS, _HALF_IMAGE_PIXELS = 500.0, 270.0
_MOVING_CAMERA = 8
_SMALLEST_SCALE = 1e-6


@dataclass(frozen=True)
class Video:
    """What the name of a video says: a3_d2_p001_c1_color.avi is action 3, direction 2, person 1, camera 1."""

    action: int
    direction: int
    person: int
    camera: int


def video(name: str, where: str = "name") -> Video:
    """Read the name of a video."""
    match = re.match(r"a(\d{1,9})_d(\d{1,9})_p(\d{1,9})_c(\d{1,9})", name, re.ASCII)
    if match is None:
        raise InputError(f"{where}: expected a name such as a3_d2_p001_c1_color.avi, got {name!r}")
    return Video(*(int(number) for number in match.groups()))


def clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[Clip]:
    """The recordings of all subjects, or of those of "train" or "test", without the moving camera's."""
    require(UESTC, folder, POSES, NAMES, ACTIONS)
    if split not in (None, "train", "test"):
        raise SettingError(f"{folder}: UESTC has the splits 'train' and 'test', got {split!r}")
    actions = read_text(folder / ACTIONS).splitlines()
    data = read_pickled_numbers(folder / POSES, allow_pickle=allow_pickle)
    lines = read_text(folder / NAMES).splitlines()
    videos = [video(line, f"{folder / NAMES}, line {number}") for number, line in enumerate(lines, start=1)]
    rows = rows_of(folder / POSES, data, ("pose", "joints3d", "orig_cam"))
    if len(rows) != len(videos):
        raise InputError(f"{folder}: {len(videos)} names in {NAMES}, but {len(rows)} poses in {POSES}")
    return [
        Clip(Path(name).stem, folder / POSES, partial(_read, folder / POSES, actions, name, seen, *row))
        for name, seen, row in zip(lines, videos, rows, strict=True)
        if _in_split(seen, split) and not (seen.camera != 1 and seen.direction == _MOVING_CAMERA)
    ]


def _in_split(seen: Video, split: str | None) -> bool:
    return split is None or (seen.person in TRAINING_SUBJECTS) == (split == "train")


def _read(
    path: Path, actions: list[str], name: str, seen: Video, pose: Any, joints_m: Any, camera: Any
) -> list[Motion]:
    """camera: (T, 4) weak perspective: scale in x and y, shift in x and y."""
    where = f"{path}, {name}"
    if not seen.action < len(actions):
        raise InputError(f"{where}: action {seen.action} is not among the {len(actions)} of {ACTIONS}")
    pose, joints_m = (
        numbers(where, "pose", pose, (None, 72)),
        numbers(where, "joints3d", joints_m, (len(pose), None, 3)),
    )
    camera = numbers(where, "orig_cam", camera, (len(pose), 4))
    if joints_m.shape[1] <= _PELVIS or np.any(np.abs(camera[:, 0]) < _SMALLEST_SCALE):
        raise InputError(f"{where}: expected more than {_PELVIS} joints, and a camera whose scale is not 0")
    depth_m = _FOCAL_LENGTH_PIXELS / (_HALF_IMAGE_PIXELS * camera[:, :1])
    root_m = joints_m[:, _PELVIS] + np.concatenate([camera[:, 2:4], depth_m], axis=1)
    to_front = Rotation.from_euler("y", -45 * seen.direction if seen.camera != 1 else 0, degrees=True)
    pose = pose.copy()
    pose[:, :3] = (to_front * Rotation.from_rotvec(pose[:, :3])).as_rotvec()
    motion = motion_of_poses(pose, to_front.apply(root_m - root_m[0]), FPS, where)
    return [replace(motion, label=actions[seen.action], text=actions[seen.action])]


UESTC = Dataset(
    name="uestc",
    title="UESTC",
    holds="25,600 clips of 40 exercises by 118 people, 30 fps, SMPL poses estimated from video",
    obtain="the download script prepare/download_a2m_datasets.sh of the repository GuyTevet/motion-diffusion-model; "
    "the videos from the University of Electronic Science and Technology of China.",
    licence="research only, by agreement with the university.",
    layout=f"{POSES}: pose (list of (T, 72)), joints3d (list of (T, 49, 3)), orig_cam (list of (T, 4))\n"
    f"{NAMES}: a0_d0_p001_c1_color.avi …, one per clip\n{ACTIONS}: one name per action",
    recognises=lambda path: (path / POSES).is_file(),
    clips=clips,
)
