"""The built-in motion capture: 15 clips of DeepMimic (Peng et al. 2018).

`deepmimic_clips.zip` has the clips and their zlib licence as distributed in the package pybullet. The clips are
therefore available without PyBullet and without a download.

A clip is a JSON file. Each frame has 44 numbers: its duration in seconds, the root's position and rotation, and a
rotation per joint in the order of `_JOINTS`. Ball joints have quaternions wxyz, and hinges have an angle. In the files,
world and joint frames have x forward, y up and z right. The motions read here face +z and have their left side at +x.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import ZipFile  # noqa: TID251 - of the package

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.editing.transforms import at_frames, frame_count
from selfcorrect.motion.geometry.rotations import identity_rotations
from selfcorrect.motion.inverse_kinematics import fit_motion, fit_skeleton
from selfcorrect.motion.kinematics import make_continuous, pose_joints
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.storage.files.strict_json import parse_json

BUILT_IN = Path(__file__).with_name("deepmimic_clips.zip")
_PREFIX = "humanoid3d_"

CYCLIC = frozenset({"backflip", "dance_a", "jump", "roll", "run", "spinkick", "walk"})
"""Labels of the clips that the files mark as loops: one cycle of a motion that can be repeated."""


@dataclass(frozen=True)
class _Joint:
    """A joint of the file."""

    part: str
    parent: str
    offset_m: tuple[float, float, float]
    """Position in the parent's frame, in the file's axes, in m."""
    hinge: bool = False
    """True for a hinge, and false for a ball joint."""


def _list_side_joints(side: str, z: int) -> tuple[_Joint, ...]:
    """Return the five joints of one side in the file's order; `z` is 1 for the right and −1 for the left side."""
    return (
        _Joint(f"{side}_hip", "pelvis", (0.0, 0.0, z * 0.084887)),
        _Joint(f"{side}_knee", f"{side}_hip", (0.0, -0.421546, 0.0), hinge=True),
        _Joint(f"{side}_ankle", f"{side}_knee", (0.0, -0.40987, 0.0)),
        _Joint(f"{side}_shoulder", "spine3", (-0.02405, 0.2435, z * 0.18311)),
        _Joint(f"{side}_elbow", f"{side}_shoulder", (0.0, -0.274788, 0.0), hinge=True),
    )


_JOINTS = (
    _Joint("spine3", "pelvis", (0.0, 0.236151, 0.0)),
    _Joint("neck", "spine3", (0.0, 0.223894, 0.0)),
    *_list_side_joints("right", 1),
    *_list_side_joints("left", -1),
)
"""Joints of PyBullet's humanoid (`humanoid/humanoid.urdf`, which is four times as large)."""

_WRISTS = tuple(_Joint(f"{side}_wrist", f"{side}_elbow", (0.0, -0.258947, 0.0)) for side in ("right", "left"))
"""Ends of the forearms, which are rigid and have no numbers in the file."""

_AXES = Rotation.from_matrix([[0, 0, -1], [0, 1, 0], [1, 0, 0]])
"""Rotation from the file's axes (forward, up, right) to ours (left, up, forward)."""


def skeleton() -> Skeleton:
    """Return the DeepMimic humanoid: 15 joints, feet without toes, and arms hanging down at rest."""
    joints = (*_JOINTS, *_WRISTS)
    names = ("pelvis", *(joint.part for joint in joints))
    parents = (-1, *(names.index(joint.parent) for joint in joints))
    offsets_m = np.array([(0.0, 0.0, 0.0), *(joint.offset_m for joint in joints)])
    return Skeleton(names, parents, _AXES.apply(offsets_m), names)


def load_deepmimic(fps: float = 30.0) -> list[Motion]:
    """Load all built-in clips at `fps`, sorted by label."""
    clips = []
    for name, text in read_built_in_texts().items():
        content = parse_json(text, name)
        clips.append(motion_of_frames(name, np.array(content["Frames"], dtype=float), fps))
    return clips


def read_built_in_texts() -> dict[str, bytes]:
    """Return the contents of the built-in clips by file name, sorted."""
    with ZipFile(BUILT_IN) as archive:
        return {name: archive.read(name) for name in sorted(archive.namelist()) if name.startswith(_PREFIX)}


def motion_of_frames(name: str, frames: np.ndarray, fps: float) -> Motion:
    """Convert frames (T, 44) to a motion at `fps`, labelled with the file name without "humanoid3d_"."""
    # A frame's duration is the time to the next frame, so the last frame's duration is not used.
    times_s = np.cumsum([0.0, *frames[:-1, 0]])
    rotations = _AXES * Rotation.from_quat(joint_rotations(frames)) * _AXES.inv()
    turns = make_continuous(rotations.as_quat())
    label = name.removeprefix(_PREFIX).removesuffix(".txt")
    motion = Motion(skeleton(), _AXES.apply(frames[:, 1:4]), turns, fps, label=label, source=name)
    clock_s = np.arange(frame_count(times_s[-1], fps)) / fps
    places = np.interp(clock_s, times_s, np.arange(len(frames)))
    return at_frames(motion, places, fps)


_ATTACHED = {
    "spine1": "pelvis",
    "spine2": "spine3",
    "head": "neck",
    "left_collar": "spine3",
    "left_foot": "left_ankle",
    "right_collar": "spine3",
    "right_foot": "right_ankle",
}
"""Parts of SMPL that the humanoid lacks, each with the joint that carries it."""


_FLAT = 0.3
"""Height of the humanoid's ankles above its toes, relative to an average body."""


def on_smpl(motion: Motion) -> Motion:
    """Convert a clip to SMPL's 22 body joints. Those that the humanoid lacks are placed as on an average body."""
    places_m, world = pose_joints(motion)
    average = SMPL_BODY.average()
    rest_m = average.rest_positions_m
    joints_m = np.zeros((len(motion), len(average), 3))
    for index, part in enumerate(average.names):
        carrier = _ATTACHED.get(part, part)
        joint = motion.skeleton.names.index(carrier)
        offset_m = rest_m[index] - rest_m[average.names.index(carrier)]
        if part.endswith("foot"):
            offset_m = offset_m * [1.0, _FLAT, 1.0]
        orientations = Rotation.from_quat(world[:, joint])
        joints_m[:, index] = places_m[:, joint] + orientations.apply(offset_m)
    fitted = fit_motion(joints_m, motion.fps, fit_skeleton(joints_m, average))
    return replace(fitted, label=motion.label, source=motion.source)


def joint_rotations(frames: np.ndarray) -> np.ndarray:
    """Return joint rotations in the file's axes, as quaternions xyzw (T, 15, 4).

    Hinges rotate about z, and wrists do not rotate.
    """
    rotations = identity_rotations(len(frames), 1 + len(_JOINTS) + len(_WRISTS))
    rotations[:, 0] = np.roll(frames[:, 4:8], -1, axis=1)
    start = 8
    for index, joint in enumerate(_JOINTS, start=1):
        if joint.hinge:
            vectors = frames[:, start, None] * [0.0, 0.0, 1.0]
            rotations[:, index] = Rotation.from_rotvec(vectors).as_quat()
            start += 1
        else:
            rotations[:, index] = np.roll(frames[:, start : start + 4], -1, axis=1)
            start += 4
    return rotations
