"""Motions: the movement of a skeleton over time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Real
from typing import Self, TypeVar

import numpy as np

from ..core.errors import InputError
from .geometry.vectors import align, largest_components
from .ground import Ground
from .skeleton import FootFrames, Skeleton


@dataclass(frozen=True, eq=False)
class Motion:
    """T frames of a skeleton with J joints.

    The world is right-handed, y up, with the floor at y = 0.
    """

    skeleton: Skeleton
    root_m: np.ndarray
    """(T, 3) root position, world, metres."""
    rotations: np.ndarray
    """(T, J, 4) unit quaternions xyzw. The root's are in the world, all others in the parent's frame."""
    fps: float
    """Frames per second."""
    label: str = ""
    """Class name, or ""."""
    text: str = ""
    """Captions, one per line, or ""."""
    source: str = field(default="", compare=False)
    """File that the motion was read from; "" if unknown."""
    feet: FootFrames | None = field(default=None, compare=False)
    """Foot frames of the rig, if they are known from other motions of the rig. None estimates them from this motion."""

    contacts: np.ndarray | None = field(default=None, compare=False)
    """(T, 2) contact of the left and the right foot, from 0 to 1, or None if the file has none. Values of ±inf were
    set by a person; a correction then infers none of its own."""
    ground: Ground | None = field(default=None, compare=False)
    """Ground that a person described. None for a floor at y = 0 and whatever ground the motion shows."""
    height_error_m: float = field(default=0.0, compare=False)
    """Largest distance of standing feet from y = 0 that may come from wrong bone lengths, in m. It is 0 if the person's
    bone lengths are known."""
    keeps_height: bool = field(default=False, compare=False)
    """True if the person, with their own bone lengths, stands on a floor at y = 0. Feet within `height_error_m` of the
    floor then keep their height."""

    def __repr__(self) -> str:
        name = f"{self.source}, " if self.source else ""
        return f"Motion({name}{len(self.root_m)} frames at {self.fps:g} fps, {len(self.skeleton.names)} joints)"

    def __post_init__(self) -> None:
        where = f"{self.source}: " if self.source else ""
        for name, values in (("root positions", self.root_m), ("rotations", self.rotations)):
            if not isinstance(values, np.ndarray) or values.dtype not in _VALID_DTYPES:
                kind = f"an array of {values.dtype}" if isinstance(values, np.ndarray) else f"a {type(values).__name__}"
                raise InputError(f"{where}{name} must be a NumPy array of float32 or float64, got {kind}")
        if not isinstance(self.fps, Real) or isinstance(self.fps, bool):
            raise InputError(f"{where}frames per second must be a number, got {self.fps!r}")
        if not FPS_READ[0] <= self.fps <= FPS_READ[1]:
            raise InputError(f"{where}expected {FPS_READ[0]:g} to {FPS_READ[1]:g} frames per second, got {self.fps:g}")
        frames = len(self.root_m)
        joints = len(self.skeleton)
        if self.root_m.shape != (frames, 3):
            raise InputError(f"{where}root positions must have shape (frames, 3), got {self.root_m.shape}")
        if self.rotations.shape != (frames, joints, 4):
            raise InputError(
                f"{where}rotations must have shape ({frames}, {joints}, 4) for {frames} frames of {joints} joints, "
                f"got {self.rotations.shape}"
            )
        if self.contacts is not None and self.contacts.shape != (frames, 2):
            raise InputError(
                f"{where}contacts of {frames} frames must have shape ({frames}, 2), got {self.contacts.shape}"
            )
        for name in ("root_m", "rotations", "contacts"):
            object.__setattr__(self, name, align(getattr(self, name)))

    def __len__(self) -> int:
        return len(self.root_m)

    @property
    def seconds(self) -> float:
        """Time from the first to the last frame, in seconds."""
        return (len(self) - 1) / self.fps

    def frames(self, start: int, stop: int) -> Self:
        """Return frames `start` to `stop` (exclusive), or the motion itself if these are all."""
        return self if start == 0 and stop >= len(self) else self.select_frames(slice(start, stop))

    def select_frames(self, frames: np.ndarray | slice) -> Self:
        """Return the motion with the frames at these indices, in that order."""
        contacts = None if self.contacts is None else self.contacts[frames]
        return replace(self, root_m=self.root_m[frames], rotations=self.rotations[frames], contacts=contacts)


_VALID_DTYPES = frozenset(map(np.dtype, ("float32", "float64", "int32", "int64")))
"""Valid types of positions and rotations. Shorter types resolve only centimetres and degrees."""


FPS_READ = (0.01, 1e5)
"""Valid frame rates, in frames per second."""
FURTHEST_READ_M = 1e12
"""Maximum coordinate or bone length, in m."""
LENGTHS_READ = (1e-6, 1e6)
"""Valid range of a quaternion's largest component. Quaternions are normalised when used, but a shorter one has no
direction."""
SLAB = 4096
"""Number of frames, or of motions in a batch, that are processed at once."""


def captions(text: str) -> list[str]:
    """Split a motion's `text` into captions, one per line."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def check_numbers(motion: Motion) -> Motion:
    """Return the motion if its numbers are valid.

    Raises:
        InputError: Bones, positions or rotations are not finite or too large, or quaternions are too short.
    """
    where = motion.source or "the motion"
    if not np.all(np.abs(motion.skeleton.offsets_m) <= FURTHEST_READ_M):
        raise InputError(f"{where}: expected bones of finite length")
    for start in range(0, len(motion), SLAB):
        part = motion.frames(start, start + SLAB)
        is_valid = np.all(np.abs(part.root_m) <= FURTHEST_READ_M, axis=1)
        is_valid &= np.isfinite(part.rotations).all(axis=(1, 2))
        if not is_valid.all():
            frame = start + int(is_valid.argmin())
            raise InputError(f"{where}: expected finite positions and rotations, frame {frame} has other values")
        lengths = largest_components(part.rotations)
        is_invalid = ((lengths < LENGTHS_READ[0]) | (lengths > LENGTHS_READ[1])).any(axis=1)
        if is_invalid.any():
            frame = start + int(is_invalid.argmax())
            raise InputError(f"{where}: expected unit quaternions, but frame {frame} has invalid rotations")
    return motion


@dataclass(frozen=True, eq=False)
class MotionBatch:
    """N motions of one skeleton and frame rate, padded to T frames."""

    skeleton: Skeleton
    root_m: np.ndarray
    """(N, T, 3) root positions, world, metres."""
    rotations: np.ndarray
    """(N, T, J, 4) unit quaternions xyzw, as in `Motion`."""
    lengths: np.ndarray
    """(N,) number of frames before the padding."""
    fps: float
    contacts: np.ndarray | None = None
    """(N, T, 2) as in `Motion`, with NaN for motions without contacts; None if no motion has any."""
    feet: FootFrames | None = None
    """As in `Motion`, from the first motion."""
    ground: Ground | None = None
    """As in `Motion`, from the first motion."""

    def __len__(self) -> int:
        return len(self.root_m)

    def __getitem__(self, index: int) -> Motion:
        """Return one motion.

        It is the same object every time, so results that are cached per motion are computed once.
        """
        if index not in self._items:
            self._items[index] = self._select(index)
        return self._items[index]

    @cached_property
    def _items(self) -> dict[int, Motion]:
        return {}

    def _select(self, index: int) -> Motion:
        stop = int(self.lengths[index])
        contacts = None
        if self.contacts is not None and not np.isnan(self.contacts[index]).any():
            contacts = self.contacts[index, :stop]
        return Motion(
            self.skeleton,
            self.root_m[index, :stop],
            self.rotations[index, :stop],
            self.fps,
            contacts=contacts,
            ground=self.ground,
        )

    @classmethod
    def stack(cls, motions: Sequence[Motion]) -> Self:
        """Stack motions, repeating the last frame of shorter ones.

        Raises:
            InputError: The skeletons or frame rates differ.
        """
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
            contacts=_stack_contacts(motions, frames),
            feet=first.feet,
            ground=first.ground,
        )


def _stack_contacts(motions: Sequence[Motion], frames: np.ndarray) -> np.ndarray | None:
    """Stack contacts for `MotionBatch.contacts`, given the frames (N, T) of each motion."""
    if all(motion.contacts is None for motion in motions):
        return None
    contacts = np.full((*frames.shape, 2), np.nan)
    for slot, motion, rows in zip(contacts, motions, frames, strict=True):
        if motion.contacts is not None:
            slot[:] = motion.contacts[rows]
    return contacts


Moving = TypeVar("Moving", Motion, MotionBatch)
"""A motion, whose root has shape (T, 3), or a batch, whose roots have shape (N, T, 3)."""
