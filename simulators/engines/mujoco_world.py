"""Simulation in MuJoCo.

Joints are driven by implicit springs towards the moving reference. With a time step h, damping D + K h and armature h D
+ h² K make an explicit Euler step equal to an implicit step of a spring with stiffness K and damping D. MuJoCo
integrates dampers and armature together with the contacts. The springs are applied to each state, because their targets
belong to a motion and not to the model. Torque limits bound only the feed-forward torques.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, NamedTuple, Self

import numpy as np

from selfcorrect.motion.geometry.rotations import compose, invert, rotate, rotation_vectors
from selfcorrect.motion.geometry.vectors import cross
from selfcorrect.motion.support import Support
from selfcorrect.runtime.processes import run_in_threads

from ..body.humanoid import SOLE_RADIUS_M, Humanoid
from ..settings.tracker import EngineSettings
from .simulator_frame import to_simulator
from .support_colliders import HIDDEN_POSITION_M, Hold, Slab, SupportColliders
from .world import Reference, RootState, compute_sole_centres_m, format_numbers

mujoco: Any = import_module("mujoco")  # its types are made at run time
mujoco.set_mju_user_warning(lambda _: None)  # MuJoCo would log lost bodies to a file; the tracker reports them

STIFFNESS_NM_RAD = {"hip": 500, "knee": 500, "ankle": 400, "foot": 100, "collar": 400, "shoulder": 400, "elbow": 300}
"""Stiffness of joint springs, in N m/rad, by the last word of the part's name."""

SPINE_STIFFNESS_NM_RAD = 1000
"""Stiffness of all other joints."""

STATE_BYTES = 2 * 2**20
"""Memory for the contacts of each state, in bytes. A body with all links in the floor takes 0.3 MB. MuJoCo's default of
15 MB would take 1 GB for the 64 particles that are simulated together without residual force."""

STATE_BYTES_PER_SUPPORT = 2**13
"""Memory for the contacts of each support, in bytes."""

_XYZW = np.array([4, 5, 6, 3])
"""Indices of the root's quaternion in `qpos`, in the order xyzw."""

_ROWS_OF_NORMAL_FORCE = {"pyramidal": 4, "elliptic": 1}
"""Number of constraint rows that add up to a contact's normal force: all edges of a pyramid, or the first row of an
elliptic cone."""

BODIES_PER_THREAD = 16
"""Minimum number of bodies per thread. Stepping fewer takes less time than starting another thread."""


@dataclass(frozen=True, eq=False)
class _CompiledBody:
    """A body and its supports, compiled to a MuJoCo model."""

    body: Humanoid
    colliders: SupportColliders
    model: Any
    stiffness: np.ndarray
    """(J, 1) stiffness of joint springs, in N m/rad. Springs are applied at every step and are not part of the
    model."""
    damping: np.ndarray
    """(3 J,) N m s/rad."""
    armature: np.ndarray
    """(3 J,) kg m²."""
    data: list[Any]
    """The states of the model, one for each motion that uses it."""

    @classmethod
    def compile(cls, body: Humanoid, supports: Sequence[Support], settings: EngineSettings, step_s: float) -> Self:
        """Compile a body with its supports."""
        colliders = SupportColliders.from_supports(body, supports)
        model = mujoco.MjModel.from_xml_string(write_mjcf(body, settings, step_s, colliders))
        stiffness = np.array([settings.mujoco.stiffening * _find_stiffness(part) for part in body.tree.parts[1:]])
        damping = np.maximum(0.05 * stiffness, 2 * np.sqrt(stiffness * _compute_subtree_inertia(body)[1:]))
        compiled = cls(
            body=body,
            colliders=colliders,
            model=model,
            stiffness=stiffness[:, None],
            damping=np.repeat(damping + stiffness * step_s, 3),
            armature=np.repeat(damping * step_s + stiffness * step_s**2, 3),
            data=[],
        )
        speeds = compiled.addresses().speeds
        model.dof_damping[speeds] = compiled.damping
        model.dof_armature[speeds] = compiled.armature
        return compiled

    @cached_property
    def geometry_bodies(self) -> list[int]:
        """Body index of each geom in the model."""
        return self.model.geom_bodyid.tolist()

    def addresses(self) -> _Addresses:
        """Return where MuJoCo's arrays hold links and joints.

        MuJoCo numbers bodies depth first, unlike our links.
        """
        bodies = np.array([self.model.body(str(link)).id for link in range(len(self.body))])
        joints = self.model.body_jntadr[bodies[1:]]
        poses = (self.model.jnt_qposadr[joints][:, None] + [1, 2, 3, 0]).ravel()  # wxyz, read as xyzw
        speeds = (self.model.jnt_dofadr[joints][:, None] + np.arange(3)).ravel()
        return _Addresses(bodies, poses, speeds)


class _Addresses(NamedTuple):
    """Indices of links and joints in MuJoCo's arrays."""

    bodies: np.ndarray
    """(L,) bodies of the links."""
    poses: np.ndarray
    """(4 J,) entries of the joints' rotations in `qpos`."""
    speeds: np.ndarray
    """(3 J,) entries of the joints' velocities in `qvel`."""


class _StateViews(NamedTuple):
    """Views of a state's arrays in MuJoCo's own memory.

    Views are bound once, because each attribute access would create another array.
    """

    pose: np.ndarray
    speeds: np.ndarray
    positions_m: np.ndarray
    joint_forces: np.ndarray
    root_wrench: np.ndarray

    @classmethod
    def bind(cls, data: Any) -> Self:
        return cls(data.qpos, data.qvel, data.xpos, data.qfrc_applied, data.xfrc_applied[1])


class MuJoCoWorld:
    """A world in MuJoCo, with a model for each body and a state for each motion."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self._compiled: dict[tuple[Humanoid, tuple[Support, ...], int], _CompiledBody] = {}
        self._step_s = 0.0

    def build(self, bodies: Sequence[Humanoid], step_s: float, supports: Sequence[Sequence[Support]]) -> None:
        """Compile the bodies; see `World`.

        Bodies that are already compiled for the same time step are reused. Equal bodies with equal supports share a
        model, except if there are holds: holds move within a model, so each of these bodies has its own.
        """
        earlier = self._compiled if step_s == self._step_s else {}
        self._compiled = {}
        self._step_s = step_s
        self._builds: list[_CompiledBody] = []
        self._data: list[Any] = []
        uses: dict[tuple[Humanoid, tuple[Support, ...]], int] = {}
        for body, body_supports in zip(bodies, supports, strict=True):
            alike = (body, tuple(body_supports))
            use = uses.get(alike, 0)
            uses[alike] = use + 1
            model_number = use if any(support.is_grip for support in body_supports) else 0
            state_number = use - model_number
            key = (*alike, model_number)
            build = self._compiled.get(key) or earlier.get(key)
            if build is None:
                build = _CompiledBody.compile(body, body_supports, self.settings, step_s)
            self._compiled[key] = build
            if len(build.data) <= state_number:
                build.data.append(mujoco.MjData(build.model))
            self._builds.append(build)
            self._data.append(build.data[state_number])
        self._views = [_StateViews.bind(data) for data in self._data]
        self._addresses = self._builds[0].addresses()
        self._stiffness = np.stack([build.stiffness for build in self._builds])
        self._centre_m = np.stack([body.centre_m[0] for body in bodies])
        model = self._builds[0].model
        count = len(bodies)
        links = len(bodies[0])
        self._poses = np.zeros((count, model.nq))
        self._speeds = np.zeros((count, model.nv))
        self._applied = np.zeros((count, model.nv))
        self._positions_m = np.zeros((count, links, 3))
        self._loads_n = np.zeros((count, links))
        self._running: Sequence[int] = range(count)

    def show(self, body: int, supports: Collection[int]) -> None:
        """Show some supports and hide the others.

        Slabs move into place or away, and hands grip or release holds.
        """
        build = self._builds[body]
        data = self._data[body]

        def height_m(link: int) -> float:
            """Return the height of a link's joint; for the root, that of the origin."""
            return float(data.xpos[self._addresses.bodies[link]][2])

        for slab, position_m in enumerate(build.colliders.slab_positions_m(supports, height_m)):
            data.mocap_pos[slab] = position_m
        for grip, (index, hold) in enumerate(build.colliders.holds.items()):
            anchors = build.model.eq_data[grip]
            if index in supports and not data.eq_active[grip]:
                link = self._addresses.bodies[hold.link]
                anchors[:3] = hold.hand_m
                anchors[3:6] = data.xpos[link] + data.xmat[link].reshape(3, 3) @ hold.hand_m
            anchors[3:6] = hold.next_hand_position_m(anchors[3:6])
            data.eq_active[grip] = index in supports

    def drive(
        self, body: Humanoid, reference: Reference, times_s: np.ndarray, torques_nm: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute spring targets and joint torques; see `World`.

        The torques also compensate dampers and armature. MuJoCo advances velocities before positions, so the velocity
        at a step is the one that has brought the joint there.
        """
        step_s = self._step_s
        limits_nm = body.torque_limit_nm[1:, None]
        build = next(build for build in self._builds if build.body is body)
        padded_times_s = np.concatenate([[times_s[0] - step_s], times_s, [times_s[-1] + step_s]])
        rotations = reference.rotations(padded_times_s)[:, :, 1:]
        velocity = rotation_vectors(compose(invert(rotations[:-1]), rotations[1:])) / step_s
        velocity[0] = velocity[1]  # the reference does not extend to before the start
        velocity = velocity.reshape(*velocity.shape[:2], -1)
        compensation_nm = build.damping * velocity[:-1] + build.armature * np.diff(velocity, axis=0) / step_s
        torques_nm = np.clip(torques_nm, -limits_nm, limits_nm) + compensation_nm.reshape(torques_nm.shape)
        return rotations[1:-1], torques_nm

    def reset(self, roots: RootState, rotations: np.ndarray, velocities_rad_s: np.ndarray) -> None:
        """Set the state of roots and joints; see `World`."""
        lever_m = rotate(roots.orientation, self._centre_m)
        poses = np.zeros_like(self._poses)
        speeds = np.zeros_like(self._speeds)
        poses[:, :3] = roots.position_m - lever_m
        poses[:, [4, 5, 6, 3]] = roots.orientation
        poses[:, self._addresses.poses] = rotations.reshape(len(poses), -1)
        speeds[:, :3] = roots.velocity_m_s - cross(roots.angular_velocity_rad_s, lever_m)
        speeds[:, 3:6] = rotate(invert(roots.orientation), roots.angular_velocity_rad_s)
        speeds[:, self._addresses.speeds] = velocities_rad_s.reshape(len(poses), -1)
        for build, data, pose, speed in zip(self._builds, self._data, poses, speeds, strict=True):
            mujoco.mj_resetData(build.model, data)
            data.qpos[:] = pose
            data.qvel[:] = speed
            mujoco.mj_forward(build.model, data)
        self._running = range(len(poses))
        self._read()

    def step(
        self,
        running: Sequence[int],
        targets: np.ndarray,
        torques_nm: np.ndarray,
        force_n: np.ndarray,
        torque_nm: np.ndarray,
    ) -> None:
        """Apply springs, torques and root wrenches, then advance; see `World`."""
        count = len(targets)
        self._running = running
        deflection_rad = rotation_vectors(compose(invert(targets), self.rotations()[:count]))
        applied_nm = torques_nm - self._stiffness[:count] * deflection_rad
        self._applied[:count, self._addresses.speeds] = applied_nm.reshape(count, -1)
        wrenches = np.concatenate([force_n, torque_nm], axis=-1)

        def advance(bodies: Sequence[int]) -> None:
            for body in bodies:
                model = self._builds[body].model
                data = self._data[body]
                views = self._views[body]
                views.joint_forces[:] = self._applied[body]
                views.root_wrench[:] = wrenches[body]
                mujoco.mj_step(model, data)
                mujoco.mj_kinematics(model, data)

        run_in_threads(advance, running, BODIES_PER_THREAD)
        self._read()

    def _read(self) -> None:
        """Copy the states of the bodies that advanced."""
        for body in self._running:
            views = self._views[body]
            self._poses[body] = views.pose
            self._speeds[body] = views.speeds
            self._positions_m[body] = views.positions_m.take(self._addresses.bodies, 0)

    def root(self) -> RootState:
        """Return the state of the roots."""
        orientation = self._poses.take(_XYZW, 1)
        angular_velocity_rad_s = rotate(orientation, self._speeds[:, 3:6])
        lever_m = rotate(orientation, self._centre_m)
        return RootState(
            position_m=self._poses[:, :3] + lever_m,
            orientation=orientation,
            velocity_m_s=self._speeds[:, :3] + cross(angular_velocity_rad_s, lever_m),
            angular_velocity_rad_s=angular_velocity_rad_s,
        )

    def rotations(self) -> np.ndarray:
        """Return the rotations of all joints."""
        return self._poses.take(self._addresses.poses, 1).reshape(len(self._poses), -1, 4)

    def velocities_rad_s(self) -> np.ndarray:
        """Return the angular velocities of all joints."""
        return self._speeds[:, self._addresses.speeds].reshape(len(self._speeds), -1, 3)

    def positions_m(self, links: Sequence[int]) -> np.ndarray:
        """Return the joint positions of some links."""
        return self._positions_m[:, links]

    def loads_n(self) -> np.ndarray:
        """Return the vertical forces that the surroundings exert on each link."""
        row_count = _ROWS_OF_NORMAL_FORCE[self.settings.mujoco.cone]
        for body in self._running:
            build = self._builds[body]
            data = self._data[body]
            contacts = data.contact
            carried_n = [0.0] * build.model.nbody
            pressed_n = [0.0] * build.model.nbody
            forces_n = data.efc_force.tolist()
            # The normal points to the second geometry. A loop takes less time than NumPy for so few contacts.
            rows = zip(
                contacts.efc_address.tolist(), contacts.frame[:, 2].tolist(), contacts.geom.tolist(), strict=True
            )
            for first, upwards, (lower_geometry, upper_geometry) in rows:
                load_n = sum(forces_n[first : first + row_count]) * upwards
                carried_n[build.geometry_bodies[upper_geometry]] += load_n
                pressed_n[build.geometry_bodies[lower_geometry]] += load_n
            self._loads_n[body] = np.subtract(carried_n, pressed_n)[self._addresses.bodies]
        return self._loads_n


def write_mjcf(body: Humanoid, settings: EngineSettings, step_s: float, colliders: SupportColliders) -> str:
    """Write a body on a floor as MJCF, MuJoCo's XML.

    The body collides with the floor and the supports that carry it, and with nothing else. Constraint Jacobians are
    dense as a precaution: according to MuJoCo's release notes, 4.0.1 fixes the Newton Hessian of sparse Jacobians,
    which MuJoCo uses from 60 degrees of freedom on (MuJoCo issue 3767). We found no body that is affected: for chains
    and trees with 39 to 129 degrees of freedom on a floor, accelerations of 4.0.0 agree within 1e-11.
    """
    supports = len(colliders.slabs) + len(colliders.holds)
    return (
        f'<mujoco><compiler angle="radian" inertiafromgeom="false"/>'
        f'<size memory="{STATE_BYTES + STATE_BYTES_PER_SUPPORT * supports}"/>'
        f'<option timestep="{float(step_s)!r}" gravity="{format_numbers(to_simulator(np.array(body.gravity_m_s2)))}" '
        f'integrator="Euler" jacobian="dense" '
        f'cone="{settings.mujoco.cone}" impratio="{settings.mujoco.friction_hardness}" '
        f'iterations="{settings.mujoco.solver_iterations}"><flag eulerdamp="disable"/></option>'
        f'<default><geom friction="{settings.friction} 0.005 0.0001" solref="{settings.mujoco.contact_time_s} 1" '
        f'solimp="0.9 0.99 0.001" '
        f'contype="0" conaffinity="1" condim="3"/></default>'
        f'<worldbody><geom type="plane" size="0 0 1" contype="1" conaffinity="0"/>{_write_link(body, 0, settings)}'
        + "".join(map(_write_slab, colliders.slabs.values()))
        + "</worldbody><equality>"
        + "".join(map(_write_hold, colliders.holds.values()))
        + "</equality></mujoco>"
    )


def _write_slab(slab: Slab) -> str:
    """Write a slab, far away until it is shown."""
    links = sum(map(_get_collision_bit, slab.links))
    turn_rad = float(np.deg2rad(slab.turn_deg))
    return (
        f'<body mocap="true" pos="{format_numbers(HIDDEN_POSITION_M)}" euler="0 0 {turn_rad!r}">'
        f'<geom type="box" size="{format_numbers(slab.half_m)}" '
        f'contype="{links}" conaffinity="0"/></body>'
    )


def _write_hold(hold: Hold) -> str:
    """Write an inactive constraint between a hand and the world."""
    return f'<connect body1="{hold.link}" anchor="{format_numbers(hold.hand_m)}" active="false"/>'


def _get_collision_bit(link: int) -> int:
    """Return the collision bit that a link shares with its supports; the floor's is 1."""
    return 2 << link


def _write_link(body: Humanoid, link: int, settings: EngineSettings) -> str:
    """Write a link and its descendants."""
    joint = "<freejoint/>" if link == 0 else '<joint type="ball"/>'
    touches = f'conaffinity="{1 + _get_collision_bit(link)}"'
    spheres = [
        f'<geom type="sphere" size="{SOLE_RADIUS_M}" pos="{format_numbers(centre_m)}" {touches}/>'
        for centre_m in compute_sole_centres_m(body, link, settings.sole_lowering_m)
    ]
    capsules = []
    for capsule in body.capsules:
        if capsule.link == link:
            ends = format_numbers(np.ravel(capsule.ends_m))
            capsules.append(f'<geom type="capsule" size="{capsule.radius_m}" fromto="{ends}" {touches}/>')
    return (
        f'<body name="{link}" pos="{format_numbers(body.tree.offsets_m[link])}">{joint}'
        f'<inertial pos="{format_numbers(body.centre_m[link])}" mass="{body.mass_kg[link]:.9g}" '
        f'diaginertia="{format_numbers(body.inertia_kgm2[link])}"/>'
        + "".join(spheres + capsules)
        + "".join(_write_link(body, child, settings) for child in body.tree.children[link])
        + "</body>"
    )


def _find_stiffness(part: str) -> float:
    return STIFFNESS_NM_RAD.get(part.split("_")[-1], SPINE_STIFFNESS_NM_RAD)


def _compute_subtree_inertia(body: Humanoid) -> np.ndarray:
    """Return the inertia (L,) of each joint's subtree, in the rest pose.

    The inertia is about the joint. Its parallel-axis term is the mean over all axes, to which each link adds its
    largest moment of inertia.
    """
    inertia = np.zeros(len(body))
    for top in range(len(body)):
        rest_m = {top: np.zeros(3)}
        for link in range(top, len(body)):
            if link != top and body.tree.parents[link] in rest_m:
                rest_m[link] = rest_m[body.tree.parents[link]] + body.tree.offsets_m[link]
        for link, joint_m in rest_m.items():
            arm_m = joint_m + body.centre_m[link]
            inertia[top] += body.mass_kg[link] * 2 / 3 * (arm_m @ arm_m) + body.inertia_kgm2[link].max()
    return inertia
