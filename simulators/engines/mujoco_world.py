"""MuJoCo as a second back end: the same humanoid and tracker, another engine's contacts. Needs the extra `mujoco`.

Joints are implicit springs towards the moving reference: stiffness K, damping D + K h and armature h D + h² K make one
explicit Euler step equal to an implicit one. MuJoCo integrates dampers and armature with its contacts; the springs,
whose targets belong to a motion and not to a model, are applied to it.
Torque limits bound the feed-forward torques alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple, Self

import numpy as np

from selfcorrect.motion.geometry.rotations import compose, invert, rotate, rotation_vectors
from selfcorrect.motion.geometry.vectors import cross
from selfcorrect.motion.support import Support
from selfcorrect.runtime.processes import in_threads

from ..body.frames import to_simulator
from ..body.humanoid import SOLE_RADIUS_M, Humanoid
from ..settings.tracker import EngineSettings
from .support_colliders import NOWHERE_M, Hold, Slab, SupportColliders
from .world import Reference, RootState

mujoco: Any = import_module("mujoco")  # its types are made at run time
mujoco.set_mju_user_warning(lambda _: None)  # else a file is written wherever a body is lost; the tracker reports that

STIFFNESS_NM_RAD = {"hip": 500, "knee": 500, "ankle": 400, "foot": 100, "collar": 400, "shoulder": 400, "elbow": 300}
SPINE_STIFFNESS_NM_RAD = 1000

STATE_BYTES, STATE_BYTES_PER_SUPPORT = 2 * 2**20, 2**13
"""What contacts may take in each state. A body whose links are all in the floor takes 0.3 MB. MuJoCo's own choice is
15 MB, which makes 4 GB of the 256 copies that may follow a motion without residual force."""

BODIES_PER_THREAD = 16
"""Fewer are stepped sooner than another thread starts."""


@dataclass(frozen=True, eq=False)
class _CompiledBody:
    """A body compiled, alone or with what carries it beside the floor."""

    body: Humanoid
    colliders: SupportColliders
    model: Any
    stiffness: np.ndarray
    """(J, 1) of the joints' springs, N m/rad; what of a model moves is set at every step, so they are none of it."""
    damping: np.ndarray
    """(3 J,) N m s/rad."""
    armature: np.ndarray
    """(3 J,) kg m²."""
    data: list[Any]
    """A state of it for each motion that follows."""

    @classmethod
    def compile(cls, body: Humanoid, supports: Sequence[Support], settings: EngineSettings, step_s: float) -> Self:
        """Compile a body."""
        colliders = SupportColliders.from_supports(body, supports)
        model = mujoco.MjModel.from_xml_string(write_mjcf(body, settings, step_s, colliders))
        stiffness = np.array([settings.mujoco.stiffening * _stiffness(part) for part in body.tree.parts[1:]])
        damping = np.maximum(0.05 * stiffness, 2 * np.sqrt(stiffness * _subtree_inertia(body)[1:]))
        along = np.repeat(damping + stiffness * step_s, 3)
        armature = np.repeat(damping * step_s + stiffness * step_s**2, 3)
        build = cls(body, colliders, model, stiffness[:, None], along, armature, [])
        speeds = build.addresses().speeds
        model.dof_damping[speeds], model.dof_armature[speeds] = along, armature
        return build

    def addresses(self) -> _Addresses:
        """MuJoCo numbers bodies depth first: where ours are, and the numbers of their joints."""
        bodies = np.array([self.model.body(str(link)).id for link in range(len(self.body))])
        joints = self.model.body_jntadr[bodies[1:]]
        poses = (self.model.jnt_qposadr[joints][:, None] + [1, 2, 3, 0]).ravel()  # wxyz, read as xyzw
        return _Addresses(bodies, poses, (self.model.jnt_dofadr[joints][:, None] + np.arange(3)).ravel())


class _Addresses(NamedTuple):
    """Where the numbers of links are among MuJoCo's."""

    bodies: np.ndarray
    """(L,)."""
    poses: np.ndarray
    """(4 J,) of the joints' rotations."""
    speeds: np.ndarray
    """(3 J,) of the joints' velocities."""


class MuJoCoWorld:
    """MuJoCo in this process: a model for each body, a state for each motion."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self._known: dict[tuple[Humanoid, tuple[Support, ...], int], _CompiledBody] = {}
        self._step_s = 0.0

    def build(self, bodies: Sequence[Humanoid], step_s: float, supports: Sequence[Sequence[Support]]) -> None:
        """Compile the bodies, but those that are already there at the same step.

        Like bodies on like supports share what is compiled. Holds move in it, so that each then has its own.
        """
        known = self._known if step_s == self._step_s else {}
        self._known, self._step_s, self._builds, self._data = {}, step_s, [], []
        used: dict[tuple[Humanoid, tuple[Support, ...]], int] = {}
        for body, own in zip(bodies, supports, strict=True):
            alike = (body, tuple(own))
            copy = used[alike] = used.get(alike, -1) + 1
            number = copy if any(support.is_grip for support in own) else 0
            key = (*alike, number)
            build = self._known.get(key) or known.get(key) or _CompiledBody.compile(body, own, self.settings, step_s)
            self._known[key] = build
            if len(build.data) <= copy - number:
                build.data.append(mujoco.MjData(build.model))
            self._builds.append(build)
            self._data.append(build.data[copy - number])
        self._where = self._builds[0].addresses()
        self._stiffness = np.stack([build.stiffness for build in self._builds])
        self._centre_m = np.stack([body.centre_m[0] for body in bodies])
        model, count = self._builds[0].model, len(bodies)
        self._poses, self._speeds = np.zeros((count, model.nq)), np.zeros((count, model.nv))
        self._applied = np.zeros((count, model.nv))
        self._places_m, self._loads_n = np.zeros((count, len(bodies[0]), 3)), np.zeros((count, len(bodies[0])))
        self._running: Sequence[int] = range(count)

    def show(self, body: int, supports: Collection[int]) -> None:
        """Move slabs to their places, or away; hold hands where they are, or let them go."""
        build, data = self._builds[body], self._data[body]

        def height_m(link: int) -> float:
            """Height of a link's joint, or of the root's origin."""
            return float(data.xpos[self._where.bodies[link]][2])

        for slab, place_m in enumerate(build.colliders.slab_places_m(supports, height_m)):
            data.mocap_pos[slab] = place_m
        for grip, (index, hold) in enumerate(build.colliders.holds.items()):
            anchors = build.model.eq_data[grip]
            if index in supports and not data.eq_active[grip]:
                link = self._where.bodies[hold.link]
                anchors[:3] = hold.hand_m
                anchors[3:6] = data.xpos[link] + data.xmat[link].reshape(3, 3) @ hold.hand_m
            anchors[3:6] = hold.next_hand_position_m(anchors[3:6])
            data.eq_active[grip] = index in supports

    def drive(
        self, body: Humanoid, reference: Reference, times_s: np.ndarray, torques_nm: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Springs aim at the joints' targets at each step; torques make up for dampers and armature, which know no
        reference.

        MuJoCo advances velocities before positions: what it calls the velocity at a step has brought a joint there.
        """
        step_s, limits_nm = self._step_s, body.torque_limit_nm[1:, None]
        build = next(build for build in self._builds if build.body is body)
        before, after = times_s[0] - step_s, times_s[-1] + step_s
        rotations = reference.rotations(np.concatenate([[before], times_s, [after]]))[:, :, 1:]
        velocity = rotation_vectors(compose(invert(rotations[:-1]), rotations[1:])) / step_s
        velocity[0] = velocity[1]  # nothing is known of before the start
        velocity = velocity.reshape(*velocity.shape[:2], -1)
        made_up = build.damping * velocity[:-1] + build.armature * np.diff(velocity, axis=0) / step_s
        torques_nm = np.clip(torques_nm, -limits_nm, limits_nm) + made_up.reshape(torques_nm.shape)
        return rotations[1:-1], torques_nm

    def reset(self, roots: RootState, rotations: np.ndarray, velocities_rad_s: np.ndarray) -> None:
        """Place roots and joints."""
        lever_m = rotate(roots.orientation, self._centre_m)
        poses, speeds = np.zeros_like(self._poses), np.zeros_like(self._speeds)
        poses[:, :3], poses[:, [4, 5, 6, 3]] = roots.position_m - lever_m, roots.orientation
        poses[:, self._where.poses] = rotations.reshape(len(poses), -1)
        speeds[:, :3] = roots.velocity_m_s - cross(roots.angular_velocity_rad_s, lever_m)
        speeds[:, 3:6] = rotate(invert(roots.orientation), roots.angular_velocity_rad_s)
        speeds[:, self._where.speeds] = velocities_rad_s.reshape(len(poses), -1)
        for build, data, pose, speed in zip(self._builds, self._data, poses, speeds, strict=True):
            mujoco.mj_resetData(build.model, data)
            data.qpos[:], data.qvel[:] = pose, speed
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
        """Set springs, torques and root wrenches, then advance."""
        count, self._running = len(targets), running
        sprung_rad = rotation_vectors(compose(invert(targets), self.rotations()[:count]))
        applied_nm = torques_nm - self._stiffness[:count] * sprung_rad
        self._applied[:count, self._where.speeds] = applied_nm.reshape(count, -1)
        wrenches = np.concatenate([force_n, torque_nm], axis=-1)

        def advance(bodies: Sequence[int]) -> None:
            for body in bodies:
                model, data = self._builds[body].model, self._data[body]
                data.qfrc_applied[:] = self._applied[body]
                data.xfrc_applied[1] = wrenches[body]
                mujoco.mj_step(model, data)
                mujoco.mj_kinematics(model, data)

        in_threads(advance, running, BODIES_PER_THREAD)
        self._read()

    def _read(self) -> None:
        """Take over the state of the bodies that ran."""
        for body in self._running:
            data = self._data[body]
            self._poses[body], self._speeds[body] = data.qpos, data.qvel
            self._places_m[body] = data.xpos[self._where.bodies]

    def root(self) -> RootState:
        """State of the roots."""
        turn = self._poses[:, [4, 5, 6, 3]]
        angular_rad_s, lever_m = rotate(turn, self._speeds[:, 3:6]), rotate(turn, self._centre_m)
        velocity_m_s = self._speeds[:, :3] + cross(angular_rad_s, lever_m)
        return RootState(self._poses[:, :3] + lever_m, turn, velocity_m_s, angular_rad_s)

    def rotations(self) -> np.ndarray:
        """Rotations of all joints."""
        return self._poses[:, self._where.poses].reshape(len(self._poses), -1, 4)

    def velocities_rad_s(self) -> np.ndarray:
        """Angular velocities of all joints."""
        return self._speeds[:, self._where.speeds].reshape(len(self._speeds), -1, 3)

    def positions_m(self, links: Sequence[int]) -> np.ndarray:
        """Where the joints of some links are."""
        return self._places_m[:, links]

    def loads_n(self) -> np.ndarray:
        """Vertical force of the surroundings on each link."""
        for body in self._running:
            model, data = self._builds[body].model, self._data[body]
            touching, loads_n = data.contact, np.zeros(model.nbody)
            edges = touching.efc_address[:, None] + np.arange(4)  # of a pyramid, which add up to the normal force
            upward_n = data.efc_force[edges].sum(axis=1) * touching.frame[:, 2]
            one, other = model.geom_bodyid[touching.geom].T  # the normal points from one to the other
            np.add.at(loads_n, other, upward_n)
            np.add.at(loads_n, one, -upward_n)
            self._loads_n[body] = loads_n[self._where.bodies]
        return self._loads_n


def write_mjcf(body: Humanoid, settings: EngineSettings, step_s: float, colliders: SupportColliders) -> str:
    """The body over a floor as MuJoCo's XML. Bodies touch the floor and the supports that carry them, nothing else.

    Constraint Jacobians are dense: MuJoCo 4.0.0 computes a wrong Newton Hessian from sparse ones, which it would take
    from 60 degrees of freedom on (issue 3767 there; fixed in 4.0.1).
    """
    supports = len(colliders.slabs) + len(colliders.holds)
    return (
        f'<mujoco><compiler angle="radian" inertiafromgeom="false"/>'
        f'<size memory="{STATE_BYTES + STATE_BYTES_PER_SUPPORT * supports}"/>'
        f'<option timestep="{float(step_s)!r}" gravity="{_format_numbers(to_simulator(np.array(body.gravity_m_s2)))}" '
        f'integrator="Euler" cone="pyramidal" jacobian="dense" '
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
    """A slab, far away until it is shown."""
    links = sum(map(_collision_bit, slab.links))
    return (
        f'<body mocap="true" pos="{_format_numbers(NOWHERE_M)}" euler="0 0 {float(np.deg2rad(slab.turn_deg))!r}">'
        f'<geom type="box" size="{_format_numbers(slab.half_m)}" '
        f'contype="{links}" conaffinity="0"/></body>'
    )


def _write_hold(hold: Hold) -> str:
    """A hand that may hold on to where it is."""
    return f'<connect body1="{hold.link}" anchor="{_format_numbers(hold.hand_m)}" active="false"/>'


def _collision_bit(link: int) -> int:
    """The flag by which a link touches its supports; that of the floor is 1."""
    return 2 << link


def _write_link(body: Humanoid, link: int, settings: EngineSettings) -> str:
    """A link and, inside it, all that hang on it."""
    joint = "<freejoint/>" if link == 0 else '<joint type="ball"/>'
    touches = f'conaffinity="{1 + _collision_bit(link)}"'
    up_m = np.array([0.0, SOLE_RADIUS_M - settings.sole_lowering_m, 0.0])
    spheres = [
        f'<geom type="sphere" size="{SOLE_RADIUS_M}" pos="{_format_numbers(corner + up_m)}" {touches}/>'
        for corner in body.soles.offsets_m[body.soles.joints == link]
    ]
    capsules = []
    for capsule in body.capsules:
        if capsule.link == link:
            ends = _format_numbers(np.ravel(capsule.ends_m))
            capsules.append(f'<geom type="capsule" size="{capsule.radius_m}" fromto="{ends}" {touches}/>')
    return (
        f'<body name="{link}" pos="{_format_numbers(body.tree.offsets_m[link])}">{joint}'
        f'<inertial pos="{_format_numbers(body.centre_m[link])}" mass="{body.mass_kg[link]:.9g}" '
        f'diaginertia="{_format_numbers(body.inertia_kgm2[link])}"/>'
        + "".join(spheres + capsules)
        + "".join(_write_link(body, child, settings) for child in body.tree.children[link])
        + "</body>"
    )


def _format_numbers(numbers: Iterable[float]) -> str:
    return " ".join(f"{number:.9g}" for number in numbers)


def _stiffness(part: str) -> float:
    return STIFFNESS_NM_RAD.get(part.split("_")[-1], SPINE_STIFFNESS_NM_RAD)


def _subtree_inertia(body: Humanoid) -> np.ndarray:
    """(L,) moment of inertia of all that hangs on each joint, about it, in the rest pose: a mean over directions."""
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
