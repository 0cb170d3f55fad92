"""Contacts that a correction loses: feet that were on the floor before and are in the air after it.

A foot that no longer touches the floor neither slides nor sinks. Its figures look cured although nothing was corrected,
so lost contacts are counted. Two signs are used, each with its own frames, and the larger share counts.

1. A foot stands or slides in the input, and afterwards its sole is in the air.
2. The body touches the floor in the input, and afterwards all of it is in the air without falling as in flight. This
   sign also sees feet that slide fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.runs import find_runs
from ..measures.contacts import find_standing_joints, foot_joints
from ..measures.physical import TOLERANCE_M
from ..motion import Motion
from ..skeleton import SIDES
from ..support import Support, Surroundings
from .floor import find_unsupported_frames
from .motion_features import MotionFeatures

_IN_AIR_M = 0.03
"""A sole whose lowest point is higher than this does not touch the ground: heels and toes roll below it."""
_RISE_M = 0.02
"""Least rise of a sole that was lifted; one that was as high before has lost nothing."""
_BODY_IN_AIR_M = 0.02
"""A body whose lowest point is higher than this is in the air."""
_SAME_LEVEL_M = 0.01
"""A motion whose root is raised by less than this stays on its level, which need not be y = 0."""
_SHORTEST_S = 0.1
"""A contact is lost for this long or longer."""


@dataclass(frozen=True)
class LostContacts:
    """Contacts that were lost."""

    share: float = 0.0
    """Share of the frames of contact, from 0 to 1."""
    height_m: float = 0.0
    """Mean height above the ground of what lost its contact."""


def find_lost_contacts(before: MotionFeatures, after: MotionFeatures, supports: Sequence[Support] = ()) -> LostContacts:
    """Find the contacts of feet with the floor that a motion has lost after its correction.

    Args:
        before: Features of a motion of T frames.
        after: Those of the same motion after correction.
        supports: What carries the corrected motion besides the floor.

    Returns:
        The lost share of the contacts, and how high the feet are instead.
    """
    if len(before) < 2 or not before.has_feet:
        return LostContacts()
    raised_m = float(np.median((after.given.root_m - before.given.root_m)[:, 1]))
    ground_m = before.ground_m if abs(raised_m) < _SAME_LEVEL_M else 0.0
    after = after.with_surroundings(Surroundings(tuple(supports), ground_m))
    by_foot = _lost_by_foot(before.given, before, after)
    by_body = _lost_by_body(before, after)
    return max(by_foot, by_body, key=lambda lost: lost.share)


def _lost_by_foot(before: Motion, seen_before: MotionFeatures, seen_after: MotionFeatures) -> LostContacts:
    """Return the contacts lost by feet of which a joint stands or slides."""
    _, joint_stands = find_standing_joints(before)
    sides = np.array([before.skeleton.parts[joint].partition("_")[0] for joint in foot_joints(before.skeleton)])
    stands = np.stack([joint_stands[:, sides == side].any(axis=1) for side in SIDES], axis=1)
    heights_m = seen_after.sole_heights_m
    in_air = (heights_m > _IN_AIR_M) & (heights_m - seen_before.sole_heights_m > _RISE_M)
    return _count_lost(stands, in_air, heights_m, before.fps)


def _lost_by_body(seen_before: MotionFeatures, seen_after: MotionFeatures) -> LostContacts:
    """Return the contacts lost by the body as a whole."""
    touches = seen_before.lowest_m <= TOLERANCE_M
    in_air = find_unsupported_frames(seen_after, _BODY_IN_AIR_M)
    return _count_lost(touches[:, None], in_air[:, None], seen_after.lowest_m[:, None], seen_after.fps)


def _count_lost(has_contact: np.ndarray, in_air: np.ndarray, heights_m: np.ndarray, fps: float) -> LostContacts:
    """Count the contacts (T, K) that are lost for `_SHORTEST_S` or longer."""
    is_lost = has_contact & in_air
    for lost in is_lost.T:
        for start, stop in find_runs(lost):
            if stop - start < _SHORTEST_S * fps:
                lost[start:stop] = False
    if not is_lost.any():
        return LostContacts()
    return LostContacts(float(is_lost.sum() / has_contact.sum()), float(heights_m[is_lost].mean()))
