"""Forces that contacts cannot explain, as a term of the projection's objective.

The force that a motion demands is the body's mass times the acceleration of its centre of mass, less gravity; its
moment is the rate of angular momentum about that centre. `simulators.planning` finds contact forces within friction
cones that come closest to both. With these forces fixed, what they leave unexplained is a differentiable function of
the motion:

    (M (c̈ − g) − Σ f,  L̇ − Σ (p − c) × f).

The projection lowers it, then finds forces anew for the new motion, in turn.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from selfcorrect.motion.geometry.curves import NaturalSpline, smooth_gaussian
from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.simulators.body.contact_forces import net_wrench
from selfcorrect.simulators.body.humanoid import Humanoid, build_humanoid
from selfcorrect.simulators.planning.contact_plan import plan_contacts
from selfcorrect.simulators.settings.plan import PLAN
from selfcorrect.simulators.settings.tracker import TrackerSettings


@dataclass(frozen=True)
class ContactWrench:
    """Contact forces of N motions of T frames, in body weights."""

    force: Tensor
    """(N, T, 3) sum of the forces."""
    moment_m: Tensor
    """(N, T, 3) their moment about the world's origin, in body weights times metres."""
    unexplained: np.ndarray
    """(N, T) magnitude of the force, and of the moment weighted by `ContactSettings.moment_weight`, that they leave
    unexplained."""


@dataclass(frozen=True, eq=False)
class ForceModel:
    """The forces of a skeleton's body, as functions of joint positions and orientations."""

    body: Humanoid
    fps: float
    acceleration: Tensor
    """(T, T) matrix that makes smoothed second derivatives of values over time."""

    @classmethod
    def from_skeleton(cls, skeleton: Skeleton, frames: int, fps: float) -> Self:
        """Return the model of motions of some frames."""
        curvature = NaturalSpline.from_values(np.eye(frames), fps).curvature
        smooth = smooth_gaussian(curvature[None], PLAN.contacts.smoothing_s * fps)[0]
        return cls(build_humanoid(skeleton), fps, torch.tensor(smooth, dtype=torch.float32))

    def find_contacts(self, motions: MotionBatch) -> ContactWrench:
        """Find the contact forces that come closest to what motions demand."""
        links = self.body.select_links(motions)
        plan = plan_contacts(self.body, links, TrackerSettings().engine.friction)
        wrench = net_wrench(plan.points_m, plan.force_n) / self.body.weight_n
        left = plan.unexplained / self.body.weight_n * self._weights.numpy()
        force, moment_m = torch.tensor(wrench, dtype=torch.float32).split(3, dim=-1)
        return ContactWrench(force, moment_m, np.linalg.norm(left, axis=-1))

    @property
    def _weights(self) -> Tensor:
        return torch.tensor([1.0] * 3 + [PLAN.contacts.moment_weight] * 3)

    def measure(self, positions_m: list[Tensor], orientations: list[Tensor], contacts: ContactWrench) -> Tensor:
        """Return the unexplained force and weighted moment (N, T), in body weights.

        Args:
            positions_m: (N, T, 3) of each joint of the skeleton.
            orientations: (N, T, 3, 3) of each joint.
            contacts: Contact forces, which stay fixed.
        """
        linked, centres_m = self._find_links(positions_m, orientations)
        shares = self._shares
        accelerations_g = torch.einsum("st,ntli->nsli", self.acceleration, centres_m) / GRAVITY_M_S2
        weighted = shares[:, None] * accelerations_g
        centre_m = (shares[:, None] * centres_m).sum(2)
        up = torch.tensor([0.0, 1.0, 0.0])
        force = weighted.sum(2) + up
        spin_m = self._spin(linked)
        moment_m = spin_m + torch.linalg.cross(centres_m - centre_m[:, :, None], weighted).sum(2)
        held_m = contacts.moment_m - torch.linalg.cross(centre_m, contacts.force)
        missing = torch.cat([force - contacts.force, PLAN.contacts.moment_weight * (moment_m - held_m)], dim=-1)
        return missing.square().sum(-1).add(1e-8).sqrt()

    def find_centre_m(self, positions_m: list[Tensor], orientations: list[Tensor]) -> Tensor:
        """Return the centre of mass (N, T, 3)."""
        _, centres_m = self._find_links(positions_m, orientations)
        return (self._shares[:, None] * centres_m).sum(2)

    @property
    def _shares(self) -> Tensor:
        """Share (L,) of each link in the body's mass."""
        return torch.tensor(self.body.mass_kg / self.body.total_mass_kg, dtype=torch.float32)

    def _find_links(self, positions_m: list[Tensor], orientations: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return orientations (N, T, L, 3, 3) and centres of mass (N, T, L, 3) of the links."""
        body = self.body
        linked = torch.stack([orientations[joint] for joint in body.joints], dim=2)
        places = [positions_m[0]]
        for link, parent in enumerate(body.tree.parents[1:], start=1):
            offset = torch.tensor(body.tree.offsets_m[link], dtype=torch.float32)
            places.append(places[parent] + linked[:, :, parent] @ offset)
        inner_m = linked @ torch.tensor(body.centre_m, dtype=torch.float32)[..., None]
        return linked, torch.stack(places, dim=2) + inner_m[..., 0]

    def _spin(self, linked: Tensor) -> Tensor:
        """Return the rate (N, T, 3) of the links' own angular momentum, in body weights times metres."""
        turns = linked[:, 1:] @ linked[:, :-1].transpose(-1, -2)
        axes = torch.stack(
            [
                turns[..., 2, 1] - turns[..., 1, 2],
                turns[..., 0, 2] - turns[..., 2, 0],
                turns[..., 1, 0] - turns[..., 0, 1],
            ],
            dim=-1,
        )
        steps = axes * (self.fps / 2)
        padded = torch.cat([steps[:, :1], steps, steps[:, -1:]], dim=1)
        angular = (padded[:, 1:] + padded[:, :-1]) / 2
        inertia = torch.tensor(self.body.inertia_kgm2 / self.body.weight_n, dtype=torch.float32)
        local = inertia * (linked.transpose(-1, -2) @ angular[..., None])[..., 0]
        momentum = (linked @ local[..., None])[..., 0].sum(2)
        return torch.gradient(momentum, spacing=1 / self.fps, dim=1)[0]
