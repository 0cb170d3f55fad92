"""Preconditioner: mend by kinematics what the simulation should not have to fight.

Capture noise and spikes, splices, a floor that lies elsewhere or drifts, feet that hover, sink and slide, limbs below
the floor. All of it is vectorised over frames and takes a few thousandths of the motion's duration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.spatial.transform import Rotation

from selfcorrect.errors import SettingError
from selfcorrect.motion.body.flesh import SolePoints, sole_points
from selfcorrect.motion.correction.support import Support, ground_of_feet_m
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators.body.curves import FRAME_S, blur
from selfcorrect.simulators.body.leg_ik import MAXIMUM_REACH, Legs, bend_legs
from selfcorrect.simulators.body.soles import (
    by_foot,
    corner_positions,
    fit_soles,
    frame_speeds,
    held_velocities,
    hurry_of,
    sole_normals,
    velocities,
)
from selfcorrect.simulators.mending import denoising, foot_lock, limbs
from selfcorrect.simulators.mending.denoising import DENOISE, DenoiseSettings
from selfcorrect.simulators.mending.despike import SPIKES, SpikeSettings, despike
from selfcorrect.simulators.mending.drift import DRIFT, DriftSettings, floor_drift
from selfcorrect.simulators.mending.floor import FLOOR, FloorSettings, floor_height, in_doubt, lowest_level, off_zero
from selfcorrect.simulators.mending.foot_lock import FEET, FootSettings
from selfcorrect.simulators.mending.polishing import POLISH, PolishSettings
from selfcorrect.simulators.mending.splices import SPLICES, SpliceSettings, without_splices
from selfcorrect.simulators.settings.support import (
    INFERENCE,
    SUPPORT_MODES,
    InferenceSettings,
    SupportChoice,
    SupportMode,
)


@dataclass(frozen=True)
class PreconditionSettings:
    """What to estimate from a motion; switch off for motions in a world whose floor is known, such as a model's."""

    estimate_floor: bool = True
    """Find the floor's height and put it at y = 0."""
    estimate_drift: bool = True
    """Find the floor's horizontal velocity, constant or changing, and take it out."""
    fit_soles: bool = True
    """Fit the soles' thickness at heel, ball and toe tip to each motion."""
    support: SupportChoice = "infer"
    """What carries the body: steps, rungs and seats where the motion shows them ("infer"), nothing but the "floor", or
    whatever it may be that holds it at its height, which then is left alone ("off")."""
    polish: bool = True
    """Keep of a simulation what it gains, see `planning.gain`, and leave out of the whole correction what is faster
    than the motion itself and roughens it, see `polishing`. Without, simulated states come out as they are."""

    noise: DenoiseSettings = DENOISE
    """What is taken for white noise."""
    spikes: SpikeSettings = SPIKES
    """What is taken for a spike."""
    splices: SpliceSettings = SPLICES
    """What is taken for a splice."""
    drift: DriftSettings = DRIFT
    """What is taken for drift."""
    floor: FloorSettings = FLOOR
    """What shows the floor's height."""
    feet: FootSettings = FEET
    """When feet stand, and how they are held."""
    polishing: PolishSettings = POLISH
    """What is fast in a correction."""
    inference: InferenceSettings = INFERENCE
    """When something seems to carry the body beside the floor."""

    def __post_init__(self) -> None:
        if self.support not in SUPPORT_MODES:
            raise SettingError(f"support must be one of {', '.join(SUPPORT_MODES)}, got {self.support!r}")

    @property
    def mode(self) -> SupportMode:
        """What `support` means."""
        return SUPPORT_MODES[self.support]


@dataclass(frozen=True, eq=False)
class Posed:
    """Motions with their joints' world poses (N, T, J, 3) and (N, T, J, 4), and their feet (N, T, 2, K, 3)."""

    motions: MotionBatch
    positions_m: np.ndarray
    orientations: np.ndarray
    feet_m: np.ndarray

    @classmethod
    def of(cls, motions: MotionBatch, soles: SolePoints) -> Posed:
        """Pose motions that share one length."""
        positions_m, orientations = forward_kinematics(motions.skeleton, motions.root_m, motions.rotations)
        return cls(motions, positions_m, orientations, by_foot(corner_positions(soles, positions_m, orientations)))

    def moved(self, shift_m: np.ndarray) -> Posed:
        """Everything moved by (N, T, 3)."""
        return Posed(
            replace(self.motions, root_m=self.motions.root_m + shift_m),
            self.positions_m + shift_m[:, :, None],
            self.orientations,
            self.feet_m + shift_m[:, :, None, None],
        )

    def stands(self, settings: FootSettings, ground_m: np.ndarray | float = 0.0) -> np.ndarray:
        """(N, T, 2) whether each foot stands; ground_m: (N, T, 2)."""
        fps = self.motions.fps
        hurry = hurry_of(self.motions.root_m, fps, settings.hurry_m_s, settings.most_hurry)[..., None]
        speed_m_s = frame_speeds(velocities(self.feet_m, fps)) / hurry
        return foot_lock.standing(self.feet_m[..., 1].min(-1) - ground_m, speed_m_s, fps, settings)

    def normals(self, soles: SolePoints) -> np.ndarray:
        """(N, T, 2, 3) upward normals of the soles, world."""
        ankles = Legs.of(self.motions.skeleton).ankles
        return Rotation.from_quat(self.orientations[:, :, ankles]).apply(sole_normals(soles))


@dataclass(frozen=True, eq=False)
class Levelled:
    """Motions without noise, splices, spikes and drift, with the lowest ground on which they stand at y = 0."""

    posed: Posed
    soles: SolePoints
    """Those of the motions, fitted only to a single one."""
    raised_m: np.ndarray
    """(N,) by which they have been raised to that end."""
    repairs_m: dict[str, np.ndarray]
    """(N,) furthest that a repair has moved their roots, by what it was."""


@dataclass(frozen=True, eq=False)
class Preconditioned:
    """Mended motions, the lowest ground on which they stand at y = 0."""

    motions: MotionBatch
    soles: SolePoints
    """Those of the motions, fitted only to a single one."""
    supports: list[tuple[Support, ...]]
    """What carries each beside that ground."""
    origin_m: np.ndarray
    """(N,) the height that is to be y = 0, which was there, or nearest to it, in the motion as it came."""
    repairs_m: dict[str, np.ndarray]
    """(N,) furthest that a repair has moved their roots, by what it was."""
    unplanted: MotionBatch | None
    """The motions as they were before their feet were planted, from which corrections are told that are to be polished;
    None where they are not."""
    polishing: PolishSettings = POLISH
    """What is fast in a correction."""


def levelled(motions: MotionBatch, settings: PreconditionSettings) -> Levelled:
    """Mend motions that share one length, all but their feet and limbs.

    Raises InputError where the skeleton lacks a hip, knee or ankle.
    """
    noise_rad = denoising.joint_noise_rad(motions, settings.noise)
    noisy = denoising.noisy(noise_rad, settings.noise)
    calm = denoising.denoise(motions, noise_rad, settings.noise)
    whole = without_splices(calm, settings.splices)
    soles = sole_points(motions.skeleton)
    raw = Posed.of(_despike_unless(noisy, whole, settings.spikes), soles)
    halted = _halted(raw, noisy, settings.drift) if settings.estimate_drift else raw
    if settings.fit_soles:
        soles = _fitted(_level(halted, soles, settings), soles, settings)
        halted = Posed.of(halted.motions, soles)
    posed = _level(halted, soles, settings)
    if settings.mode.moves_to_floor:
        posed = posed.moved(limbs.trunk_lift(motions.skeleton, posed.positions_m, motions.fps))
    raised_m = (posed.motions.root_m - raw.motions.root_m)[:, 0, 1]
    repairs_m = {
        "parts that were spliced are joined": _furthest_m(calm, whole),
        "the drift of the floor is taken out": _furthest_m(raw.motions, halted.motions),
    }
    return Levelled(posed, soles, raised_m, repairs_m)


def _furthest_m(before: MotionBatch, after: MotionBatch) -> np.ndarray:
    """(N,) furthest that roots were moved."""
    return np.linalg.norm(after.root_m - before.root_m, axis=-1).max(1)


def ground_under_feet_m(level: Levelled, settings: PreconditionSettings) -> np.ndarray:
    """Height (N, T, 2) of what is beneath each foot before supports are known.

    That is the floor, or where heights are left alone whatever a foot that hovers a little may stand on.
    """
    highest_m = 0.0 if settings.mode.moves_to_floor else settings.feet.standing_m
    return np.clip(level.posed.feet_m[..., 1].min(-1), 0.0, highest_m)


def planted(level: Levelled, ground_m: np.ndarray, settings: FootSettings) -> MotionBatch:
    """Motions whose feet stand flat, still and on the ground (N, T, 2) beneath them."""
    return _plant_feet(level.posed, level.soles, ground_m, settings)


def origins_m(level: Levelled, supports: Sequence[Sequence[Support]], settings: FloorSettings) -> np.ndarray:
    """The heights (N,) that are to be y = 0, which were there, or nearest to it, in the motions as they came."""
    frames = level.posed.motions.root_m.shape[1]
    each = zip(supports, level.raised_m, strict=True)
    return np.array([_origin_m(own, frames, raised, settings) for own, raised in each])


def _fitted(posed: Posed, soles: SolePoints, settings: PreconditionSettings) -> SolePoints:
    """Soles fitted to the flat stances of one motion."""
    flat = posed.normals(soles)[..., 1] > np.cos(settings.floor.flat_rad)
    stands_flat = (flat & posed.stands(settings.feet))[0]
    return fit_soles(soles, posed.feet_m[0, ..., 1], stands_flat, posed.motions.fps)


def _despike_unless(noisy: np.ndarray, motions: MotionBatch, settings: SpikeSettings) -> MotionBatch:
    """Despike, except where noise is everywhere and spikes mean nothing."""
    despiked = despike(motions, settings)
    return replace(
        motions,
        root_m=np.where(noisy[:, None, None], motions.root_m, despiked.root_m),
        rotations=np.where(noisy[:, None, None, None], motions.rotations, despiked.rotations),
    )


def _halted(posed: Posed, noisy: np.ndarray, settings: DriftSettings) -> Posed:
    """Take out the floor's drift; noisy: (N,)."""
    ankles, fps = posed.orientations[:, :, Legs.of(posed.motions.skeleton).ankles], posed.motions.fps
    drifted_m = np.zeros_like(posed.motions.root_m)
    for index, (feet_m, turned, root_m) in enumerate(zip(posed.feet_m, ankles, posed.motions.root_m, strict=True)):
        drift_m_s = floor_drift(feet_m, turned, root_m, fps, noisy=noisy[index], settings=settings)
        drifted_m[index, 1:, [0, 2]] = np.cumsum(drift_m_s, axis=0).T / fps
    return posed.moved(-drifted_m)


def _level(posed: Posed, soles: SolePoints, settings: PreconditionSettings) -> Posed:
    """Take out the height of the lowest ground on which feet stand, unless that is far off and they hardly show it."""
    if not (settings.estimate_floor and settings.mode.moves_to_floor):
        return posed
    fps, heights_m = posed.motions.fps, _floors_m(posed, soles, settings.floor)
    speed_m_s = frame_speeds(velocities(posed.feet_m, fps))
    flat = posed.normals(soles)[..., 1] > np.cos(settings.floor.tilted_rad)
    lowest_m = posed.feet_m[..., 1].min(-1)
    if settings.mode.finds_supports:
        each = zip(
            lowest_m,
            (speed_m_s < settings.floor.still_m_s) & flat,
            posed.motions.root_m[..., 1],
            heights_m,
            strict=True,
        )
        heights_m = [lowest_level(*feet, fps=fps, settings=settings.floor) for feet in each]
    seen = zip(heights_m, lowest_m, speed_m_s, flat, strict=True)
    doubts = [in_doubt(*own, settings=settings.floor) for own in seen]
    down_m = [0.0 if doubt else off_zero(own, settings.floor) for own, doubt in zip(heights_m, doubts, strict=True)]
    return posed.moved(np.array([[0.0, -height_m, 0.0] for height_m in down_m])[:, None])


def _floors_m(posed: Posed, soles: SolePoints, settings: FloorSettings) -> list[float]:
    """Height of each motion's floor."""
    speed_m_s = frame_speeds(velocities(posed.feet_m, posed.motions.fps))
    flat = posed.normals(soles)[..., 1] > np.cos(settings.flat_rad)
    each = zip(posed.feet_m[..., 1].min(-1), speed_m_s, flat, strict=True)
    return [floor_height(*feet, settings) for feet in each]


def _origin_m(supports: Sequence[Support], frames: int, raised_m: float, settings: FloorSettings) -> float:
    """The height that becomes y = 0 in a motion that has been raised so that its lowest ground is there.

    Of all grounds it is that which was near y = 0 as the motion came, and on which it stands for long: what was put on
    any step of a staircase stays there, what hovers or is sunk comes to the nearest. Whoever climbs far from all of
    them stays where he is: the file may just not show what leads there.
    """
    stood_m = ground_of_feet_m(supports, frames).max(1)
    grounds_m = np.unique(stood_m)
    share = np.mean(np.abs(stood_m[:, None] - grounds_m) < settings.level_m / 2, axis=0)
    nearest_m = float(grounds_m[np.argmin(np.abs(grounds_m - raised_m) - settings.worth_m * share)])
    return raised_m if supports and abs(nearest_m - raised_m) > settings.far_m else nearest_m


def _plant_feet(posed: Posed, soles: SolePoints, ground_m: np.ndarray, settings: FootSettings) -> MotionBatch:
    """Lay standing feet flat and hold them in place on the ground (N, T, 2) beneath them; the legs follow."""
    motions, fps = posed.motions, posed.motions.fps
    legs = Legs.of(motions.skeleton)
    stands = posed.stands(settings, ground_m)
    ankles_m, normals = posed.positions_m[:, :, legs.ankles], posed.normals(soles)
    solid_m = _solid_feet_m(posed)
    heights_m, flat_m = (
        feet_m[..., 1].min(-1) - ground_m
        for feet_m in (solid_m, _turned(solid_m, ankles_m, foot_lock.flattening(normals, np.ones(stands.shape))))
    )
    share = np.maximum(
        foot_lock.flat_share(normals, stands, fps, settings),
        foot_lock.share_above(heights_m, flat_m, normals, fps, settings),
    )
    turns = foot_lock.flattening(normals, share)
    feet_m = _turned(posed.feet_m, ankles_m, turns)
    velocity_m_s = held_velocities(feet_m, fps)
    heights_m = _turned(solid_m, ankles_m, turns)[..., 1].min(-1) - ground_m
    moves_m = foot_lock.lock(heights_m, velocity_m_s, frame_speeds(velocity_m_s), stands, fps, settings)
    targets_m = ankles_m + moves_m
    shift_m = _lowering(posed.positions_m, targets_m, legs, stands, fps, settings.lowering_limit_m)
    rotations = bend_legs(motions.skeleton, posed.positions_m, posed.orientations, shift_m, targets_m, turns)
    return replace(motions, root_m=motions.root_m + shift_m, rotations=rotations)


def _solid_feet_m(posed: Posed) -> np.ndarray:
    """Feet (N, T, 2, K, 3) from the corners of fitted soles up to those of usual ones, which are lower in a foot that
    points back beyond the vertical.
    """
    usual = sole_points(posed.motions.skeleton)
    usual_m = by_foot(corner_positions(usual, posed.positions_m, posed.orientations))
    return np.concatenate([posed.feet_m, usual_m], axis=-2)


def _turned(feet_m: np.ndarray, ankles_m: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Feet (N, T, 2, K, 3) turned about their ankles (N, T, 2, 3)."""
    pivot_m = ankles_m[..., None, :]
    return pivot_m + Rotation.from_quat(turns[..., None, :]).apply(feet_m - pivot_m)


def _lowering(
    positions_m: np.ndarray, targets_m: np.ndarray, legs: Legs, stands: np.ndarray, fps: float, limit_m: float
) -> np.ndarray:
    """Root shift (N, T, 3), downwards, that brings a standing ankle within reach of its target.

    Of two that stand the nearer one: whose other leg is stretched out above the floor stands on this.
    """
    hips_m = positions_m[:, :, legs.hips]
    bones = [positions_m[:, :, lower] - positions_m[:, :, upper] for upper, lower in _bones(legs)]
    furthest_m = MAXIMUM_REACH * sum(np.linalg.norm(bone, axis=-1) for bone in bones)
    reach_m = np.maximum(furthest_m, np.linalg.norm(sum(bones), axis=-1))
    shift_m = np.zeros_like(positions_m[:, :, 0])
    for _ in range(2):  # the smoothed shift falls a little short at first
        away_m = targets_m - hips_m - shift_m[:, :, None]
        drop_m = np.sqrt(np.maximum(reach_m**2 - away_m[..., 0] ** 2 - away_m[..., 2] ** 2, 1e-4))
        nearest_m = np.where(stands, np.maximum(-away_m[..., 1] - drop_m, 0.0), np.inf).min(-1)
        missing_m = np.where(stands.any(-1), nearest_m, 0.0)
        widest_m = maximum_filter1d(missing_m, max(3, round(3 * FRAME_S * fps)), axis=1)
        shift_m[..., 1] -= np.minimum(blur(widest_m, 1.5, fps), limit_m)
    return shift_m


def _bones(legs: Legs) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    return (legs.hips, legs.knees), (legs.knees, legs.ankles)
