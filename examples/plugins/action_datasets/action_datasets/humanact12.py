"""HumanAct12: twelve everyday actions, in the file that MDM and its followers use.

Guo et al., "Action2Motion: Conditioned Generation of 3D Human Motions", ACM Multimedia 2020.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import selfcorrect as sc
from selfcorrect.storage.pickles.numbers import read_pickled_numbers

from . import require_files
from .camera_poses import make_motion, read_numbers, split_rows

FILE = "humanact12poses.pkl"
FPS = 20.0
COLUMNS = ("poses", "joints3D", "y")
ACTIONS = (
    "warm up", "walk", "run", "jump", "drink", "lift dumbbell", "sit", "eat", "turn steering wheel", "phone", "boxing",
    "throw",
)  # fmt: skip


def list_clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[sc.Clip]:
    """Return the recordings; the only split is "train"."""
    require_files(folder, HUMANACT12, [FILE])
    if split not in (None, "train"):
        raise sc.SettingError(f"{folder}: HumanAct12 has only the split 'train', got {split!r}")
    path = folder / FILE
    table = read_pickled_numbers(path, allow_pickle=allow_pickle)
    clips = []
    for number, row in enumerate(split_rows(path, table, COLUMNS)):
        clips.append(sc.Clip(f"{number:04d}", path, partial(read_clip, f"{path}, clip {number}", *row)))
    return clips


def read_clip(where: str, poses: Any, joints_m: Any, action: Any) -> list[sc.Motion]:
    """Return the motion of one clip with its action; where: the clip in messages."""
    poses = read_numbers(where, "poses", poses, (None, 72))
    joints_m = read_numbers(where, "joints3D", joints_m, (None, None, 3))
    action = int(read_numbers(where, "y", action, ()))
    if not 0 <= action < len(ACTIONS):
        raise sc.InputError(f"{where}: expected an action from 0 to {len(ACTIONS) - 1}, got {action}")
    motion = make_motion(poses, joints_m[:, 0], FPS, where)
    return [replace(motion, label=ACTIONS[action], text=ACTIONS[action])]


HUMANACT12 = sc.Dataset(
    name="humanact12",
    title="HumanAct12",
    holds="1,191 clips of 12 actions, 20 fps, SMPL poses",
    obtain="through the script prepare/download_a2m_datasets.sh of the repository GuyTevet/motion-diffusion-model.",
    licence="free for research, by the terms of PHSPD, from which it was made.",
    layout=f"{FILE}: poses (list of (T, 72)), joints3D (list of (T, 24, 3)), y (list of 0 to 11)",
    recognises=lambda path: (path / FILE).is_file(),
    clips=list_clips,
)
