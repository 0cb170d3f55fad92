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

import selfcorrect as sc
from selfcorrect.storage.pickles.numbers import read_pickled_numbers

from . import require_files
from .camera_poses import make_motion, read_numbers, split_rows

FPS = 30.0
POSES, NAMES, ACTIONS = "vibe_cache_refined.pkl", "info/names.txt", "info/action_classes.txt"
COLUMNS = ("pose", "joints3d", "orig_cam")
TRAINING_SUBJECTS = frozenset(
    (1, 2, 6, 12, 13, 16, 21, 24, 28, 29, 30, 31, 33, 35, 39, 41, 42, 45, 47, 50, 52, 54, 55, 57, 59, 61, 63, 64, 67,
     69, 70, 71, 73, 77, 81, 84, 86, 87, 88, 90, 91, 93, 96, 99, 102, 103, 104, 107, 108, 112, 113)
)  # fmt: skip
"""The published split; all other subjects are for testing."""
PELVIS = 8
FOCAL_LENGTH_PIXELS, HALF_IMAGE_PIXELS = 500.0, 270.0
FIXED_CAMERA, MOVING_DIRECTION = 1, 8
SMALLEST_SCALE = 1e-6


@dataclass(frozen=True)
class Video:
    """The name of a video: a3_d2_p001_c1_color.avi has action 3, direction 2, person 1, camera 1."""

    action: int
    direction: int
    person: int
    camera: int

    @classmethod
    def from_name(cls, name: str, where: str) -> "Video":
        """Read the name of a video; where: its place in messages."""
        match = re.match(r"a(\d{1,9})_d(\d{1,9})_p(\d{1,9})_c(\d{1,9})", name, re.ASCII)
        if match is None:
            raise sc.InputError(f"{where}: expected a name such as a3_d2_p001_c1_color.avi, got {name!r}")
        return cls(*map(int, match.groups()))

    @property
    def has_moving_camera(self) -> bool:
        return self.camera != FIXED_CAMERA and self.direction == MOVING_DIRECTION

    def is_in(self, split: str | None) -> bool:
        """Return True if the person belongs to a split; None is all."""
        return split is None or (self.person in TRAINING_SUBJECTS) == (split == "train")


def list_clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[sc.Clip]:
    """Return the recordings of all subjects, or of those of "train" or "test", without the moving camera's."""
    require_files(folder, UESTC, [POSES, NAMES, ACTIONS])
    if split not in (None, "train", "test"):
        raise sc.SettingError(f"{folder}: UESTC has the splits 'train' and 'test', got {split!r}")
    path = folder / POSES
    actions = (folder / ACTIONS).read_text(encoding="utf-8").splitlines()
    names = (folder / NAMES).read_text(encoding="utf-8").splitlines()
    videos = [Video.from_name(name, f"{folder / NAMES}, line {line}") for line, name in enumerate(names, start=1)]
    rows = split_rows(path, read_pickled_numbers(path, allow_pickle=allow_pickle), COLUMNS)
    if len(rows) != len(videos):
        raise sc.InputError(f"{folder}: {len(videos)} names in {NAMES}, but {len(rows)} poses in {POSES}")
    clips = []
    for name, video, row in zip(names, videos, rows, strict=True):
        if video.is_in(split) and not video.has_moving_camera:
            clips.append(sc.Clip(Path(name).stem, path, partial(read_clip, f"{path}, {name}", actions, video, *row)))
    return clips


def read_clip(where: str, actions: list[str], video: Video, pose: Any, joints_m: Any, camera: Any) -> list[sc.Motion]:
    """Return the motion of one clip, turned to the front, with its action.

    Args:
        where: The clip in messages.
        actions: Names of the actions by number.
        video: What the name of the clip states.
        pose: (T, 72) pose parameters of SMPL.
        joints_m: (T, J, 3) positions around the body.
        camera: (T, 4) weak perspective: scale in x and y, shift in x and y.
    """
    if video.action >= len(actions):
        raise sc.InputError(f"{where}: action {video.action} is not among the {len(actions)} of {ACTIONS}")
    pose = read_numbers(where, "pose", pose, (None, 72)).copy()
    joints_m = read_numbers(where, "joints3d", joints_m, (len(pose), None, 3))
    camera = read_numbers(where, "orig_cam", camera, (len(pose), 4))
    if joints_m.shape[1] <= PELVIS or np.any(np.abs(camera[:, 0]) < SMALLEST_SCALE):
        raise sc.InputError(f"{where}: expected more than {PELVIS} joints, and a camera whose scale is not 0")
    depth_m = FOCAL_LENGTH_PIXELS / (HALF_IMAGE_PIXELS * camera[:, :1])
    root_m = joints_m[:, PELVIS] + np.concatenate([camera[:, 2:4], depth_m], axis=1)
    angle_deg = -45 * video.direction if video.camera != FIXED_CAMERA else 0
    to_front = Rotation.from_euler("y", angle_deg, degrees=True)
    pose[:, :3] = (to_front * Rotation.from_rotvec(pose[:, :3])).as_rotvec()
    motion = make_motion(pose, to_front.apply(root_m - root_m[0]), FPS, where)
    return [replace(motion, label=actions[video.action], text=actions[video.action])]


UESTC = sc.Dataset(
    name="uestc",
    title="UESTC",
    holds="25,600 clips of 40 exercises by 118 people, 30 fps, SMPL poses estimated from video",
    obtain="through the script prepare/download_a2m_datasets.sh of the repository GuyTevet/motion-diffusion-model; "
    "the videos from the University of Electronic Science and Technology of China.",
    licence="research only, by agreement with the university.",
    layout=f"{POSES}: pose (list of (T, 72)), joints3d (list of (T, 49, 3)), orig_cam (list of (T, 4))\n"
    f"{NAMES}: a0_d0_p001_c1_color.avi …, one per clip\n{ACTIONS}: one name per action",
    recognises=lambda path: (path / POSES).is_file(),
    clips=list_clips,
)
