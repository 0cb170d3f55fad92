"""Correction of loop samples as a projection: the nearest motion that stands, and neither sinks nor slides.

For the features of a sample, the projection minimises over a change δ

    |δ|² + (τ |dδ/dt|)²  +  (depth / a)²  +  (floating / a)²  +  (slide / b)².

The first two terms measure the change in the units of the learner, features divided by their standard deviation in
the training data, and its rate. Depth is that of points of the body below the floor. Floating is the height of the
body's lowest point in frames in which a foot stands, and in other frames the lowest height within half a second,
because no flight lasts longer. It is there because a correction that only raises bodies raises them further in every
generation of a loop. Slide is the speed of a foot's slowest point along the floor, counted in frames in which the foot
stands. Nothing else is asked for: a sample that does not sink, float or slide is not moved, jitter included.

A projection with forces has a further term, (excess / c)². The excess is the force that contacts cannot explain, see
`contact_forces`, beyond what the training windows show on average. Contact forces are found for the projected motion,
then it is projected again with these forces, several times.

The objective is minimised by L-BFGS from δ = 0. The change is expressed in cosine coefficients, divided by their weight
in the first two terms, and with forces also by how far they accelerate the centre of mass, so that all have one size.
Each sample is projected by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool1d

from selfcorrect.core.samples import Samples
from selfcorrect.loop.models.diffusion.denoisers import cosine_basis
from selfcorrect.motion.body.surface import HEAD_RADIUS_M, SURFACE_RADII_M, head_point, sole_points
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2
from selfcorrect.motion.measures.sliding import find_footing
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton, strip_side

from .contact_forces import ForceModel


@dataclass(frozen=True)
class ProjectionSettings:
    """Weights of the projection's objective."""

    smoothing_s: float = 0.1
    """Time τ over which a change spreads, in s."""
    depth_m: float = 0.01
    """Depth or height a that costs as much as changing one feature of a frame by its standard deviation, in m."""
    slide_m_s: float = 0.1
    """Speed b that costs as much, in m/s."""
    flight_s: float = 1.0
    """Time within which a body touches the floor, in s: longer than any jump."""
    free_depth_m: float = 0.005
    """Depth that is allowed, in m: measures of penetration count from there on."""
    steps: int = 60
    """Evaluations of the objective."""
    force_bodyweights: float = 1.0
    """Excess force c that costs as much, in body weights."""
    force_rounds: int = 3
    """Number of times that contact forces are found."""
    force_steps: int = 40
    """Evaluations of the objective after each of them."""


@dataclass(frozen=True)
class Projector:
    """A corrector that projects samples onto motions that stand and do not sink."""

    codec: FeatureCodec
    """Codec of the samples."""
    metric: FeatureCodec
    """Features in whose units changes are measured."""
    settings: ProjectionSettings = ProjectionSettings()
    name: str = "projection"
    free_force_bodyweights: float | None = None
    """Force that contacts need not explain, in body weights, see `ContactWrench.unexplained`; None to ask for no
    forces."""

    def __call__(self, samples: Samples) -> Samples:
        motions = self.codec.decode(samples.values)
        projected = self.project(motions)
        return samples.with_values(self.codec.encode(projected).to(samples.values))

    def project(self, motions: MotionBatch) -> MotionBatch:
        """Return the projections of motions of one length."""
        start = self.metric.encode(motions)
        return self.metric.decode(start + self._find_change(motions, start))

    def _find_change(self, motions: MotionBatch, start: Tensor) -> Tensor:
        """Return the change (N, T, D) of normalised features that minimises the objective."""
        settings = self.settings
        frames = start.shape[1]
        basis = cosine_basis(frames, frames)
        # dδ/dt of the cosine coefficient k is π k fps / T
        rates = torch.pi * self.metric.fps / frames * torch.arange(frames, dtype=torch.float32)
        precision = (1 + (settings.smoothing_s * rates).square())[:, None]
        stands = torch.from_numpy(find_footing(motions).stands)
        is_standing = stands.any(-1)[:, [0, *range(frames - 1)]]  # in the step that ends with the frame
        body = SurfaceBody.from_skeleton(self.metric.skeleton)
        reach = min(round(settings.flight_s / 2 * self.metric.fps), frames // 2 - 1)

        free_force = self.free_force_bodyweights
        model = None
        contacts = None

        def measure(change: Tensor) -> Tensor:
            """Return the objective (N,) of cosine coefficients (N, T, D) of the change."""
            positions_m, orientations = body.pose(start + basis.T @ change, self.metric)
            heights_m, feet_m_s = body.measure(positions_m, orientations, self.metric.fps)
            depths_m = (-heights_m - settings.free_depth_m).clamp(min=0)
            lowest_m = heights_m.amin(-1)
            levels_m = -max_pool1d(-lowest_m, 2 * reach + 1, stride=1, padding=reach)
            floats_m = torch.where(is_standing, lowest_m, levels_m).clamp(min=0)
            size = (precision * change.square()).sum((1, 2))
            depth = (depths_m / settings.depth_m).square().sum((1, 2))
            floating = (floats_m / settings.depth_m).square().sum(1)
            slide = (stands * (feet_m_s / settings.slide_m_s).square()).sum((1, 2))
            total = size + depth + floating + slide
            if model is not None and contacts is not None and free_force is not None:
                excess = model.measure(positions_m, orientations, contacts) - free_force
                total = total + (excess.clamp(min=0) / settings.force_bodyweights).square().sum(1)
            return total

        scale = precision.rsqrt().expand(frames, start.shape[-1])
        change = scale * minimise_each(lambda rows: measure(scale * rows), torch.zeros_like(start), settings.steps)
        if free_force is None:
            return basis.T @ change
        model = ForceModel.from_skeleton(self.metric.skeleton, frames, self.metric.fps)
        moves_m = body.find_centre_moves(self.metric, model)
        pull = rates.square()[:, None] * moves_m / (GRAVITY_M_S2 * settings.force_bodyweights)
        scale = (precision + pull.square()).rsqrt()
        for _ in range(settings.force_rounds):
            contacts = model.find_contacts(self.metric.decode(start + basis.T @ change))
            change = scale * minimise_each(lambda rows: measure(scale * rows), change / scale, settings.force_steps)
        return basis.T @ change


def minimise_each(measure: Callable[[Tensor], Tensor], start: Tensor, steps: int, memory: int = 8) -> Tensor:
    """Minimise an objective of each row with L-BFGS, all rows at once and each by itself.

    Args:
        measure: Function of rows (N, …) that returns the objective of each row, (N,).
        start: Rows (N, …) to start from.
        steps: Number of evaluations of the objective.
        memory: Number of past steps that approximate the curvature.

    Returns:
        Rows (N, …), none with a larger objective than at the start.
    """

    def evaluate(rows: Tensor) -> tuple[Tensor, Tensor]:
        flat = rows.detach().requires_grad_()
        values = measure(flat.view_as(start))
        return values.detach(), torch.autograd.grad(values.sum(), flat)[0]

    here = start.flatten(1)
    value, gradient = evaluate(here)
    moves: list[Tensor] = []
    changes: list[Tensor] = []
    length = torch.ones_like(value)
    for _ in range(steps):
        direction = _newton_direction(gradient, moves, changes)
        there = here + length[:, None] * direction
        new_value, new_gradient = evaluate(there)
        is_better = new_value < value
        accepted = is_better[:, None]
        # a row that gets worse stays and tries a shorter step; its pair of zeros changes no curvature
        moves.append(torch.where(accepted, there - here, 0))
        changes.append(torch.where(accepted, new_gradient - gradient, 0))
        moves, changes = moves[-memory:], changes[-memory:]
        here = torch.where(accepted, there, here)
        gradient = torch.where(accepted, new_gradient, gradient)
        value = torch.where(is_better, new_value, value)
        length = torch.where(is_better, (2 * length).clamp(max=1), length / 4)
    return here.view_as(start)


def _newton_direction(gradient: Tensor, moves: list[Tensor], changes: list[Tensor]) -> Tensor:
    """Return the quasi-Newton direction (N, M) of each row: the two loops of L-BFGS (Nocedal 1980)."""
    pairs = []
    size = 1 / gradient.norm(dim=1, keepdim=True).clamp(min=1)  # the first step has at most the length 1
    for move, change in zip(moves, changes, strict=True):
        product = (move * change).sum(1, keepdim=True)
        is_convex = product > 1e-10
        pairs.append((move, change, torch.where(is_convex, 1 / product.clamp(min=1e-10), 0)))
        curvature = change.square().sum(1, keepdim=True).clamp(min=1e-20)
        size = torch.where(is_convex, product / curvature, size)
    direction = gradient.clone()
    shares = []
    for move, change, inverse in reversed(pairs):
        shares.append(inverse * (move * direction).sum(1, keepdim=True))
        direction -= shares[-1] * change
    direction *= size
    for (move, change, inverse), share in zip(pairs, reversed(shares), strict=True):
        direction += (share - inverse * (change * direction).sum(1, keepdim=True)) * move
    return -direction


@dataclass(frozen=True, eq=False)
class SurfaceBody:
    """A skeleton with the points of its surface that can touch the floor."""

    parents: tuple[int, ...]
    offsets_m: Tensor
    """(J, 3) joints in the frame of their parent."""
    joints: list[int]
    """Joint that carries each sole corner."""
    corners_m: Tensor
    """(P, 3) sole corners in the frame of that joint."""
    radii_m: Tensor
    """(J,) distance from joint to surface, −∞ where unknown."""
    head: tuple[int, Tensor] | None
    """Joint and centre of the head."""

    @classmethod
    def from_skeleton(cls, skeleton: Skeleton) -> "SurfaceBody":
        soles = sole_points(skeleton)
        radii_m = [SURFACE_RADII_M.get(strip_side(part), -np.inf) for part in skeleton.parts]
        head = head_point(skeleton)
        return cls(
            tuple(skeleton.parents),
            torch.tensor(skeleton.offsets_m, dtype=torch.float32),
            soles.joints.tolist(),
            torch.tensor(soles.offsets_m, dtype=torch.float32),
            torch.tensor(radii_m, dtype=torch.float32),
            None if head is None else (head[0], torch.tensor(head[1], dtype=torch.float32)),
        )

    def pose(self, values: Tensor, codec: FeatureCodec) -> tuple[list[Tensor], list[Tensor]]:
        """Return position (N, T, 3) and orientation (N, T, 3, 3) of each joint.

        Args:
            values: (N, T, D) normalised features.
            codec: Codec of the features.
        """
        return self._pose(values * codec.std.float() + codec.mean.float(), codec.fps)

    def find_centre_moves(self, codec: FeatureCodec, model: ForceModel) -> Tensor:
        """Return how far each normalised feature (D,) moves the centre of mass, in m, at the mean pose."""

        def find_centre(change: Tensor) -> Tensor:
            frames = torch.stack([torch.zeros_like(change), change])[None]
            return model.find_centre_m(*self.pose(frames, codec))[0, 1]

        moves_m = torch.autograd.functional.jacobian(find_centre, torch.zeros(len(codec.std)))
        assert isinstance(moves_m, Tensor)
        return moves_m.norm(dim=0)

    def measure(self, positions_m: list[Tensor], orientations: list[Tensor], fps: float) -> tuple[Tensor, Tensor]:
        """Return heights (N, T, K) of surface points above the floor, and speeds (N, T−1, 2) of feet along it."""
        corners_m = torch.stack(
            [
                positions_m[joint] + _rotate(orientations[joint], corner)
                for joint, corner in zip(self.joints, self.corners_m, strict=True)
            ],
            dim=-2,
        )
        heights_m = [torch.stack(positions_m, dim=-2)[..., 1] - self.radii_m, corners_m[..., 1]]
        if self.head is not None:
            joint, centre_m = self.head
            centres_m = positions_m[joint] + _rotate(orientations[joint], centre_m)
            heights_m.append(centres_m[..., 1:2] - HEAD_RADIUS_M)
        middles_m = corners_m.unflatten(-2, (2, -1, 2)).mean(-2)
        velocities = middles_m[..., [0, 2]].diff(dim=1) * fps
        return torch.cat(heights_m, dim=-1), velocities.square().sum(-1).add(1e-8).sqrt().amin(-1)

    def _pose(self, features: Tensor, fps: float) -> tuple[list[Tensor], list[Tensor]]:
        """Return position (N, T, 3) and orientation (N, T, 3, 3) of each joint."""
        steps_m = features[:, 1:, :2].cumsum(1) / fps
        horizontal_m = torch.cat([torch.zeros_like(features[:, :1, :2]), steps_m], dim=1)
        root_m = torch.stack([horizontal_m[..., 0], features[..., 2], horizontal_m[..., 1]], dim=-1)
        columns = features[..., 3:].unflatten(-1, (-1, 3, 2))
        first = torch.nn.functional.normalize(columns[..., 0], dim=-1)
        rest = columns[..., 1] - (first * columns[..., 1]).sum(-1, keepdim=True) * first
        second = torch.nn.functional.normalize(rest, dim=-1)
        third = torch.linalg.cross(first, second)
        local = torch.stack([first, second, third], dim=-1)
        positions_m = [root_m]
        orientations = [local[..., 0, :, :]]
        for joint, parent in enumerate(self.parents[1:], start=1):
            positions_m.append(positions_m[parent] + _rotate(orientations[parent], self.offsets_m[joint]))
            orientations.append(orientations[parent] @ local[..., joint, :, :])
        return positions_m, orientations


def _rotate(orientations: Tensor, point_m: Tensor) -> Tensor:
    """Rotate a point (3,) by matrices (N, T, 3, 3)."""
    x, y, z = point_m.tolist()
    return x * orientations[..., 0] + y * orientations[..., 1] + z * orientations[..., 2]
