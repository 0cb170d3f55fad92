"""Motions on ground that rises or sinks, as on a lift, seen from that ground and put back.

A body that rises or sinks evenly for longer than any flight is carried. If its feet do not travel and move up or down
together, the ground below them moves. Seen from there, the motion stands on a single level: at a constant speed, forces
are the same. So it is with ground that rises steadily under all steps, as captured floors do that slope.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..geometry.filters import uniform_filter1d
from ..geometry.kinematics import joint_positions
from ..geometry.runs import find_runs
from ..geometry.vectors import norms
from ..measures.ground_plane import estimate_ground_plane
from ..motion import Motion
from ..observation.observation import observe
from ..skeleton import SIDES
from ..support import Support
from .results import CorrectedMotion, Note, NoteKind

_LEAST_S = 1.0
"""Least duration of a ride."""
_LEAST_RISE_M = 1.0
"""Least height of a ride: who pulls up on a bar raises both feet by less."""
_SLOWEST_M_S = 0.1
"""Least mean speed of a ride."""
_RESTS_M_S = 0.01
"""Ground that is slower does not move."""
_TOGETHER_M_S = 0.15
"""Largest speed of a foot along the ground, and largest difference of the speeds of feet upwards."""
_MOST_M_S2 = 3.0
"""Largest usual acceleration of a lift; a flight has gravity's acceleration."""
_SMOOTHED_S = 0.1


@dataclass(frozen=True, eq=False)
class Ride:
    """Height of the ground that carries a motion of T frames."""

    rises_m: np.ndarray | None = None
    """(T,) height above the first frame's; from its middle for ground that rises steadily; None if it does not move."""
    kind: NoteKind = NoteKind.RIDE

    @classmethod
    def from_motion(cls, motion: Motion, *, levels: bool = False) -> Ride:
        """Return the ride of a motion, or else the steady rise of its ground if that is no tilted plane.

        Args:
            motion: A motion; without ankles or on a known ground it has no ride.
            levels: Whether a steady rise is to be removed.
        """
        lift = cls._find_lift(motion)
        if lift.rises_m is not None or motion.ground is not None:
            return lift
        rise_m = observe(motion).rise_m
        kind = NoteKind.RISE_REMOVED if levels else NoteKind.RISES
        return cls(rise_m, kind) if rise_m.any() and not estimate_ground_plane(motion).is_tilted else cls()

    @classmethod
    def _find_lift(cls, motion: Motion) -> Ride:
        """Return the ride of a motion; a motion on a known ground has none."""
        if motion.ground is not None or not len(motion) or np.ptp(motion.root_m[:, 1]) < _LEAST_RISE_M:
            return cls()
        feet_m = _find_foot_joints_m(motion)
        if feet_m is None:
            return cls()
        window = max(round(_SMOOTHED_S * motion.fps), 1)
        speeds_m_s = uniform_filter1d(np.gradient(feet_m, axis=0) * motion.fps, window, axis=0)
        upward_m_s = speeds_m_s[..., 1].mean(axis=1)
        apart_m_s = np.abs(speeds_m_s[..., 1] - upward_m_s[:, None]).max(axis=1)
        along_m_s = norms(speeds_m_s[..., [0, 2]]).max(axis=1)
        is_carried = (apart_m_s < _TOGETHER_M_S) & (along_m_s < _TOGETHER_M_S) & (np.abs(upward_m_s) > _RESTS_M_S)
        heights_m = feet_m[..., 1].mean(axis=1)
        foot_steps_m = np.diff(heights_m, prepend=heights_m[0])
        steps_m = np.zeros(len(motion))
        for start, stop in find_runs(is_carried, max(round(_LEAST_S * motion.fps), 2)):
            run_m_s = upward_m_s[start:stop]
            rise_m = abs(run_m_s.sum()) / motion.fps
            is_flight = np.median(np.abs(np.gradient(run_m_s))) * motion.fps > _MOST_M_S2
            if rise_m > _LEAST_RISE_M and rise_m * motion.fps > _SLOWEST_M_S * len(run_m_s) and not is_flight:
                steps_m[start:stop] = foot_steps_m[start:stop]
        if not steps_m.any():
            return cls()
        rises_m = np.cumsum(steps_m)
        return cls(rises_m - rises_m[0])

    def view(self, motion: Motion) -> Motion:
        """Return a motion as it is seen from the ground that carries it."""
        return motion if self.rises_m is None else _raise_by(motion, -self.rises_m)

    def restore(self, correction: CorrectedMotion) -> CorrectedMotion:
        """Return a correction of the motion that is seen from the ground in the world, with a note."""
        if self.rises_m is None:
            return correction
        extent_m = self.rises_m - self.rises_m[0]
        note = Note(self.kind, round(float(extent_m[np.abs(extent_m).argmax()]), 3))
        if self.kind is NoteKind.RISE_REMOVED and correction.accepted:
            notes = [note for note in correction.notes if note.kind is not NoteKind.NOT_LEVELLED]
            return replace(correction, notes=(note, *notes))
        supports = tuple(self._raise_support(support) for support in correction.supports)
        motion = _raise_by(correction.motion, self.rises_m)
        return replace(correction, motion=motion, supports=supports, notes=(note, *correction.notes))

    def _raise_support(self, support: Support) -> Support:
        assert self.rises_m is not None, "the ground moves"
        x, height_m, z = support.top_m
        return replace(support, top_m=(x, height_m + float(self.rises_m[support.first]), z))


def _find_foot_joints_m(motion: Motion) -> np.ndarray | None:
    """Return the positions (T, P, 3) of ankles and toes; None without two ankles."""
    skeleton = motion.skeleton
    ankles = skeleton.pair("ankle")
    if ankles is None:
        return None
    toes = [joint for side in SIDES if (joint := skeleton.joint(f"{side}_foot")) is not None]
    return joint_positions(motion)[:, [*ankles, *toes]]


def _raise_by(motion: Motion, rises_m: np.ndarray) -> Motion:
    root_m = motion.root_m.copy()
    root_m[:, 1] += rises_m
    return replace(motion, root_m=root_m)
