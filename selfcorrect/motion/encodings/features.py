"""Motion features that generative models learn: a vector per frame.

A frame has D = 3 + 6 J numbers. First comes root velocity along x and z (m/s, backward difference; the first frame
repeats the second's), then root height (m). Then comes a 6-D rotation (see `matrix_columns`) per joint in the
skeleton's order: r00 r01 r10 r11 r20 r21.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from ...core.errors import InputError
from ..geometry.rotations import from_matrix_columns, matrix_columns
from ..kinematics import make_continuous
from ..motion import MotionBatch
from ..skeleton import Skeleton

STD_FLOOR = 0.05
"""Minimum standard deviation of a feature. Features that hardly vary in the training data are not blown up: 5 cm, 5
cm/s, about 3 degrees."""


@dataclass(frozen=True, eq=False)
class FeatureCodec:
    """Codec between normalised features and motion windows of one skeleton and frame rate."""

    is_redundant: ClassVar[bool] = False
    """True if features can contradict each other. They describe a motion several times over."""
    skeleton: Skeleton
    """The skeleton of all motions."""
    fps: float
    """The frame rate of all motions."""
    mean: Tensor
    """(D,) float64 feature means, fitted once on real training data and then frozen."""
    std: Tensor
    """(D,) float64 standard deviations, likewise."""

    def __post_init__(self) -> None:
        expected = (3 + 6 * len(self.skeleton),)
        if self.mean.shape != expected or self.std.shape != expected:
            raise InputError(
                f"a skeleton of {len(self.skeleton)} joints needs feature statistics of shape {expected}, "
                f"got {tuple(self.mean.shape)} and {tuple(self.std.shape)}"
            )

    @classmethod
    def fit(cls, batch: MotionBatch) -> Self:
        """Fit the codec to the skeleton, frame rate and statistics of motions."""
        features = torch.from_numpy(encode_features(batch)).flatten(0, 1)
        std = features.std(dim=0, correction=0).clamp_min(STD_FLOOR)
        return cls(batch.skeleton, batch.fps, features.mean(dim=0), std)

    def encode(self, batch: MotionBatch) -> Tensor:
        """Encode windows of T frames each as normalised features (N, T, D), float32.

        Only the horizontal position of the first frame is lost. Windows for training should be canonical (see
        `transforms.canonicalise`); encoding does not turn them.
        """
        self.check_body(batch)
        return ((torch.from_numpy(encode_features(batch)) - self.mean) / self.std).float()

    def check_body(self, batch: MotionBatch) -> None:
        """Refuse motions of another skeleton or frame rate."""
        if not batch.skeleton.same_as(self.skeleton) or batch.fps != self.fps:
            raise InputError(
                f"these features are for a skeleton of {len(self.skeleton)} joints at {self.fps} frames per second, "
                f"got another skeleton or frame rate: {len(batch.skeleton)} joints at {batch.fps}; "
                "retarget or resample first"
            )

    def decode(self, values: Tensor) -> MotionBatch:
        """Decode normalised features (N, T, D) into windows that start at the horizontal origin.

        Rotations are made orthonormal again by Gram-Schmidt, so any finite features give a motion.
        """
        return decode_features(self.skeleton, self.in_units(values), self.fps)

    def in_units(self, values: Tensor) -> np.ndarray:
        """Return normalised features (N, T, D) in their units, float64; raises InputError if any is not finite."""
        if values.ndim != 3 or values.shape[2] != len(self.mean):
            raise InputError(f"features must have shape (N, T, {len(self.mean)}), got {tuple(values.shape)}")
        if not torch.isfinite(values).all():
            is_finite = values.isfinite().flatten(1).all(dim=1)
            row = int((~is_finite).nonzero()[0])
            raise InputError(f"features must be finite, but sample {row} is not")
        return (values.detach().cpu().double() * self.std + self.mean).numpy()


def encode_features(batch: MotionBatch) -> np.ndarray:
    """Return motion features (N, T, D) in units. All motions must fill their T frames."""
    count, frames = batch.root_m.shape[:2]
    if np.any(batch.lengths != frames):
        raise InputError(f"features need windows of one length, got {batch.lengths.min()} to {frames} frames")
    steps = np.diff(batch.root_m[..., [0, 2]], axis=1) * batch.fps
    velocity = np.zeros((count, frames, 2), dtype=steps.dtype)
    velocity[:, 1:] = steps
    velocity[:, 0] = velocity[:, min(1, frames - 1)]
    rotations = matrix_columns(batch.rotations).reshape(count, frames, -1)
    return np.concatenate([velocity, batch.root_m[..., 1:2], rotations], axis=-1)


def decode_features(skeleton: Skeleton, features: np.ndarray, fps: float) -> MotionBatch:
    """Decode features into windows: inverse of `encode_features`.

    Windows start at the horizontal origin.

    Args:
        features: (N, T, D) features in their units.
    """
    count, frames = features.shape[:2]
    root_m = np.zeros((count, frames, 3))
    root_m[:, 1:, [0, 2]] = np.cumsum(features[:, 1:, :2], axis=1) / fps
    root_m[..., 1] = features[..., 2]
    matrix_features = features[..., 3:].reshape(count, frames, len(skeleton), 6)
    rotations = make_continuous(from_matrix_columns(matrix_features), axis=1)
    return MotionBatch(skeleton, root_m, rotations, lengths=np.full(count, frames), fps=fps)
