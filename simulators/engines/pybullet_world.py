"""Simulation in PyBullet."""

import importlib
import os
import sys
import weakref
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import numpy as np

from selfcorrect.motion.support import Support

from ..body.humanoid import SOLE_RADIUS_M, Capsule, Humanoid
from ..settings.tracker import EngineSettings
from .simulator_frame import to_simulator
from .support_colliders import HIDDEN_POSITION_M, MAX_GRIP_N, Hold, Numbers, Slab, SupportColliders
from .world import Reference, RootState, compute_sole_centres_m, format_numbers


def _import_silently() -> Any:
    """Import PyBullet, and discard what its C code prints to standard error."""
    sys.stderr.flush()
    terminal = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        return importlib.import_module("pybullet")
    finally:
        os.dup2(terminal, 2)
        os.close(null)
        os.close(terminal)


pybullet = _import_silently()
"""The engine. Its import prints a line about the build to standard error, which is discarded."""

PerJoint = Sequence[Numbers]
"""Three or four numbers for each joint."""


class PyBulletWorld:
    """A world in PyBullet, with a separate simulation for each body.

    PyBullet's position motor of a ball joint is a velocity constraint: in each step the motor removes the share `erp`
    of the distance to the target, and it ignores any target velocity. Targets therefore lead by a time step divided by
    `erp`, which makes the drive dead-beat, without lag.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.simulations: list[Simulation] = []
        """Simulations of all bodies, and spare ones from earlier builds."""

    def build(self, bodies: Sequence[Humanoid], step_s: float, supports: Sequence[Sequence[Support]]) -> None:
        """Load the bodies; see `World`.

        Bodies that are already loaded without supports are reused.
        """
        self._step_s = step_s
        while len(self.simulations) < len(bodies):
            self.simulations.append(Simulation(self.settings))
        self._used = self.simulations[: len(bodies)]
        for simulation, body, body_supports in zip(self._used, bodies, supports, strict=True):
            simulation.build(body, step_s, body_supports)

    def show(self, body: int, supports: Collection[int]) -> None:
        """Show some supports and hide the others.

        Slabs move into place or away, and hands grip or release holds.
        """
        self.simulations[body].show(supports)

    def drive(
        self, body: Humanoid, reference: Reference, times_s: np.ndarray, torques_nm: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return leading targets, and torques within the joints' limits; see `World`.

        Targets lead by a time step divided by `erp`.
        """
        targets = reference.rotations(times_s + self._step_s / self.settings.bullet.joint_erp)[:, :, 1:]
        limits_nm = body.torque_limit_nm[1:, None]
        return targets, np.clip(torques_nm, -limits_nm, limits_nm)

    def reset(self, roots: RootState, rotations: np.ndarray, velocities_rad_s: np.ndarray) -> None:
        """Set the state of roots and joints; see `World`."""
        columns = [values.tolist() for values in (*roots, rotations, velocities_rad_s)]
        for simulation, *state in zip(self._used, *columns, strict=True):
            simulation.reset(*state)
        self._roots = np.array([simulation.root() for simulation in self._used])

    def step(
        self,
        running: Sequence[int],
        targets: np.ndarray,
        torques_nm: np.ndarray,
        force_n: np.ndarray,
        torque_nm: np.ndarray,
    ) -> None:
        """Apply motors, torques and root wrenches for a step, then advance; see `World`."""
        centres_m = self._roots[: len(targets), :3]
        columns = [values.tolist() for values in (targets, torques_nm, centres_m, force_n, torque_nm)]
        for body in running:
            self._used[body].step(*(column[body] for column in columns))
            self._roots[body] = self._used[body].root()

    def root(self) -> RootState:
        """Return the state of the roots."""
        roots = self._roots.copy()
        return RootState(roots[:, :3], roots[:, 3:7], roots[:, 7:10], roots[:, 10:])

    def rotations(self) -> np.ndarray:
        """Return the rotations of all joints."""
        return np.array([simulation.rotations() for simulation in self._used])

    def velocities_rad_s(self) -> np.ndarray:
        """Return the angular velocities of all joints."""
        return np.array([simulation.velocities_rad_s() for simulation in self._used])

    def positions_m(self, links: Sequence[int]) -> np.ndarray:
        """Return the joint positions of some links, not their centres of mass."""
        return np.array([simulation.positions_m(links) for simulation in self._used])

    def loads_n(self) -> np.ndarray:
        """Return the vertical forces that the surroundings exert on each link."""
        return np.array([simulation.loads_n() for simulation in self._used])


class _Client:
    """PyBullet's functions, bound to one simulation.

    The simulation is freed with this object. PyBullet's own class for this prints a line for each simulation.
    """

    def __init__(self) -> None:
        self.number: int = pybullet.connect(pybullet.DIRECT)
        weakref.finalize(self, pybullet.disconnect, self.number)

    def __getattr__(self, name: str) -> Any:
        return partial(getattr(pybullet, name), physicsClientId=self.number)


class Simulation:
    """A PyBullet simulation of a floor, a body and its supports."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self.bullet = _Client()
        self._body: Humanoid | None = None
        self._colliders = SupportColliders({}, {})

    def build(self, body: Humanoid, step_s: float, supports: Sequence[Support]) -> None:
        """Load the body, unless it is already loaded without supports."""
        self.bullet.setPhysicsEngineParameter(fixedTimeStep=step_s)
        if body is not self._body or supports or self._colliders:
            self._load(body, step_s)
            self._body = body
            self._colliders = SupportColliders.from_supports(body, supports)
            self._slabs = [self._make_slab(slab) for slab in self._colliders.slabs.values()]
            self._grips = {index: _Grip(body, hold) for index, hold in self._colliders.holds.items()}

    def _height_m(self, link: int) -> float:
        """Return the height of a link's joint; for the root, that of its centre of mass."""
        return self.positions_m([link])[0][2] if link else self.root()[2]

    def _make_slab(self, slab: Slab) -> int:
        """Make a hidden slab, far below the floor."""
        shape = self.bullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=slab.half_m)
        box = self.bullet.createMultiBody(0, shape, basePosition=HIDDEN_POSITION_M)
        self.bullet.changeDynamics(box, -1, lateralFriction=1.0)
        self.bullet.setCollisionFilterGroupMask(box, -1, 0, 0)
        for link in slab.links:
            self.bullet.setCollisionFilterPair(box, self.body_id, -1, link - 1, 1)
        return box

    def show(self, supports: Collection[int]) -> None:
        """Show some supports and hide the others.

        Slabs move into place or away, and hands grip or release holds.
        """
        positions_m = self._colliders.slab_positions_m(supports, self._height_m)
        for box, slab, position_m in zip(self._slabs, self._colliders.slabs.values(), positions_m, strict=True):
            self.bullet.resetBasePositionAndOrientation(box, position_m, slab.orientation)
        for index, grip in self._grips.items():
            if index in supports:
                grip.pull(self.body_id, self.bullet)
            else:
                grip.release(self.bullet)

    def _load(self, body: Humanoid, step_s: float) -> None:
        settings = self._settings
        self.bullet.resetSimulation()
        self.bullet.setGravity(*to_simulator(np.array(body.gravity_m_s2)))
        self.bullet.setPhysicsEngineParameter(
            fixedTimeStep=step_s,
            numSolverIterations=settings.bullet.solver_iterations,
            numSubSteps=0,
            erp=settings.bullet.joint_erp,
            contactERP=settings.bullet.contact_erp,
            deterministicOverlappingPairs=1,
            enableFileCaching=0,  # names of bodies' files recur
        )
        plane = self.bullet.createCollisionShape(pybullet.GEOM_PLANE, planeNormal=[0, 0, 1])
        floor = self.bullet.createMultiBody(0, plane)
        self.bullet.changeDynamics(floor, -1, lateralFriction=1.0)
        self.body_id = _load_urdf(write_urdf(body, settings.sole_lowering_m), self.bullet)
        self._joints = list(range(len(body) - 1))
        for link in range(-1, len(self._joints)):
            self.bullet.changeDynamics(
                self.body_id, link, linearDamping=0, angularDamping=0, jointDamping=0, maxJointVelocity=1000
            )
            # PyBullet ignores friction in the same call as damping.
            self.bullet.changeDynamics(self.body_id, link, lateralFriction=settings.friction, restitution=0)
        self._zeros = [[0.0, 0.0, 0.0] for _ in self._joints]
        self._ones = [1.0 for _ in self._joints]
        self._strengths = [[limit] * 3 for limit in body.torque_limit_nm[1:].tolist()]
        self._free_joints()

    def _free_joints(self) -> None:
        """Switch off the motor that PyBullet adds to every joint."""
        for joint in self._joints:
            self.bullet.setJointMotorControlMultiDof(
                self.body_id,
                joint,
                pybullet.POSITION_CONTROL,
                targetPosition=[0, 0, 0, 1],
                targetVelocity=[0, 0, 0],
                positionGain=0,
                velocityGain=0,
                force=[0, 0, 0],
            )

    def reset(
        self,
        position_m: Numbers,
        orientation: Numbers,
        velocity_m_s: Numbers,
        angular_rad_s: Numbers,
        rotations: PerJoint,
        velocities_rad_s: PerJoint,
    ) -> None:
        """Set the state of root and joints.

        Args:
            position_m: Root's centre of mass.
            orientation: Root's quaternion xyzw.
            rotations: Quaternions xyzw of the joints.
        """
        self.bullet.resetBasePositionAndOrientation(self.body_id, position_m, orientation)
        self.bullet.resetBaseVelocity(self.body_id, velocity_m_s, angular_rad_s)
        self.bullet.resetJointStatesMultiDof(self.body_id, self._joints, rotations, velocities_rad_s)

    def step(
        self, targets: PerJoint, torques_nm: PerJoint, centre_m: Numbers, force_n: Numbers, torque_nm: Numbers
    ) -> None:
        """Set motors, torques and the root wrench, then advance.

        Args:
            targets: Quaternions xyzw of the joints.
            centre_m: Root's centre of mass, at which the force acts.
        """
        body = self.body_id
        joints = self._joints
        self.bullet.setJointMotorControlMultiDofArray(
            body,
            joints,
            pybullet.POSITION_CONTROL,
            targetPositions=targets,
            targetVelocities=self._zeros,
            positionGains=self._ones,
            velocityGains=self._ones,
            forces=self._strengths,
        )
        self.bullet.setJointMotorControlMultiDofArray(body, joints, pybullet.TORQUE_CONTROL, forces=torques_nm)
        self.bullet.applyExternalForce(body, -1, force_n, centre_m, pybullet.WORLD_FRAME)
        self.bullet.applyExternalTorque(body, -1, torque_nm, pybullet.WORLD_FRAME)
        self.bullet.stepSimulation()

    def root(self) -> list[float]:
        """Return the root's position, orientation, velocity and angular velocity."""
        position_m, orientation = self.bullet.getBasePositionAndOrientation(self.body_id)
        velocity_m_s, angular_rad_s = self.bullet.getBaseVelocity(self.body_id)
        return [*position_m, *orientation, *velocity_m_s, *angular_rad_s]

    def rotations(self) -> list[Numbers]:
        """Return the rotations of all joints."""
        states = self.bullet.getJointStatesMultiDof(self.body_id, self._joints)
        return [state[0] for state in states]

    def velocities_rad_s(self) -> list[Numbers]:
        """Return the angular velocities of all joints."""
        states = self.bullet.getJointStatesMultiDof(self.body_id, self._joints)
        return [state[1] for state in states]

    def positions_m(self, links: Sequence[int]) -> list[Numbers]:
        """Return the joint positions of some links."""
        joints = [link - 1 for link in links]
        states = self.bullet.getLinkStates(self.body_id, joints, computeForwardKinematics=1)
        return [state[4] for state in states]

    def loads_n(self) -> list[float]:
        """Return the vertical forces that the surroundings exert on each link."""
        loads_n = [0.0] * (len(self._joints) + 1)
        for contact in self.bullet.getContactPoints(self.body_id):
            link = contact[3]
            normal = contact[7]
            force_n = contact[9]
            loads_n[link + 1] += force_n * normal[2]
        return loads_n


class _Grip:
    """A hand that can grip a hold.

    The hand is first held where it is, and then pulled towards the hold.
    """

    def __init__(self, body: Humanoid, hold: Hold) -> None:
        self._hold = hold
        self._joint = hold.link - 1
        self._from_centre_m = (hold.hand_m - body.centre_m[hold.link]).tolist()
        self._hand_m = hold.position_m
        self._constraint: int | None = None

    def pull(self, body: int, bullet: Any) -> None:
        """Grip the hold, or pull the hand closer to it."""
        if self._constraint is None:
            self._constraint, self._hand_m = self._make_constraint(body, bullet)
        self._hand_m = self._hold.next_hand_position_m(self._hand_m)
        bullet.changeConstraint(self._constraint, jointChildPivot=self._hand_m.tolist(), maxForce=MAX_GRIP_N)

    def _make_constraint(self, body: int, bullet: Any) -> tuple[int, np.ndarray]:
        """Constrain the hand to its current position; return the constraint and that position."""
        state = bullet.getLinkState(body, self._joint, computeForwardKinematics=1)
        hand_m, _ = bullet.multiplyTransforms(state[0], state[1], self._from_centre_m, [0, 0, 0, 1])
        constraint = bullet.createConstraint(
            body,
            self._joint,
            -1,
            -1,
            pybullet.JOINT_POINT2POINT,
            jointAxis=[0, 0, 0],
            parentFramePosition=self._from_centre_m,
            childFramePosition=hand_m,
        )
        return constraint, np.array(hand_m)

    def release(self, bullet: Any) -> None:
        """Release the hold if it is gripped."""
        if self._constraint is not None:
            bullet.removeConstraint(self._constraint)
            self._constraint = None


def _load_urdf(text: str, bullet: Any) -> int:
    """Load a body from an in-memory file.

    PyBullet reads only files, and a killed process leaves none behind this way.
    """
    flags = pybullet.URDF_USE_INERTIA_FROM_FILE | pybullet.URDF_MAINTAIN_LINK_ORDER
    with open(os.memfd_create("body"), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        return bullet.loadURDF(f"/proc/self/fd/{file.fileno()}", flags=flags)


def write_urdf(body: Humanoid, sole_lowering_m: float) -> str:
    """Write a body as URDF, with links in order.

    Soles touch the floor `sole_lowering_m` below their corners.
    """
    links = [_write_link(body, link, sole_lowering_m) for link in range(len(body))]
    joints = [_write_joint(body, link) for link in range(1, len(body))]
    return "\n".join(['<robot name="humanoid">', *links, *joints, "</robot>"])


def _write_link(body: Humanoid, link: int, sole_lowering_m: float) -> str:
    ixx, iyy, izz = body.inertia_kgm2[link].tolist()
    centres_m = compute_sole_centres_m(body, link, sole_lowering_m)
    spheres = [_write_sphere(centre_m, SOLE_RADIUS_M) for centre_m in centres_m]
    capsules = [_write_capsule(capsule) for capsule in body.capsules if capsule.link == link]
    return (
        f'<link name="{link}"><inertial><origin xyz="{format_numbers(body.centre_m[link])}"/>'
        f'<mass value="{body.mass_kg[link]:.9g}"/>'
        f'<inertia ixx="{ixx:.9g}" iyy="{iyy:.9g}" izz="{izz:.9g}" ixy="0" ixz="0" iyz="0"/></inertial>'
        + "".join(spheres + capsules)
        + "</link>"
    )


def _write_joint(body: Humanoid, link: int) -> str:
    return (
        f'<joint name="to {link}" type="spherical"><parent link="{body.tree.parents[link]}"/><child link="{link}"/>'
        f'<axis xyz="1 0 0"/><origin xyz="{format_numbers(body.tree.offsets_m[link])}"/></joint>'
    )


def _write_sphere(centre_m: np.ndarray, radius_m: float) -> str:
    centre = format_numbers(centre_m)
    return f'<collision><origin xyz="{centre}"/><geometry><sphere radius="{radius_m}"/></geometry></collision>'


def _write_capsule(capsule: Capsule) -> str:
    """Write a capsule as URDF, whose capsules lie along z around the origin."""
    start_m, end_m = np.array(capsule.ends_m)
    axis_m = end_m - start_m
    length_m = float(np.linalg.norm(axis_m))
    if length_m < 1e-3:
        return _write_sphere(start_m, capsule.radius_m)
    yaw = np.arctan2(axis_m[1], axis_m[0])
    pitch = np.arctan2(np.hypot(axis_m[0], axis_m[1]), axis_m[2])
    middle = format_numbers((start_m + end_m) / 2)
    turn = format_numbers((0.0, pitch, yaw))
    return (
        f'<collision><origin xyz="{middle}" rpy="{turn}"/>'
        f'<geometry><capsule radius="{capsule.radius_m}" length="{length_m}"/></geometry></collision>'
    )
