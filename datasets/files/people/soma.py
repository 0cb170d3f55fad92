"""NVIDIA's SOMA body, as used by Kimodo and GEM-X.

The body has 77 joints, or 30 without most finger and toe joints. Rotations are relative to a T-pose in which all joint
frames are aligned with the world. Joint names and their order are those of Kimodo's `skeleton/definitions.py`.
"""

import numpy as np

from selfcorrect.motion.body.smpl import SMPL_BODY, SMPL_H
from selfcorrect.motion.skeleton import Skeleton

_FINGERS = {"Thumb": 3, "Index": 4, "Middle": 4, "Ring": 4, "Pinky": 4}
_TRUNK = {"Hips": "pelvis", "Spine1": "spine1", "Spine2": "spine2", "Chest": "spine3", "Neck1": "neck", "Head": "head"}
_LIMBS = {"Shoulder": "collar", "Arm": "shoulder", "ForeArm": "elbow", "Hand": "wrist", "Leg": "hip", "Shin": "knee",
          "Foot": "ankle", "ToeBase": "foot"}  # fmt: skip
_END_M = {"HeadEnd": (0.0, 0.18, 0.0), "Jaw": (0.0, 0.01, 0.02), "Eye": (0.03, 0.06, 0.07), "ToeEnd": (0.0, 0.0, 0.06)}
_KNUCKLE = 0.35
"""Approximate position of a finger's first joint between wrist and knuckle, as a share of the distance."""
_BONE_M = 0.03
"""Approximate length of a finger bone, in m."""


def _joints() -> list[tuple[str, str]]:
    """Return the names of the 77 joints, each with its parent's name."""
    trunk = ["Hips", "Spine1", "Spine2", "Chest", "Neck1", "Neck2", "Head", "HeadEnd"]
    joints = [*zip(trunk, ["", *trunk], strict=False)]
    joints += [("Jaw", "Head"), ("LeftEye", "Head"), ("RightEye", "Head")]
    for side in ("Left", "Right"):
        arm = [f"{side}{name}" for name in ("Shoulder", "Arm", "ForeArm", "Hand")]
        joints += zip(arm, ["Chest", *arm], strict=False)
        for finger, count in _FINGERS.items():
            bones = [f"{arm[-1]}{finger}{number}" for number in (*range(1, count + 1), "End")]
            joints += zip(bones, [arm[-1], *bones], strict=False)
    for side in ("Left", "Right"):
        leg = [f"{side}{name}" for name in ("Leg", "Shin", "Foot", "ToeBase", "ToeEnd")]
        joints += zip(leg, ["Hips", *leg], strict=False)
    return joints


def _part(name: str) -> str:
    if name in _TRUNK:
        return _TRUNK[name]
    side = "Left" if name.startswith("Left") else "Right"
    limb = _LIMBS.get(name.removeprefix(side), "")
    return f"{side.lower()}_{limb}" if limb else ""


def _offset_m(name: str, part: str) -> np.ndarray:
    """Return a joint's average offset (3,) from its parent, in m."""
    average = SMPL_BODY.average()
    if part == "pelvis":
        return np.zeros(3)
    if part == "head" or name == "Neck2":
        return average.offsets_m[average.names.index("head")] / 2
    if part:
        return average.offsets_m[average.names.index(part)]
    middle = name.removeprefix("Left").removeprefix("Right")
    offset_m = np.array(_END_M.get(middle, (_BONE_M, 0.0, 0.0)))
    if "Hand" in name and name[-1] in "12":
        hand = SMPL_H.average()
        finger = name[:-1].split("Hand")[1].lower()
        share = _KNUCKLE if name[-1] == "1" else 1 - _KNUCKLE
        offset_m = share * hand.offsets_m[hand.names.index(f"left_{finger}1")]
    return offset_m * ([-1.0, 1.0, 1.0] if name.startswith("Right") else 1.0)


def _build_average() -> Skeleton:
    """Build an average adult in T-pose, for files without bone lengths.

    The lengths of fingers and face are only approximate.
    """
    joints = _joints()
    names = tuple(name for name, _ in joints)
    parents = [names.index(parent) if parent else -1 for _, parent in joints]
    parts = tuple(map(_part, names))
    offsets_m = np.array([_offset_m(name, part) for name, part in zip(names, parts, strict=True)])
    return Skeleton(names, tuple(parents), offsets_m, parts)


def _remove_joints(skeleton: Skeleton, removed: set[str]) -> Skeleton:
    """Remove joints from a skeleton, and attach their children to the nearest remaining ancestor."""
    joints = [joint for joint, name in enumerate(skeleton.names) if name not in removed]
    parents = []
    for joint in joints:
        above = [joints.index(ancestor) for ancestor in skeleton.path_to_root(joint)[1:] if ancestor in joints]
        parents.append(above[0] if above else -1)
    names = tuple(skeleton.names[joint] for joint in joints)
    parts = tuple(skeleton.parts[joint] for joint in joints)
    return Skeleton(names, tuple(parents), skeleton.offsets_m[joints], parts)


SOMA_77 = _build_average()
_ENDS_OF_SOMA_30 = ("", "ThumbEnd", "MiddleEnd")
_FINGERS_OF_SOMA_77 = {name for name in SOMA_77.names if name.partition("Hand")[2] not in _ENDS_OF_SOMA_30}
SOMA_30 = _remove_joints(SOMA_77, _FINGERS_OF_SOMA_77 | {"HeadEnd", "LeftToeEnd", "RightToeEnd"})
