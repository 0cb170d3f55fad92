"""Forces and contacts in each simulated frame."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from selfcorrect.motion.geometry.runs import spans
from selfcorrect.motion.perception.stances import SHORTEST_STANCE_S
from selfcorrect.motion.skeleton import SIDES

BEARS_BODYWEIGHTS = 0.05
"""Minimum load of a part that bears weight, in body weights."""


@dataclass(frozen=True)
class Contact:
    """A time, from a first to a last frame, in which a part bears weight.

    The load is a mean, in body weights, and None without a simulation.
    """

    part: str
    first_frame: int
    last_frame: int
    load_bodyweights: float | None = None


def list_standing_feet(stands: np.ndarray, first_frame: int = 0) -> tuple[Contact, ...]:
    """List the times in which feet stand, foot by foot.

    Args:
        stands: (T, 2) whether each foot stands, left foot first.
        first_frame: Index of the first of these frames.
    """
    contacts = []
    for side, foot_stands in zip(SIDES, stands.T, strict=True):
        for first, last in spans(foot_stands):
            contacts.append(Contact(f"{side} foot", first_frame + first, first_frame + last))
    return tuple(contacts)


@dataclass(frozen=True)
class ResidualSpan:
    """A time in which a residual force or moment acts on the root.

    Force and moment are mean magnitudes.
    """

    first_frame: int
    last_frame: int
    force_bodyweights: float
    torque_nm: float

    def __str__(self) -> str:
        force = f"{self.force_bodyweights:.2f} body weights, {self.torque_nm:.0f} N m"
        return f"{self.first_frame} to {self.last_frame} ({force})"


@dataclass(frozen=True, eq=False)
class Timeline:
    """Forces over T simulated frames.

    If a body was lost, the timeline is shorter than the motion.
    """

    fps: float
    """Frames per second."""
    residual_force_bodyweights: np.ndarray
    """(T,) magnitude of the residual force, in body weights: a mean over the steps that lead to the frame."""
    residual_torque_nm: np.ndarray
    """(T,) magnitude of the residual moment, likewise."""
    parts: tuple[str, ...]
    """Names of P parts of the body."""
    loads_bodyweights: np.ndarray
    """(T, P) vertical force of the surroundings on each part, in body weights."""

    def __len__(self) -> int:
        return len(self.residual_torque_nm)

    def frames(self, start: int, stop: int) -> Self:
        """Return frames `start` to `stop` (exclusive)."""
        return self.select_frames(slice(start, stop))

    def select_frames(self, frames: np.ndarray | slice) -> Self:
        """Return the frames at some indices, in the order of the indices."""
        return replace(
            self,
            residual_force_bodyweights=self.residual_force_bodyweights[frames],
            residual_torque_nm=self.residual_torque_nm[frames],
            loads_bodyweights=self.loads_bodyweights[frames],
        )

    def append(self, later: Self) -> Self:
        """Append another timeline of the same body."""
        return replace(
            self,
            residual_force_bodyweights=np.append(self.residual_force_bodyweights, later.residual_force_bodyweights),
            residual_torque_nm=np.append(self.residual_torque_nm, later.residual_torque_nm),
            loads_bodyweights=np.concatenate([self.loads_bodyweights, later.loads_bodyweights]),
        )

    def pad(self, before: int = 0, after: int = 0) -> Self:
        """Pad the timeline with frames before and after.

        No force is known in them.
        """
        counts = (before, after)
        return replace(
            self,
            residual_force_bodyweights=np.pad(self.residual_force_bodyweights, counts),
            residual_torque_nm=np.pad(self.residual_torque_nm, counts),
            loads_bodyweights=np.pad(self.loads_bodyweights, (counts, (0, 0))),
        )

    def find_residual_spans(self) -> list[ResidualSpan]:
        """Find times in which a residual force or moment acts on the root."""
        acts = (self.residual_force_bodyweights > 0) | (self.residual_torque_nm > 0)
        residual_spans = []
        for first, last in spans(acts, round(SHORTEST_STANCE_S * self.fps)):
            part = self.frames(first, last + 1)
            force_bodyweights = float(part.residual_force_bodyweights.mean())
            residual_spans.append(ResidualSpan(first, last, force_bodyweights, float(part.residual_torque_nm.mean())))
        return residual_spans

    def contacts(self) -> list[Contact]:
        """Return the times in which parts bear weight, part by part."""
        gap = round(SHORTEST_STANCE_S * self.fps)
        contacts = []
        for part, loads in zip(self.parts, self.loads_bodyweights.T, strict=True):
            for first, last in spans(loads > BEARS_BODYWEIGHTS, gap):
                contacts.append(Contact(part, first, last, float(loads[first : last + 1].mean())))
        return contacts
