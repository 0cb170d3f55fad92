"""Skeletons of SMPL, SMPL+H and SMPL-X.

SMPL+H adds fingers; SMPL-X adds fingers, jaw and eyes. Sources: Loper et al., "SMPL", 2015; Romero et al., "Embodied
Hands", 2017; Pavlakos et al., "Expressive Body Capture", 2019.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...core.errors import InputError
from ..geometry.rotations import compose, identity_rotations, invert, rotate, turn_angles
from ..inverse_kinematics import aligning_turns, fit_motion, fit_skeleton
from ..kinematics import forward_kinematics, joint_positions, local_rotations
from ..motion import Motion
from ..skeleton import SMPL_22, SMPL_22_PARENTS, Skeleton
from .requirements import NO_BODY, REQUIRED_PARTS

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
"""Rest position of an average pelvis in the models' coordinates, in m. The root of a posed body is at the model's
translation plus this position."""


@dataclass(frozen=True)
class Layout:
    """A body model's joints, in the order of its pose parameters."""

    name: str
    """One of "SMPL-22" (body only), "SMPL", "SMPL-H" or "SMPL-X"."""
    names: tuple[str, ...]
    """Joint names, as in `Skeleton`."""
    parents: tuple[int, ...]
    """Parent indices, as in `Skeleton`."""

    def skeleton(self, offsets_m: np.ndarray) -> Skeleton:
        """Return the skeleton with rest offsets (J, 3) in m."""
        parts = tuple(name if name in SMPL_22 else "" for name in self.names)
        return Skeleton(self.names, self.parents, np.asarray(offsets_m, dtype=float), parts)

    def average(self) -> Skeleton:
        """Return an average adult of 1.7 m in T-pose, for people of unknown body.

        Bone lengths come from a published HumanML3D clip, made symmetric and rounded. Fingers and face are approximate.
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
"""Layouts by number of joints: 22, 24, 52 and 55."""


@dataclass(frozen=True, eq=False)
class Body:
    """A person at rest."""

    skeleton: Skeleton
    """The joints."""
    pelvis_m: np.ndarray
    """(3,) rest position of the pelvis in the model's coordinates, in m. The root of a posed body is at the model's
    translation plus this position."""
    name: str
    """Where the body comes from, such as the model's file."""


def average_body(layout: Layout = SMPL_H) -> Body:
    """Return the body that stands in for an unknown one."""
    return Body(layout.average(), AVERAGE_PELVIS_M, f"average {layout.name}")


def to_smpl(motion: Motion, layout: Layout = SMPL_BODY) -> Motion:
    """Convert a motion to a body model's joints.

    The rest pose becomes the T-pose, with the motion's bone lengths. Joint positions are unchanged. A joint that the
    motion lacks divides the bone between its neighbours, or is average and at rest if it is an end. Skeletons of the
    SMPL family keep their rotations, except for the difference between their rest pose and the T-pose. Other skeletons
    lose the twist of bones about themselves.
    """
    usual_sole_m = motion.skeleton.usual_sole_m
    is_smpl = motion.skeleton.names[:22] == SMPL_22
    motion = _rebase_to_t_pose(motion) if is_smpl else _add_missing_parts(fit_body_parts(motion))
    joint_of_name = {name: joint for joint, name in enumerate(motion.skeleton.names)}
    targets = [joint for joint, name in enumerate(layout.names) if name in joint_of_name]
    sources = [joint_of_name[layout.names[joint]] for joint in targets]
    offsets_m = layout.average().offsets_m
    offsets_m[targets] = motion.skeleton.offsets_m[sources]
    rotations = identity_rotations(len(motion), len(layout.names))
    rotations[:, targets] = motion.rotations[:, sources]
    skeleton = replace(layout.skeleton(offsets_m), usual_sole_m=usual_sole_m)
    return replace(motion, skeleton=skeleton, rotations=rotations)


T_POSE_DEG = 20.0
"""Maximum angle between a bone and its direction in a T-pose, in degrees."""


def _rebase_to_t_pose(motion: Motion) -> Motion:
    """Express rotations relative to the T-pose, keeping poses.

    This matters only if the skeleton's own rest pose is not a T-pose.
    """
    average = SMPL_BODY.average()
    skeleton = motion.skeleton
    turns = identity_rotations(len(skeleton))
    for joint, children in enumerate(average.children):
        bones = list(children)
        posed_m = skeleton.offsets_m[None, bones]
        turns[joint] = aligning_turns(average.offsets_m[bones], posed_m, identity_rotations(1))[0]
    if turn_angles(identity_rotations(1), turns).max() < np.radians(T_POSE_DEG):
        return motion
    above = turns[[0, *skeleton.parents[1:]]]
    rested = replace(skeleton, offsets_m=rotate(invert(above), skeleton.offsets_m))
    _, orientations = forward_kinematics(skeleton, motion.root_m, motion.rotations)
    turned = compose(orientations, turns)
    return replace(motion, skeleton=rested, rotations=local_rotations(rested, turned))


def fit_body_parts(motion: Motion) -> Motion:
    """Reduce a motion to its body parts.

    The rest pose becomes the T-pose, and joint positions are unchanged. Joints are those of `SMPL_BODY` that the motion
    has, and are named by their parts.

    Raises:
        InputError: The motion lacks a joint that every body has.
    """
    missing = [part for part in REQUIRED_PARTS if motion.skeleton.joint(part) is None]
    if missing:
        raise InputError(f"{motion.source or 'the motion'}: {NO_BODY} (no joint is recognised as {', '.join(missing)})")
    present = [part for part in SMPL_22 if motion.skeleton.joint(part) is not None]
    joints_m = joint_positions(motion)[:, [motion.skeleton.parts.index(part) for part in present]]
    fitted = fit_motion(joints_m, motion.fps, fit_skeleton(joints_m, _average_skeleton(present)))
    return replace(motion, skeleton=fitted.skeleton, root_m=fitted.root_m, rotations=fitted.rotations)


def _average_skeleton(parts: Sequence[str]) -> Skeleton:
    """Return the average skeleton of some parts.

    Each part's parent is its nearest ancestor among them.
    """
    average = SMPL_BODY.average()
    joints = [SMPL_22.index(part) for part in parts]
    rest_m = average.rest_positions_m
    offsets_m = np.zeros((len(parts), 3))
    parents = [-1] * len(parts)
    for index, joint in enumerate(joints[1:], start=1):
        above = next(ancestor for ancestor in average.path_to_root(joint)[1:] if ancestor in joints)
        parents[index] = joints.index(above)
        offsets_m[index] = rest_m[joint] - rest_m[above]
    return Skeleton(tuple(parts), tuple(parents), offsets_m, tuple(parts))


def _add_missing_parts(motion: Motion) -> Motion:
    """Add the missing joints of SMPL's 22 to a motion of `fit_body_parts`.

    Added joints do not rotate relative to their parents. A joint that is missing between present ones divides the bone
    between them equally; a missing end joint has its average offset.
    """
    average = SMPL_BODY.average()
    rest_m = np.zeros((len(SMPL_22), 3))
    rotations = identity_rotations(len(motion), len(SMPL_22))
    for joint, part in enumerate(SMPL_22):
        source = motion.skeleton.joint(part)
        if source is not None:
            rest_m[joint] = motion.skeleton.rest_positions_m[source]
            rotations[:, joint] = motion.rotations[:, source]
            continue
        above_m = rest_m[SMPL_22_PARENTS[joint]]
        ends_m = _present_ends(motion.skeleton, joint, above_m, levels=2)
        rest_m[joint] = above_m + (np.mean(ends_m, axis=0) if ends_m else average.offsets_m[joint])
    offsets_m = rest_m - rest_m[[0, *SMPL_22_PARENTS[1:]]]
    return replace(motion, skeleton=SMPL_BODY.skeleton(offsets_m), rotations=rotations)


def _present_ends(skeleton: Skeleton, joint: int, above_m: np.ndarray, levels: int) -> list[np.ndarray]:
    """Return steps from a joint above towards present joints.

    For each present joint that comes next below the missing one, the bone from the joint above is divided into equal
    steps, and the first of them is returned, in m.
    """
    steps_m: list[np.ndarray] = []
    for child in SMPL_BODY.average().children[joint]:
        end = skeleton.joint(SMPL_22[child])
        if end is None:
            steps_m += _present_ends(skeleton, child, above_m, levels + 1)
        else:
            steps_m.append((skeleton.rest_positions_m[end] - above_m) / levels)
    return steps_m


def body_joints(motion: Motion) -> np.ndarray:
    """Return world positions (T, 22, 3) of SMPL's body joints, in m.

    Joints that the skeleton lacks are where `to_smpl` adds them.

    Raises:
        InputError: The motion lacks a joint that every body has.
    """
    present = []
    joints = []
    for index, part in enumerate(SMPL_22):
        joint = motion.skeleton.joint(part)
        if joint is not None:
            present.append(index)
            joints.append(joint)
    positions_m = joint_positions(motion)
    if len(present) == len(SMPL_22):
        return positions_m[:, joints]
    parts_m = joint_positions(_add_missing_parts(fit_body_parts(motion)))
    parts_m[:, present] = positions_m[:, joints]
    return parts_m
