"""The residual root wrench: what helps the humanoid where contacts and muscles alone would let it fall.

It acts at the whole body's centre of mass: spring and damper towards the reference, plus what planned contacts cannot
explain of the motion, all clipped to hard bounds (residual forces in the sense of Yuan and Kitani 2020). Plain floats
and tuples: this runs at every step of a simulation, in its frame (z up).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from selfcorrect.simulators.body.humanoid import GRAVITY_M_S2
from selfcorrect.simulators.body.vectors import Numbers, Vector, rotation_error
from selfcorrect.simulators.engines.world import RootState
from selfcorrect.simulators.settings import DriveSettings

RootWrench = Callable[[RootState, RootState, Numbers, Numbers], tuple[Vector, Vector]]


def root_wrench(settings: DriveSettings, mass_kg: float) -> RootWrench:
    """A function of (goal, state, rest, inertia) that gives force in newtons and moment about the centre of mass.

    goal, state: the root as it should be and as it is; rest: (6,) force and moment that contacts leave unexplained;
    inertia: (9,) rows of the body's inertia tensor, kg m².
    """
    across, up = settings.horizontal_rad_s, settings.vertical_rad_s
    tilt, yaw = settings.angular_rad_s, settings.yaw_rad_s
    linear, angular = 2 * settings.linear_damping, 2 * settings.angular_damping
    stiffness_across, damping_across = mass_kg * across**2, mass_kg * across * linear
    stiffness_up, damping_up = mass_kg * up**2, mass_kg * up * linear
    force_limit_n = settings.force_limit_bodyweights * mass_kg * GRAVITY_M_S2
    torque_limit_nm = settings.torque_limit_nm

    def force(goal: RootState, state: RootState, rest: Numbers) -> Vector:
        (x, y, z), (goal_x, goal_y, goal_z) = state.position_m, goal.position_m
        (vx, vy, vz), (goal_vx, goal_vy, goal_vz) = state.velocity_m_s, goal.velocity_m_s
        force_x = stiffness_across * (goal_x - x) + damping_across * (goal_vx - vx) + rest[0]
        force_y = stiffness_across * (goal_y - y) + damping_across * (goal_vy - vy) + rest[1]
        force_z = stiffness_up * (goal_z - z) + damping_up * (goal_vz - vz) + rest[2]
        cut = min(1.0, force_limit_n / max(math.hypot(force_x, force_y), 1e-9))
        return cut * force_x, cut * force_y, min(max(force_z, -force_limit_n), force_limit_n)

    def moment(goal: RootState, state: RootState, rest: Numbers, inertia: Numbers) -> Vector:
        error_x, error_y, error_z = rotation_error(goal.orientation, state.orientation)
        (wx, wy, wz), (goal_wx, goal_wy, goal_wz) = state.angular_velocity_rad_s, goal.angular_velocity_rad_s
        ax = tilt * (tilt * error_x + angular * (goal_wx - wx))
        ay = tilt * (tilt * error_y + angular * (goal_wy - wy))
        az = yaw * (yaw * error_z + angular * (goal_wz - wz))
        ixx, ixy, ixz, iyx, iyy, iyz, izx, izy, izz = inertia
        moment_x = ixx * ax + ixy * ay + ixz * az + rest[3]
        moment_y = iyx * ax + iyy * ay + iyz * az + rest[4]
        moment_z = izx * ax + izy * ay + izz * az + rest[5]
        size = math.sqrt(moment_x * moment_x + moment_y * moment_y + moment_z * moment_z)
        cut = min(1.0, torque_limit_nm / max(size, 1e-9))
        return cut * moment_x, cut * moment_y, cut * moment_z

    return lambda goal, state, rest, inertia: (force(goal, state, rest), moment(goal, state, rest, inertia))
