"""Motion: what a skeleton does over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from selfcorrect.errors import InputError
from selfcorrect.motion.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class Motion:
    """T frames of a skeleton with J joints, right-handed world, y up, floor at y = 0."""

    skeleton: Skeleton
    root_m: np.ndarray
    """(T, 3) root position, world, metres."""
    rotations: np.ndarray
    """(T, J, 4) unit quaternions xyzw; the root's in the world, the others' in their parent's frame."""
    fps: float
    """Frames per second."""
    label: str = ""
    """Class name, "" for none."""
    text: str = ""
    """Caption, "" for none."""
    source: str = field(default="", compare=False)
    """Where it was read from, "" where that is unknown."""

    def __post_init__(self) -> None:
        frames, joints = len(self.root_m), len(self.skeleton)
        where = f"{self.source}: " if self.source else ""
        if self.root_m.shape != (frames, 3):
            raise InputError(f"{where}root positions must have shape (frames, 3), got {self.root_m.shape}")
        if self.rotations.shape != (frames, joints, 4):
            raise InputError(
                f"{where}rotations must have shape ({frames}, {joints}, 4) for {frames} frames of {joints} joints, "
                f"got {self.rotations.shape}"
            )
        if not self.fps > 0:
            raise InputError(f"{where}frames per second must be positive, got {self.fps}")

    def __len__(self) -> int:
        return len(self.root_m)

    @property
    def seconds(self) -> float:
        """Time between the first and the last frame, seconds."""
        return (len(self) - 1) / self.fps

    def frames(self, start: int, stop: int) -> Self:
        """Frames `start` to `stop` (exclusive)."""
        return replace(self, root_m=self.root_m[start:stop], rotations=self.rotations[start:stop])

    def taken(self, frames: np.ndarray) -> Self:
        """The frames at some indices, in their order."""
        return replace(self, root_m=self.root_m[frames], rotations=self.rotations[frames])


FPS_READ = (0.01, 1e5)
FURTHEST_READ_M = 1e12


def check_numbers(motion: Motion) -> Motion:
    """The motion; InputError where its numbers are not finite or so large that what is worked out of them is not."""
    where = motion.source or "the motion"
    if not FPS_READ[0] <= motion.fps <= FPS_READ[1]:
        raise InputError(f"{where}: expected {FPS_READ[0]:g} to {FPS_READ[1]:g} frames per second, got {motion.fps:g}")
    if not np.all(np.abs(motion.skeleton.offsets_m) <= FURTHEST_READ_M):
        raise InputError(f"{where}: expected bones of finite length")
    sound = np.all(np.abs(motion.root_m) <= FURTHEST_READ_M, axis=1) & np.isfinite(motion.rotations).all(axis=(1, 2))
    if not sound.all():
        raise InputError(f"{where}: expected finite positions and rotations, frame {int(sound.argmin())} has others")
    return motion


@dataclass(frozen=True, eq=False)
class MotionBatch:
    """N motions of one skeleton and frame rate, padded at the end to T frames."""

    skeleton: Skeleton
    root_m: np.ndarray
    """(N, T, 3) root positions, world, metres."""
    rotations: np.ndarray
    """(N, T, J, 4) unit quaternions xyzw, in the frames of `Motion`."""
    lengths: np.ndarray
    """(N,) frames that count."""
    fps: float

    def __len__(self) -> int:
        return len(self.root_m)

    def __getitem__(self, index: int) -> Motion:
        stop = int(self.lengths[index])
        return Motion(self.skeleton, self.root_m[index, :stop], self.rotations[index, :stop], self.fps)

    @classmethod
    def stack(cls, motions: Sequence[Motion]) -> Self:
        """Join motions of the same skeleton and frame rate; shorter ones are padded with their last frame."""
        first = motions[0]
        for index, motion in enumerate(motions):
            if not motion.skeleton.same_as(first.skeleton) or motion.fps != first.fps:
                raise InputError(f"motion {index} has another skeleton or frame rate than motion 0")
        lengths = np.array([len(motion) for motion in motions])
        frames = np.minimum(np.arange(lengths.max()), lengths[:, None] - 1)
        return cls(
            skeleton=first.skeleton,
            root_m=np.stack([motion.root_m[rows] for motion, rows in zip(motions, frames, strict=True)]),
            rotations=np.stack([motion.rotations[rows] for motion, rows in zip(motions, frames, strict=True)]),
            lengths=lengths,
            fps=first.fps,
        )
