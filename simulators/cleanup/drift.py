"""Remove drift of the floor.

A drifting floor slides under all standing feet alike, steadily or not, as in motions from video. Horizontal speed does
not show here which point of a foot stands. So the observation infers standing points from what drift does not change:
height and vertical speed. The drift is the horizontal velocity, constant or else smooth in time, that makes most of
these points still. Drift is believed only if far fewer points still move than without drift.

A body that walks or runs in place moves like one on a treadmill, and the belt is such a floor. Only the root's travel
distinguishes a treadmill from drift. So the root ends in the same place unless the removal of drift is asked for. Feet
are planted on the belt of a treadmill. Otherwise they are planted on a floor that stands still, if no stance slides too
far for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.motion.geometry.filters import gaussian_filter1d
from selfcorrect.motion.geometry.vectors import find_distinct, norms, percentile
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.observation import observe
from selfcorrect.motion.perception.stance_model import STANDS_M_S

from ..body.curves import smooth_whittaker, smoothstep
from ..body.soles import lowness_weights
from ..results.results import Note, NoteKind, Repair
from ..stages.values import Floor
from .cleaning import CleanupState
from .stance import label_stances

_NOISY_STANDS_M_S = 0.25
"""Usual speed of standing points on noisy bodies, in m/s, after noise is removed. The slow part stays."""

_UPRIGHT_M = 0.5
"""Minimum root height above the soles of an upright body, in m."""
_OFTEN = 0.5
"""Minimum time share on feet for steady drift."""
_MOSTLY = 0.8
"""Minimum time share on feet for changing drift. People who roll on the floor really move along."""
_FEWEST_FRAMES = 12
"""Smallest number of frames that show drift."""
_FEWEST_STANDING_S = 0.1
"""Shortest total time of standing feet."""
_STEADY = 0.8
"""Minimum still evidence of steady drift, relative to changing drift."""
_FEWEST_STEADY = 0.3
"""Minimum share of all evidence that steady drift makes still."""
_GATE_WIDTH = 0.05
"""Range of shares over which confidence rises from 0 to 1."""
_RUNNING_M_S = 2.0
"""Minimum speed of bodies that seem to drift, in m/s. Their feet are hardly ever still. Bodies that leap seem to drift,
too."""
_RUNNING_SHARE = 0.12
"""Minimum drift of a running body, relative to its speed."""
_ALONG = 0.45
"""Maximum cosine between run and drift directions."""
_SWINGING_M_S = (0.32, 0.38)
"""Drift changes that exceed a run's, in m/s (RMS). Above the first they may, above the second they surely do. The feet
of CMU's training runs seem to drift by changes of up to 0.15 m/s."""
_LEAPING_M = 0.08
"""Height of both feet in a leap, in m above their usual height."""
_LEAPING_SHARE = 0.1
"""Minimum time share in the air of a leaping body. Its feet show as little as a run's."""
_MOST_STARTS = 100
"""Maximum number of starting points of the search."""
_NARROWING_M_S = (0.18, 0.12, 0.08, 0.06)
"""Outlier scales of the refinement, in m/s. There is one per round; the last one serves five rounds."""
_OUTLIER_M_S = 0.3
"""Scale of outliers of changing drift."""
_EXCLUDING = 3.0
"""First multiple of the outlier scale. It falls to 1 from the first to the seventh of 12 rounds."""
_HABIT = 0.01
"""Weight of the mean velocity. Changing drift returns to the mean when no foot stands."""
_ROLLING = 0.015
"""Apparent speed of a rolling foot, relative to the walking body."""
_ROLLING_M_S = 1.2
"""Maximum speed of a body whose feet roll, in m/s."""
_UNSURE_M_S = 0.18
"""Speed below which rolling may explain slow drift, in m/s."""
_SLOWLY_S = 5 / 3
"""Time scale of slow drift, in s."""
_LONG_S = 6.0
"""A motion is long beyond this duration."""
_IN_PLACE_M_S = 0.2
"""A treadmill's belt is faster than this."""
_IN_PLACE_SHARE = 0.2
"""Maximum root speed on a treadmill, relative to the belt."""
_RESTS = 0.5
"""Minimum share by which a bearing foot rests."""
_ALONE_S = 0.1
"""Minimum single-support time of a treadmill walk, in s."""
_FEWEST_LANDINGS = 2
"""Minimum number of landings of a treadmill hop."""
_WITHIN_M = 0.3
"""Maximum root move to remove swinging drift, in m. Slower swings stay."""
_WITHIN_IN_PLACE_M = 0.1
"""Maximum root move for bodies in place, in m. They travel less far than the floor beneath; treadmills need not be
steady."""
_EVEN_S = 0.25
"""Smoothing time of velocities without steps, in s. Root and swing are compared afterwards."""
_SWINGS_ALONG = 0.3
"""Minimum share of a swing in the root's path. Legs that bend to and fro reach 0.1."""
_SWINGS_ALIKE = 0.4
"""Minimum correlation of both: that of swings that the root made is 0.5 to 1, that of knees that bend to and fro below
0.3, on CMU's training clips."""
_SLOWEST_S = (4.0, 2.8, 2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25)
"""Smoothing times of the drift that stays, in s, tried until the rest is within `_WITHIN_M`."""
_FURTHEST_SLIDE_M = 0.3
"""Maximum slide of a stance on a drifting floor, in m. Shorter slides are planted as on a still floor. Legs absorb this
much of longer slides, and nothing of slides more than three times as long: the body glides."""


@dataclass(frozen=True)
class StabilizeFloor:
    """Show motions on a floor that stands still.

    The floor's horizontal velocity v(t) is estimated and removed. v is a Whittaker smoother of the velocities of
    standing points, min Σ w ‖v − u‖² + λ ‖Δ²v‖², with outliers excluded step by step. A steady v is the densest
    velocity. In the end v is put back, except for swings.

    Set by hand on CMU clips with added steady and swinging drift of 0.6 m/s. Added drift is removed, and clean clips
    stay unchanged.
    """

    remove: bool = False
    """Remove all drift, which changes the path. Otherwise the root ends in the same place."""
    keep_path: bool = False
    """Keep the path with all drift and glides. Feet stand on ground that moves, as on a walkway."""

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
        notes = []
        for index, floor_motion in enumerate(floor_motions):
            notes_on_glides = (
                *self._note_glide(glides_m[index], motions.fps),
                *_note_gliding_feet(stabilized.motions[index]),
            )
            notes.append((*notes_on_glides, *floor_motion.notes))
        has_lost_glide = np.logical_and(glides_m.any(axis=(1, 2)), not self.keep_path)
        state = replace(cleaning, floor=Floor(kept_m, in_place, has_lost_glide, notes), repairs_m=repairs_m)
        return state.with_posed_motions(stabilized)

    def _note_glide(self, glide_m: np.ndarray, fps: float) -> tuple[Note, ...]:
        """Note a glide (T, 3) and its mean speed."""
        speeds_m_s = norms(np.diff(glide_m, axis=0)) * fps
        if not speeds_m_s.any():
            return ()
        kind = NoteKind.GLIDE_KEPT if self.keep_path else NoteKind.GLIDE_REMOVED
        return (Note(kind, round(float(speeds_m_s[speeds_m_s > 0].mean()), 3)),)


def _note_gliding_feet(motion: Motion) -> tuple[Note, ...]:
    """Note feet that glide on the floor and are not planted."""
    speed_m_s = round(float(norms(observe(motion).glide_m_s)), 1)
    return (Note(NoteKind.FEET_GLIDE, speed_m_s),) if speed_m_s else ()


def _find_paths_m(velocities_m_s: Sequence[np.ndarray], fps: float) -> np.ndarray:
    """Integrate N velocities (T − 1, 2), along x and z, into paths (N, T, 3)."""
    paths_m = np.zeros((len(velocities_m_s), len(velocities_m_s[0]) + 1, 3))
    paths_m[:, 1:, [0, 2]] = np.cumsum(velocities_m_s, axis=1) / fps
    return paths_m


def furthest_in_stance_m(moved_m: np.ndarray, stands: np.ndarray) -> np.ndarray:
    """Return how far floors move during stances.

    It is the furthest move (N, T) of floors (N, T, 3) below a foot in the stance that a frame belongs to. The foot with
    the longer slide counts; the result is 0 where no foot stands.
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
    """Return the share of slides that legs take.

    Slides and shares are (...); feet stand still then.
    """
    times = slides_m / _FURTHEST_SLIDE_M
    return smoothstep((3.0 - times) / 1.5) / np.maximum(times, 1.0)


@dataclass(frozen=True)
class DriftEvidence:
    """Evidence that drift requires.

    Points are still below about a speed; changing drift is smooth by a stiffness. Of the evidence that is still with
    drift, at most the shares `steady` and `changing` may be still without drift; clean motion has more. At least
    `fewest_still` of the evidence must be still with changing drift.
    """

    steady: float
    changing: float
    fewest_still: float
    still_m_s: float = STANDS_M_S
    stiffness: float = 30.0


CALM = DriftEvidence(steady=0.66, changing=0.45, fewest_still=0.45)


RUNNING = DriftEvidence(steady=0.3, changing=0.3, fewest_still=0.2)


LEAPING = DriftEvidence(steady=0.3, changing=0.3, fewest_still=0.42)


NOISY = DriftEvidence(steady=0.45, changing=0.55, fewest_still=0.4, still_m_s=_NOISY_STANDS_M_S, stiffness=1000.0)


TREADMILL = DriftEvidence(steady=0.15, changing=0.15, fewest_still=0.15)


@dataclass(frozen=True, eq=False)
class StanceEvidence:
    """Weighted corner velocities per step.

    Velocities (S, P, 2) are of sole corners, in m/s, with weights (S, P), from frame to frame.
    """

    velocity_m_s: np.ndarray
    weights: np.ndarray

    @classmethod
    def from_motion(cls, motion: Motion, feet_m: np.ndarray, is_upright: np.ndarray) -> StanceEvidence:
        """Weigh low sole corners by stance.

        A corner counts for how surely the foot stands on ground that may slide.

        Args:
            motion: Motion of T frames.
            feet_m: (T, 2, K, 3) sole corners.
            is_upright: (T,) whether feet carry the body.
        """
        steps = len(motion) - 1
        weights = observe(motion).resting[..., None] * lowness_weights(feet_m[..., 1])
        step_weights = 0.5 * (weights[1:] + weights[:-1]) * is_upright[1:, None, None]
        velocities_m_s = np.diff(feet_m[..., [0, 2]], axis=0) * motion.fps
        return cls(velocities_m_s.reshape(steps, -1, 2), step_weights.reshape(steps, -1))

    def stationary_share(self, drift_m_s: np.ndarray, speed_m_s: float) -> float:
        """Return the still share after removing drift.

        It is the share of the evidence as slow as `speed_m_s` without a drift (S, 2).
        """
        stationarity = _bell(self._deviation_m_s(drift_m_s) / speed_m_s)
        return float(np.sum(self.weights * stationarity) / self.weights.sum())

    def mean_velocity(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each step's mean velocity (S, 2).

        It is weighted over points; the total weight (S,) comes with it.
        """
        total = weights.sum(1)
        weighted_m_s = np.sum(self.velocity_m_s * weights[..., None], axis=1)
        return weighted_m_s / np.maximum(total, 1e-9)[:, None], total

    def reject_outliers(self, drift_m_s: np.ndarray, scale_m_s: float) -> np.ndarray:
        """Down-weight points that do not drift.

        Weights (S, P) are lower for points that move otherwise than a drift (Geman and McClure 1987).
        """
        return self.weights / (1 + (self._deviation_m_s(drift_m_s) / scale_m_s) ** 2) ** 2

    def _deviation_m_s(self, drift_m_s: np.ndarray) -> np.ndarray:
        return norms(self.velocity_m_s - drift_m_s[:, None])


def _bell(values: np.ndarray) -> np.ndarray:
    """Return a Gaussian of height and width 1."""
    return np.exp(-0.5 * values**2)


@dataclass(frozen=True, eq=False)
class FloorMotion:
    """Floor velocity beneath a body.

    It is (T − 1, 2), from frame to frame, in m/s, x and z.
    """

    removed_m_s: np.ndarray
    """The part that is an error and is removed."""
    kept_m_s: np.ndarray
    """Drift that stays. Feet are planted on the moving floor if stances are too long for a still floor."""
    in_place: bool = False
    """True if the body walks or runs in place."""

    @property
    def notes(self) -> tuple[Note, ...]:
        """Notes about the drift that stays.

        A correction's report shows them.
        """
        if not self.kept_m_s.any():
            return ()
        kind = NoteKind.IN_PLACE if self.in_place else NoteKind.DRIFT_KEPT
        speed_m_s = round(float(norms(self.kept_m_s).mean()), 1)
        return (Note(kind, speed_m_s),)


def estimate_floor_motion(motion: Motion, feet_m: np.ndarray, *, remove: bool, noisy: bool) -> FloorMotion:
    """Estimate how the floor moves beneath one body.

    It does not move unless that is certain; see `estimate_floor_drift`. Unless all drift is removed, only swings are,
    as far as these move the body by no more than `_WITHIN_M`. So the body ends in the same place.

    Args:
        motion: Motion of T frames.
        feet_m: (T, 2, K, 3) sole corners.
        remove: Whether all drift is removed.
        noisy: Whether the joints are noisy; such a body must not run.
    """
    drift_m_s = estimate_floor_drift(motion, feet_m, noisy=noisy)
    root_m = motion.root_m
    fps = motion.fps
    zero_m_s = np.zeros_like(drift_m_s)
    if remove:
        return FloorMotion(drift_m_s, zero_m_s)
    if _is_in_place(drift_m_s, root_m, fps, _IN_PLACE_SHARE):
        return FloorMotion(zero_m_s, drift_m_s, in_place=_steps_repeatedly(motion))
    is_slower_than_floor = _is_in_place(drift_m_s, root_m, fps, 1.0)
    within_m = _WITHIN_IN_PLACE_M if is_slower_than_floor else _WITHIN_M
    swing_m_s = _extract_swing(drift_m_s, fps, within_m)
    removed_m_s = swing_m_s if _is_root_swinging(swing_m_s, root_m, fps) else zero_m_s
    return FloorMotion(removed_m_s, drift_m_s - swing_m_s)


def _steps_repeatedly(motion: Motion) -> bool:
    """Return whether a body steps more than once.

    It walks, or lands more than once: a belt carries feet back, from where they step forward.
    """
    rests = np.asarray(observe(motion).resting > _RESTS)
    alone_s = np.count_nonzero(rests & ~rests[:, ::-1], axis=0) / motion.fps
    lands = np.asarray(rests.any(axis=1))
    landings = np.count_nonzero(lands[1:] & ~lands[:-1])
    return bool((alone_s >= _ALONE_S).all() or landings >= _FEWEST_LANDINGS)


def _is_root_swinging(swing_m_s: np.ndarray, root_m: np.ndarray, fps: float) -> bool:
    """Return whether the root swings with the floor.

    The measure is how much the root's accelerations contain those of the swing (S, 2). Otherwise the root moves evenly
    and the legs swing and bend wrongly: planted feet mend the legs.
    """
    root_m_s = np.diff(root_m[:, [0, 2]], axis=0) * fps
    velocities_m_s = np.stack([root_m_s, swing_m_s])
    slow_m_s = gaussian_filter1d(velocities_m_s, _EVEN_S * fps, axis=1, mode="nearest")
    root_changes, swing_changes = np.diff(slow_m_s, axis=1)
    contained = float(np.sum(root_changes * swing_changes))
    root_size = float(np.linalg.norm(root_changes))
    swing_size = float(np.linalg.norm(swing_changes))
    is_alike = contained >= _SWINGS_ALIKE * root_size * swing_size
    return is_alike and contained >= _SWINGS_ALONG * swing_size**2


def _extract_swing(drift_m_s: np.ndarray, fps: float, within_m: float) -> np.ndarray:
    """Extract the fast swing (S, 2) of a drift, which stays within a distance of the beginning."""
    path_m = np.cumsum(drift_m_s - drift_m_s.mean(0), axis=0) / fps
    for over_s in (None, *_SLOWEST_S):
        swing_m = path_m if over_s is None else _remove_slow_part(path_m, over_s * fps)
        furthest_m = norms(swing_m).max()
        if furthest_m <= within_m:
            return np.diff(swing_m, axis=0, prepend=0.0) * fps
    return np.zeros_like(drift_m_s)


def _remove_slow_part(path_m: np.ndarray, frames: float) -> np.ndarray:
    """Remove what is slower than `frames` from a path (S, 2); the result begins and ends at 0."""
    slow_m = gaussian_filter1d(path_m, frames, axis=0, mode="nearest")
    share = np.linspace(0.0, 1.0, len(path_m))[:, None]
    fast_m = path_m - slow_m
    return fast_m - (1 - share) * fast_m[0] - share * fast_m[-1]


def estimate_floor_drift(motion: Motion, feet_m: np.ndarray, *, noisy: bool = False) -> np.ndarray:
    """Return the drift of one motion, zero unless certain.

    Args:
        motion: Motion of T frames.
        feet_m: (T, 2, K, 3) sole corners.
        noisy: Whether the joints are noisy; such a body must not run.

    Returns:
        (T − 1, 2) in m/s, x and z.
    """
    root_m = motion.root_m
    fps = motion.fps
    no_drift_m_s = np.zeros((len(root_m) - 1, 2))
    lowest_m = feet_m[..., 1].min((1, 2))
    upright = root_m[:, 1] - lowest_m > _UPRIGHT_M
    if len(root_m) < _FEWEST_FRAMES or upright.mean() < _OFTEN:
        return no_drift_m_s
    standing = StanceEvidence.from_motion(motion, feet_m, upright)
    if standing.weights.max(1).sum() < _FEWEST_STANDING_S * fps:
        return no_drift_m_s
    required = NOISY if noisy else CALM
    if standing.stationary_share(no_drift_m_s, required.still_m_s) >= max(required.steady, required.changing):
        return no_drift_m_s  # too many points are still to believe in a drift
    drift_m_s, is_steady = _fit_drift(standing, required, fps)
    if not is_steady and upright.mean() < _MOSTLY:
        return no_drift_m_s

    travel_m_s = _travel_velocity(drift_m_s, root_m, fps)
    is_airborne = lowest_m > percentile(lowest_m, 20) + _LEAPING_M
    leaps = np.mean(is_airborne) > _LEAPING_SHARE
    runs = norms(travel_m_s).mean() > _RUNNING_M_S
    is_fast = runs or leaps
    if is_fast:
        belt_m_s = _estimate_belt_velocity(standing, root_m, fps)
        if belt_m_s is not None:
            return belt_m_s
    is_aside = not is_fast or _is_sideways_drift(drift_m_s, travel_m_s)
    if is_fast and (noisy or not (is_aside or runs)):
        return no_drift_m_s

    if runs:
        required = RUNNING
    elif leaps:
        required = LEAPING
    confidence = _drift_confidence(standing, drift_m_s, required, steady=is_steady)
    swing_m_s = no_drift_m_s
    swing_share = 0.0
    if runs:
        swing_m_s, swing_share = _remove_mean_along_travel(drift_m_s, travel_m_s)
    unbiased_m_s = drift_m_s - _rolling_bias(travel_m_s)
    drift_m_s = confidence * (swing_share * swing_m_s + (1 - swing_share) * is_aside * unbiased_m_s)
    return drift_m_s if is_steady else drift_m_s - _ambiguous_drift(drift_m_s, fps)


def _is_in_place(drift_m_s: np.ndarray, root_m: np.ndarray, fps: float, share: float) -> bool:
    """Return whether the body stays in place.

    It travels less than a share of the distance that the floor (S, 2) runs beneath.
    """
    root_m_s = (root_m[-1] - root_m[0])[[0, 2]] * fps / (len(root_m) - 1)
    root_speed_m_s = float(np.linalg.norm(root_m_s))
    belt_speed_m_s = float(np.linalg.norm(drift_m_s.mean(0)))
    return belt_speed_m_s > _IN_PLACE_M_S and root_speed_m_s < share * belt_speed_m_s


def _estimate_belt_velocity(standing: StanceEvidence, root_m: np.ndarray, fps: float) -> np.ndarray | None:
    """Estimate a treadmill's steady velocity (S, 2).

    The body runs or hops in place. Returns None without a treadmill. In a run that travels, drift along the run cannot
    be distinguished from how feet move. In a run on the spot it can: without the belt, hardly any point of the feet is
    ever still.
    """
    belt_m_s = np.broadcast_to(_fit_steady_drift(standing), (len(root_m) - 1, 2))
    if not _is_in_place(belt_m_s, root_m, fps, _IN_PLACE_SHARE):
        return None
    confidence = _drift_confidence(standing, belt_m_s, TREADMILL, steady=True)
    return belt_m_s.copy() if confidence == 1.0 else None


def _is_sideways_drift(drift_m_s: np.ndarray, travel_m_s: np.ndarray) -> bool:
    """Return whether a run drifts sideways.

    The drift (S, 2) is faster than the feet seem, and not along the run (S, 2).
    """
    along = np.sum(drift_m_s * travel_m_s, axis=1)
    drift_speeds_m_s = norms(drift_m_s)
    travel_speeds_m_s = norms(travel_m_s)
    cosine = np.mean(along / np.maximum(drift_speeds_m_s * travel_speeds_m_s, 1e-9))
    is_fast = drift_speeds_m_s.mean() > _RUNNING_SHARE * travel_speeds_m_s.mean()
    return bool(is_fast and abs(cosine) < _ALONG)


def _remove_mean_along_travel(drift_m_s: np.ndarray, travel_m_s: np.ndarray) -> tuple[np.ndarray, float]:
    """Remove a drift's mean along the run.

    Drift and run are (S, 2). Also returns the confidence in changes. The mean may as well come from how the feet move.
    The confidence, in [0, 1], is that the drift changes by more than that.
    """
    low_m_s, high_m_s = _SWINGING_M_S
    mean_m_s = drift_m_s.mean(0)
    course_m_s = travel_m_s.mean(0)
    along = course_m_s / max(float(np.linalg.norm(course_m_s)), 1e-9)  # a run that ends where it began has no course
    changes_m_s = float(np.sqrt(np.sum((drift_m_s - mean_m_s) ** 2, axis=1).mean()))
    confidence = float(np.clip((changes_m_s - low_m_s) / (high_m_s - low_m_s), 0.0, 1.0))
    return drift_m_s - (mean_m_s @ along) * along, confidence


def _drift_confidence(
    standing: StanceEvidence, drift_m_s: np.ndarray, required: DriftEvidence, *, steady: bool
) -> float:
    """Return the confidence, from 0 to 1, in a drift (S, 2)."""
    still_with_drift = standing.stationary_share(drift_m_s, required.still_m_s)
    still_without = standing.stationary_share(np.zeros_like(drift_m_s), required.still_m_s)
    fewest_still = min(required.fewest_still, _FEWEST_STEADY) if steady else required.fewest_still
    if still_with_drift < fewest_still:
        return 0.0
    most_without = required.steady if steady else required.changing
    return float(np.clip((most_without - still_without / still_with_drift) / _GATE_WIDTH, 0.0, 1.0))


def _fit_drift(standing: StanceEvidence, required: DriftEvidence, fps: float) -> tuple[np.ndarray, bool]:
    """Fit the steady or changing drift (S, 2) that makes most points still; also return whether it is steady."""
    changing_m_s = _fit_changing_drift(standing, required.stiffness * (fps / 30) ** 4)
    steady_m_s = np.broadcast_to(_fit_steady_drift(standing), changing_m_s.shape)
    still_if_steady = standing.stationary_share(steady_m_s, required.still_m_s)
    still_if_changing = standing.stationary_share(changing_m_s, required.still_m_s)
    is_steady = still_if_steady >= _STEADY * still_if_changing
    return (steady_m_s, True) if is_steady else (changing_m_s, False)


def _fit_steady_drift(standing: StanceEvidence) -> np.ndarray:
    """Find the densest velocity (2,) of standing points by mean shift (Comaniciu and Meer 2002)."""
    all_weights = standing.weights.ravel()
    heavy = np.argsort(-all_weights, kind="stable")[: 6 * _MOST_STARTS]
    points = standing.velocity_m_s.reshape(-1, 2)[heavy]
    weights = all_weights[heavy]
    starts = points[:: max(1, len(points) // _MOST_STARTS)]
    distances_m_s = norms(starts[:, None] - points)
    densities = _bell(distances_m_s / STANDS_M_S) @ weights
    velocity_m_s = starts[densities.argmax()]
    for scale_m_s in (*_NARROWING_M_S, *_NARROWING_M_S[-1:] * 4):
        drift_m_s = np.broadcast_to(velocity_m_s, (len(standing.weights), 2))
        robust_weights = standing.reject_outliers(drift_m_s, scale_m_s)
        velocity_m_s = np.einsum("sp,spi->i", robust_weights, standing.velocity_m_s) / robust_weights.sum()
    return velocity_m_s


def _fit_changing_drift(standing: StanceEvidence, stiffness: float) -> np.ndarray:
    """Fit a smooth velocity (S, 2) to standing points, with outliers excluded step by step."""
    mean_m_s, total = standing.mean_velocity(standing.weights)
    habit_m_s = total @ mean_m_s / total.sum()
    drift_m_s = mean_m_s
    excluding = np.maximum(1.0, np.linspace(_EXCLUDING, -1.0, 12))
    for scale_m_s in _OUTLIER_M_S * np.array([np.inf, *excluding]):
        robust_weights = standing.reject_outliers(drift_m_s, scale_m_s)
        mean_m_s, total = standing.mean_velocity(robust_weights)
        share = (total / (total + _HABIT))[:, None]
        shrunk_m_s = habit_m_s + share * (mean_m_s - habit_m_s)
        drift_m_s = smooth_whittaker(shrunk_m_s, stiffness, total + _HABIT)
    return drift_m_s


def _travel_velocity(drift_m_s: np.ndarray, root_m: np.ndarray, fps: float) -> np.ndarray:
    """Return the body's velocity (S, 2) without drift, smoothed over steps."""
    velocity_m_s = np.diff(root_m[:, [0, 2]], axis=0) * fps - drift_m_s
    return gaussian_filter1d(velocity_m_s, fps / 3, axis=0, mode="nearest")


def _rolling_bias(travel_m_s: np.ndarray) -> np.ndarray:
    """Return the drift (S, 2) that rolling feet feign in a body that travels by (S, 2)."""
    speed_m_s = norms(travel_m_s)[..., None]
    share = np.minimum(1.0, _ROLLING_M_S / np.maximum(speed_m_s, 1e-9))
    return _ROLLING * travel_m_s * share


def _ambiguous_drift(drift_m_s: np.ndarray, fps: float) -> np.ndarray:
    """Return the part of a changing drift (S, 2) that rolling may explain."""
    if len(drift_m_s) < _LONG_S * fps:
        return np.zeros_like(drift_m_s)
    slow_m_s = gaussian_filter1d(drift_m_s, _SLOWLY_S * fps, axis=0, mode="reflect")
    speed_m_s = norms(slow_m_s)[..., None]
    share = np.clip((_UNSURE_M_S - speed_m_s) / (0.6 * _UNSURE_M_S), 0.0, 1.0)
    return slow_m_s * share
