"""Remove capture noise: joints that are noisy throughout are smoothed, and single spikes are bridged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import binary_dilation

from selfcorrect.motion.corrector_interface.timeline import spans
from selfcorrect.motion.geometry.kinematics import joint_positions, make_continuous
from selfcorrect.motion.geometry.rotations import steps_between
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton

from ..body.curves import smooth_whittaker
from .cleaning import CleanupState


@dataclass(frozen=True)
class Denoise:
    """Remove white noise from joints by shrinking the singular values of short windows of all their channels.

    A value s, in units of the noise, becomes √((s² − β − 1)² − 4β) / s, or 0 below 1 + √β; β is the windows' aspect
    ratio. The noise is 1.48 / √70 times the median fourth difference.
    Set by hand on CMU clips, clean and with noise added to every joint.
    """

    noisy_rad: float = 0.02
    """Largest white noise of a body's median joint that is not removed: smoothing would cost real motion."""
    noisy_root_m: float = 0.002
    """Largest white noise of the root that is not removed."""
    noisy_joint_rad: float = 0.04
    """Smallest white noise that is removed from single joints of a body without noise; fast joints look noisy below."""
    segment_s: float = 3.0
    """Time within which a body moves in the same few ways."""
    window_s: float = 8 / 30
    """Length of the windows."""
    must_calm: bool = True
    """Accept only results with lower jerk: in a few strides the bounce of a run looks like noise."""
    caution: float = 1.1
    """Factor on the estimated noise: overlapping windows spread its singular values."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        noise_rad = joint_noise_rad(cleaning.motions)
        calm = denoise(cleaning.motions, noise_rad, self)
        return replace(cleaning.with_repaired_motions(calm), noisy=is_noisy(noise_rad, self))


_ROUNDING_RAD = 1e-4
"""Noise up to which a joint counts as free of noise: what rounding adds in files and other programs."""


_FEWEST_FRAMES = 8
"""Smallest number of frames that show noise."""


_LONGEST_WINDOW = 16
"""Largest number of frames of a window."""


_MORE_THAN_ROUNDING = 1 + 1e-6
"""Factor beyond which jerk has grown: a joint that does not move the end of its limb changes it by rounding."""


def noise_level(values: np.ndarray) -> np.ndarray:
    """Return the standard deviation (N, ...) of white noise on smooth curves (N, T, ...): see `Denoise`."""
    return median(np.abs(np.diff(values, 4, axis=1)), axis=1) * 1.4826 / np.sqrt(70.0)


def joint_noise_rad(motions: MotionBatch) -> np.ndarray:
    """Return the white noise (N, J) on each joint's rotation; zero for motions that are too short."""
    if motions.root_m.shape[1] < _FEWEST_FRAMES:
        return np.zeros((len(motions), len(motions.skeleton)))
    return 2 * norms(noise_level(make_continuous(motions.rotations, axis=1)))


def is_noisy(noise_rad: np.ndarray, settings: Denoise) -> np.ndarray:
    """Return whether bodies (N,) are noisy throughout; noise_rad: (N, J)."""
    return median(noise_rad, axis=1) > settings.noisy_rad


def denoise(motions: MotionBatch, noise_rad: np.ndarray, settings: Denoise) -> MotionBatch:
    """Remove the noise of noisy bodies, of single noisy joints, and of noisy root coordinates.

    Args:
        motions: N motions with J joints.
        noise_rad: (N, J) white noise on each joint's rotation.
        settings: Thresholds and windows.

    Returns:
        The motions with less noise; those with too few frames unchanged.
    """
    rotations = make_continuous(motions.rotations, axis=1)
    root_m = motions.root_m.copy()
    if root_m.shape[1] < _FEWEST_FRAMES:
        return motions
    root_noise_m = noise_level(root_m)
    noisy_joints = (noise_rad > settings.noisy_joint_rad) | is_noisy(noise_rad, settings)[:, None]
    noisy_joints = noisy_joints & (noise_rad > _ROUNDING_RAD)  # joints that do not move have no noise
    noisy_axes = root_noise_m > settings.noisy_root_m
    is_changed = np.asarray(noisy_joints.any(1) | noisy_axes.any(1))
    for motion in np.flatnonzero(is_changed):
        joints = np.flatnonzero(noisy_joints[motion])
        axes = np.flatnonzero(noisy_axes[motion])
        component_noise = noise_rad[motion, joints] / (2 * np.sqrt(3))
        noise = np.concatenate([np.repeat(component_noise, 4), root_noise_m[motion, axes]])
        joint_channels = rotations[motion][:, joints].reshape(len(root_m[motion]), -1)
        channels = np.hstack([joint_channels, root_m[motion][:, axes]])
        calm = shrink_noise(channels / noise, motions.fps, settings) * noise
        rotations[motion][:, joints] = calm[:, : 4 * len(joints)].reshape(len(calm), len(joints), 4)
        root_m[motion][:, axes] = calm[:, 4 * len(joints) :]
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    calm_motions = replace(motions, root_m=root_m, rotations=rotations)
    calm_motions = _smooth_noisy_joints(calm_motions, noise_rad, settings)
    if settings.must_calm and is_changed.any():
        return _keep_where_calmer(motions, calm_motions, is_changed)
    return calm_motions


def _keep_where_calmer(motions: MotionBatch, calm: MotionBatch, changed: np.ndarray) -> MotionBatch:
    """Return calm motions, but the original ones of those changed (N,) whose joints gain jerk.

    Limbs whose ends gain jerk are original, too: if a knee flips and its ankle does not, the noise of one joint
    makes up for that of the next.
    """
    jerk_before = norms(np.diff(joint_positions(motions), 3, axis=1)).mean(1)
    jerk_after = norms(np.diff(joint_positions(calm), 3, axis=1)).mean(1)
    is_rougher = changed & (jerk_after.mean(-1) > _MORE_THAN_ROUNDING * jerk_before.mean(-1))
    root_m = np.where(is_rougher[:, None, None], motions.root_m, calm.root_m)
    rotations = np.where(is_rougher[:, None, None, None], motions.rotations, calm.rotations)
    for joints in _find_limbs(motions.skeleton):
        end = joints[-1]
        is_rougher_limb = changed & (jerk_after[:, end] > _MORE_THAN_ROUNDING * jerk_before[:, end])
        rotations[:, :, joints] = np.where(
            is_rougher_limb[:, None, None, None], motions.rotations[:, :, joints], rotations[:, :, joints]
        )
    return replace(calm, root_m=root_m, rotations=rotations)


def _smooth_noisy_joints(motions: MotionBatch, noise_rad: np.ndarray, settings: Denoise) -> MotionBatch:
    """Smooth those joints of noisy bodies that are still noisy: some models' noise is correlated between joints.

    noise_rad: (N, J) noise before anything was removed, which sets the smoothness.
    """
    is_noisy_body = is_noisy(noise_rad, settings)
    if not is_noisy_body.any():
        return motions
    rate_factor = (motions.fps / 30) ** 4  # second differences shrink with the square of the frame rate
    rotations = make_continuous(motions.rotations, axis=1)
    root_m = motions.root_m.copy()
    remaining_rad = joint_noise_rad(motions)
    remaining_m = noise_level(root_m)
    noisy_joints = (remaining_rad > settings.noisy_joint_rad) & is_noisy_body[:, None]
    for motion, joint in np.argwhere(noisy_joints):
        smoothness = 0.4 * float(noise_rad[motion, joint] / 0.01) ** 1.5 * rate_factor
        rotations[motion, :, joint] = smooth_whittaker(rotations[motion, :, joint], smoothness)
    noisy_axes = (remaining_m > settings.noisy_root_m) & is_noisy_body[:, None]
    for motion, axis in np.argwhere(noisy_axes):
        smoothness = float(remaining_m[motion, axis] / 0.003) ** 1.5 * rate_factor
        smooth_m = smooth_whittaker(root_m[motion, :, axis, None], smoothness)
        root_m[motion, :, axis] = smooth_m[:, 0]
    rotations[is_noisy_body] /= np.linalg.norm(rotations[is_noisy_body], axis=-1, keepdims=True)
    return replace(motions, root_m=root_m, rotations=rotations)


def shrink_noise(values: np.ndarray, fps: float, settings: Denoise) -> np.ndarray:
    """Remove white noise of unit variance from channels; segments of a few seconds are blended.

    Args:
        values: (T, K) channels, in units of their noise.
        fps: Frames per second.
        settings: Lengths of segments and windows.

    Returns:
        (T, K) channels with less noise.
    """
    frames = round(settings.segment_s * fps)
    window = min(max(round(settings.window_s * fps), 2), _LONGEST_WINDOW)
    if len(values) <= 1.5 * frames:
        return _project_onto_subspace(values, window, settings.caution)
    segments = int(np.ceil(2 * len(values) / frames)) - 1
    starts = np.linspace(0, len(values) - frames, segments).round().astype(int)
    share = np.hanning(frames + 2)[1:-1, None]
    calm = np.zeros_like(values)
    total = np.zeros((len(values), 1))
    for start in starts:
        segment = slice(start, start + frames)
        calm[segment] += share * _project_onto_subspace(values[segment], window, settings.caution)
        total[segment] += share
    return calm / total


def _project_onto_subspace(values: np.ndarray, window: int, caution: float) -> np.ndarray:
    """Return the part of channels (T, K) whose windows lie in a common subspace."""
    window = min(window, len(values) // 3)
    mean = values.mean(0)
    windows = sliding_window_view(values - mean, window, axis=0)
    rows = windows.reshape(len(windows), -1)
    powers, directions = np.linalg.eigh(rows @ rows.T)
    singular_values = np.sqrt(np.maximum(powers, 0.0))
    shares = _signal_shares(singular_values, rows.shape, caution)
    shrunk = ((directions * shares) @ (directions.T @ rows)).reshape(windows.shape)
    total = np.zeros_like(values)
    count = np.zeros((len(values), 1))
    for frame in range(window):
        total[frame : frame + len(windows)] += shrunk[..., frame]
        count[frame : frame + len(windows)] += 1
    return mean + total / count


def _signal_shares(singular: np.ndarray, shape: tuple[int, int], caution: float) -> np.ndarray:
    """Return the shares of a matrix's singular values that are signal and not noise of unit variance."""
    small, large = sorted(shape)
    ratio = small / large
    scaled = np.maximum(singular, 1e-9) / (caution * np.sqrt(large))
    signal = np.maximum((scaled**2 - ratio - 1) ** 2 - 4 * ratio, 0.0)
    return np.where(scaled > 1 + np.sqrt(ratio), np.sqrt(signal) / scaled**2, 0.0)


_SIDED_LIMBS = (("hip", "knee", "ankle", "foot"), ("collar", "shoulder", "elbow", "wrist"))


LIMBS = (
    ("spine1", "spine2", "spine3", "neck", "head"),
    *(tuple(f"{side}_{part}" for part in limb) for side in ("left", "right") for limb in _SIDED_LIMBS),
)


@dataclass(frozen=True)
class Despike:
    """Bridge frames in which joints accelerate as no body does, if the bridge has smaller accelerations.

    Noisy motions are skipped: spikes there mean nothing. Bounds hold at 30 frames per second or fewer, and grow in
    proportion at higher rates: interpolated motions have kinks at their old frames, where a change of velocity takes a
    single new frame. Set by hand on CMU clips.
    """

    joint_m_s2: float = 270.0
    """Acceleration of a joint relative to the root."""
    root_m_s2: float = 225.0
    """Acceleration of the root, its spin included."""
    arm_m: float = 0.3
    """Arm at which the root's spin counts as acceleration."""
    of_whole_body: bool = True
    """Bridge the root only if the whole body, too, accelerates less."""
    longest_s: float = 2 / 3
    """Longest run of frames that is bridged."""
    ankle_m: float = 0.05
    """Furthest that a bridge may move an ankle without spikes; otherwise the leg is not bridged."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        motions = cleaning.motions
        is_noisy_body = cleaning.noisy[:, None, None]
        despiked = despike(motions, self)
        root_m = np.where(is_noisy_body, motions.root_m, despiked.root_m)
        rotations = np.where(is_noisy_body[..., None], motions.rotations, despiked.rotations)
        return cleaning.with_repaired_motions(replace(motions, root_m=root_m, rotations=rotations))


def despike(motions: MotionBatch, settings: Despike) -> MotionBatch:
    """Bridge frames in which a limb or the root jumps and comes back, if the bridge is smoother."""
    fps = motions.fps
    rate_factor = max(1.0, fps / 30)
    joint_spikes = _joint_accelerations(motions) > rate_factor * settings.joint_m_s2
    root_spikes = _root_accelerations(motions, settings) > rate_factor * settings.root_m_s2
    root_m = motions.root_m.copy()
    rotations = make_continuous(motions.rotations, axis=1)
    has_spikes = joint_spikes.any((1, 2)) | root_spikes.any(1)
    for motion in np.flatnonzero(has_spikes):
        turns = rotations[motion]
        for joints in _find_limbs(motions.skeleton):
            limb_spikes = joint_spikes[motion][:, joints].any(1)
            turns[:, joints] = _bridge_spikes(turns[:, joints], limb_spikes, fps, settings.longest_s)
        turns[:, 0] = _bridge_spikes(turns[:, 0], root_spikes[motion], fps, settings.longest_s)
        root_m[motion] = _bridge_spikes(root_m[motion], root_spikes[motion], fps, settings.longest_s)
    rotations = rotations / np.linalg.norm(rotations, axis=-1, keepdims=True)
    bridged = replace(motions, root_m=root_m, rotations=rotations)
    if not has_spikes.any():
        return bridged
    if settings.of_whole_body:
        bridged = _keep_root_where_smoother(motions, bridged, root_spikes)
    return _keep_limbs_where_smoother(motions, bridged, joint_spikes, root_spikes, settings)


def _keep_root_where_smoother(motions: MotionBatch, bridged: MotionBatch, root_spikes: np.ndarray) -> MotionBatch:
    """Return the bridged motions, but the original roots where the bridge makes the whole body accelerate more."""
    before_m_s2 = _accelerations(motions).mean(-1)
    after_m_s2 = _accelerations(bridged).mean(-1)
    is_rougher = _bridge_is_rougher(before_m_s2, after_m_s2, root_spikes)[..., None]
    rotations = bridged.rotations.copy()
    rotations[..., 0, :] = np.where(is_rougher, motions.rotations[..., 0, :], rotations[..., 0, :])
    root_m = np.where(is_rougher, motions.root_m, bridged.root_m)
    return replace(bridged, root_m=root_m, rotations=rotations)


def _keep_limbs_where_smoother(
    motions: MotionBatch,
    bridged: MotionBatch,
    joint_spikes: np.ndarray,
    root_spikes: np.ndarray,
    settings: Despike,
) -> MotionBatch:
    """Return the bridged motions, but each limb's original where its bridge accelerates more."""
    before_m_s2 = _accelerations(motions)
    after_m_s2 = _accelerations(bridged)
    moved_m = norms(_joints_from_root(bridged) - _joints_from_root(motions))
    rotations = bridged.rotations.copy()
    for joints in _find_limbs(motions.skeleton):
        limb_spikes = np.asarray(joint_spikes[..., joints].any(-1))
        limb_before_m_s2 = before_m_s2[..., joints].max(-1)
        limb_after_m_s2 = after_m_s2[..., joints].max(-1)
        is_rougher = _bridge_is_rougher(limb_before_m_s2, limb_after_m_s2, limb_spikes)
        is_rougher |= _bridge_moves_ankle(moved_m, joint_spikes, joints, motions.skeleton, settings)
        rotations[..., joints, :] = np.where(
            is_rougher[..., None, None], motions.rotations[..., joints, :], rotations[..., joints, :]
        )
    root_before_m_s2 = _root_accelerations(motions, settings)
    root_after_m_s2 = _root_accelerations(bridged, settings)
    is_rougher = _bridge_is_rougher(root_before_m_s2, root_after_m_s2, root_spikes)[..., None]
    rotations[..., 0, :] = np.where(is_rougher, motions.rotations[..., 0, :], rotations[..., 0, :])
    root_m = np.where(is_rougher, motions.root_m, bridged.root_m)
    return replace(bridged, root_m=root_m, rotations=rotations)


def _bridge_moves_ankle(
    moved_m: np.ndarray, spikes: np.ndarray, joints: Sequence[int], skeleton: Skeleton, settings: Despike
) -> np.ndarray:
    """Return in which frames (N, T) the bridge of a limb moves an ankle that has no spike; moved_m, spikes: (N, T, J).

    A knee may flip while its ankle swings on: a straight leg hardly shows where its knee points. Such a leg is right
    at its end, and a bridge would lower a kick.
    """
    moves_ankle = np.zeros(spikes.shape[:2], dtype=bool)
    ankles = [joint for joint in joints if skeleton.parts[joint].endswith("_ankle")]
    has_spikes = spikes[..., joints].any((1, 2))
    for ankle in ankles:
        for motion in np.flatnonzero(has_spikes):
            limb_spikes = spikes[motion][:, joints].any(1)
            for first, last in spans(binary_dilation(limb_spikes)):
                frames = slice(first, last + 1)
                is_ankle_spiky = spikes[motion, frames, ankle].any()
                furthest_m = moved_m[motion, frames, ankle].max()
                moves_ankle[motion, frames] = not is_ankle_spiky and furthest_m > settings.ankle_m
    return moves_ankle


def _bridge_is_rougher(before_m_s2: np.ndarray, after_m_s2: np.ndarray, spikes: np.ndarray) -> np.ndarray:
    """Return in which frames (N, T) a bridge of spikes (N, T) peaks higher than the original; accelerations (N, T)."""
    is_rougher = np.zeros_like(spikes)
    for motion in np.flatnonzero(spikes.any(1)):
        for first, last in spans(binary_dilation(spikes[motion])):
            around = slice(max(first - 1, 0), last + 2)
            peak_before_m_s2 = before_m_s2[motion, around].max()
            peak_after_m_s2 = after_m_s2[motion, around].max()
            is_rougher[motion, first : last + 1] = peak_after_m_s2 > peak_before_m_s2
    return is_rougher


def _joint_accelerations(motions: MotionBatch) -> np.ndarray:
    """Return the accelerations (N, T, J) of the joints relative to the root, m/s²."""
    return _acceleration_norms_m_s2(_joints_from_root(motions), motions.fps)


def _joints_from_root(motions: MotionBatch) -> np.ndarray:
    """Return the positions (N, T, J, 3) of the joints as seen from the root."""
    still = motions.rotations.copy()
    still[:, :, 0] = (0.0, 0.0, 0.0, 1.0)
    return joint_positions(replace(motions, root_m=np.zeros_like(motions.root_m), rotations=still))


def _accelerations(motions: MotionBatch) -> np.ndarray:
    """Return the accelerations (N, T, J) of the joints, m/s²."""
    return _acceleration_norms_m_s2(joint_positions(motions), motions.fps)


def _acceleration_norms_m_s2(joints_m: np.ndarray, fps: float) -> np.ndarray:
    """Return the sizes (N, T, J) of the accelerations of joints (N, T, J, 3)."""
    return norms(_second_differences(joints_m)) * fps**2


def _root_accelerations(motions: MotionBatch, settings: Despike) -> np.ndarray:
    """Return the accelerations (N, T) of the root, with its spin at an arm's length, m/s²."""
    spin = np.zeros_like(motions.root_m)
    spin[:, 1:-1] = np.diff(steps_between(motions.rotations[:, :, 0], axis=1), axis=1)
    moved_m = norms(_second_differences(motions.root_m))
    return (moved_m + settings.arm_m * norms(spin)) * motions.fps**2


def _second_differences(values: np.ndarray) -> np.ndarray:
    """Return the second differences of (N, T, ...) along T, zero at both ends."""
    bends = np.zeros_like(values)
    bends[:, 1:-1] = np.diff(values, 2, axis=1)
    return bends


def _find_limbs(skeleton: Skeleton) -> list[list[int]]:
    """Return the joints of each limb, as far as the skeleton has them."""
    limbs = []
    for parts in LIMBS:
        joints = [skeleton.joint(part) for part in parts]
        limbs.append([joint for joint in joints if joint is not None])
    return limbs


def _bridge_spikes(values: np.ndarray, spikes: np.ndarray, fps: float, longest_s: float) -> np.ndarray:
    """Interpolate values (T, ...) across spikes (T,) and their neighbours; runs at the ends or too long are skipped."""
    bridged = values.copy()
    for first, last in spans(binary_dilation(spikes)):
        frames = last + 1 - first
        is_inside = first > 0 and last + 1 < len(values)
        if not is_inside or frames > longest_s * fps:
            continue
        share = np.arange(1, frames + 1) / (frames + 1)
        share = share.reshape(-1, *[1] * (values.ndim - 1))
        bridged[first : last + 1] = (1 - share) * values[first - 1] + share * values[last + 1]
    return bridged
