"""Motion features for generative models: one vector per frame.

A frame has D = 3 + 6 J numbers. The first two are the root's velocity along x and z, in m/s; it is a backward
difference, and the first frame repeats the second one's. The third is the root's height, in m. Then follows each
joint's 6-D rotation (see `matrix_columns`) in the skeleton's order: r00 r01 r10 r11 r20 r21.
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
"""Minimum standard deviation of a feature, so that features that hardly vary in the training data are not amplified. It
means 5 cm, 5 cm/s or about 3 degrees."""


@dataclass(frozen=True, eq=False)
class FeatureCodec:
    """Codec between motion windows of one skeleton and frame rate and normalised features."""

    is_redundant: ClassVar[bool] = False
    """True if features describe a motion several times over and can contradict each other."""
    skeleton: Skeleton
    """The skeleton of all motions."""
    fps: float
    """The frame rate of all motions."""
    mean: Tensor
    """(D,) float64 means of the features, fitted once to real training data."""
    std: Tensor
    """(D,) float64 standard deviations, fitted likewise."""

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
        """Encode windows of T frames as normalised float32 features (N, T, D).

        Only the horizontal position of the first frame is lost. Windows for training should be canonical (see
        `transforms.canonicalise`), because encoding does not rotate them.
        """
        self.check_body(batch)
        return ((torch.from_numpy(encode_features(batch)) - self.mean) / self.std).float()

    def check_body(self, batch: MotionBatch) -> None:
        """Raise InputError if motions have another skeleton or frame rate."""
        if not batch.skeleton.same_as(self.skeleton) or batch.fps != self.fps:
            raise InputError(
                f"these features are for a skeleton of {len(self.skeleton)} joints at {self.fps} frames per second, "
                f"got another skeleton or frame rate: {len(batch.skeleton)} joints at {batch.fps}; "
                "retarget or resample first"
            )

    def decode(self, values: Tensor) -> MotionBatch:
        """Decode normalised features (N, T, D) into windows.

        Windows start at the horizontal origin. 6-D rotations are orthonormalised by Gram–Schmidt, so any finite
        features give a motion.
        """
        return decode_features(self.skeleton, self.in_units(values), self.fps)

    def in_units(self, values: Tensor) -> np.ndarray:
        """Return normalised features (N, T, D) in their units, as float64.

        Raises:
            InputError: The shape is another one, or a value is not finite.
        """
        if values.ndim != 3 or values.shape[2] != len(self.mean):
            raise InputError(f"features must have shape (N, T, {len(self.mean)}), got {tuple(values.shape)}")
        if not torch.isfinite(values).all():
            is_finite = values.isfinite().flatten(1).all(dim=1)
            row = int((~is_finite).nonzero()[0])
            raise InputError(f"features must be finite, but sample {row} is not")
        return (values.detach().cpu().double() * self.std + self.mean).numpy()


def encode_features(batch: MotionBatch) -> np.ndarray:
    """Return motion features (N, T, D) in their units.

    Raises:
        InputError: Some motions have fewer than T frames.
    """
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
    """Decode features into windows that start at the horizontal origin.

    This is the inverse of `encode_features`.

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
