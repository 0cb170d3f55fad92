"""Features that compare motions without a trained network.

Descriptions of a motion are averaged over a few blocks of time, so that its course counts. *Kinematic* features (after
Onuma et al. 2008) describe how joints move; jitter changes them first, and sinking not at all. *Geometric* features
(after Müller et al. 2005) describe poses and the body's path; a few centimetres of height hardly change them. *Ground*
features describe height above the floor, contacts, and the speed of standing feet. Each set is reduced by a principal
component analysis, fitted once to the reference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ...core.errors import InputError
from ..geometry.vectors import norms
from ..kinematics import joint_positions
from ..motion import MotionBatch
from ..skeleton import Skeleton
from .sliding import find_footing

TIME_BLOCKS = 8
"""Number of blocks of time."""

FeatureGroups = Sequence[np.ndarray]
"""Arrays (N, F_g), one per kind of quantity, each with the same weight in the embedding."""

Features = Callable[[MotionBatch], FeatureGroups]


def kinematic_features(batch: MotionBatch) -> FeatureGroups:
    """Describe how joints move, per time block.

    Features are logarithms of each joint's mean speed (over 0.1 m/s) and of its mean acceleration (over 1 m/s²), both
    in the world, and the root's mean velocity (m/s). Because of the logarithm, jitter that multiplies the acceleration
    counts by that factor and not by its square.
    """
    positions_m = joint_positions(batch)
    velocities = np.diff(positions_m, axis=1) * batch.fps
    accelerations = np.diff(velocities, axis=1) * batch.fps
    speeds = block_means(norms(velocities))
    acceleration_sizes = block_means(norms(accelerations))
    root_velocities = block_means(velocities[:, :, 0])
    return [np.log1p(speeds / 0.1), np.log1p(acceleration_sizes), root_velocities]


def geometric_features(batch: MotionBatch) -> FeatureGroups:
    """Describe poses and path of canonical windows, per time block.

    Features are means, in m: each joint's position, above the floor and horizontally from the root; the distances
    between the ends of limbs; and the root's horizontal position from its start.
    """
    positions_m = joint_positions(batch)
    root_path_m = positions_m[:, :, :1] * (1, 0, 1)
    ends_m = positions_m[:, :, limb_ends(batch.skeleton)]
    first, second = np.triu_indices(ends_m.shape[2], 1)
    between_ends_m = norms(ends_m[:, :, first] - ends_m[:, :, second])
    return [
        block_means(positions_m - root_path_m),
        block_means(between_ends_m),
        block_means(root_path_m - root_path_m[:, :1]),
    ]


def ground_features(batch: MotionBatch) -> FeatureGroups:
    """Describe heights, contacts and sliding, per time block.

    The height is that of the body's lowest point above the floor, as an inverse hyperbolic sine in units of 1 cm. It is
    almost linear up to 1 cm and logarithmic beyond, so that centimetres near the floor count beside the height of a
    jump. Contact is the share of frames in which a foot is within 2 cm of the floor. Sliding is the logarithm of the
    speed of standing feet (over 0.1 m/s), at any height, or 0 for a block in which no foot stands.
    """
    footing = find_footing(batch)
    is_near_floor = np.abs(footing.feet_m) < 0.02
    slides = np.sum(np.log1p(footing.speeds_m_s / 0.1) * footing.stands, axis=-1)
    standing = block_means(footing.stands.sum(axis=-1))
    return [
        block_means(np.arcsinh(footing.lowest_m / 0.01)),
        block_means(is_near_floor),
        block_means(slides) / np.where(standing > 0, standing, 1.0),
    ]


def limb_ends(skeleton: Skeleton) -> list[int]:
    """Return the joints without children: hands, feet, head."""
    return [joint for joint, children in enumerate(skeleton.children) if not children]


def block_means(values: np.ndarray) -> np.ndarray:
    """Average values (N, T, *event) over `TIME_BLOCKS` blocks, as (N, blocks · event).

    The blocks have almost equal lengths.
    """
    if values.shape[1] < TIME_BLOCKS:
        raise InputError(f"motion features need at least {TIME_BLOCKS + 2} frames, too few were given")
    blocks = np.array_split(values, TIME_BLOCKS, axis=1)
    return np.stack([block.mean(1) for block in blocks], axis=1).reshape(len(values), -1)


@dataclass(frozen=True, eq=False)
class MotionEmbedding:
    """Map from motions to vectors that are compared by Euclidean distance.

    The map is fitted to a reference and then fixed. The reference has mean 0 and total variance 100, so a Fréchet
    distance of 100 is the distance of a single average motion.
    """

    features: Features
    """Function that computes the features."""
    scales: tuple[float, ...]
    """Factor of each feature group."""
    mean: np.ndarray
    """(F,) means of the features."""
    axes: np.ndarray
    """(F, D) scaled principal axes."""

    @classmethod
    def fit(cls, features: Features, reference: MotionBatch, dimensions: int = 24) -> Self:
        """Fit the principal components of a reference.

        Each group of features is scaled to equal variance first.

        Args:
            dimensions: Number D of principal components.
        """
        groups = features(reference)
        scales = tuple(1 / np.sqrt(group.var(axis=0).sum()) for group in groups)
        joined = _join(groups, scales)
        mean = joined.mean(0)
        deviations, axes = np.linalg.svd(joined - mean, full_matrices=False)[1:]
        variances = deviations[:dimensions] ** 2 / len(joined)
        return cls(features, scales, mean, axes[:dimensions].T * np.sqrt(100 / variances.sum()))

    def __call__(self, batch: MotionBatch) -> np.ndarray:
        """Return embedded motions (N, D), float64."""
        return (_join(self.features(batch), self.scales) - self.mean) @ self.axes


def _join(groups: FeatureGroups, scales: Sequence[float]) -> np.ndarray:
    return np.concatenate([scale * group for scale, group in zip(scales, groups, strict=True)], axis=1)
