"""HumanAct12: twelve everyday actions, in the file that MDM and its followers use.

Guo et al., "Action2Motion: Conditioned Generation of 3D Human Motions", ACM Multimedia 2020.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.pickles.numbers import read_pickled_numbers

from .camera_poses import motion_of_poses, numbers, rows_of
from .dataset import Clip, Dataset, require

FILE = "humanact12poses.pkl"
FPS = 20.0
ACTIONS = (
    "warm up", "walk", "run", "jump", "drink", "lift dumbbell", "sit", "eat", "turn steering wheel", "phone", "boxing",
    "throw",
)  # fmt: skip


def clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[Clip]:
    """The recordings; there is one split, "train"."""
    require(HUMANACT12, folder, FILE)
    if split not in (None, "train"):
        raise SettingError(f"{folder}: HumanAct12 has only the split 'train', got {split!r}")
    path = folder / FILE
    data = read_pickled_numbers(path, allow_pickle=allow_pickle)
    if missing := [name for name in ("poses", "joints3D", "y") if name not in data]:
        raise InputError(f"{path}: expected poses, joints3D and y, here {' and '.join(missing)} is missing")
    rows = rows_of(path, data, ("poses", "joints3D", "y"))
    return [Clip(f"{row:04d}", path, partial(_read, path, row, *arrays)) for row, arrays in enumerate(rows)]


def _read(path: Path, row: int, poses: Any, joints_m: Any, action: Any) -> list[Motion]:
    where = f"{path}, clip {row}"
    poses, joints_m = numbers(where, "poses", poses, (None, 72)), numbers(where, "joints3D", joints_m, (None, None, 3))
    action = int(numbers(where, "y", action, ()))
    if not 0 <= action < len(ACTIONS):
        raise InputError(f"{path}, clip {row}: expected an action from 0 to {len(ACTIONS) - 1}, got {action}")
    motion = motion_of_poses(poses, joints_m[:, 0], FPS, where)
    return [replace(motion, label=ACTIONS[action], text=ACTIONS[action])]


HUMANACT12 = Dataset(
    name="humanact12",
    title="HumanAct12",
    holds="1,191 clips of 12 actions, 20 fps, SMPL poses",
    obtain="the download script prepare/download_a2m_datasets.sh of the repository GuyTevet/motion-diffusion-model.",
    licence="free for research, by the terms of PHSPD, from which it was made.",
    layout=f"{FILE}: poses (list of (T, 72)), joints3D (list of (T, 24, 3)), y (list of 0 to 11)",
    recognises=lambda path: (path / FILE).is_file(),
    clips=clips,
)
