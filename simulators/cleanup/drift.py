"""Drift: a floor that slides under all standing feet alike, steadily or not, as in motions from video.

Horizontal speed does not show here which point of a foot stands. So standing is inferred from what drift leaves alone:
height, vertical speed, rotation. The drift is the horizontal velocity, one for all times or else a smooth one, that
makes most of these points still. It is believed only where it leaves far fewer of them moving than no drift does.

A body that walks or runs in place moves like one on a treadmill, whose belt is such a floor. Only the root's travel
distinguishes it from drift. So the root ends where it did unless the removal of drift is asked for. Feet are planted on
the belt of a treadmill. Otherwise they are planted on a floor that stands still, if no stance slides too far for that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.distance import cdist

from selfcorrect.motion.correction.results import Note, NoteKind, Repair
from selfcorrect.motion.geometry.vectors import norms, percentile

from ..body.curves import smooth_whittaker
from ..body.leg_ik import Legs
from ..stages.values import Floor
from .cleaning import CleanupState
from .foot_lock import furthest_in_stance_m
from .planting import PlantFeet
from .stance import CUES, CueSettings, StanceEvidence, bell, collect_stance_evidence


@dataclass(frozen=True)
class StabilizeFloor:
    """Finds the floor's horizontal velocity v(t) and shows motions as on a floor that stands still.

    v is a Whittaker smoother of the velocities of points that stand, min Σ w ‖v − u‖² + λ ‖Δ²v‖², with outliers left
    out bit by bit; where it is steady, the densest velocity. In the end it is put back, but for what swings.

    Set by hand on CMU clips, to which steady and swinging drift was added as in `benchmarks/correction.py`. Added drift
    goes, and clean clips stay as they are.
    """

    cues: CueSettings = CUES
    """What shows that a point of a foot stands."""
    upright_m: float = 0.5
    """Feet carry a body whose root is this high above the soles."""
    often: float = 0.5
    """Share of the time for which feet must carry the body, for steady drift."""
    mostly: float = 0.8
    """Share of that time for changing drift: people who roll on the floor really move along."""
    fewest_frames: int = 12
    """Frames that show drift."""
    fewest_standing_s: float = 0.1
    """Time in which feet must stand."""
    steady: float = 0.8
    """A steady drift is believed that makes still this share of what a changing one does."""
    fewest_steady: float = 0.3
    """A steady drift is believed that makes still this share of all evidence, too."""
    gate_width: float = 0.05
    """Shares within which sureness rises from 0 to 1."""
    running_m_s: float = 2.0
    """Bodies that travel this fast, or leap, have feet that are hardly ever still, and seem to drift along."""
    running_share: float = 0.12
    """Least drift of such bodies, as a share of their speed."""
    along: float = 0.45
    """Largest cosine between the directions of such a body and of its drift."""
    swinging_m_s: tuple[float, float] = (0.32, 0.38)
    """Changes of a run's drift (root of the mean square) above the first of these, and surely above the second, are
    more than what feet do in running. The feet of CMU's training runs seem to drift by changes of up to 0.15 m/s."""
    leaping_m: float = 0.08
    """Bodies leap with both feet this high above where they mostly are."""
    leaping_share: float = 0.1
    """Least share of the time in the air of a body that leaps; its feet show as little as a run's."""
    density_m_s: float = 0.12
    """Kernel with which the velocity of steady drift is found."""
    most_starts: int = 100
    """Points from which it is sought."""
    narrowing_m_s: tuple[float, ...] = (0.18, 0.12, 0.08, 0.06)
    """Outliers' scales with which it is refined, round by round, the last in five rounds."""
    outlier_m_s: float = 0.3
    """Outliers' scale of changing drift."""
    excluding: float = 3.0
    """Multiple of the outliers' scale in the first of 12 rounds, which falls to 1 by the seventh."""
    habit: float = 0.01
    """Weight of the mean velocity, to which changing drift returns when no foot stands."""
    rolling: float = 0.015
    """Share of a walking body's velocity with which a foot that rolls from heel to toe seems to move."""
    rolling_m_s: float = 1.2
    """Largest speed at which feet roll from heel to toe."""
    unsure_m_s: float = 0.18
    """Below this speed, slow drift of a long motion cannot be distinguished from the way feet roll."""
    slowly_s: float = 5 / 3
    """Drift is slow if it changes within about this time."""
    long_s: float = 6.0
    """A motion is long beyond this duration."""
    in_place_m_s: float = 0.2
    """A treadmill's belt is faster than this."""
    in_place_share: float = 0.2
    """On a treadmill, the root's mean velocity is less than this share of the belt's."""
    within_m: float = 0.3
    """A root is moved this far from where it was at most, unasked, to remove drift that swings; slower swings stay."""
    within_in_place_m: float = 0.1
    """The same of bodies that go less far than the floor beneath them: treadmills need not be steady."""
    slowest_s: tuple[float, ...] = (4.0, 2.8, 2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25)
    """Standard deviations over which what stays is smoothed, one after the other, until the rest keeps within that."""
    remove: bool = False
    """Take all of it out, which changes the way over the floor. Without, the root ends where it came."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        posed, ground = cleaning.posed, cleaning.motions.ground
        if ground is not None and ground.boxes:
            return cleaning
        feet = (cleaning.find_step(PlantFeet) or PlantFeet()).feet
        ankles, fps = posed.orientations[:, :, Legs.from_skeleton(posed.motions.skeleton).ankles], posed.motions.fps
        each = zip(posed.feet_m, ankles, posed.motions.root_m, cleaning.noisy, strict=True)
        found = [
            estimate_floor_motion(feet_m, turned, root_m, fps, self, noisy=own) for feet_m, turned, root_m, own in each
        ]
        removed_m, kept_m = np.zeros_like(posed.motions.root_m), np.zeros_like(posed.motions.root_m)
        for index, floor in enumerate(found):
            removed_m[index, 1:, [0, 2]] = np.cumsum(floor.removed_m_s, axis=0).T / fps
            kept_m[index, 1:, [0, 2]] = np.cumsum(floor.kept_m_s, axis=0).T / fps
        in_place = np.array([floor.in_place for floor in found])
        halted = posed.shift(-(removed_m + kept_m))
        slid_m = furthest_in_stance_m(kept_m, halted.detect_stances(feet))
        held_m = np.where(in_place, 0.0, feet.lock_share(slid_m))[:, None, None] * kept_m
        if held_m.any():
            kept_m = kept_m - held_m
            halted = posed.shift(-(removed_m + kept_m))
        repairs_m = cleaning.with_posed_motions(halted.shift(kept_m)).record_repair(Repair.DRIFT, posed.motions)
        floor = Floor(kept_m, in_place, [floor.notes for floor in found])
        return replace(cleaning, floor=floor, repairs_m=repairs_m).with_posed_motions(halted)


@dataclass(frozen=True)
class DriftEvidence:
    """What it takes to see drift: a point is still at about a speed; changing drift is smooth by its stiffness.

    Of what is still with drift, at most the shares `steady` and `changing` may be still without; clean motion has more.
    At least `fewest_still` of the evidence must be still with changing drift.
    """

    steady: float
    changing: float
    fewest_still: float
    still_m_s: float = 0.12
    stiffness: float = 30.0


CALM = DriftEvidence(steady=0.66, changing=0.45, fewest_still=0.42)


RUNNING = DriftEvidence(steady=0.3, changing=0.3, fewest_still=0.2)


LEAPING = DriftEvidence(steady=0.3, changing=0.3, fewest_still=0.42)


NOISY = DriftEvidence(steady=0.45, changing=0.55, fewest_still=0.4, still_m_s=0.25, stiffness=1000.0)


TREADMILL = DriftEvidence(steady=0.15, changing=0.15, fewest_still=0.15)


@dataclass(frozen=True, eq=False)
class FloorMotion:
    """How the floor moves beneath a body from frame to frame: velocities (T − 1, 2) in m/s, x and z."""

    removed_m_s: np.ndarray
    """What is an error and is taken out."""
    kept_m_s: np.ndarray
    """What stays: the body moves as before, and its feet are planted on the moving floor, where their stances are too
    long to be planted on a floor that stands still."""
    in_place: bool = False
    """Whether the body walks or runs in place, as on a treadmill."""

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is said of it."""
        kind = NoteKind.IN_PLACE if self.in_place else NoteKind.DRIFT_KEPT
        speed_m_s = round(float(norms(self.kept_m_s).mean()), 1)
        return (Note(kind, speed_m_s),) if self.kept_m_s.any() else ()


def estimate_floor_motion(
    feet_m: np.ndarray,
    ankles: np.ndarray,
    root_m: np.ndarray,
    fps: float,
    settings: StabilizeFloor,
    *,
    noisy: bool = False,
) -> FloorMotion:
    """The floor's motion beneath one body, none where there is none to be sure of; see `estimate_floor_drift`.

    Where not all of it is an error, only what swings is, as far as it moves the body by no more than
    `settings.within_m`, so that this ends where it did.
    """
    drift_m_s = estimate_floor_drift(feet_m, ankles, root_m, fps, settings, noisy=noisy)
    none = np.zeros_like(drift_m_s)
    if settings.remove:
        return FloorMotion(drift_m_s, none)
    in_place = _is_in_place(drift_m_s, root_m, fps, settings, settings.in_place_share)
    within_m = settings.within_in_place_m if _is_in_place(drift_m_s, root_m, fps, settings, 1.0) else settings.within_m
    removed_m_s = none if in_place else _extract_swing(drift_m_s, fps, within_m, settings)
    return FloorMotion(removed_m_s, drift_m_s - removed_m_s, in_place)


def _extract_swing(drift_m_s: np.ndarray, fps: float, within_m: float, settings: StabilizeFloor) -> np.ndarray:
    """The part (S, 2) of a drift that swings fast enough to keep within a distance of where it began."""
    way_m = np.cumsum(drift_m_s - drift_m_s.mean(0), axis=0) / fps
    for over_s in (None, *settings.slowest_s):
        swing_m = way_m if over_s is None else _remove_slow_part(way_m, over_s * fps)
        if np.linalg.norm(swing_m, axis=1).max() <= within_m:
            return np.diff(swing_m, axis=0, prepend=0.0) * fps
    return np.zeros_like(drift_m_s)


def _remove_slow_part(way_m: np.ndarray, frames: float) -> np.ndarray:
    """A way (S, 2) without what is slower than so many frames; it begins and ends at 0, where the whole way does."""
    slow_m = gaussian_filter1d(way_m, frames, axis=0, mode="nearest")
    share = np.linspace(0.0, 1.0, len(way_m))[:, None]
    fast_m = way_m - slow_m
    return fast_m - (1 - share) * fast_m[0] - share * fast_m[-1]


def estimate_floor_drift(
    feet_m: np.ndarray,
    ankles: np.ndarray,
    root_m: np.ndarray,
    fps: float,
    settings: StabilizeFloor,
    *,
    noisy: bool = False,
) -> np.ndarray:
    """The drift (T − 1, 2) of one motion in m/s, x and z; zero where there is none to be sure of.

    feet_m: (T, 2, K, 3) sole corners; ankles: (T, 2, 4) orientations in the world; root_m: (T, 3); noisy: whether
    joints are, who then must not run.
    """
    none = np.zeros((len(root_m) - 1, 2))
    upright = root_m[:, 1] - feet_m[..., 1].min((1, 2)) > settings.upright_m
    if len(root_m) < settings.fewest_frames or upright.mean() < settings.often:
        return none
    standing = collect_stance_evidence(feet_m, ankles, upright[1:], fps, settings.cues)
    if standing.weights.max(1).sum() < settings.fewest_standing_s * fps:
        return none
    certainty = NOISY if noisy else CALM
    if standing.stationary_share(none, certainty.still_m_s) >= max(certainty.steady, certainty.changing):
        return none  # so much is still that no drift could be believed, and runs and leaps ask for more
    drift_m_s, steady = _fit_drift(standing, certainty, fps, settings)
    if not steady and upright.mean() < settings.mostly:
        return none
    travel_m_s = _travel_velocity(drift_m_s, root_m, fps)
    lowest_m = feet_m[..., 1].min((1, 2))
    leaps = np.mean(lowest_m > percentile(lowest_m, 20) + settings.leaping_m) > settings.leaping_share
    runs = np.linalg.norm(travel_m_s, axis=1).mean() > settings.running_m_s
    fast = runs or leaps
    if fast and (belt_m_s := _estimate_belt_velocity(standing, root_m, fps, settings)) is not None:
        return belt_m_s
    aside = not fast or _is_sideways_drift(drift_m_s, travel_m_s, settings)
    if fast and (noisy or not (aside or runs)):
        return none
    certainty = RUNNING if runs else LEAPING if leaps else certainty
    sureness = _drift_confidence(standing, drift_m_s, certainty, settings, steady=steady)
    swing_m_s, swings = _remove_mean_along_travel(drift_m_s, travel_m_s, settings) if runs else (none, 0.0)
    drift_m_s = sureness * (
        swings * swing_m_s + (1 - swings) * aside * (drift_m_s - _rolling_bias(travel_m_s, settings))
    )
    return drift_m_s if steady else drift_m_s - _ambiguous_drift(drift_m_s, fps, settings)


def _is_in_place(drift_m_s: np.ndarray, root_m: np.ndarray, fps: float, settings: StabilizeFloor, share: float) -> bool:
    """Whether the body stays where it is, but for a share of the way that the floor (S, 2) runs beneath it."""
    root_m_s = (root_m[-1] - root_m[0])[[0, 2]] * fps / (len(root_m) - 1)
    belt_m_s = float(np.linalg.norm(drift_m_s.mean(0)))
    return belt_m_s > settings.in_place_m_s and float(np.linalg.norm(root_m_s)) < share * belt_m_s


def _estimate_belt_velocity(
    standing: StanceEvidence, root_m: np.ndarray, fps: float, settings: StabilizeFloor
) -> np.ndarray | None:
    """The steady velocity (S, 2) of the treadmill on which a body runs or hops in place, None where there is none.

    In a run that travels, drift along the run cannot be distinguished from how feet move. In one on the spot it can:
    without the belt, hardly any point of its feet is ever still.
    """
    belt_m_s = np.broadcast_to(_fit_steady_drift(standing, settings), (len(root_m) - 1, 2))
    if not _is_in_place(belt_m_s, root_m, fps, settings, settings.in_place_share):
        return None
    return belt_m_s.copy() if _drift_confidence(standing, belt_m_s, TREADMILL, settings, steady=True) == 1.0 else None


def _is_sideways_drift(drift_m_s: np.ndarray, travel_m_s: np.ndarray, settings: StabilizeFloor) -> bool:
    """Whether the drift (S, 2) of a run is faster than its feet seem to be, and not along the run (S, 2)."""
    along = np.sum(drift_m_s * travel_m_s, axis=1)
    speeds_m_s = np.linalg.norm(drift_m_s, axis=1), np.linalg.norm(travel_m_s, axis=1)
    cosine = np.mean(along / np.maximum(speeds_m_s[0] * speeds_m_s[1], 1e-9))
    return bool(speeds_m_s[0].mean() > settings.running_share * speeds_m_s[1].mean() and abs(cosine) < settings.along)


def _remove_mean_along_travel(
    drift_m_s: np.ndarray, travel_m_s: np.ndarray, settings: StabilizeFloor
) -> tuple[np.ndarray, float]:
    """The drift (S, 2) of a run without its mean along the run (S, 2), which may as well come from how its feet move.
    Also how sure it is, from 0 to 1, that it changes by more than that.
    """
    low_m_s, high_m_s = settings.swinging_m_s
    mean_m_s, course_m_s = drift_m_s.mean(0), travel_m_s.mean(0)
    along = course_m_s / max(float(np.linalg.norm(course_m_s)), 1e-9)  # a run that ends where it began has no course
    changes_m_s = float(np.sqrt(np.sum((drift_m_s - mean_m_s) ** 2, axis=1).mean()))
    sure = float(np.clip((changes_m_s - low_m_s) / (high_m_s - low_m_s), 0.0, 1.0))
    return drift_m_s - (mean_m_s @ along) * along, sure


def _drift_confidence(
    standing: StanceEvidence, drift_m_s: np.ndarray, certainty: DriftEvidence, settings: StabilizeFloor, *, steady: bool
) -> float:
    """How sure it is that a drift (S, 2) is there, from 0 to 1."""
    with_drift, without = (
        standing.stationary_share(each, certainty.still_m_s) for each in (drift_m_s, np.zeros_like(drift_m_s))
    )
    if with_drift < (min(certainty.fewest_still, settings.fewest_steady) if steady else certainty.fewest_still):
        return 0.0
    most = certainty.steady if steady else certainty.changing
    return float(np.clip((most - without / with_drift) / settings.gate_width, 0.0, 1.0))


def _fit_drift(
    standing: StanceEvidence, certainty: DriftEvidence, fps: float, settings: StabilizeFloor
) -> tuple[np.ndarray, bool]:
    """The drift (S, 2) that makes most points still, and whether it is steady."""
    changing_m_s = _fit_changing_drift(standing, certainty.stiffness * (fps / 30) ** 4, settings)
    steady_m_s = np.broadcast_to(_fit_steady_drift(standing, settings), changing_m_s.shape)
    still = [standing.stationary_share(drift_m_s, certainty.still_m_s) for drift_m_s in (steady_m_s, changing_m_s)]
    return (steady_m_s, True) if still[0] >= settings.steady * still[1] else (changing_m_s, False)


def _fit_steady_drift(standing: StanceEvidence, settings: StabilizeFloor) -> np.ndarray:
    """The one velocity (2,) around which standing points are densest, by mean shift (Comaniciu and Meer 2002)."""
    weights = standing.weights.ravel()
    heavy = np.argsort(-weights, kind="stable")[: 6 * settings.most_starts]
    points, weights = standing.velocity_m_s.reshape(-1, 2)[heavy], weights[heavy]
    starts = points[:: max(1, len(points) // settings.most_starts)]
    place = starts[(bell(cdist(starts, points) / settings.density_m_s) @ weights).argmax()]
    for scale_m_s in (*settings.narrowing_m_s, *settings.narrowing_m_s[-1:] * 4):
        robust = standing.reject_outliers(np.broadcast_to(place, (len(standing.weights), 2)), scale_m_s)
        place = np.einsum("sp,spi->i", robust, standing.velocity_m_s) / robust.sum()
    return place


def _fit_changing_drift(standing: StanceEvidence, stiffness: float, settings: StabilizeFloor) -> np.ndarray:
    """The smooth velocity (S, 2) that robustly fits standing points, with outliers excluded bit by bit."""
    mean_m_s, total = standing.mean_velocity(standing.weights)
    habit_m_s = total @ mean_m_s / total.sum()
    drift_m_s = mean_m_s
    excluding = np.maximum(1.0, np.linspace(settings.excluding, -1.0, 12))
    for scale_m_s in settings.outlier_m_s * np.array([np.inf, *excluding]):
        mean_m_s, total = standing.mean_velocity(standing.reject_outliers(drift_m_s, scale_m_s))
        share = (total / (total + settings.habit))[:, None]
        drift_m_s = smooth_whittaker(habit_m_s + share * (mean_m_s - habit_m_s), stiffness, total + settings.habit)
    return drift_m_s


def _travel_velocity(drift_m_s: np.ndarray, root_m: np.ndarray, fps: float) -> np.ndarray:
    """Velocity (S, 2) of the body without the drift, smoothed over steps."""
    velocity_m_s = np.diff(root_m[:, [0, 2]], axis=0) * fps - drift_m_s
    return gaussian_filter1d(velocity_m_s, fps / 3, axis=0, mode="nearest")


def _rolling_bias(travel_m_s: np.ndarray, settings: StabilizeFloor) -> np.ndarray:
    """What the rolling of feet that travel (S, 2) adds to the drift."""
    speed_m_s = np.linalg.norm(travel_m_s, axis=1, keepdims=True)
    return settings.rolling * travel_m_s * np.minimum(1.0, settings.rolling_m_s / np.maximum(speed_m_s, 1e-9))


def _ambiguous_drift(drift_m_s: np.ndarray, fps: float, settings: StabilizeFloor) -> np.ndarray:
    """The part of a changing drift (S, 2) that may as well come from the way feet roll."""
    if len(drift_m_s) < settings.long_s * fps:
        return np.zeros_like(drift_m_s)
    slow_m_s = gaussian_filter1d(drift_m_s, settings.slowly_s * fps, axis=0, mode="reflect")
    speed_m_s = np.linalg.norm(slow_m_s, axis=1, keepdims=True)
    return slow_m_s * np.clip((settings.unsure_m_s - speed_m_s) / (0.6 * settings.unsure_m_s), 0.0, 1.0)
