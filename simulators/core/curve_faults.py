"""Repair curves that leave their path and come back.

A curve is the path of the root, or the rotation of a joint. Euler angles that are averaged or interpolated where they
jump from 180° to −180° send a joint the long way round, trackers lose frames, and numbers overflow. Such faults have in
common that a curve bends sharply twice, and that it is elsewhere in between than the frames around say.

The frames between two sharp bends are replaced by the curve u through the frames around that minimises Σ |Δ²u|², on
which rotations take the short way. They are a fault if these bends are much sharper than all that remain, if no person
moves like that, and if the body becomes calmer in the world. No kind of fault is searched for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import numpy as np

from selfcorrect.motion.geometry.curves import smooth_whittaker
from selfcorrect.motion.geometry.filters import FRAME_S
from selfcorrect.motion.geometry.rotations import invert, rotate
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.kinematics import forward_kinematics, make_continuous
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.repeats import FrameRepeats
from selfcorrect.motion.skeleton import Skeleton

from ..results.comparison import include_repair
from ..results.results import Note, NoteKind
from ..results.view import CorrectionView, Part
from .settings import ViewSettings

MIN_JUMP_RATIO = 2.5
"""Minimum ratio of a jump, of a body or of a part, to the motion around it."""
_MIN_AWAY_M = 0.05
"""Minimum distance of a part from where it should be, in m."""
_RETURN_S = 2 * FRAME_S
"""Time within which no part moves that far away and comes back, in s."""
_MAX_BEND_M = 0.15
"""Maximum change of a part's step by a person, in m: 135 m/s² at 30 fps. For longer frames, it grows with the square of
their duration. Faults that last longer bend more at both ends, and no motion without them does."""
_LONGEST_S = 1 / 3
"""Maximum duration of a fault, in s. For longer, the frames around do not show where a part should be."""
_AROUND = 6
"""Frames on either side that show where a part should be, at most."""
_FIXED_WEIGHT = 1e6
"""Weight of these frames, relative to second differences."""
_FREE_WEIGHT = 1e-6
"""Weight of the frames of a fault."""
_CERTAINLY = 1 - 1e-6
"""Factor that keeps rounding from deciding."""
_SMALLEST_M = 0.3
"""Size for which parts count at least, in m: feet and hands turn as slowly as forearms."""


@dataclass(frozen=True)
class CurveFault:
    """Frames in which a curve is elsewhere."""

    joint: int
    """Joint whose rotation is wrong; −1 for the path of the root."""
    start: int
    stop: int
    """First frame, and the frame after the last one. At least one frame is before and after."""

    def overlaps(self, other: CurveFault) -> bool:
        """Return whether two faults of a curve share frames."""
        return self.joint == other.joint and self.start < other.stop and other.start < self.stop


def see_repaired_curves(part: Part, settings: ViewSettings) -> CorrectionView:
    """Hide that curves left their path.

    Motions with repeated frames are left unchanged, because they move by jumps.
    """
    repaired, faults = repair_curves(part.motion)
    if not faults or FrameRepeats.from_motion(part.motion).has_repeats:
        return CorrectionView.from_part(part)
    note = Note(NoteKind.CURVES_REPAIRED, words=_describe(faults, part.motion.skeleton))
    return CorrectionView.from_part(replace(part, motion=repaired), partial(include_repair, part.motion, note))


def _describe(faults: Sequence[CurveFault], skeleton: Skeleton) -> str:
    """Say which curves were repaired in which frames."""
    joints: dict[tuple[int, int], list[str]] = {}
    for fault in faults:
        name = skeleton.names[fault.joint] if fault.joint >= 0 else "path"
        joints.setdefault((fault.start, fault.stop - 1), []).append(name)
    return "; ".join(f"{first} to {last} ({', '.join(names)})" for (first, last), names in joints.items())


def repair_curves(motion: Motion) -> tuple[Motion, tuple[CurveFault, ...]]:
    """Repair curves that leave their path for some frames.

    Returns:
        The motion, which is the same if nothing was repaired, and the faults in the order of their frames.
    """
    if len(motion) < 4:
        return motion, ()
    curves = _Curves.from_motion(motion)
    faults: list[CurveFault] = []
    is_done = False
    while not is_done:  # once a hand is where it should be, it shows faults of its arm
        is_done = True
        for joint in range(-1, len(motion.skeleton)):
            suspects = {suspect for suspect in curves.list_suspects(joint) if not any(map(suspect.overlaps, faults))}
            while suspects and (found := _find_fault(curves, suspects)):
                fault, curves = found
                faults.append(fault)
                suspects = {suspect for suspect in suspects if not suspect.overlaps(fault)}
                is_done = False
    return curves.motion, tuple(sorted(faults, key=lambda fault: (fault.start, fault.joint)))


def _find_fault(curves: _Curves, suspects: Collection[CurveFault]) -> tuple[CurveFault, _Curves] | None:
    """Find the fault without which its curve is smoothest, and return it with the repaired curves."""
    remaining_m: dict[CurveFault, float] = {}
    for suspect in suspects:
        bend_m = curves.measure_remaining_bend_m(suspect)
        if bend_m is not None:
            remaining_m[suspect] = bend_m
    for fault in sorted(remaining_m, key=lambda fault: (remaining_m[fault], fault.start)):
        repaired = _choose_repair(curves, fault)
        if repaired is not None:
            return fault, _Curves.from_motion(repaired)
    return None


def _scale_bend_m(fps: float) -> float:
    """Return `_MAX_BEND_M` at a frame rate."""
    return _MAX_BEND_M * max(1.0, 1 / (FRAME_S * fps)) ** 2


@dataclass(frozen=True, eq=False)
class _Curves:
    """The curves of a motion of T frames and J joints."""

    motion: Motion
    rotations: np.ndarray
    """(T, J, 4) continuous rotations."""
    reaches_m: np.ndarray
    """(J,) distance that the part moved by a joint reaches from it, in m."""
    bends_m: np.ndarray
    """(T, 1 + J) change of each part's step, in m, by the root's path and by each joint's rotation. Joints that move no
    known part of the body, such as fingers, have 0, because their rotations are often noise."""

    @classmethod
    def from_motion(cls, motion: Motion) -> Self:
        """Return the curves of a motion."""
        skeleton = motion.skeleton
        distances_m = norms(skeleton.rest_positions_m - skeleton.rest_positions_m[:, None])
        reaches_m = np.maximum(np.where(skeleton.descendants, distances_m, 0.0).max(axis=1), _SMALLEST_M)
        is_bodily = (skeleton.descendants & np.array([bool(part) for part in skeleton.parts])).any(axis=1)
        rotations = make_continuous(motion.rotations)
        bends_m = np.zeros((len(motion), 1 + len(skeleton)))
        bends_m[1:-1, 0] = norms(np.diff(motion.root_m, 2, axis=0))
        bends_m[1:-1, 1:] = 2 * reaches_m * is_bodily * norms(np.diff(rotations, 2, axis=0))
        return cls(motion, rotations, reaches_m, bends_m)

    def list_suspects(self, joint: int, within: CurveFault | None = None) -> Iterator[CurveFault]:
        """Yield the frames between two sharp bends of a curve, the shortest first.

        Args:
            within: Frames of another curve to which they belong, if any.
        """
        fps = self.motion.fps
        bends_m = self.bends_m[:, joint + 1]
        sharp = np.flatnonzero(bends_m > _MIN_AWAY_M)
        if within is not None:
            sharp = sharp[(sharp >= within.start - 1) & (sharp <= within.stop)]
        if len(sharp) < 2:
            return
        longest = max(1, round(_LONGEST_S * fps))
        is_sharp = np.zeros(sharp[-1] + longest + 2, dtype=bool)
        is_sharp[sharp] = True
        for frames in range(1, longest + 1):
            before = sharp[is_sharp[sharp + frames + 1]]
            if frames > max(1, round(_RETURN_S * fps)):
                before = before[np.minimum(bends_m[before], bends_m[before + frames + 1]) > _scale_bend_m(fps)]
            for last in before.tolist():
                yield CurveFault(joint, last + 1, last + 1 + frames)

    def has_fault_within(self, joint: int, fault: CurveFault) -> bool:
        """Return whether a curve has a fault within the frames of another one."""
        return any(self.measure_remaining_bend_m(suspect) is not None for suspect in self.list_suspects(joint, fault))

    def measure_remaining_bend_m(self, fault: CurveFault) -> float | None:
        """Return the sharpest bend of a curve around a fault after its repair, in m.

        Returns None if the curve is near its path in these frames, or would not bend much less.
        """
        if self._stays_rough(fault):
            return None
        flank = fault.stop - fault.start + 1
        seen_first = max(fault.start - max(flank, _AROUND), 0)
        seen = slice(seen_first, fault.stop + max(flank, _AROUND))  # all that the bridge depends on
        if fault.joint < 0:
            given_m = self.motion.root_m[seen]
        else:
            given_m = 2 * self.reaches_m[fault.joint] * self.rotations[seen, fault.joint]
        bridged_m = _bridge(given_m, replace(fault, start=fault.start - seen_first, stop=fault.stop - seen_first))
        first = max(fault.start - flank, 0)
        around = slice(first - seen_first, fault.stop + flank - seen_first)
        given_m, bridged_m = given_m[around], bridged_m[around]
        bends_m = norms(np.diff(given_m, 2, axis=0))
        ends = [max(frame - 1 - first, 0) for frame in (fault.start - 1, fault.stop)]
        sharp_m = bends_m[np.minimum(ends, len(bends_m) - 1)].min()
        inside = slice(fault.start - first, fault.stop - first)
        away_m = norms(given_m[inside] - bridged_m[inside]).max()
        remaining_m = float(norms(np.diff(bridged_m, 2, axis=0)).max())
        is_possible = remaining_m < _scale_bend_m(self.motion.fps)
        is_fault = away_m > _MIN_AWAY_M and sharp_m > MIN_JUMP_RATIO * remaining_m and is_possible
        return remaining_m if is_fault else None

    def _stays_rough(self, fault: CurveFault) -> bool:
        """Return whether the frames beside a fault bend too sharply already; its repair leaves them as they are."""
        bends_m = self.bends_m[:, fault.joint + 1]
        flank = fault.stop - fault.start + 1
        beside_m = max(
            bends_m[max(fault.start - flank, 0) + 1 : fault.start - 1].max(initial=0.0),
            bends_m[fault.stop + 1 : fault.stop + flank - 1].max(initial=0.0),
        )
        sharp_m = min(bends_m[fault.start - 1], bends_m[fault.stop])
        return bool(sharp_m < _CERTAINLY * MIN_JUMP_RATIO * beside_m)

    def repair(self, *faults: CurveFault) -> Motion:
        """Return the motion without faults of different curves."""
        root_m = self.motion.root_m
        rotations = self.motion.rotations.copy()
        for fault in faults:
            frames = slice(fault.start, fault.stop)
            if fault.joint < 0:
                root_m = _bridge(root_m, fault)
            else:
                bridge = _bridge(self.rotations[:, fault.joint], fault)[frames]
                rotations[frames, fault.joint] = bridge / norms(bridge)[:, None]
        return replace(self.motion, root_m=root_m, rotations=rotations)


def _bridge(values: np.ndarray, fault: CurveFault) -> np.ndarray:
    """Interpolate a curve (T, K) over a fault.

    Quaternions (K = 4) take the short way; behind the fault, their signs may be reversed.
    """
    values = values.copy()
    if values.shape[1] == 4 and values[fault.start - 1] @ values[fault.stop] < 0:
        values[fault.stop :] *= -1
    first = max(fault.start - _AROUND, 0)
    around = values[first : fault.stop + _AROUND]
    inside = slice(fault.start - first, fault.stop - first)
    weights = np.full(len(around), _FIXED_WEIGHT)
    weights[inside] = _FREE_WEIGHT
    around[inside] = 0.0  # not even an overflow counts
    around[inside] = smooth_whittaker(around, 1.0, weights)[inside]
    return values


def _choose_repair(curves: _Curves, fault: CurveFault) -> Motion | None:
    """Return the motion without a fault, or None if that does not calm the body.

    If joints further out have faults in the same frames, they made up for it, or whole frames were lost.
    """
    below = np.flatnonzero(curves.motion.skeleton.descendants[max(fault.joint, 0)]).tolist()
    every = [replace(fault, joint=joint) for joint in ([-1, *below] if fault.joint <= 0 else below)]
    shown = [other for other in every if other == fault or curves.has_fault_within(other.joint, fault)]
    repaired = curves.repair(fault)
    for further in (shown, every) if len(shown) > 1 else ():
        whole = curves.repair(*further)
        rough_m = [_measure_roughness_m(_pose(each, fault)).mean() for each in (repaired, whole)]
        repaired = whole if rough_m[1] < rough_m[0] / MIN_JUMP_RATIO else repaired
    return repaired if _is_calmer(curves.motion, repaired, fault) else None


def _is_calmer(before: Motion, after: Motion, fault: CurveFault) -> bool:
    """Return whether a repair calms the part that the joint moves, and neither the body nor a foot gets rougher.

    The body is seen in the world: if it jerks on standing feet, it does not jump, and a trunk may make up for the
    root.
    """
    before_m, after_m = _pose(before, fault), _pose(after, fault)
    rough_m, calm_m = _measure_roughness_m(before_m), _measure_roughness_m(after_m)
    feet = list(before.skeleton.pair("ankle") or ())
    moved = np.flatnonzero(norms(before_m - after_m).max(axis=0) > _MIN_AWAY_M)
    if (
        not len(moved)
        or (calm_m[feet] > np.maximum(rough_m[feet], _MIN_AWAY_M)).any()
        or calm_m.mean() > rough_m.mean()
    ):
        return False
    if fault.joint > 0:
        parent = before.skeleton.parents[fault.joint]
        rough_m, calm_m = (_measure_roughness_m(_pose(each, fault, parent)[:, moved]) for each in (before, after))
    return bool(calm_m.mean() < rough_m.mean() / MIN_JUMP_RATIO)


def _pose(motion: Motion, fault: CurveFault, parent: int | None = None) -> np.ndarray:
    """Return joint positions (F, J, 3) around a fault, in the world or as seen from a joint."""
    around = motion.frames(max(fault.start - 3, 0), fault.stop + 3)
    positions_m, orientations = forward_kinematics(motion.skeleton, around.root_m, around.rotations)
    if parent is None:
        return positions_m
    return rotate(invert(orientations[:, parent, None]), positions_m - positions_m[:, parent, None])


def _measure_roughness_m(positions_m: np.ndarray) -> np.ndarray:
    """Return the largest second difference (J,) of points (F, J, 3), in m."""
    return norms(np.diff(positions_m, 2, axis=0)).max(axis=0)
