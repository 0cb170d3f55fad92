"""The interface of physics engines.

A world simulates N bodies that do not interact: it builds and resets them, steps them with joint targets, and reads
their states. Everything is in the simulator's frame (z up); `simulator_frame` converts. A root's position is its
centre of mass. A joint's rotation is that of its link in the parent's frame, and joint torques and velocities are in
the link's frame. The root has no joint, so L links have J = L − 1 joints.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np

from selfcorrect.motion.geometry.curves import NaturalSpline
from selfcorrect.motion.geometry.rotations import steps_between
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.kinematics import make_continuous
from selfcorrect.motion.support import Support

from ..body.humanoid import SOLE_RADIUS_M, Humanoid


@dataclass(frozen=True)
class Reference:
    """Reference motions of N bodies, as natural cubic splines.

    The splines pass through root positions and unit quaternions, and are constant beyond both ends.
    """

    root_m: NaturalSpline
    """Spline to (N, 3)."""
    quaternions: NaturalSpline
    """Spline to (N, L, 4)."""
    seconds: float
    """Duration of the splines."""

    @classmethod
    def from_frames(cls, root_m: np.ndarray, rotations: np.ndarray, fps: float) -> Self:
        """Fit splines to frames.

        Args:
            root_m: (T, N, 3) root positions.
            rotations: (T, N, L, 4) rotations.
        """
        return cls(
            root_m=NaturalSpline.from_values(root_m, fps),
            quaternions=NaturalSpline.from_values(make_continuous(rotations), fps),
            seconds=(len(root_m) - 1) / fps,
        )

    def rotations(self, times_s: np.ndarray) -> np.ndarray:
        """Return unit quaternions (S, N, L, 4) at times (S,), clipped to the duration."""
        raw = self.quaternions.evaluate(np.clip(times_s, 0.0, self.seconds))
        return raw / norms(raw)[..., None]

    def positions_m(self, times_s: np.ndarray) -> np.ndarray:
        """Return root positions (S, N, 3) at times (S,), clipped to the duration."""
        return self.root_m.evaluate(np.clip(times_s, 0.0, self.seconds))


def velocities_m_s(positions_m: np.ndarray, step_s: float) -> np.ndarray:
    """Return velocities (S, ..., 3) by backward differences.

    The first equals the second. Simulators advance velocities before positions, so the velocity at a step is the one
    that has led there.
    """
    rates = np.diff(positions_m, axis=0) / step_s
    return np.concatenate([rates[:1], rates])


def rotation_velocities(rotations: np.ndarray, step_s: float) -> np.ndarray:
    """Return angular velocities of rotations by backward differences.

    The first equals the second, as in `velocities_m_s`.

    Args:
        rotations: (S, ..., 4).

    Returns:
        (S, ..., 3) in the outer frame, in rad/s.
    """
    rates = steps_between(rotations) / step_s
    return np.concatenate([rates[:1], rates])


def interpolate_frames(values: np.ndarray, fps: float, times_s: np.ndarray) -> np.ndarray:
    """Interpolate frames linearly.

    Args:
        values: (T, ...) at frames.
        times_s: (S,) within the duration.

    Returns:
        (S, ...) at the times.
    """
    frames = times_s * fps
    before = np.minimum(frames.astype(int), len(values) - 2)
    share = (frames - before).reshape(-1, *[1] * (values.ndim - 1))
    return (1 - share) * values[before] + share * values[before + 1]


def compute_sole_centres_m(body: Humanoid, link: int, lowering_m: float) -> np.ndarray:
    """Return the centres (K, 3) of a link's sole spheres, which touch the floor `lowering_m` below the sole's corners.

    They are in the link's frame.
    """
    return body.soles.offsets_m[body.soles.joints == link] + np.array([0.0, SOLE_RADIUS_M - lowering_m, 0.0])


def format_numbers(numbers: Iterable[float]) -> str:
    """Format numbers as an XML attribute."""
    return " ".join(f"{number:.9g}" for number in numbers)


class RootState(NamedTuple):
    """States of roots at their centres of mass.

    Arrays are (..., 3), and orientations (..., 4).
    """

    position_m: np.ndarray
    orientation: np.ndarray
    velocity_m_s: np.ndarray
    angular_velocity_rad_s: np.ndarray


class World(Protocol):
    """N humanoids on separate floors at height 0, under gravity."""

    def build(self, bodies: Sequence[Humanoid], step_s: float, supports: Sequence[Sequence[Support]]) -> None:
        """Build bodies that do not interact.

        Args:
            bodies: N bodies whose trees differ only in lengths.
            supports: Supports of each body, hidden until `show`.
        """
        ...

    def show(self, body: int, supports: Collection[int]) -> None:
        """Show some supports of a body, and hide its others.

        A support touches only the links that it carries. A surface stays hidden while such a link is below it, because
        it would push the link down.
        """
        ...

    def drive(
        self, body: Humanoid, reference: Reference, times_s: np.ndarray, torques_nm: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute targets and torques that make joints follow a reference.

        Args:
            reference: Splines through n motions.
            times_s: (S,) of the steps.
            torques_nm: (S, n, J, 3) feed-forward joint torques.

        Returns:
            Targets (S, n, J, 4) and torques (S, n, J, 3) for `step`.
        """
        ...

    def reset(self, roots: RootState, rotations: np.ndarray, velocities_rad_s: np.ndarray) -> None:
        """Set the state of all bodies, leaving nothing of earlier states.

        Args:
            rotations: (N, J, 4) of the joints.
            velocities_rad_s: (N, J, 3) of the joints.
        """
        ...

    def step(
        self,
        running: Sequence[int],
        targets: np.ndarray,
        torques_nm: np.ndarray,
        force_n: np.ndarray,
        torque_nm: np.ndarray,
    ) -> None:
        """Advance some bodies by a step; all others keep their state.

        Arrays may omit the rows beyond the last running body.

        Args:
            running: Indices of the bodies that advance.
            targets: (N, J, 4) of the joints.
            torques_nm: (N, J, 3) of the joints.
            force_n: (N, 3) at the roots' centres of mass.
            torque_nm: (N, 3) on the roots.
        """
        ...

    def root(self) -> RootState:
        """Return the states of the N roots."""
        ...

    def rotations(self) -> np.ndarray:
        """Return all joint rotations (N, J, 4) as quaternions xyzw."""
        ...

    def velocities_rad_s(self) -> np.ndarray:
        """Return all joint velocities (N, J, 3)."""
        ...

    def positions_m(self, links: Sequence[int]) -> np.ndarray:
        """Return joint positions (N, K, 3) of K links other than the root."""
        ...

    def loads_n(self) -> np.ndarray:
        """Return the vertical forces (N, L) of the surroundings in the last step."""
        ...
