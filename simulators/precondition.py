"""Preconditioner: mend by kinematics what the simulation should not have to fight.

Capture noise and spikes, a floor that lies elsewhere or drifts, feet that hover, sink and slide. All of it is
vectorised over motions and frames and takes about a thousandth of the motion's duration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.spatial.transform import Rotation

from selfcorrect.motion.body import SolePoints, sole_points
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators import denoising, footing, grounding, smoothing
from selfcorrect.simulators.drift import changing_drift
from selfcorrect.simulators.leg_ik import MAXIMUM_REACH, Legs, bend_legs
from selfcorrect.simulators.soles import by_foot, corner_positions, fit_soles, frame_speeds, sole_normals, velocities

FLAT_STANCE_RAD = np.radians(15.0)
"""Feet tilted by less are flat enough to show the thickness of their soles."""

LOWERING_LIMIT_M = 0.05
"""Furthest that the root is lowered for a standing foot out of reach."""


@dataclass(frozen=True)
class PreconditionSettings:
    """What to estimate from a motion; switch off for motions in a world whose floor is known, such as a model's."""

    estimate_floor: bool = True
    """Find the floor's height and put it at y = 0."""
    estimate_drift: bool = True
    """Find the floor's horizontal velocity, constant or changing, and take it out."""
    fit_soles: bool = True
    """Fit the soles' thickness at heel, ball and toe tip to each motion."""


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

    def stands(self, fastest_m_s: np.ndarray) -> np.ndarray:
        """(N, T, 2) whether each foot stands; fastest_m_s: (N,) speed up to which it does."""
        fps = self.motions.fps
        speed_m_s = frame_speeds(velocities(self.feet_m, fps))
        return footing.standing(self.feet_m[..., 1].min(-1), speed_m_s, fastest_m_s, fps)

    def normals(self, soles: SolePoints) -> np.ndarray:
        """(N, T, 2, 3) upward normals of the soles, world."""
        ankles = Legs.of(self.motions.skeleton).ankles
        return Rotation.from_quat(self.orientations[:, :, ankles]).apply(sole_normals(soles))


def precondition(motions: MotionBatch, settings: PreconditionSettings) -> tuple[MotionBatch, SolePoints]:
    """Mend motions that share one length; returns them and their soles, which are fitted only to a single motion.

    Raises ValueError where the skeleton lacks a hip, knee or ankle.
    """
    noise_rad = denoising.joint_noise_rad(motions)
    noisy = denoising.noisy(noise_rad)
    calm = denoising.denoise(motions, noise_rad)
    fastest_m_s = np.where(noisy, footing.STANDING_NOISY_M_S, footing.STANDING_M_S)
    soles = sole_points(motions.skeleton)
    posed = _ground(Posed.of(_despike_unless(noisy, calm), soles), settings)
    if settings.fit_soles:
        soles = _fitted(posed, soles, fastest_m_s)
        posed = _ground(Posed.of(posed.motions, soles), settings)
    return _plant_feet(posed, soles, fastest_m_s), soles


def _fitted(posed: Posed, soles: SolePoints, fastest_m_s: np.ndarray) -> SolePoints:
    """Soles fitted to the flat stances of one motion."""
    flat = posed.normals(soles)[..., 1] > np.cos(FLAT_STANCE_RAD)
    return fit_soles(soles, posed.feet_m[0, ..., 1], (flat & posed.stands(fastest_m_s))[0])


def _despike_unless(noisy: np.ndarray, motions: MotionBatch) -> MotionBatch:
    """Despike, except where noise is everywhere and spikes mean nothing."""
    despiked = smoothing.despike(motions)
    return replace(
        motions,
        root_m=np.where(noisy[:, None, None], motions.root_m, despiked.root_m),
        rotations=np.where(noisy[:, None, None, None], motions.rotations, despiked.rotations),
    )


def _ground(posed: Posed, settings: PreconditionSettings) -> Posed:
    """Take out the floor's drift, then its height."""
    fps = posed.motions.fps
    velocity_m_s = velocities(posed.feet_m, fps)
    soles_m = posed.feet_m[..., 1].min(-1)
    if settings.estimate_drift:
        posed = posed.moved(-np.stack([_drifted_m(posed, motion) for motion in range(len(soles_m))]))
        velocity_m_s = velocities(posed.feet_m, fps)
    if settings.estimate_floor:
        speed_m_s = frame_speeds(velocity_m_s)
        heights_m = [grounding.floor_height(*feet) for feet in zip(soles_m, speed_m_s, strict=True)]
        posed = posed.moved(np.array([[0.0, -height_m, 0.0] for height_m in heights_m])[:, None])
    return posed


def _drifted_m(posed: Posed, index: int) -> np.ndarray:
    """How far (T, 3) the floor of one motion has drifted at each frame: steadily if that is blatant, else changing."""
    fps, feet_m, root_m = posed.motions.fps, posed.feet_m[index], posed.motions.root_m[index]
    velocity_m_s = velocities(posed.feet_m[[index]], fps)[0]
    drift_m_s = np.zeros_like(velocity_m_s[:, 0]) + grounding.steady_drift(feet_m[..., 1].min(-1), velocity_m_s, fps)
    if not drift_m_s.any():
        ankles = posed.orientations[index][:, Legs.of(posed.motions.skeleton).ankles]
        drift_m_s = changing_drift(feet_m, velocity_m_s, ankles, root_m, fps)
    drifted_m = np.zeros_like(root_m)
    drifted_m[1:, [0, 2]] = np.cumsum(drift_m_s, axis=0) / fps
    return drifted_m


def _plant_feet(posed: Posed, soles: SolePoints, fastest_m_s: np.ndarray) -> MotionBatch:
    """Lay standing feet flat and hold them in place; the legs follow."""
    motions, fps = posed.motions, posed.motions.fps
    legs = Legs.of(motions.skeleton)
    stands = posed.stands(fastest_m_s)
    turns = footing.flattening(posed.normals(soles), stands, fps)
    ankles_m = posed.positions_m[:, :, legs.ankles]
    feet_m = _turned(posed.feet_m, ankles_m, turns)
    velocity_m_s = velocities(feet_m, fps)
    moves_m = footing.lock(feet_m[..., 1].min(-1), velocity_m_s, frame_speeds(velocity_m_s), stands, fps)
    targets_m = ankles_m + moves_m
    shift_m = _lowering(posed.positions_m, targets_m, legs, stands, fps)
    rotations = bend_legs(motions.skeleton, posed.positions_m, posed.orientations, shift_m, targets_m, turns)
    return replace(motions, root_m=motions.root_m + shift_m, rotations=rotations)


def _turned(feet_m: np.ndarray, ankles_m: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Feet (N, T, 2, K, 3) turned about their ankles (N, T, 2, 3)."""
    pivot_m = ankles_m[..., None, :]
    return pivot_m + Rotation.from_quat(turns[..., None, :]).apply(feet_m - pivot_m)


def _lowering(positions_m: np.ndarray, targets_m: np.ndarray, legs: Legs, stands: np.ndarray, fps: float) -> np.ndarray:
    """Root shift (N, T, 3), downwards, that brings standing ankles within reach of their targets."""
    hips_m = positions_m[:, :, legs.hips]
    bones = [positions_m[:, :, lower] - positions_m[:, :, upper] for upper, lower in _bones(legs)]
    reach_m = MAXIMUM_REACH * sum(np.linalg.norm(bone, axis=-1) for bone in bones)
    shift_m = np.zeros_like(positions_m[:, :, 0])
    for _ in range(2):  # the smoothed shift falls a little short at first
        away_m = targets_m - hips_m - shift_m[:, :, None]
        drop_m = np.sqrt(np.maximum(reach_m**2 - away_m[..., 0] ** 2 - away_m[..., 2] ** 2, 1e-4))
        missing_m = np.where(stands, np.maximum(-away_m[..., 1] - drop_m, 0.0), 0.0).max(-1)
        widest_m = maximum_filter1d(missing_m, max(3, round(3 * footing.FRAME_S * fps)), axis=1)
        shift_m[..., 1] -= np.minimum(footing.blur(widest_m, 1.5, fps), LOWERING_LIMIT_M)
    return shift_m


def _bones(legs: Legs) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    return (legs.hips, legs.knees), (legs.knees, legs.ankles)
