"""Signs that a recording or its reading went wrong: spikes, wrong units, a floor elsewhere, nothing that moves.

A sign is no verdict: people do jump off walls. The thresholds lie outside what people on the ground do.
"""

from __future__ import annotations

import numpy as np

from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.contacts import floor_height_m
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton

SPIKE_M_S = 14.0
"""Faster than any body joint of a sprinter or kicker; the throwing hand alone comes near."""
BODY_M = (0.7, 2.3)
FLOOR_M = 0.08
STILL_M = 0.01
FRAMES_PER_SECOND = (5.0, 250.0)


def suspicions(motion: Motion, level: bool = True) -> list[str]:
    """What is odd about a motion, a phrase each; nothing for most. Of ground that is not `level` no height is odd."""
    checks = (_units, _frame_rate, _spikes, *((_floor,) if level else ()), _stillness)
    return [phrase for check in checks for phrase in check(motion)]


def spikes(motion: Motion) -> np.ndarray:
    """(T − 1,) whether a body joint (no finger, no end site) is faster than 14 m/s until the next frame."""
    return _speeds_m_s(motion).max(axis=1, initial=0) > SPIKE_M_S


def _body(skeleton: Skeleton) -> list[int]:
    """Joints that are parts of the body; all where none is known."""
    return [joint for joint, part in enumerate(skeleton.parts) if part] or list(range(len(skeleton)))


def _speeds_m_s(motion: Motion) -> np.ndarray:
    joints_m = joint_positions(motion)[:, _body(motion.skeleton)]
    return np.linalg.norm(np.diff(joints_m, axis=0), axis=-1) * motion.fps


def _units(motion: Motion) -> list[str]:
    """The way from the head to a foot along the bones, which no pose changes."""
    skeleton = motion.skeleton
    ends = [skeleton.joint(part) for part in ("head", "left_ankle")]
    lengths_m = [_length_to_root_m(skeleton, end) for end in ends if end is not None]
    if len(lengths_m) < 2 or BODY_M[0] < sum(lengths_m) < BODY_M[1]:
        return []
    return [f"head to ankle measures {sum(lengths_m):.3g} m: wrong unit of length?"]


def _length_to_root_m(skeleton: Skeleton, joint: int) -> float:
    length_m = 0.0
    while joint > 0:
        length_m += float(np.linalg.norm(skeleton.offsets_m[joint]))
        joint = skeleton.parents[joint]
    return length_m


def _frame_rate(motion: Motion) -> list[str]:
    low, high = FRAMES_PER_SECOND
    return [] if low <= motion.fps <= high else [f"{motion.fps:g} frames per second"]


def _spikes(motion: Motion) -> list[str]:
    if not (count := int(spikes(motion).sum())):
        return []
    speeds = _speeds_m_s(motion)
    frame, joint = np.unravel_index(speeds.argmax(), speeds.shape)
    name = motion.skeleton.names[_body(motion.skeleton)[joint]]
    return [f"{count} spikes, the fastest {speeds.max():.0f} m/s of {name} after frame {frame}"]


def _floor(motion: Motion) -> list[str]:
    if None in (motion.skeleton.joint("left_ankle"), motion.skeleton.joint("right_ankle")):
        return []
    height_m = floor_height_m(motion)
    if abs(height_m) <= FLOOR_M:
        return []
    return [f"floats {height_m:.2f} m above the floor" if height_m > 0 else f"stands {-height_m:.2f} m below the floor"]


def _stillness(motion: Motion) -> list[str]:
    moved_m = np.ptp(joint_positions(motion), axis=0).max()
    return [f"nothing moves by more than {STILL_M * 100:.0f} cm"] if moved_m < STILL_M else []
