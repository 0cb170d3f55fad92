"""Convert HumanML3D's rows to tensors.

Motions of several lengths are normalised and padded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.smpl import SMPL_BODY, body_joints
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.encodings.humanml3d import FPS, decode_joints, encode
from selfcorrect.motion.inverse_kinematics import fit_motion, fit_skeleton
from selfcorrect.motion.motion import MotionBatch

from .arguments import COLUMNS
from .padding import measure_lengths


@dataclass(frozen=True, eq=False)
class HumanML3DCodec(FeatureCodec):
    """Codec of motions of up to `frames` rows, normalised and padded.

    Motions have one skeleton, and zeros after their end. T rows are T + 1 frames of joints, from the origin facing +z.
    Joints become rotations by inverse kinematics, so that generated joints that no skeleton has are changed as little
    as it takes.
    """

    frames: int = 196

    def __post_init__(self) -> None:
        if not self.mean.shape == self.std.shape == (COLUMNS,):
            shapes = f"{tuple(self.mean.shape)} and {tuple(self.std.shape)}"
            raise InputError(f"HumanML3D's means and deviations must have shape ({COLUMNS},), got {shapes}")

    @classmethod
    def of_rows(cls, rows: np.ndarray, mean: np.ndarray, std: np.ndarray, frames: int = 196) -> Self:
        """Return the codec of one motion's bones, whose lengths HumanML3D gives to all.

        Args:
            rows: (T, 263) rows of a motion.
            mean: (263,) means of HumanML3D.
            std: (263,) standard deviations.
            frames: Largest number of rows of a motion.

        Returns:
            The codec.
        """
        skeleton = fit_skeleton(decode_joints(rows), SMPL_BODY.average())
        return cls(
            replace(skeleton, usual_sole_m=0.0),
            FPS,
            torch.from_numpy(mean).double(),
            torch.from_numpy(std).double(),
            frames,
        )

    def tensor(self, motions: Sequence[np.ndarray]) -> Tensor:
        """Convert motions (T, D) to values (N, frames, D) float32.

        Motions have at most `frames` rows.
        """
        values = torch.zeros(len(motions), self.frames, len(self.mean))
        for index, rows in enumerate(motions):
            if rows.ndim != 2 or rows.shape[1] != len(self.mean) or not 1 <= len(rows) <= self.frames:
                raise InputError(
                    f"motion {index} must have shape (1 to {self.frames}, {len(self.mean)}), got {rows.shape}"
                )
            normalised = (torch.from_numpy(rows) - self.mean) / self.std
            values[index, : len(rows)] = normalised.float()
        return values

    def rows(self, values: Tensor) -> list[np.ndarray]:
        """Convert values (N, frames, D) to motions (T, D) in HumanML3D's units."""
        padded = self.in_units(values)
        lengths = measure_lengths(values).clamp_min(1).tolist()
        return [rows[:length] for rows, length in zip(padded, lengths, strict=True)]

    def encode(self, batch: MotionBatch) -> Tensor:
        """Encode motions as values (N, frames, D) float32.

        Motions have 2 to frames + 1 frames.
        """
        self.check_body(batch)
        return self.tensor([encode(body_joints(batch[index])) for index in range(len(batch))])

    def decode(self, values: Tensor) -> MotionBatch:
        """Decode values into motions.

        Motions start at the horizontal origin, with toe joints on the floor.
        """
        motions = []
        for rows in self.rows(values):
            joints_m = decode_joints(rows)
            motions.append(fit_motion(joints_m, self.fps, self.skeleton))
        return MotionBatch.stack(motions)
