"""Show motions on a floor that stands still.

In motions from video, the floor may slide under all standing feet alike, steadily or not. This drift is estimated and
removed. A body that walks or runs in place on a treadmill moves in the same way, with the belt as the floor, and only
the root's travel distinguishes a treadmill from drift. The root therefore ends in the same place unless a slow drift is
certain, or the removal of drift is requested. Feet are planted on the belt of a treadmill. Otherwise, they are planted
on a floor that stands still, if no stance slides too far for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.motion.geometry.curves import smoothstep
from selfcorrect.motion.geometry.filters import gaussian_filter1d
from selfcorrect.motion.geometry.floor_speeds import floor_speeds_between_m_s, floor_velocities_between_m_s
from selfcorrect.motion.geometry.vectors import find_distinct, norms
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.motion_features import STEP_SMOOTHING_S
from selfcorrect.motion.perception.observation import observe
from selfcorrect.motion.perception.stances import SHORTEST_STANCE_S

from ..results.results import Note, NoteKind, Repair
from ..stages.values import Floor
from .cleaning import CleanupState
from .contact_solve import DRAG_LIMIT_M
from .drift_estimate import IN_PLACE_SHARE, estimate_floor_drift, find_certain_drift, is_in_place
from .stance import label_stances

_MIN_RESTING_WEIGHT = 0.5
"""Minimum weight of a resting foot that bears the body."""
_MIN_LANDINGS = 2
"""Minimum number of landings of a hop on a treadmill."""
_MAX_SWING_M = 0.3
"""Maximum root displacement by the swing that is removed, in m. Slower swings are kept."""
_MAX_SWING_IN_PLACE_M = 0.1
"""The same for bodies that travel less far than the floor beneath, in m. Treadmills need not be steady."""
_MIN_ROOT_SHARE = 0.3
"""Minimum share of a swing in the root's path. Legs that bend to and fro reach 0.1."""
_MIN_CORRELATION = 0.4
"""Minimum correlation between swing and root. On CMU's training clips, swings of the root have 0.5 to 1, and knees that
bend to and fro have less than 0.3."""
_SMOOTHING_TIMES_S = (4.0, 2.8, 2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25)
"""Smoothing times of the drift that is kept, in s, tried until the remaining drift is within `_MAX_SWING_M`."""


@dataclass(frozen=True)
class StabilizeFloor:
    """Show motions on a floor that stands still.

    The floor's horizontal velocity v(t) is estimated and removed. It is either steady, the densest velocity of standing
    points, or a Whittaker smoother of their velocities u: min Σ w ‖v − u‖² + λ ‖Δ²v‖², with outliers excluded step by
    step. In the end, v is restored except for swings.

    The parameters were set by hand on CMU clips with added steady and swinging drift of 0.6 m/s. Added drift is
    removed, and clean clips are left unchanged.
    """

    remove: bool = False
    """Remove all drift, which changes the path. Otherwise, the root ends in the same place."""
    keep_path: bool = False
    """Keep the path with all drift and glides. Feet then stand on moving ground, as on a walkway."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        motions = cleaning.motions
        ground = motions.ground
        if ground is not None and ground.boxes:
            return cleaning
        glides_m_s = [observe(motions[index]).standing_glide_m_s for index in range(len(motions))]
        glides_m = _find_paths_m(glides_m_s, motions.fps)
        posed = cleaning.posed.shift(-glides_m)
        floor_motions = []
        for index, feet_m in enumerate(posed.feet_m):
            motion = posed.motions[index]
            floor_motions.append(
                estimate_floor_motion(motion, feet_m, remove=self.remove, noisy=bool(cleaning.noisy[index]))
            )
        removed_m = _find_paths_m([floor_motion.removed_m_s for floor_motion in floor_motions], motions.fps)
        kept_m = _find_paths_m([floor_motion.kept_m_s for floor_motion in floor_motions], motions.fps)
        in_place = np.array([floor_motion.in_place for floor_motion in floor_motions])
        stabilized = posed.shift(-(removed_m + kept_m))

        # Legs take short slides, so that feet stand still; longer ones stay on a moving floor.
        slides_m = furthest_in_stance_m(kept_m, stabilized.stands_on(0.0))
        locked_share = np.where(in_place[:, None], 0.0, lock_share(slides_m))
        locked_m = np.cumsum(locked_share[..., None] * np.diff(kept_m, axis=1, prepend=0.0), axis=1)
        if locked_m.any():
            kept_m = kept_m - locked_m
            stabilized = posed.shift(-(removed_m + kept_m))
        if self.keep_path:
            kept_m = kept_m + removed_m + glides_m
        repaired = cleaning.with_posed_motions(stabilized.shift(kept_m))
        has_steady_rest = np.array([floor_motion.kept_m_s.any() for floor_motion in floor_motions], dtype=bool)
        moved_m = repaired.record_repair(Repair.DRIFT, motions)
        repairs_m = {
            **moved_m,
            Repair.DRIFT: np.where(has_steady_rest, 0.0, moved_m[Repair.DRIFT]),
            Repair.SWING: np.where(has_steady_rest, moved_m[Repair.DRIFT], 0.0),
        }
        glide_speeds_m_s = np.array([_mean_glide_m_s(glide_m, motions.fps) for glide_m in glides_m])
        removed_glides_m_s = np.where(self.keep_path, 0.0, glide_speeds_m_s)
        notes = []
        for index, floor_motion in enumerate(floor_motions):
            kept_glide = _note_kept_glide(float(glide_speeds_m_s[index] - removed_glides_m_s[index]))
            notes.append((*kept_glide, *_note_gliding_feet(stabilized.motions[index]), *floor_motion.notes))
        state = replace(cleaning, floor=Floor(kept_m, in_place, removed_glides_m_s, notes), repairs_m=repairs_m)
        return state.with_posed_motions(stabilized)


def _mean_glide_m_s(glide_m: np.ndarray, fps: float) -> float:
    """Return the mean speed of a glide (T, 3) while it lasts, in m/s; 0 without a glide."""
    speeds_m_s = floor_speeds_between_m_s(glide_m, fps)
    return round(float(speeds_m_s[speeds_m_s > 0].mean()), 3) if speeds_m_s.any() else 0.0


def _note_kept_glide(speed_m_s: float) -> tuple[Note, ...]:
    """Return a note on a glide that is kept, if there is one."""
    return (Note(NoteKind.GLIDE_KEPT, speed_m_s),) if speed_m_s else ()


def _note_gliding_feet(motion: Motion) -> tuple[Note, ...]:
    """Return a note on feet that glide on the floor and are not planted."""
    speed_m_s = round(float(norms(observe(motion).glide_m_s)), 1)
    return (Note(NoteKind.FEET_GLIDE, speed_m_s),) if speed_m_s else ()


def _find_paths_m(velocities_m_s: Sequence[np.ndarray], fps: float) -> np.ndarray:
    """Integrate N velocities (T − 1, 2), along x and z, into paths (N, T, 3)."""
    paths_m = np.zeros((len(velocities_m_s), len(velocities_m_s[0]) + 1, 3))
    paths_m[:, 1:, [0, 2]] = np.cumsum(velocities_m_s, axis=1) / fps
    return paths_m


def furthest_in_stance_m(moved_m: np.ndarray, stands: np.ndarray) -> np.ndarray:
    """Return how far (N, T) floors move beneath a frame's stance, in m.

    The foot with the longer slide counts. The result is 0 where no foot stands.

    Args:
        moved_m: (N, T, 3) displacement of the floors.
        stands: (N, T, 2) stances.
    """
    numbers = label_stances(stands)
    furthest_m = np.zeros(stands.shape[:2])
    for motion, foot in np.ndindex(len(moved_m), 2):
        foot_numbers = numbers[motion, :, foot]
        for number in find_distinct(foot_numbers[foot_numbers > 0]):
            is_stance = foot_numbers == number
            stance_m = moved_m[motion, is_stance]
            distance_m = float(norms(stance_m - stance_m[0]).max())
            furthest_m[motion, is_stance] = np.maximum(furthest_m[motion, is_stance], distance_m)
    return furthest_m


def lock_share(slides_m: np.ndarray) -> np.ndarray:
    """Return the share (...) of slides (...) that legs absorb so that feet stand still.

    Legs absorb slides up to `DRAG_LIMIT_M`, this much of longer ones, and nothing of slides more than three times as
    long, in which the body glides.
    """
    times = slides_m / DRAG_LIMIT_M
    return smoothstep((3.0 - times) / 1.5) / np.maximum(times, 1.0)


@dataclass(frozen=True, eq=False)
class FloorMotion:
    """Velocity of the floor beneath a body from frame to frame, along x and z."""

    removed_m_s: np.ndarray
    """(T − 1, 2) drift that counts as an error and is removed."""
    kept_m_s: np.ndarray
    """(T − 1, 2) drift that is kept. If stances slide too far for a still floor, feet are planted on the moving
    floor."""
    in_place: bool = False
    """Whether the body walks or runs in place."""

    @property
    def notes(self) -> tuple[Note, ...]:
        """Notes on the drift that is kept."""
        if not self.kept_m_s.any():
            return ()
        kind = NoteKind.IN_PLACE if self.in_place else NoteKind.DRIFT_KEPT
        speed_m_s = round(float(norms(self.kept_m_s).mean()), 1)
        return (Note(kind, speed_m_s),)


def estimate_floor_motion(motion: Motion, feet_m: np.ndarray, *, remove: bool, noisy: bool) -> FloorMotion:
    """Estimate how the floor moves beneath one body, and what to remove.

    A slow drift that is certain is removed. Otherwise, without `remove`, only swings are removed, as far as they move
    the body by at most `_MAX_SWING_M`, so that it ends in the same place.

    Args:
        motion: Motion of T frames.
        feet_m: (T, 2, K, 3) sole corners.
        remove: Whether all drift is removed.
        noisy: Whether the joints are noisy. The drift of a noisy body that runs is not estimated.
    """
    drift_m_s = estimate_floor_drift(motion, feet_m, noisy=noisy)
    root_m = motion.root_m
    fps = motion.fps
    zero_m_s = np.zeros_like(drift_m_s)
    certain_m_s = find_certain_drift(motion, feet_m)
    if certain_m_s.any():
        return FloorMotion(drift_m_s if drift_m_s.any() else certain_m_s, zero_m_s)
    if remove:
        return FloorMotion(drift_m_s, zero_m_s)
    if is_in_place(drift_m_s, root_m, fps, IN_PLACE_SHARE):
        if not _steps_repeatedly(motion):
            return FloorMotion(zero_m_s, drift_m_s)
        belt_m_s = observe(motion).glide_m_s  # on which feet are seen to stand
        if belt_m_s.any():
            drift_m_s = np.tile(belt_m_s, (len(drift_m_s), 1))
        return FloorMotion(zero_m_s, drift_m_s, in_place=True)
    is_slower_than_floor = is_in_place(drift_m_s, root_m, fps, 1.0)
    within_m = _MAX_SWING_IN_PLACE_M if is_slower_than_floor else _MAX_SWING_M
    swing_m_s = _extract_swing(drift_m_s, fps, within_m)
    removed_m_s = swing_m_s if _is_root_swinging(swing_m_s, root_m, fps) else zero_m_s
    return FloorMotion(removed_m_s, drift_m_s - swing_m_s)


def _steps_repeatedly(motion: Motion) -> bool:
    """Return whether a body walks or lands more than once.

    A belt carries feet back, from where they step forward again.
    """
    rests = np.asarray(observe(motion).resting > _MIN_RESTING_WEIGHT)
    alone_s = np.count_nonzero(rests & ~rests[:, ::-1], axis=0) / motion.fps
    lands = np.asarray(rests.any(axis=1))
    landings = np.count_nonzero(lands[1:] & ~lands[:-1])
    return bool((alone_s >= SHORTEST_STANCE_S).all() or landings >= _MIN_LANDINGS)


def _is_root_swinging(swing_m_s: np.ndarray, root_m: np.ndarray, fps: float) -> bool:
    """Return whether the root's accelerations contain those of the swing (S, 2).

    Otherwise, the root moves evenly and the legs swing and bend wrongly. Planting the feet repairs that.
    """
    root_m_s = floor_velocities_between_m_s(root_m, fps)
    velocities_m_s = np.stack([root_m_s, swing_m_s])
    slow_m_s = gaussian_filter1d(velocities_m_s, STEP_SMOOTHING_S * fps, axis=1, mode="nearest")
    root_changes, swing_changes = np.diff(slow_m_s, axis=1)
    contained = float(np.sum(root_changes * swing_changes))
    root_size = float(np.linalg.norm(root_changes))
    swing_size = float(np.linalg.norm(swing_changes))
    is_alike = contained >= _MIN_CORRELATION * root_size * swing_size
    return is_alike and contained >= _MIN_ROOT_SHARE * swing_size**2


def _extract_swing(drift_m_s: np.ndarray, fps: float, within_m: float) -> np.ndarray:
    """Extract the fast swing (S, 2) of a drift.

    The swing stays within a distance of its beginning.
    """
    path_m = np.cumsum(drift_m_s - drift_m_s.mean(0), axis=0) / fps
    for over_s in (None, *_SMOOTHING_TIMES_S):
        swing_m = path_m if over_s is None else _remove_slow_part(path_m, over_s * fps)
        furthest_m = norms(swing_m).max()
        if furthest_m <= within_m:
            return np.diff(swing_m, axis=0, prepend=0.0) * fps
    return np.zeros_like(drift_m_s)


def _remove_slow_part(path_m: np.ndarray, frames: float) -> np.ndarray:
    """Remove what is slower than `frames` from a path (S, 2).

    The result begins and ends at 0.
    """
    slow_m = gaussian_filter1d(path_m, frames, axis=0, mode="nearest")
    share = np.linspace(0.0, 1.0, len(path_m))[:, None]
    fast_m = path_m - slow_m
    return fast_m - (1 - share) * fast_m[0] - share * fast_m[-1]
