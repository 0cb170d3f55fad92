"""Remove noise: of parts that shake for a while, of bodies that are noisy throughout, and of single joints.

Each of them is estimated where the others are not: a part shakes if it is noisier than usual, and the noise of a body
is that of its median joint, after parts were calmed. Single joints are smoothed in bodies that are calm.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from selfcorrect.motion.geometry.curves import scale_smoothness, smooth_whittaker
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.geometry.white_noise import noise_level, shrink_noise, smooth_noise
from selfcorrect.motion.kinematics import joint_positions, make_continuous
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.perception.joint_noise import JointNoise
from selfcorrect.motion.skeleton import Skeleton

from ..body.soft_legs import ROUGHER
from ..stages.changes import keep_changes
from .cleaning import CleanupState, repair_each
from .stretches import calm_stretches

_NOISY_RAD = 0.02
"""White noise of the median joint above which a body is smoothed, in rad. Smoothing less noise would cost real
motion."""
_NOISY_ROOT_M = 0.002
"""Noise of the root above which it is smoothed, in m."""
_NOISY_JOINT_RAD = 0.04
"""Noise of a single joint, beyond the body's common motion, above which it is smoothed, in rad."""


@dataclass(frozen=True)
class Denoise:
    """Remove white noise from joints, of the whole motion and of stretches.

    See `white_noise` for the method. Noise is estimated from the lengths of fourth differences of vectors, so that it
    does not depend on the heading. The parameters were set by hand on CMU clips, clean and with noise added to every
    joint.
    """

    must_calm: bool = True
    """Accept only calmer results. In a few strides, the bounce of a run looks like noise. Without this, the feet of one
    of eight captures slide at 133 instead of 53 mm/s, and planting cannot repair that."""
    each_joint: bool = True
    """Also smooth single joints of bodies that are not noisy."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        every = range(len(cleaning.motions))
        steady = repair_each(cleaning.motions, every, calm_stretches)
        noise_rad = joint_noise_rad(steady)
        calm = denoise(steady, noise_rad, must_calm=self.must_calm)
        body, _ = find_noise_groups(steady.skeleton)
        noisy = is_noisy(noise_rad[:, body])
        if self.each_joint:
            calm = repair_each(calm, np.flatnonzero(~noisy).tolist(), smooth_shaking_joints)
        return replace(cleaning, motions=calm, noisy=noisy)


_MIN_MOVING_SHARE = 0.25
"""Minimum share of moving joints from which noise can be judged."""
_ROUNDING_RAD = 1e-4
"""Rounding noise of files, in rad. A joint with less noise counts as free of it."""


_KEYS_FPS = 29.0
"""Minimum frame rate of keys. The noise of joints was distinguished from motion at 30 fps."""
_MAX_HIDDEN_NOISE = 0.5
"""Maximum noise of interpolated frames, relative to that of their keys. White noise is the same at all frame rates."""
_MIN_FRAMES = 8
"""Minimum number of frames that show noise."""


def joint_noise_rad(motions: MotionBatch) -> np.ndarray:
    """Return the white noise (N, J) of each joint's rotation.

    Motions that are too short have none. A joint may be noisy about one axis only. The root's axes are those of the
    world, so all of its directions count alike.
    """
    if motions.root_m.shape[1] < _MIN_FRAMES:
        return np.zeros((len(motions), len(motions.skeleton)))
    rotations = make_continuous(motions.rotations, axis=1)
    noise_rad = 2 * norms(noise_level(rotations[..., None], 1))
    noise_rad[:, 0] = 2 * np.sqrt(3) * noise_level(rotations[:, :, 0], 3)
    return noise_rad


def find_noise_groups(skeleton: Skeleton) -> tuple[list[int], list[int]]:
    """Return the joints of body parts, and all others, such as fingers, muscles and clothes.

    The noise of a body is that of its parts. Noise of both groups is removed apart, so that a joint that bears nothing
    changes no foot.
    """
    has_part = np.array([bool(part) for part in skeleton.parts])
    return np.flatnonzero(has_part).tolist(), np.flatnonzero(~has_part).tolist()


def root_noise_m(motions: MotionBatch) -> np.ndarray:
    """Return the white noise (N, 3) of the root's coordinates.

    Noise is the same in both horizontal directions.
    """
    floor_m = noise_level(motions.root_m[..., [0, 2]], 2)
    height_m = noise_level(motions.root_m[..., 1:2], 1)
    return np.stack([floor_m, height_m, floor_m], axis=-1)


def is_noisy(noise_rad: np.ndarray) -> np.ndarray:
    """Return which bodies (N,) are noisy throughout.

    Joints that never move, such as fingers and eyes in many files, do not count.

    Args:
        noise_rad: (N, J) noise of each joint.
    """
    medians_rad = np.zeros(len(noise_rad))
    for index, joints_rad in enumerate(noise_rad):
        moving_rad = joints_rad[joints_rad > _ROUNDING_RAD]
        if len(moving_rad) >= _MIN_MOVING_SHARE * len(joints_rad):
            medians_rad[index] = median(moving_rad)
    return medians_rad > _NOISY_RAD


def find_noisy_keys(motion: Motion) -> int:
    """Return the spacing of noisy keys, or 0.

    If frames between noisy keys were interpolated, curves look smooth at the higher frame rate. A motion with noise of
    its own hides none.
    """
    noise_rad = joint_noise_rad(MotionBatch.stack([motion]))
    if is_noisy(noise_rad)[0]:
        return 0
    for spacing in range(2, int(motion.fps / _KEYS_FPS) + 1):
        keys = motion.select_frames(slice(None, None, spacing))
        keys_rad = joint_noise_rad(MotionBatch.stack([keys]))
        is_hidden = median(noise_rad[0]) < _MAX_HIDDEN_NOISE * median(keys_rad[0])
        if is_hidden and is_noisy(keys_rad)[0]:
            return spacing
    return 0


def denoise(motions: MotionBatch, noise_rad: np.ndarray, *, must_calm: bool) -> MotionBatch:
    """Remove the noise of noisy bodies and of noisy root coordinates.

    Args:
        motions: N motions with J joints.
        noise_rad: (N, J) white noise of each joint's rotation.
        must_calm: Whether only motions that become calmer are changed.

    Returns:
        The motions with less noise. Motions with too few frames are left unchanged.
    """
    rotations = make_continuous(motions.rotations, axis=1)
    root_m = motions.root_m.copy()
    if root_m.shape[1] < _MIN_FRAMES:
        return motions
    noise_m = root_noise_m(motions)
    groups = find_noise_groups(motions.skeleton)
    is_noisy_body = is_noisy(noise_rad[:, groups[0]])
    # joints that do not move have no noise
    noisy_joints = is_noisy_body[:, None] & (noise_rad > _ROUNDING_RAD)
    noisy_axes = noise_m > _NOISY_ROOT_M
    is_changed = np.asarray(noisy_joints.any(1) | noisy_axes.any(1))
    if not is_changed.any():
        return motions
    for motion, group in product(np.flatnonzero(is_changed), groups):
        joints = [joint for joint in group if noisy_joints[motion, joint]]
        axes = np.flatnonzero(noisy_axes[motion]) if 0 in group else np.zeros(0, dtype=int)
        if not joints and not len(axes):
            continue
        component_noise = noise_rad[motion, joints] / (2 * np.sqrt(3))
        noise = np.concatenate([np.repeat(component_noise, 4), noise_m[motion, axes]])
        joint_channels = rotations[motion][:, joints].reshape(len(root_m[motion]), -1)
        channels = np.hstack([joint_channels, root_m[motion][:, axes]])
        calm = shrink_noise(channels / noise, motions.fps) * noise
        rotations[motion][:, joints] = calm[:, : 4 * len(joints)].reshape(len(calm), len(joints), 4)
        root_m[motion][:, axes] = calm[:, 4 * len(joints) :]
    rotations /= norms(rotations)[..., None]
    calm_motions = replace(motions, root_m=root_m, rotations=rotations)
    calm_motions = _smooth_noisy_joints(calm_motions, noise_rad, is_noisy_body)
    if must_calm:
        is_changed &= is_calmer(motions, calm_motions)
    return keep_changes(motions, calm_motions, is_changed)


def smooth_shaking_joints(motion: Motion) -> Motion:
    """Smooth joints that shake, if that calms the motion.

    If the joints together do not calm the motion, each is smoothed that does so alone. Captures have joints whose noise
    makes up for that of others, and such joints must not keep the noise of an arm. If no joint calms the motion, the
    same motion is returned.
    """
    noise_rad = JointNoise.from_motion(motion).rotations_rad
    joints = np.flatnonzero(noise_rad).tolist()
    for chosen in (joints, *([joint] for joint in joints)):
        if not chosen:
            continue
        rotations = make_continuous(motion.rotations)
        for joint in chosen:
            noise = float(noise_rad[joint] / 2) ** 2  # of all components of a quaternion
            smooth = smooth_noise(rotations[:, joint], noise, motion.fps)
            rotations[:, joint] = smooth / norms(smooth)[:, None]
        calm = replace(motion, rotations=rotations)
        if is_calmer(MotionBatch.stack([motion]), MotionBatch.stack([calm]))[0]:
            motion = calm
            if chosen is joints:
                break
    return motion


def is_calmer(before: MotionBatch, after: MotionBatch) -> np.ndarray:
    """Return which motions (N,) are calmer than before.

    The body has less jerk, and no foot has clearly more, because legs may compensate the noise of a root.
    """
    jerk_before = norms(np.diff(joint_positions(before), 3, axis=1)).mean(axis=1)
    jerk_after = norms(np.diff(joint_positions(after), 3, axis=1)).mean(axis=1)
    feet = list(before.skeleton.pair("ankle") or ())
    feet_stay = (jerk_after[:, feet] <= ROUGHER * jerk_before[:, feet]).all(axis=1)
    return (jerk_after.mean(axis=1) < jerk_before.mean(axis=1)) & feet_stay


def _smooth_noisy_joints(motions: MotionBatch, noise_rad: np.ndarray, is_noisy_body: np.ndarray) -> MotionBatch:
    """Smooth joints of noisy bodies that are still noisy.

    Some models' noise is correlated between joints, and remains.

    Args:
        noise_rad: (N, J) noise before anything was removed, which sets the smoothness.
        is_noisy_body: (N,) whether each body was noisy throughout.
    """
    if not is_noisy_body.any():
        return motions
    rotations = make_continuous(motions.rotations, axis=1)
    root_m = motions.root_m.copy()
    remaining_rad = joint_noise_rad(motions)
    remaining_m = root_noise_m(motions)
    noisy_joints = (remaining_rad > _NOISY_JOINT_RAD) & is_noisy_body[:, None]
    for motion, joint in np.argwhere(noisy_joints):
        smoothness = scale_smoothness(0.4 * float(noise_rad[motion, joint] / 0.01) ** 1.5, motions.fps)
        rotations[motion, :, joint] = smooth_whittaker(rotations[motion, :, joint], smoothness)
    noisy_axes = (remaining_m > _NOISY_ROOT_M) & is_noisy_body[:, None]
    for motion, axis in np.argwhere(noisy_axes):
        smoothness = scale_smoothness(float(remaining_m[motion, axis] / 0.003) ** 1.5, motions.fps)
        smooth_m = smooth_whittaker(root_m[motion, :, axis, None], smoothness)
        root_m[motion, :, axis] = smooth_m[:, 0]
    rotations[is_noisy_body] /= norms(rotations[is_noisy_body])[..., None]
    return replace(motions, root_m=root_m, rotations=rotations)
