"""What a motion needs to be corrected: valid numbers and a human body."""

import numpy as np

from ...core.errors import InputError
from ..geometry.vectors import cosines, largest_components, median, norms
from ..ground import FARTHEST_M
from ..kinematics import in_chunks, joint_positions
from ..motion import LENGTHS_READ, Motion
from ..skeleton import SIDES

REQUIRED_PARTS = ("pelvis", *(f"{side}_{part}" for side in SIDES for part in ("hip", "knee", "ankle")))
"""Parts that every body has."""
_SEPARATE_PARTS = (
    *((f"{side}_{upper}", f"{side}_{lower}") for side in SIDES
      for upper, lower in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))),
    ("left_hip", "right_hip"), ("left_shoulder", "right_shoulder"), ("pelvis", "neck"),
)  # fmt: skip
"""Pairs of parts that are some distance apart in every body."""

NO_BODY = "no human body"
"""Start of the message about a motion that is not a person's."""

FPS_RANGE = (1, 1000)
"""Frame rates that can be corrected, in frames per second."""
_SHORTEST_BONE_M = 1e-3


def check_body(motion: Motion) -> None:
    """Raise InputError with the message of `find_flaw` if a motion has one.

    Objects of other types are refused, too.
    """
    if not isinstance(motion, Motion):
        raise InputError(f"expected a Motion, got {type(motion).__name__}")
    if flaw := find_flaw(motion):
        raise InputError(flaw)


def find_flaw(motion: Motion) -> str:
    """Return why a motion cannot be corrected, or ""."""
    flaw = _find_flaw_in_numbers(motion)
    if not flaw and (reason := find_missing_body(motion)):
        flaw = f"{NO_BODY} ({reason})"
    flaw = flaw or _find_flaw_in_rest(motion)
    return f"{motion.source or 'the motion'}: {flaw}" if flaw else ""


def _find_flaw_in_numbers(motion: Motion) -> str:
    if not len(motion):
        return "has no frames"
    if not FPS_RANGE[0] <= motion.fps <= FPS_RANGE[1]:
        return f"frames per second must be in {FPS_RANGE}, got {motion.fps:.3g}"
    distances_m = np.abs(motion.root_m).max(axis=1)
    if distances_m.max() > FARTHEST_M:
        return f"the body is {distances_m.max():.3g} m away in frame {int(distances_m.argmax())}"
    is_zero = in_chunks(largest_components, motion.rotations) < LENGTHS_READ[0]
    if is_zero.any():
        frame, joint = np.argwhere(is_zero)[0]
        return f"invalid rotation of {motion.skeleton.names[joint]} in frame {frame}"
    return ""


def find_missing_body(motion: Motion) -> str:
    """Return why a motion does not show a human body, or ""."""
    skeleton = motion.skeleton
    missing = [part for part in REQUIRED_PARTS if skeleton.joint(part) is None]
    if not missing:
        if is_quadruped(motion):
            return "it walks on all fours, with a trunk as long as its legs"
        extra = find_extra_leg_joints(motion)
        names = " and ".join(skeleton.names[joint] for joint in extra)
        return (
            f"its legs have three segments, as those of birds and dinosaurs: they also bend at {names}" if extra else ""
        )
    shown = ", ".join(skeleton.names[:12]) + (", …" if len(skeleton) > 12 else "")
    if len(missing) == len(REQUIRED_PARTS):
        return f"its joints are {shown}"
    return f"no joint is recognised as {', '.join(missing)}; its joints are {shown}"


def _find_flaw_in_rest(motion: Motion) -> str:
    """Return which bones have no length in the rest pose, or "".

    Broken exports collapse joints that are apart in every body.
    """
    skeleton = motion.skeleton
    rest_m = motion.skeleton.rest_positions_m
    collapsed = []
    for first_part, last_part in _SEPARATE_PARTS:
        start = skeleton.joint(first_part)
        end = skeleton.joint(last_part)
        if start is None or end is None:
            continue
        if np.linalg.norm(rest_m[end] - rest_m[start]) < _SHORTEST_BONE_M:
            collapsed.append((skeleton.names[start], skeleton.names[end]))
    if not collapsed:
        return ""
    first = f"the bone from {collapsed[0][0]} to {collapsed[0][1]} has no length"
    if len(collapsed) == 1:
        return first
    return f"its rest pose is collapsed: {first}, nor have {len(collapsed) - 1} others; export it with its rest pose"


_TRUNK_PER_LEG = 0.85
"""Minimum ratio of trunk to leg length (thigh and shank) in a quadruped. It is 0.45 to 0.75 in people and about 1 in
dogs."""

UPRIGHT_COSINE = 0.5
"""Maximum cosine between a quadruped's trunk and its legs. In people the trunk continues the legs."""


def is_quadruped(motion: Motion) -> bool:
    """Return whether the body is a quadruped.

    A quadruped's trunk is as long as its legs, and is across them in most frames.
    """
    joints: list[int] = []
    for part in ("hip", "knee", "ankle", "shoulder"):
        if (pair := motion.skeleton.pair(part)) is None:
            return False
        joints += pair
    middles_m = joint_positions(motion, joints).reshape(len(motion), -1, 2, 3).mean(axis=2)
    hips, knees, ankles, shoulders = np.moveaxis(middles_m, 1, 0)
    trunk = shoulders - hips
    legs = hips - ankles
    leg_m = norms(knees - hips) + norms(ankles - knees)
    if median(leg_m) < _SHORTEST_BONE_M:
        return False
    trunk_per_leg = norms(trunk) / np.maximum(leg_m, _SHORTEST_BONE_M)
    return bool(median(trunk_per_leg) > _TRUNK_PER_LEG and median(cosines(trunk, legs)) < UPRIGHT_COSINE)


_MIN_SEGMENT = 0.15
"""Minimum length of a leg segment, relative to the leg. People have two of about 0.5; feet begin at the ankle."""
_BENT_COSINE = 0.94
"""Maximum cosine of the angle at which two segments meet, 20°. Twist joints within a bone are straight."""


def find_extra_leg_joints(motion: Motion) -> list[int]:
    """Find the joints at which both legs bend between hip and ankle, besides the knees.

    Returns [] if a leg has none, as in people.
    """
    skeleton = motion.skeleton
    extra: list[int] = []
    for side in SIDES:
        hip, knee, ankle = (skeleton.joint(f"{side}_{part}") for part in ("hip", "knee", "ankle"))
        if hip is None or knee is None or ankle is None:
            return []
        path = [hip, *skeleton.path_between(hip, ankle)]
        positions_m = joint_positions(motion, path)
        leg_m = float(median(norms(np.diff(positions_m, axis=1)).sum(axis=1)))
        bent = []
        for index in range(1, len(path) - 1):
            above_m = positions_m[:, index] - positions_m[:, index - 1]
            below_m = positions_m[:, index + 1] - positions_m[:, index]
            shortest_m = min(float(median(norms(above_m))), float(median(norms(below_m))))
            is_bent = shortest_m > _MIN_SEGMENT * leg_m and float(median(cosines(above_m, below_m))) < _BENT_COSINE
            if is_bent and path[index] != knee:
                bent.append(path[index])
        if not bent:
            return []
        extra += bent
    return extra
