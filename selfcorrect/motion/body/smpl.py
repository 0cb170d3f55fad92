"""The skeletons of the SMPL family: SMPL, SMPL+H with fingers, SMPL-X with fingers, jaw and eyes.

Loper et al., "SMPL", 2015; Romero et al., "Embodied Hands", 2017; Pavlakos et al., "Expressive Body Capture", 2019.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from ...core.errors import InputError
from ..geometry.inverse_kinematics import aligning_turns, fit_motion, fit_skeleton
from ..geometry.kinematics import forward_kinematics, joint_positions, local_rotations
from ..motion import Motion
from ..skeleton import SMPL_22, SMPL_22_PARENTS, Skeleton

_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
_BODY_M = {  # joint in its parent's frame in T-pose, metres; the right side mirrors the left
    "left_hip": (0.060, -0.085, -0.010),
    "spine1": (0.000, 0.125, -0.030),
    "left_knee": (0.040, -0.388, 0.005),
    "spine2": (0.000, 0.141, 0.020),
    "left_ankle": (-0.015, -0.425, -0.038),
    "spine3": (0.000, 0.057, 0.002),
    "left_foot": (0.040, -0.058, 0.125),
    "neck": (0.000, 0.214, -0.042),
    "left_collar": (0.080, 0.114, -0.020),
    "head": (0.000, 0.090, 0.050),
    "left_shoulder": (0.120, 0.044, -0.015),
    "left_elbow": (0.257, -0.015, -0.025),
    "left_wrist": (0.267, 0.010, -0.005),
    "left_hand": (0.085, -0.008, -0.010),
    "jaw": (0.000, 0.010, 0.010),
    "left_eye": (0.032, 0.065, 0.075),
}
_KNUCKLES_M = {
    "index": (0.102, -0.010, 0.022),
    "middle": (0.110, -0.005, -0.002),
    "pinky": (0.082, -0.012, -0.042),
    "ring": (0.095, -0.008, -0.024),
    "thumb": (0.022, -0.020, 0.028),
}
_PHALANX_M = (0.028, -0.002, 0.002)
AVERAGE_PELVIS_M = np.array([0.0, -0.225, 0.030])
"""Rest position of an average pelvis in the models' own coordinates: a posed root is at the translation plus this."""


@dataclass(frozen=True)
class Layout:
    """Joints of a body model, in the order of its pose parameters."""

    name: str
    """One of "SMPL-22" (body only), "SMPL", "SMPL-H" or "SMPL-X"."""
    names: tuple[str, ...]
    """Joint names, as in `Skeleton`."""
    parents: tuple[int, ...]
    """Parent indices, as in `Skeleton`."""

    def skeleton(self, offsets_m: np.ndarray) -> Skeleton:
        """Return the skeleton of these joints with rest offsets (J, 3), metres."""
        parts = tuple(name if name in SMPL_22 else "" for name in self.names)
        return Skeleton(self.names, self.parents, np.asarray(offsets_m, dtype=float), parts)

    def average(self) -> Skeleton:
        """Return an average adult of 1.7 m in T-pose, for motions whose own body is unknown.

        Bone lengths are those of a published HumanML3D clip, made symmetric and rounded; fingers and face are rough.
        """
        return self.skeleton(np.array([_offset_m(name) for name in self.names]))


def _offset_m(name: str) -> tuple[float, float, float]:
    side, _, rest = name.partition("_")
    if side == "right":
        x, y, z = _offset_m(f"left_{rest}")
        return (-x, y, z)
    if rest[:-1] in _FINGERS:
        return _KNUCKLES_M[rest[:-1]] if rest.endswith("1") else _PHALANX_M
    return _BODY_M.get(name, (0.0, 0.0, 0.0))


def _hand(side: str) -> tuple[str, ...]:
    return tuple(f"{side}_{finger}{phalanx}" for finger in _FINGERS for phalanx in (1, 2, 3))


def _layout(name: str, *more: str) -> Layout:
    names = (*SMPL_22, *more)
    return Layout(name, names, (*SMPL_22_PARENTS, *(names.index(_parent(joint)) for joint in more)))


def _parent(joint: str) -> str:
    side = joint.partition("_")[0]
    if joint in ("jaw", "left_eye", "right_eye"):
        return "head"
    return f"{joint[:-1]}{int(joint[-1]) - 1}" if joint[-1] in "23" else f"{side}_wrist"


SMPL_BODY = _layout("SMPL-22")
SMPL = _layout("SMPL", "left_hand", "right_hand")
SMPL_H = _layout("SMPL-H", *_hand("left"), *_hand("right"))
SMPL_X = _layout("SMPL-X", "jaw", "left_eye", "right_eye", *_hand("left"), *_hand("right"))
LAYOUTS = {len(layout.names): layout for layout in (SMPL_BODY, SMPL, SMPL_H, SMPL_X)}
"""The layouts by their number of joints: 22, 24, 52, 55."""


@dataclass(frozen=True, eq=False)
class Body:
    """A person at rest."""

    skeleton: Skeleton
    """The joints."""
    pelvis_m: np.ndarray
    """(3,) rest position of the pelvis in the model's coordinates, metres: the root of a posed body is at the model's
    translation plus this."""
    name: str
    """Origin of the body."""


def average_body(layout: Layout = SMPL_H) -> Body:
    """Return the body that stands in for an unknown one."""
    return Body(layout.average(), AVERAGE_PELVIS_M, f"average {layout.name}")


def to_smpl(motion: Motion, layout: Layout = SMPL_BODY) -> Motion:
    """Return the motion on the joints of a body model, at rest in T-pose, with the motion's own bone lengths.

    Joint positions stay where they are; joints that the motion lacks are average and at rest. A skeleton of the SMPL
    family keeps its rotations too, except for the difference between its rest pose and the T-pose. Others need all 22
    body parts (`body_joints`), and their bones no longer turn about themselves.
    """
    motion = _remeasure_from_t_pose(motion) if motion.skeleton.names[:22] == SMPL_22 else _to_smpl_by_positions(motion)
    joint_of_name = {name: joint for joint, name in enumerate(motion.skeleton.names)}
    targets = [joint for joint, name in enumerate(layout.names) if name in joint_of_name]
    sources = [joint_of_name[layout.names[joint]] for joint in targets]
    offsets_m = layout.average().offsets_m
    offsets_m[targets] = motion.skeleton.offsets_m[sources]
    rotations = np.zeros((len(motion), len(layout.names), 4))
    rotations[..., 3] = 1
    rotations[:, targets] = motion.rotations[:, sources]
    return replace(motion, skeleton=layout.skeleton(offsets_m), rotations=rotations)


_BODY_SHAPES_DIFFER_RAD = np.radians(20)
"""Bodies of the SMPL family rest in T-pose, but their bones lie a little differently; this much is left to them."""


def _remeasure_from_t_pose(motion: Motion) -> Motion:
    """Return the same poses measured from the T-pose, if the skeleton's own rest pose is another."""
    average = SMPL_BODY.average()
    skeleton = motion.skeleton
    upright = np.array([[0.0, 0.0, 0.0, 1.0]])
    turns = np.tile(upright, (len(skeleton), 1))
    for joint, children in enumerate(average.children):
        bones = list(children)
        turns[joint] = aligning_turns(average.offsets_m[bones], skeleton.offsets_m[None, bones], upright)[0]
    from_t_pose = Rotation.from_quat(turns)
    if from_t_pose.magnitude().max() < _BODY_SHAPES_DIFFER_RAD:
        return motion
    above = Rotation.from_quat(turns[[0, *skeleton.parents[1:]]])
    rested = replace(skeleton, offsets_m=above.inv().apply(skeleton.offsets_m))
    _, orientations = forward_kinematics(skeleton, motion.root_m, motion.rotations)
    turned = (Rotation.from_quat(orientations) * Rotation.from_quat(turns[None])).as_quat()
    return replace(motion, skeleton=rested, rotations=local_rotations(rested, turned))


def _to_smpl_by_positions(motion: Motion) -> Motion:
    joints_m = body_joints(motion)
    fitted = fit_motion(joints_m, motion.fps, fit_skeleton(joints_m, SMPL_BODY.average()))
    return replace(motion, skeleton=fitted.skeleton, root_m=fitted.root_m, rotations=fitted.rotations)


def body_joints(motion: Motion) -> np.ndarray:
    """World positions (T, 22, 3), metres, of the body parts; a missing spine2 is halfway between its neighbours."""
    joints = {part: motion.skeleton.joint(part) for part in SMPL_22}
    if missing := [part for part, joint in joints.items() if joint is None and part != "spine2"]:
        raise InputError(f"{motion.source or 'motion'}: has no joint for {', '.join(missing)} of SMPL's body")
    positions_m = joint_positions(motion)
    part_m = {part: positions_m[:, joint] for part, joint in joints.items() if joint is not None}
    part_m.setdefault("spine2", (part_m["spine1"] + part_m["spine3"]) / 2)
    return np.stack([part_m[part] for part in SMPL_22], axis=1)
