"""The root force that feet on a floor cannot give: MuJoCo's inverse dynamics and a plain fit of friction cones.

MuJoCo's inverse dynamics compute the wrench w that must act on the root so that a body moves as it does, if nothing
else touches the body. In each frame, forces f ≥ 0 along the edges of friction cones act on the corners of the soles
near the floor; f minimises |w − G f|². The residual force is the force of w − G f. Nothing is planned, cleaned up or
smoothed, and frames do not know of each other. Correctors share only the lengths and masses of the body.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Self

import numpy as np
from scipy.optimize import nnls

from selfcorrect.motion.geometry.vectors import cross, norms
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators.body.frames import orientations_to_simulator, to_simulator
from selfcorrect.simulators.body.humanoid import Humanoid, build_humanoid
from selfcorrect.simulators.engines.mujoco_world import write_mjcf
from selfcorrect.simulators.engines.support_colliders import SupportColliders
from selfcorrect.simulators.settings.tracker import EngineSettings, TrackerSettings

mujoco: Any = import_module("mujoco")  # its types are made at run time

TOUCH_M = 0.05
"""Height over the floor up to which a corner of a sole may touch the floor."""
FRICTION = 0.8
"""Coefficient of friction."""
EDGES = 8
"""Edges of a friction cone."""
ARM_M = 1.0
"""Arm by which moments count as forces: about the height of a standing body's centre of mass."""


def measure_residual_force(motions: MotionBatch) -> np.ndarray:
    """Return the residual force (N, T − 2, 3) in all frames but the first and last, in body weights, z up.

    Args:
        motions: N motions of T frames over a floor at y = 0.
    """
    dynamics = InverseDynamics.from_motions(motions)
    return np.stack([dynamics.measure(poses) for poses in dynamics.write_poses(motions)])


def mean_residual_force(motions: MotionBatch) -> float:
    """Return the mean size of the residual force over motions and frames, in body weights."""
    return float(norms(measure_residual_force(motions)).mean())


@dataclass(frozen=True, eq=False)
class InverseDynamics:
    """A body of L links in MuJoCo, which nothing touches."""

    body: Humanoid
    model: Any
    bodies: np.ndarray
    """(L,) MuJoCo's number of each link."""
    fps: float

    @classmethod
    def from_motions(cls, motions: MotionBatch) -> Self:
        body = build_humanoid(motions.skeleton).with_minimum_inertia(TrackerSettings().body.minimum_inertia_kgm2)
        colliders = SupportColliders.from_supports(body, ())
        model = mujoco.MjModel.from_xml_string(
            write_mjcf(body, EngineSettings(name="mujoco"), 1 / motions.fps, colliders)
        )
        model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONTACT
        bodies = np.array([model.body(str(link)).id for link in range(len(body))])
        return cls(body, model, bodies, motions.fps)

    def write_poses(self, motions: MotionBatch) -> np.ndarray:
        """Return MuJoCo's poses (N, T, Q) of N motions of T frames."""
        links = self.body.select_links(motions)
        poses = np.zeros((*links.root_m.shape[:2], self.model.nq))
        poses[..., :3] = to_simulator(links.root_m)
        root = orientations_to_simulator(links.rotations[:, :, 0].reshape(-1, 4))
        poses[..., [4, 5, 6, 3]] = root.reshape(*poses.shape[:2], 4)
        addresses = self.model.jnt_qposadr[self.model.body_jntadr[self.bodies]]
        for link in range(1, len(self.body)):
            poses[..., addresses[link] + np.array([1, 2, 3, 0])] = links.rotations[:, :, link]
        return poses

    def measure(self, poses: np.ndarray) -> np.ndarray:
        """Return the residual force (T − 2, 3) of poses (T, Q), in body weights."""
        velocities = np.zeros((len(poses) - 1, self.model.nv))
        for velocity, pose, next_pose in zip(velocities, poses[:-1], poses[1:], strict=True):
            mujoco.mj_differentiatePos(self.model, velocity, 1 / self.fps, pose, next_pose)
        data = mujoco.MjData(self.model)
        residual = np.zeros((len(poses) - 2, 3))
        for frame in range(len(residual)):
            data.qpos[:] = poses[frame + 1]
            data.qvel[:] = (velocities[frame] + velocities[frame + 1]) / 2
            data.qacc[:] = (velocities[frame + 1] - velocities[frame]) * self.fps
            mujoco.mj_inverse(self.model, data)
            residual[frame] = self._fit_contacts(data)
        return residual

    def _fit_contacts(self, data: Any) -> np.ndarray:
        """Return the force (3,) on the root that contacts leave, in body weights."""
        root = self.bodies[0]
        centre_m = data.subtree_com[root]
        force = data.qfrc_inverse[:3] / self.body.weight_n
        about_root_m = data.xmat[root].reshape(3, 3) @ data.qfrc_inverse[3:6] / self.body.weight_n
        about_centre_m = about_root_m + cross(data.xpos[root] - centre_m, force)
        touching_m = self._select_touching(data)
        if not len(touching_m):
            return force
        directions = np.tile(_CONE, (len(touching_m), 1))
        arms_m = np.repeat(touching_m - centre_m, EDGES, axis=0)
        wrenches = np.concatenate([directions, cross(arms_m, directions) / ARM_M], axis=-1)
        sizes, _ = nnls(wrenches.T, np.concatenate([force, about_centre_m / ARM_M]))
        return force - sizes @ directions

    def _select_touching(self, data: Any) -> np.ndarray:
        """Return the corners (K, 3) of the soles that may touch the floor."""
        links = self.bodies[self.body.soles.joints]
        offsets_m = np.einsum("pij,pj->pi", data.xmat[links].reshape(-1, 3, 3), self.body.soles.offsets_m)
        corners_m = data.xpos[links] + offsets_m
        return corners_m[corners_m[:, 2] < TOUCH_M]


def _friction_cone() -> np.ndarray:
    """Return the edges (E, 3) of a friction cone, z up."""
    angles_rad = 2 * np.pi * np.arange(EDGES) / EDGES
    return np.stack([FRICTION * np.cos(angles_rad), FRICTION * np.sin(angles_rad), np.ones(EDGES)], axis=-1)


_CONE = _friction_cone()
