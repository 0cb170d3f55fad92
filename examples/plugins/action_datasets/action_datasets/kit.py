"""KIT Motion-Language, in HumanML3D's layout: 251 numbers per frame of 21 joints at 12.5 fps.

Plappert et al., "The KIT Motion-Language Dataset", Big Data 2016; layout of Guo et al., CVPR 2022.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.collections.dataset import Clip, Dataset
from selfcorrect.datasets.collections.humanml3d import captioned_clips, columns_of
from selfcorrect.datasets.files.people.humanml3d import read_joints
from selfcorrect.datasets.files.people.joint_sets import infer_joints_unit
from selfcorrect.motion.geometry.inverse_kinematics import fit_motion, fit_skeleton
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SIDES, Skeleton

FPS = 12.5
_ARM = ("shoulder", "elbow", "wrist")
_LEG = ("hip", "knee", "ankle", "heel", "foot")
_PARENTS = (-1, 0, 1, 2, 3, 3, 5, 6, 3, 8, 9, 0, 11, 12, 13, 14, 0, 16, 17, 18, 19)
_UP = (0.0, 1.0, 0.0)
_DOWN = (0.0, -1.0, 0.0)
_FORWARD = (0.0, 0.0, 1.0)
_LEFT = (1.0, 0.0, 0.0)
_RIGHT = (-1.0, 0.0, 0.0)
_FIRST_HIP = 11
_SECOND_HIP = 16
_HEELS = [14, 19]
_TOES = [15, 20]


def _skeleton(first_side: str) -> Skeleton:
    """Return the 21 joints with unit bones: torso, arm and arm, leg and leg, `first_side` first."""
    sides = SIDES if first_side == "left" else SIDES[::-1]
    limbs = [f"{side}_{joint}" for limb in (_ARM, _LEG) for side in sides for joint in limb]
    names = ("pelvis", "spine1", "spine3", "neck", "head", *limbs)
    parts = tuple("" if name.endswith("heel") else name for name in names)
    directions = np.array([_direction(name) for name in names])
    return Skeleton(names, _PARENTS, directions, parts)


def _direction(name: str) -> tuple[float, float, float]:
    side, _, joint = name.partition("_")
    if joint in ("shoulder", "hip"):
        return _LEFT if side == "left" else _RIGHT
    if joint in ("heel", "foot"):
        return _FORWARD
    if name == "pelvis":
        return (0.0, 0.0, 0.0)
    return _DOWN if joint else _UP


def read_motion(path: Path) -> Motion:
    """Read the motion in a file of 21 joints or 251 columns, on a skeleton that fits this clip.

    Copies differ in unit (metres or millimetres) and in which side they call left. The length of the legs shows the
    unit, the direction of the toes the side. Toe joints stand on the floor, as in `files.humanml3d`.
    """
    joints_m = read_joints(path)
    if joints_m.shape[1] != len(_PARENTS):
        raise InputError(f"{path}: expected {len(_PARENTS)} joints, got {joints_m.shape[1]}")
    unit_m, _ = infer_joints_unit(path, _skeleton("left"), joints_m)
    joints_m = joints_m * unit_m
    template = _skeleton("left" if _first_is_left(joints_m) else "right")
    skeleton = replace(fit_skeleton(joints_m, template), usual_sole_m=0.0)
    return replace(fit_motion(joints_m, FPS, skeleton), source=str(path))


def _first_is_left(joints_m: np.ndarray) -> bool:
    """Return whether the leg that comes first is on the left of the direction in which the feet point."""
    forward = (joints_m[:, _TOES] - joints_m[:, _HEELS]).mean(axis=1)
    across = joints_m[:, _FIRST_HIP] - joints_m[:, _SECOND_HIP]
    return bool(np.sum(np.cross([0.0, 1.0, 0.0], forward) * across) > 0)


def clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[Clip]:
    """List the recordings of a KIT-ML folder."""
    return captioned_clips(KIT, folder, split, read_motion)


KIT = Dataset(
    name="kit",
    title="KIT-ML",
    holds="3,911 motions, 6,278 captions, 12.5 fps, 21 joints",
    obtain="in HumanML3D's layout by the links of the repository EricGuo5513/HumanML3D on GitHub; the original from "
    "the Karlsruhe Institute of Technology.",
    licence="research, citing the paper.",
    layout="new_joint_vecs/NNNNN.npy (T, 251) and/or new_joints/NNNNN.npy (T, 21, 3)\n"
    "texts/NNNNN.txt: caption#tokens#from#to\nMean.npy, Std.npy (251,)\ntrain.txt, val.txt, test.txt: names",
    recognises=lambda path: columns_of(path) == 251,
    clips=clips,
)
