"""Channels that hold each value for some frames while the body moves.

Trackers and networks may write the root, or some joints, at a lower rate than the pose. Then no frame repeats another,
but the channel does: its steps are zero at regular intervals. Its samples are kept and curves through them replace the
copies. All other channels are unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.vectors import norms
from ..kinematics import make_continuous
from ..motion import Motion
from .repeats import FrameRepeats, find_exact_copies, find_noisy_copies

_FLOOR = [0, 2]
_HEIGHT = [1]
_MIN_STEP_M = 0.002
"""Minimum median step of a root that is held irregularly, in m."""
_MIN_TURN = 0.004
"""Minimum median step of a joint that is held irregularly, in quaternion components."""
_FEW_NAMES = 3
"""Maximum number of joints listed by name."""


@dataclass(frozen=True, eq=False)
class HeldChannels:
    """Channels with copied values, and the motion without the copies."""

    motion: Motion
    """The motion with curves in place of copies, or the same object if no channel holds its values."""
    root_axes: tuple[int, ...] = ()
    """Root coordinates that are held."""
    joints: tuple[int, ...] = ()
    """Joints whose rotations are held."""
    spacing: float = 0.0
    """Frames per sample of the slowest channel."""

    @classmethod
    def from_motion(cls, motion: Motion) -> HeldChannels:
        """Find channels that hold their values.

        If whole frames repeat, no channel counts.
        """
        root_m = motion.root_m.copy()
        rotations = motion.rotations.copy()
        root_axes: list[int] = []
        joints: list[int] = []
        fills: dict[bytes, Motion] = {}
        spacings = [0.0]
        for axes, joint, repeats in _find_held(motion):
            key = repeats.sources.tobytes()
            if key not in fills:
                fills[key] = repeats.fill(motion)
            if joint is None:
                root_m[:, axes] = fills[key].root_m[:, axes]
                root_axes += axes
            else:
                rotations[:, joint] = fills[key].rotations[:, joint]
                joints.append(joint)
            if axes == _FLOOR:
                root_m[:, axes] = _extrapolate(root_m[:, axes], repeats)
            spacings.append(len(motion) / len(repeats.times))
        if not fills:
            return cls(motion)
        even = replace(motion, root_m=root_m, rotations=rotations)
        return cls(even, tuple(sorted(root_axes)), tuple(joints), max(spacings))

    def list_names(self) -> str:
        """List the held channels by name, or only count the joints if many are held."""
        names = [self.motion.skeleton.names[joint] for joint in self.joints]
        channels = ["the root's place"] if self.root_axes else []
        channels += names if len(names) <= _FEW_NAMES else [f"{len(names)} joints"]
        return ", ".join(channels)

    def __bool__(self) -> bool:
        return bool(self.root_axes or self.joints)


def _find_held(motion: Motion) -> Iterator[tuple[list[int], int | None, FrameRepeats]]:
    """Yield channels that hold values, with their samples.

    A channel is a list of root axes, or a joint.
    """
    if len(motion) < 2 or FrameRepeats.from_motion(motion).sources.size:
        return
    held = []
    for axes in (_FLOOR, _HEIGHT):
        repeats = find_exact_copies(norms(np.diff(motion.root_m[:, axes], axis=0)), _MIN_STEP_M)
        if repeats is not None:
            held.append((axes, None, repeats))
    if not held and (repeats := find_noisy_copies(motion.root_m)) is not None:
        held = [(axes, None, repeats) for axes in (_FLOOR, _HEIGHT)]
    yield from held
    turns = norms(np.diff(make_continuous(motion.rotations), axis=0))
    for joint, steps in enumerate(turns.T):
        repeats = find_exact_copies(steps, _MIN_TURN)
        if repeats is not None:
            yield [], joint, repeats


def _extrapolate(path_m: np.ndarray, repeats: FrameRepeats) -> np.ndarray:
    """Extrapolate a path (T, 2) beyond its last sample, because the body still travels.

    The velocity is that between the last two samples.
    """
    last = round(float(repeats.times[-1]))
    before = round(float(repeats.times[-2]))
    step_m = (path_m[last] - path_m[before]) / (last - before)
    onward = np.maximum(np.arange(len(path_m)) - last, 0)[:, None]
    return path_m + onward * step_m
