"""Smooth paths of heels and toes, with their velocities.

Paths are smoothed just enough to give usable velocities: each point in each frame over the shortest window that limits
the noise of the whole motion, and of the point near that frame. So a leg that shakes for a while stands as one that is
still. Velocities are relative to a treadmill belt if the motion shows one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.filters import median_filter1d, minimum_filter1d
from ..geometry.smoothing import parabola_weights, smooth_parabolic
from ..geometry.vectors import UP, find_distinct, median, median_of_known, norms, percentile, standard_lengths
from ..skeleton import SOLE_BELOW_TOE_JOINT_M

_NOISE_M_S = 0.08
"""Maximum noise of velocities, in m/s."""
_WINDOWS_S = (0.07, 0.34)
"""Shortest and longest window for velocities, in s."""
_NOISE_FRAMES = 5
"""Number of frames of the parabolas from which noise deviates."""
RISES_M_S = 0.15
"""Usual vertical speed of standing points, in m/s."""
_HEEL_BEHIND_ANKLE_M = 0.045
"""Distance along the sole from ankle to heel, in m."""
GLIDES_M_S = 0.4
"""Minimum speed of ground that glides beneath a body, in m/s."""
_STAY_SHARE = 0.25
"""Maximum travel speed of a body on a treadmill, relative to the belt's speed."""
_RIDE_SHARE = 0.5
"""Maximum velocity of a riding body relative to the ground, as a share of the ground's speed."""
_GLIDE_HEIGHT_M = 0.02
"""Usual height of points that show a glide, in m above their lower envelope."""
_AROUND_S = 0.6
"""Half the window of the lower envelope, in s."""


@dataclass(frozen=True)
class FootPaths:
    """Paths of P foot points over T frames, foot by foot, heel before toe joint."""

    places_m: np.ndarray
    """(T, P, 3) smoothed positions."""
    above_m: np.ndarray
    """(T, P) heights above the point's lower envelope."""
    speeds_m_s: np.ndarray
    """(T, P) horizontal speeds, relative to the belt if there is one."""
    rises_m_s: np.ndarray
    """(T, P) vertical speeds, without sign."""
    noise_m: np.ndarray
    """(P,) standard deviation of position noise."""
    speed_noise_m_s: np.ndarray
    """(P,) standard deviation of speed noise."""
    glide_m_s: np.ndarray
    """(2,) belt velocity along x and z, 0 if there is no belt."""

    @classmethod
    def from_points(cls, points_m: np.ndarray, fps: float) -> FootPaths:
        """Compute smooth paths of points (T, P, 3)."""
        noise_m = estimate_noise_m(points_m)
        windows, noise_shares = _list_windows(len(points_m), fps)
        places_m = points_m
        velocities_m_s = np.zeros_like(points_m)
        noise_share = 0.0
        if len(windows):
            usual = int(_choose_windows(median(noise_m), noise_shares))
            noise_share = float(noise_shares[usual])
            near_m = _estimate_noise_near_m(points_m, int(windows[-1]))
            chosen = np.maximum(_choose_windows(near_m, noise_shares), usual)
            places_m, velocities_m_s = _smooth_over(points_m, windows, chosen, fps)
        heights_m = places_m[..., 1]
        around = 2 * round(_AROUND_S * fps) + 1
        above_m = heights_m - minimum_filter1d(heights_m, around, axis=0, mode="nearest")
        glide_m_s = _estimate_glide(velocities_m_s, above_m)
        return cls(
            places_m=places_m,
            above_m=above_m,
            speeds_m_s=norms(velocities_m_s[..., [0, 2]] - glide_m_s),
            rises_m_s=np.abs(velocities_m_s[..., 1]),
            noise_m=noise_m,
            speed_noise_m_s=noise_m * noise_share,
            glide_m_s=glide_m_s,
        )


def estimate_noise_m(points_m: np.ndarray) -> np.ndarray:
    """Estimate the position noise (P,) of paths (T, P, 3), in m.

    It is the residual of parabolas over five frames, or 0 for fewer frames.
    """
    if len(points_m) < _NOISE_FRAMES:
        return np.zeros(points_m.shape[1])
    return median(_compute_deviations_m(points_m).reshape(-1, points_m.shape[1]), axis=0)


def _estimate_noise_near_m(points_m: np.ndarray, frames: int) -> np.ndarray:
    """Estimate the position noise (T, P) of paths (T, P, 3) within some frames around each frame, in m."""
    if len(points_m) < _NOISE_FRAMES:
        return np.zeros(points_m.shape[:2])
    return median_filter1d(_compute_deviations_m(points_m), frames, axis=1, mode="nearest").mean(axis=0)


def _compute_deviations_m(points_m: np.ndarray) -> np.ndarray:
    """Compute deviations (2, T, P) from parabolas over five frames, along the floor and up.

    Their medians are the standard deviations of the noise.
    """
    residual_m = points_m - smooth_parabolic(points_m, _NOISE_FRAMES)
    along_m = standard_lengths(residual_m[..., [0, 2]], 2)
    up_m = standard_lengths(residual_m[..., [1]], 1)
    return np.stack([along_m, up_m]) / np.sqrt(1 - parabola_weights(_NOISE_FRAMES)[_NOISE_FRAMES // 2])


def _list_windows(frames: int, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """List the windows that a motion is long enough for, the shortest first, with the noise of their velocities.

    Returns:
        (W,) numbers of frames, and (W,) noise of velocities relative to that of positions, per s. There are none if the
            motion is too short for velocities.
    """
    if frames < _NOISE_FRAMES:
        return np.zeros(0, dtype=int), np.zeros(0)
    shortest, longest = [max(3, round(seconds * fps) | 1) for seconds in _WINDOWS_S]
    windows = np.arange(shortest, longest + 2, 2)
    most = frames - (1 - frames % 2)
    windows = windows[windows <= frames] if shortest <= frames else np.array([most])
    return windows, fps * np.sqrt(12 / (windows * (windows**2.0 - 1)))


def _choose_windows(noise_m: np.ndarray, noise_shares: np.ndarray) -> np.ndarray:
    """Choose the shortest window whose velocities are not noisy, for noise (...,), as an index (...,)."""
    is_noisy = np.asarray(noise_m)[..., None] * noise_shares > _NOISE_M_S
    return np.minimum(is_noisy.sum(axis=-1), len(noise_shares) - 1)


def _smooth_over(
    points_m: np.ndarray, windows: np.ndarray, chosen: np.ndarray, fps: float
) -> tuple[np.ndarray, np.ndarray]:
    """Smooth paths (T, P, 3) over the windows chosen (T, P), and return them with their velocities."""
    places_m = np.empty_like(points_m)
    velocities_m_s = np.empty_like(points_m)
    for choice in find_distinct(chosen.ravel()).tolist():
        window = int(windows[choice])
        is_chosen = chosen == choice
        places_m[is_chosen] = smooth_parabolic(points_m, window)[is_chosen]
        velocities_m_s[is_chosen] = smooth_parabolic(points_m, window, fps)[is_chosen]
    return places_m, velocities_m_s


def _estimate_glide(velocities_m_s: np.ndarray, above_m: np.ndarray) -> np.ndarray:
    """Estimate the velocity (2,) that most low points share.

    Points count while they hardly move vertically. The result is the ground's velocity if the body stays behind, as on
    a treadmill, or travels with it. Otherwise the body slides on feet that should stand, and the result is 0, as for
    feet that stand still.
    """
    level_m_s = velocities_m_s[..., [0, 2]].reshape(-1, 2)
    heights = above_m / _GLIDE_HEIGHT_M
    rises = velocities_m_s[..., 1] / RISES_M_S
    weights = np.exp(-0.5 * (heights**2 + rises**2)).ravel()
    standing = weights @ np.exp(-0.5 * (level_m_s**2).sum(-1) / GLIDES_M_S**2)
    glide_m_s = median(level_m_s[weights >= percentile(weights, 80)], axis=0)
    near = weights
    for _ in range(6):
        distances = ((level_m_s - glide_m_s) ** 2).sum(-1) / GLIDES_M_S**2
        near = weights * np.exp(-0.5 * distances)
        glide_m_s = near @ level_m_s / max(near.sum(), 1e-9)
    travel_m_s = median(velocities_m_s[..., [0, 2]].mean(axis=1), axis=0)  # takes that are joined jump back
    glide_speed_m_s = np.linalg.norm(glide_m_s)
    stays = np.linalg.norm(travel_m_s) < _STAY_SHARE * glide_speed_m_s
    rides = np.linalg.norm(travel_m_s - glide_m_s) < _RIDE_SHARE * glide_speed_m_s
    is_gliding = (stays or rides) and glide_speed_m_s > GLIDES_M_S and near.sum() > 3 * standing
    return glide_m_s if is_gliding else np.zeros(2)


def find_heels_and_toes(joints_m: np.ndarray) -> np.ndarray:
    """Return heels and toe joints (T, 2, 2, 3).

    Feet without toe joints have ankles (T, 2, 1, 3) instead. Heels are placed on the sole as if the foot were flat in
    the frames in which it moves least.

    Args:
        joints_m: (T, 2, K, 3) ankles and toe joints, or only ankles (K = 1).
    """
    if joints_m.shape[2] < 2 or len(joints_m) < 2:
        return joints_m
    ankles_m = joints_m[:, :, 0]
    toes_m = joints_m[:, :, 1]
    lengths_m = np.maximum(norms(toes_m - ankles_m), 1e-6)
    steps_m = norms(np.gradient(joints_m, axis=0)).max(-1)
    is_still = steps_m <= percentile(steps_m, 25, axis=0)
    length_m = median(lengths_m, axis=0)
    rise_m = median_of_known(np.where(is_still, (ankles_m - toes_m)[..., 1], np.nan))
    rise_m = np.clip(rise_m, 0.0, 0.8 * length_m)
    reach_m = np.sqrt(length_m**2 - rise_m**2)
    along = (toes_m - ankles_m) / lengths_m[..., None]
    up = UP - along[..., [1]] * along
    up /= np.maximum(norms(up)[..., None], 0.1)
    depth_m = rise_m + SOLE_BELOW_TOE_JOINT_M
    along_m = (depth_m * rise_m - _HEEL_BEHIND_ANKLE_M * reach_m) / length_m
    up_m = -(_HEEL_BEHIND_ANKLE_M * rise_m + depth_m * reach_m) / length_m
    heels_m = ankles_m + along_m[:, None] * along + up_m[:, None] * up
    return np.stack([heels_m, toes_m], axis=2)
