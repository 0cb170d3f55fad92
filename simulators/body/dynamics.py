"""Inverse dynamics: forces and joint torques that a motion demands.

Arrays have axes for motions N, frames T and links L. Everything is in the motion's world (y up).
"""

from dataclasses import dataclass

import numpy as np

from selfcorrect.motion.geometry.curves import NaturalSpline, smooth_gaussian
from selfcorrect.motion.geometry.rotations import compose, invert, rotate, rotation_vectors
from selfcorrect.motion.geometry.vectors import cross
from selfcorrect.motion.kinematics import pose_joints
from selfcorrect.motion.motion import MotionBatch

from .humanoid import Humanoid


@dataclass(frozen=True, eq=False)
class Demand:
    """Forces that must act on a body to produce its motion."""

    positions_m: np.ndarray
    """(N, T, L, 3) joints of the links, world."""
    orientations: np.ndarray
    """(N, T, L, 4) orientations of the links, world, xyzw."""
    force_n: np.ndarray
    """(N, T, L, 3) net force on each link without gravity."""
    moment_nm: np.ndarray
    """(N, T, L, 3) moment of that force about the world's origin."""
    centre_m: np.ndarray
    """(N, T, 3) centre of mass of the body."""
    wrench: np.ndarray
    """(N, T, 6) net force, and net moment about the centre of mass."""


def compute_demand(body: Humanoid, motions: MotionBatch, smoothing_s: float) -> Demand:
    """Compute the forces that motions demand, by Newton-Euler equations.

    Args:
        motions: N motions of T frames on the body's link tree.
        smoothing_s: Standard deviation of the Gaussian that smooths accelerations.
    """
    positions_m, orientations = pose_joints(motions)
    centres_m = positions_m + rotate(orientations, body.centre_m)
    accelerations_m_s2 = _smooth_accelerations(centres_m, motions.fps, smoothing_s)
    gravity_m_s2 = np.array(body.gravity_m_s2)
    force_n = body.mass_kg[:, None] * (accelerations_m_s2 - gravity_m_s2)
    spin_nm = _momentum_rate(body, orientations, motions.fps, smoothing_s)
    moment_nm = spin_nm + cross(centres_m, force_n)
    # A plain sum, unlike BLAS, gives the same bits whatever else is in the batch.
    weighted_m = body.mass_kg[:, None] * centres_m
    centre_m = np.sum(weighted_m, axis=2) / body.total_mass_kg
    net_n = force_n.sum(2)
    net_nm = moment_nm.sum(2) - cross(centre_m, net_n)
    return Demand(
        positions_m=positions_m,
        orientations=orientations,
        force_n=force_n,
        moment_nm=moment_nm,
        centre_m=centre_m,
        wrench=np.concatenate([net_n, net_nm], axis=-1),
    )


def _smooth_accelerations(points_m: np.ndarray, fps: float, smoothing_s: float) -> np.ndarray:
    """Return smoothed second derivatives of points (N, T, ..., 3) along natural splines."""
    spline = NaturalSpline.from_values(np.swapaxes(points_m, 0, 1), fps)
    curvature = np.swapaxes(spline.curvature, 0, 1)
    return smooth_gaussian(curvature, smoothing_s * fps)


def _momentum_rate(body: Humanoid, orientations: np.ndarray, fps: float, smoothing_s: float) -> np.ndarray:
    """Return each link's smoothed rate of angular momentum.

    Returns:
        (N, T, L, 3) about the link's centre of mass, in N m.
    """
    # Like `rotations.turns`, which takes several times as long for all links of many motions.
    turns = compose(orientations[:, 1:], invert(orientations[:, :-1]))
    steps = rotation_vectors(turns) * fps
    padded = np.concatenate([steps[:, :1], steps, steps[:, -1:]], axis=1)
    angular_rad_s = 0.5 * (padded[:, 1:] + padded[:, :-1])
    local_rad_s = rotate(invert(orientations), angular_rad_s)
    momentum = rotate(orientations, body.inertia_kgm2 * local_rad_s)
    rate_nm = np.gradient(momentum, 1 / fps, axis=1)
    return smooth_gaussian(rate_nm, smoothing_s * fps)


def compute_whole_inertia(body: Humanoid, demand: Demand) -> np.ndarray:
    """Return the inertia of the whole body, as if rigid in its current pose.

    Returns:
        (N, T, 3, 3) about the centre of mass, in kg m².
    """
    orientations = demand.orientations
    centres_m = demand.positions_m + rotate(orientations, body.centre_m)
    arms_m = centres_m - demand.centre_m[:, :, None]
    weighted_arms = arms_m * body.mass_kg[:, None]
    weighted = np.swapaxes(weighted_arms, -1, -2) @ arms_m
    trace = np.trace(weighted, axis1=-2, axis2=-1)[..., None, None]
    axes = rotate(orientations[..., None, :], np.eye(3))
    scaled_axes = body.inertia_kgm2[:, :, None] * axes
    link_inertia = np.swapaxes(axes, -1, -2) @ scaled_axes
    return trace * np.eye(3) - weighted + np.sum(link_inertia, axis=2)


def compute_joint_torques(body: Humanoid, demand: Demand, contact_n: np.ndarray, points_m: np.ndarray) -> np.ndarray:
    """Return the joint torques that, together with contacts, produce the motion.

    Args:
        contact_n: (..., C, 3) contact forces, world.
        points_m: (..., C, 3) contact points of the body, world.

    Returns:
        (..., L − 1, 3) in N m, in the links' frames.
    """
    below = body.tree.descendants.astype(float)
    touching = below[:, body.contact_points.links]
    force_n = below @ demand.force_n - touching @ contact_n
    moment_nm = below @ demand.moment_nm - touching @ cross(points_m, contact_n)
    about_joint_nm = moment_nm - cross(demand.positions_m, force_n)
    to_links = invert(demand.orientations[..., 1:, :])
    return rotate(to_links, about_joint_nm[..., 1:, :])
