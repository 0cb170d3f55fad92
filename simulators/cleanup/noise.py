"""Capture noise: joints that are noisy throughout, which smoothing calms, and single spikes, which are bridged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import binary_dilation

from selfcorrect.motion.correction.timeline import spans
from selfcorrect.motion.geometry.kinematics import joint_positions, make_continuous
from selfcorrect.motion.geometry.rotations import steps_between
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton

from ..body.curves import smooth_whittaker
from .cleaning import CleanupState


@dataclass(frozen=True)
class Denoise:
    """Takes white noise out of joints by shrinking the singular values of short windows of all their channels.

    A value s, in units of the noise, becomes √((s² − β − 1)² − 4β) / s, or 0 below 1 + √β; β is the windows' aspect
    ratio. The noise is 1.48 / √70 times the median fourth difference.
    Set by hand on CMU clips, clean and with noise added to every joint.
    """

    noisy_rad: float = 0.02
    """White noise of a body's median joint that is left alone: smoothing would cost real motion."""
    noisy_root_m: float = 0.002
    """Likewise, of its root."""
    noisy_joint_rad: float = 0.04
    """White noise of a single joint of a body without noise: fast joints look noisy a little below."""
    segment_s: float = 3.0
    """Time within which a body moves in the same few ways."""
    window_s: float = 8 / 30
    """Length of the windows."""
    must_calm: bool = True
    """Take out of a motion only what lowers its jerk: in a few strides the bounce of a run looks like noise."""
    caution: float = 1.1
    """Noise is taken for so much stronger than it is: overlapping windows make its singular values spread."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        noise_rad = joint_noise_rad(cleaning.motions)
        calm = denoise(cleaning.motions, noise_rad, self)
        return replace(cleaning.with_repaired_motions(calm), noisy=is_noisy(noise_rad, self))


_FEWEST_FRAMES, _LONGEST_WINDOW = 8, 16
"""Frames that show noise, and those of a window at most."""


def noise_level(values: np.ndarray) -> np.ndarray:
    """Standard deviation (N, ...) of white noise on smooth curves (N, T, ...), from their median fourth difference."""
    return median(np.abs(np.diff(values, 4, axis=1)), axis=1) * 1.4826 / np.sqrt(70.0)


def joint_noise_rad(motions: MotionBatch) -> np.ndarray:
    """(N, J) white noise on each joint's rotation; zero for motions that are too short."""
    if motions.root_m.shape[1] < _FEWEST_FRAMES:
        return np.zeros((len(motions), len(motions.skeleton)))
    return 2 * norms(noise_level(make_continuous(motions.rotations, axis=1)))


def is_noisy(noise_rad: np.ndarray, settings: Denoise) -> np.ndarray:
    """(N,) whether whole bodies are noisy; noise_rad: (N, J)."""
    return median(noise_rad, axis=1) > settings.noisy_rad


def denoise(motions: MotionBatch, noise_rad: np.ndarray, settings: Denoise) -> MotionBatch:
    """Take the noise (N, J) out of noisy bodies and single noisy joints, and out of noisy root coordinates."""
    rotations, root_m = make_continuous(motions.rotations, axis=1), motions.root_m.copy()
    if root_m.shape[1] < _FEWEST_FRAMES:
        return motions
    root_noise_m = noise_level(root_m)
    noisy_joints = (noise_rad > settings.noisy_joint_rad) | is_noisy(noise_rad, settings)[:, None]
    joints, axes = noisy_joints & (noise_rad > 0), root_noise_m > settings.noisy_root_m  # end sites have no noise
    for motion in np.flatnonzero(joints.any(1) | axes.any(1)):
        turning, moving = np.flatnonzero(joints[motion]), np.flatnonzero(axes[motion])
        component_noise = noise_rad[motion, turning] / (2 * np.sqrt(3))
        noise = np.concatenate([np.repeat(component_noise, 4), root_noise_m[motion, moving]])
        values = np.hstack([rotations[motion][:, turning].reshape(len(root_m[motion]), -1), root_m[motion][:, moving]])
        calm = shrink_noise(values / noise, motions.fps, settings) * noise
        rotations[motion][:, turning] = calm[:, : 4 * len(turning)].reshape(len(calm), len(turning), 4)
        root_m[motion][:, moving] = calm[:, 4 * len(turning) :]
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    calm = _smooth_noisy_joints(replace(motions, root_m=root_m, rotations=rotations), noise_rad, settings)
    changed = np.asarray(joints.any(1) | axes.any(1))
    return _keep_where_calmer(motions, calm, changed) if settings.must_calm and changed.any() else calm


def _keep_where_calmer(motions: MotionBatch, calm: MotionBatch, changed: np.ndarray) -> MotionBatch:
    """Calm motions, but as they were those that were `changed` (N,) and whose joints have more jerk by that.

    Limbs stay as they were whose ends have more jerk by that: where a knee flips and its ankle does not, the noise of
    one joint makes up for that of the next.
    """
    before, after = (norms(np.diff(joint_positions(each), 3, axis=1)).mean(1) for each in (motions, calm))
    rougher = changed & (after.mean(-1) > before.mean(-1))
    rotations = np.where(rougher[:, None, None, None], motions.rotations, calm.rotations)
    for joints in _find_limbs(motions.skeleton):
        rougher_end = changed & (after[:, joints[-1]] > before[:, joints[-1]])
        own = rougher_end[:, None, None, None]
        rotations[:, :, joints] = np.where(own, motions.rotations[:, :, joints], rotations[:, :, joints])
    return replace(calm, root_m=np.where(rougher[:, None, None], motions.root_m, calm.root_m), rotations=rotations)


def _smooth_noisy_joints(motions: MotionBatch, noise_rad: np.ndarray, settings: Denoise) -> MotionBatch:
    """Noisy bodies with those joints smoothed that are noisy still: some models' noise is in concert, too.

    noise_rad: (N, J) noise before anything was taken out, by which joints are smoothed.
    """
    chosen = is_noisy(noise_rad, settings)
    if not chosen.any():
        return motions
    pace = (motions.fps / 30) ** 4  # second differences shrink with the square of the frame rate
    rotations, root_m = make_continuous(motions.rotations, axis=1), motions.root_m.copy()
    left_rad, left_m = joint_noise_rad(motions), noise_level(root_m)
    for motion, joint in np.argwhere((left_rad > settings.noisy_joint_rad) & chosen[:, None]):
        smoothness = 0.4 * float(noise_rad[motion, joint] / 0.01) ** 1.5 * pace
        rotations[motion, :, joint] = smooth_whittaker(rotations[motion, :, joint], smoothness)
    for motion, axis in np.argwhere((left_m > settings.noisy_root_m) & chosen[:, None]):
        smoothness = float(left_m[motion, axis] / 0.003) ** 1.5 * pace
        root_m[motion, :, axis] = smooth_whittaker(root_m[motion, :, axis, None], smoothness)[:, 0]
    rotations[chosen] /= np.linalg.norm(rotations[chosen], axis=-1, keepdims=True)
    return replace(motions, root_m=root_m, rotations=rotations)


def shrink_noise(values: np.ndarray, fps: float, settings: Denoise) -> np.ndarray:
    """Channels (T, K) with white noise of unit variance taken out; segments of a few seconds are blended."""
    frames, window = round(settings.segment_s * fps), min(max(round(settings.window_s * fps), 2), _LONGEST_WINDOW)
    if len(values) <= 1.5 * frames:
        return _project_onto_subspace(values, window, settings.caution)
    starts = np.linspace(0, len(values) - frames, int(np.ceil(2 * len(values) / frames)) - 1).round().astype(int)
    share = np.hanning(frames + 2)[1:-1, None]
    calm, total = np.zeros_like(values), np.zeros((len(values), 1))
    for start in starts:
        calm[start : start + frames] += share * _project_onto_subspace(
            values[start : start + frames], window, settings.caution
        )
        total[start : start + frames] += share
    return calm / total


def _project_onto_subspace(values: np.ndarray, window: int, caution: float) -> np.ndarray:
    """Channels (T, K) as far as their windows lie in a common subspace."""
    window = min(window, len(values) // 3)
    mean = values.mean(0)
    windows = sliding_window_view(values - mean, window, axis=0)
    rows = windows.reshape(len(windows), -1)
    powers, directions = np.linalg.eigh(rows @ rows.T)
    kept = _signal_shares(np.sqrt(np.maximum(powers, 0.0)), rows.shape, caution)
    shrunk = ((directions * kept) @ (directions.T @ rows)).reshape(windows.shape)
    total, count = np.zeros_like(values), np.zeros((len(values), 1))
    for frame in range(window):
        total[frame : frame + len(windows)] += shrunk[..., frame]
        count[frame : frame + len(windows)] += 1
    return mean + total / count


def _signal_shares(singular: np.ndarray, shape: tuple[int, int], caution: float) -> np.ndarray:
    """Shares of singular values of a matrix of a shape that are signal and not noise of unit variance."""
    small, large = sorted(shape)
    ratio, scaled = small / large, np.maximum(singular, 1e-9) / (caution * np.sqrt(large))
    signal = np.maximum((scaled**2 - ratio - 1) ** 2 - 4 * ratio, 0.0)
    return np.where(scaled > 1 + np.sqrt(ratio), np.sqrt(signal) / scaled**2, 0.0)


_SIDED_LIMBS = (("hip", "knee", "ankle", "foot"), ("collar", "shoulder", "elbow", "wrist"))


LIMBS = (
    ("spine1", "spine2", "spine3", "neck", "head"),
    *(tuple(f"{side}_{part}" for part in limb) for side in ("left", "right") for limb in _SIDED_LIMBS),
)


@dataclass(frozen=True)
class Despike:
    """Bridges frames in which joints accelerate far beyond their own, where the bridge has smaller accelerations.

    Where noise is everywhere, spikes mean nothing. Bounds are what no body does at 30 frames per second or fewer, and
    grow in proportion at higher rates: interpolated motions have kinks at their old frames, where a change of velocity
    takes a single new frame. Set by hand on CMU clips.
    """

    joint_m_s2: float = 270.0
    """Acceleration of a joint relative to the root."""
    root_m_s2: float = 225.0
    """Acceleration of the root, its spin included."""
    arm_m: float = 0.3
    """Arm at which the root's spin counts as acceleration."""
    of_whole_body: bool = True
    """Bridge the root only where the whole body, too, accelerates less."""
    longest_s: float = 2 / 3
    """Longer runs are left: they cannot be bridged."""
    ankle_m: float = 0.05
    """A leg is left as it is where the bridge would move an ankle without spikes further than this."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        motions, noisy = cleaning.motions, cleaning.noisy[:, None, None]
        despiked = despike(motions, self)
        return cleaning.with_repaired_motions(
            replace(
                motions,
                root_m=np.where(noisy, motions.root_m, despiked.root_m),
                rotations=np.where(noisy[..., None], motions.rotations, despiked.rotations),
            )
        )


def despike(motions: MotionBatch, settings: Despike) -> MotionBatch:
    """Bridge frames in which a limb or the root jumps and comes back, where the bridge is the smoother one."""
    joints_m_s2, root_m_s2 = _joint_accelerations(motions), _root_accelerations(motions, settings)
    fps, longest_s, sharper = motions.fps, settings.longest_s, max(1.0, motions.fps / 30)
    joint_spikes = joints_m_s2 > sharper * settings.joint_m_s2
    root_spikes = root_m_s2 > sharper * settings.root_m_s2
    root_m, rotations = motions.root_m.copy(), make_continuous(motions.rotations, axis=1)
    for motion in np.flatnonzero(joint_spikes.any((1, 2)) | root_spikes.any(1)):
        for joints in _find_limbs(motions.skeleton):
            spikes = joint_spikes[motion][:, joints].any(1)
            rotations[motion][:, joints] = _bridge_spikes(rotations[motion][:, joints], spikes, fps, longest_s)
        rotations[motion][:, 0] = _bridge_spikes(rotations[motion][:, 0], root_spikes[motion], fps, longest_s)
        root_m[motion] = _bridge_spikes(root_m[motion], root_spikes[motion], fps, longest_s)
    bridged = replace(motions, root_m=root_m, rotations=rotations / np.linalg.norm(rotations, axis=-1, keepdims=True))
    if not (joint_spikes.any() or root_spikes.any()):
        return bridged
    if settings.of_whole_body:
        bridged = _keep_root_where_smoother(motions, bridged, root_spikes)
    return _keep_limbs_where_smoother(motions, bridged, joint_spikes, root_spikes, settings)


def _keep_root_where_smoother(motions: MotionBatch, bridged: MotionBatch, root_spikes: np.ndarray) -> MotionBatch:
    """The bridged motions with their roots as they were where the whole body accelerates more by that."""
    before_m_s2, after_m_s2 = (_accelerations(each).mean(-1) for each in (motions, bridged))
    rougher = _bridge_is_rougher(before_m_s2, after_m_s2, root_spikes)[..., None]
    rotations = bridged.rotations.copy()
    rotations[..., 0, :] = np.where(rougher, motions.rotations[..., 0, :], rotations[..., 0, :])
    return replace(bridged, root_m=np.where(rougher, motions.root_m, bridged.root_m), rotations=rotations)


def _keep_limbs_where_smoother(
    motions: MotionBatch,
    bridged: MotionBatch,
    joint_spikes: np.ndarray,
    root_spikes: np.ndarray,
    settings: Despike,
) -> MotionBatch:
    """The bridged motions, but each limb as it was where its bridge accelerates more than what it replaces."""
    joints_m_s2 = [_accelerations(each) for each in (motions, bridged)]
    moved_m = norms(_joints_from_root(bridged) - _joints_from_root(motions))
    root_m_s2 = [_root_accelerations(each, settings) for each in (motions, bridged)]
    root_m, rotations = bridged.root_m.copy(), bridged.rotations.copy()
    for joints in _find_limbs(motions.skeleton):
        before_m_s2, after_m_s2 = (each[..., joints].max(-1) for each in joints_m_s2)
        rougher = _bridge_is_rougher(before_m_s2, after_m_s2, np.asarray(joint_spikes[..., joints].any(-1)))
        rougher |= _bridge_moves_ankle(moved_m, joint_spikes, joints, motions.skeleton, settings)
        rotations[..., joints, :] = np.where(
            rougher[..., None, None], motions.rotations[..., joints, :], rotations[..., joints, :]
        )
    rougher = _bridge_is_rougher(root_m_s2[0], root_m_s2[1], root_spikes)[..., None]
    rotations[..., 0, :] = np.where(rougher, motions.rotations[..., 0, :], rotations[..., 0, :])
    return replace(bridged, root_m=np.where(rougher, motions.root_m, root_m), rotations=rotations)


def _bridge_moves_ankle(
    moved_m: np.ndarray, spikes: np.ndarray, joints: Sequence[int], skeleton: Skeleton, settings: Despike
) -> np.ndarray:
    """(N, T) where the bridge of a limb moves an ankle that has no spike; moved_m, spikes: (N, T, J).

    A knee may flip while its ankle swings on: a straight leg hardly shows where its knee points. Such a leg is right
    at its end, and a bridge would lower a kick.
    """
    left = np.zeros(spikes.shape[:2], dtype=bool)
    for ankle in (joint for joint in joints if skeleton.parts[joint].endswith("_ankle")):
        for motion in np.flatnonzero(spikes[..., joints].any((1, 2))):
            for first, last in spans(binary_dilation(spikes[motion][:, joints].any(1))):
                own = motion, slice(first, last + 1)
                left[own] = not spikes[(*own, ankle)].any() and moved_m[(*own, ankle)].max() > settings.ankle_m
    return left


def _bridge_is_rougher(before_m_s2: np.ndarray, after_m_s2: np.ndarray, spikes: np.ndarray) -> np.ndarray:
    """(N, T) where a bridge of spikes (N, T) peaks higher than what it replaces; accelerations: (N, T)."""
    rougher = np.zeros_like(spikes)
    for motion in np.flatnonzero(spikes.any(1)):
        for first, last in spans(binary_dilation(spikes[motion])):
            around = slice(max(first - 1, 0), last + 2)
            rougher[motion, first : last + 1] = after_m_s2[motion, around].max() > before_m_s2[motion, around].max()
    return rougher


def _joint_accelerations(motions: MotionBatch) -> np.ndarray:
    """(N, T, J) of the joints' positions relative to the root, m/s²."""
    return _acceleration_norms_m_s2(_joints_from_root(motions), motions.fps)


def _joints_from_root(motions: MotionBatch) -> np.ndarray:
    """(N, T, J, 3) of the joints as seen from the root."""
    still = motions.rotations.copy()
    still[:, :, 0] = (0.0, 0.0, 0.0, 1.0)
    return joint_positions(replace(motions, root_m=np.zeros_like(motions.root_m), rotations=still))


def _accelerations(motions: MotionBatch) -> np.ndarray:
    """(N, T, J) of the joints, m/s²."""
    return _acceleration_norms_m_s2(joint_positions(motions), motions.fps)


def _acceleration_norms_m_s2(joints_m: np.ndarray, fps: float) -> np.ndarray:
    """(N, T, J) sizes of the accelerations of joints (N, T, J, 3)."""
    return norms(_second_differences(joints_m)) * fps**2


def _root_accelerations(motions: MotionBatch, settings: Despike) -> np.ndarray:
    """(N, T) of the root, with its spin at an arm's length, m/s²."""
    spin = np.zeros_like(motions.root_m)
    spin[:, 1:-1] = np.diff(steps_between(motions.rotations[:, :, 0], axis=1), axis=1)
    moved_m = norms(_second_differences(motions.root_m))
    return (moved_m + settings.arm_m * norms(spin)) * motions.fps**2


def _second_differences(values: np.ndarray) -> np.ndarray:
    """Second differences of (N, T, ...) along T, zero at both ends."""
    bends = np.zeros_like(values)
    bends[:, 1:-1] = np.diff(values, 2, axis=1)
    return bends


def _find_limbs(skeleton: Skeleton) -> list[list[int]]:
    """The joints of each limb, as far as the skeleton has them."""
    return [[joint for part in limb if (joint := skeleton.joint(part)) is not None] for limb in LIMBS]


def _bridge_spikes(values: np.ndarray, spikes: np.ndarray, fps: float, longest_s: float) -> np.ndarray:
    """Values (T, ...) with spikes (T,) and their neighbours interpolated; runs at the ends or too long are left."""
    bridged = values.copy()
    wide = binary_dilation(spikes)
    for start, stop in ((first, last + 1) for first, last in spans(wide)):
        if start > 0 and stop < len(values) and stop - start <= longest_s * fps:
            share = (np.arange(1, stop - start + 1) / (stop - start + 1)).reshape(-1, *[1] * (values.ndim - 1))
            bridged[start:stop] = (1 - share) * values[start - 1] + share * values[stop]
    return bridged
