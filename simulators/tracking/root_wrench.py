"""The residual root wrench: what helps the humanoid where contacts and muscles alone would let it fall.

It acts at the whole body's centre of mass: spring and damper towards the reference, plus what planned contacts cannot
explain of the motion, all clipped to hard bounds (residual forces in the sense of Yuan and Kitani 2020). In the
simulator's frame (z up), for N bodies at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from selfcorrect.simulators.body.humanoid import GRAVITY_M_S2
from selfcorrect.simulators.body.vectors import rotation_error
from selfcorrect.simulators.engines.world import RootState
from selfcorrect.simulators.settings.drive import DriveSettings

RootWrench = Callable[[RootState, RootState, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def root_wrench(settings: DriveSettings, masses_kg: np.ndarray) -> RootWrench:
    """A function of (goals, states, rest, inertia) that gives forces (N, 3) in newtons and moments (N, 3) about centres
    of mass.

    masses_kg: (N,) of the bodies, or of more than are then asked for. goals, states: roots as they should be and as
    they are; rest: (N, 6) forces and moments that contacts leave unexplained; inertia: (N, 3, 3) of whole bodies.
    """
    across, up = settings.horizontal_rad_s, settings.vertical_rad_s
    linear, angular = 2 * settings.linear_damping, 2 * settings.angular_damping
    rate_rad_s = np.array([settings.angular_rad_s, settings.angular_rad_s, settings.yaw_rad_s])
    stiffness = masses_kg[:, None] * np.array([across, across, up]) ** 2
    damping = masses_kg[:, None] * np.array([across, across, up]) * linear
    limits_n = settings.force_limit_bodyweights * masses_kg * GRAVITY_M_S2

    def force(goals: RootState, states: RootState, rest: np.ndarray) -> np.ndarray:
        count = len(rest)
        pull_n = stiffness[:count] * (goals.position_m - states.position_m)
        force_n = pull_n + damping[:count] * (goals.velocity_m_s - states.velocity_m_s) + rest[:, :3]
        limit_n, across_n = limits_n[:count], np.hypot(force_n[:, 0], force_n[:, 1])
        force_n[:, :2] *= np.minimum(1.0, limit_n / np.maximum(across_n, 1e-9))[:, None]
        force_n[:, 2] = np.minimum(np.maximum(force_n[:, 2], -limit_n), limit_n)
        return force_n

    def moment(goals: RootState, states: RootState, rest: np.ndarray, inertia: np.ndarray) -> np.ndarray:
        error_rad = rotation_error(goals.orientation, states.orientation)
        slower_rad_s = goals.angular_velocity_rad_s - states.angular_velocity_rad_s
        x, y, z = (rate_rad_s * (rate_rad_s * error_rad + angular * slower_rad_s)).T[..., None]
        moment_nm = inertia[..., 0] * x + inertia[..., 1] * y + inertia[..., 2] * z + rest[:, 3:]
        x, y, z = moment_nm.T
        size_nm = np.sqrt(x * x + y * y + z * z)
        return moment_nm * np.minimum(1.0, settings.torque_limit_nm / np.maximum(size_nm, 1e-9))[:, None]

    return lambda goals, states, rest, inertia: (force(goals, states, rest), moment(goals, states, rest, inertia))
