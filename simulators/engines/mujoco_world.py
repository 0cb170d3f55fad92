"""MuJoCo as a second back end: the same humanoid and tracker, another engine's contacts. Needs the extra `mujoco`.

MuJoCo integrates joint springs and dampers with its contacts, so here joints are implicit springs towards the moving
reference: stiffness K, damping D + K h and armature h D + h² K make one explicit Euler step equal to an implicit one.
Torque limits bound the feed-forward torques alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.correction.support import Support
from selfcorrect.simulators.body.frames import to_simulator
from selfcorrect.simulators.body.humanoid import SOLE_RADIUS_M, Humanoid
from selfcorrect.simulators.body.vectors import Numbers, cross
from selfcorrect.simulators.engines.props import NOWHERE_M, Hold, Props, Slab
from selfcorrect.simulators.engines.world import PerJoint, RootState
from selfcorrect.simulators.planning.reference import Reference
from selfcorrect.simulators.settings import EngineSettings

mujoco: Any = import_module("mujoco")  # its types are made at run time

STIFFNESS_NM_RAD = {"hip": 500, "knee": 500, "ankle": 400, "foot": 100, "collar": 400, "shoulder": 400, "elbow": 300}
SPINE_STIFFNESS_NM_RAD = 1000


class MuJoCoWorld:
    """MuJoCo in this process."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self._body: Humanoid | None = None
        self._props = Props({}, {})

    def build(self, body: Humanoid, step_s: float, supports: Sequence[Support] = ()) -> None:
        """Compile the body, unless it is the one already there at the same step, alone."""
        if body is self._body and step_s == self._step_s and not (supports or self._props):
            return
        self._body, self._step_s = body, step_s
        self._props = Props.of(body, supports)
        self.model = mujoco.MjModel.from_xml_string(mjcf(body, self.settings, step_s, self._props))
        self.data = mujoco.MjData(self.model)
        self._find_links(len(body))
        self._limits_nm, self._root_centre_m = body.torque_limit_nm[1:, None], body.centre_m[0]
        stiffness = np.array([self.settings.mujoco.stiffening * _stiffness(part) for part in body.tree.parts[1:]])
        damping = np.maximum(0.05 * stiffness, 2 * np.sqrt(stiffness * _subtree_inertia(body)[1:]))
        self._damping = np.repeat(damping + stiffness * step_s, 3)
        self._armature = np.repeat(damping * step_s + stiffness * step_s**2, 3)
        self.model.jnt_stiffness[self._joints] = stiffness
        self.model.dof_damping[self._speeds] = self._damping
        self.model.dof_armature[self._speeds] = self._armature

    def _find_links(self, links: int) -> None:
        """MuJoCo numbers bodies depth first: where ours are, and the addresses of their joints' numbers."""
        self._bodies = np.array([self.model.body(str(link)).id for link in range(links)])
        self._joints = self.model.body_jntadr[self._bodies[1:]]
        self._poses = (self.model.jnt_qposadr[self._joints][:, None] + [1, 2, 3, 0]).ravel()  # wxyz, read as xyzw
        self._speeds = (self.model.jnt_dofadr[self._joints][:, None] + np.arange(3)).ravel()

    def show(self, supports: Collection[int]) -> None:
        """Move slabs to their places, or away; hold hands where they are, or let them go."""
        for slab, place_m in enumerate(self._props.slab_places_m(supports, self._height_m)):
            self.data.mocap_pos[slab] = place_m
        for grip, (index, hold) in enumerate(self._props.holds.items()):
            if index in supports and not self.data.eq_active[grip]:
                turn = self.data.xmat[self._bodies[hold.link]].reshape(3, 3)
                self.model.eq_data[grip, :3] = hold.hand_m
                self.model.eq_data[grip, 3:6] = self.data.xpos[self._bodies[hold.link]] + turn @ hold.hand_m
            self.model.eq_data[grip, 3:6] = hold.drawn(self.model.eq_data[grip, 3:6])
            self.data.eq_active[grip] = index in supports

    def _height_m(self, link: int) -> float:
        """Height of a link's joint, or of the root's origin."""
        return float(self.data.xpos[self._bodies[link]][2])

    def drive(self, reference: Reference, times_s: np.ndarray, torques_nm: np.ndarray) -> tuple[list, list]:
        """Springs aim at the end of each step; torques make up for dampers and armature, which know no reference."""
        step_s, steps = self._step_s, len(times_s)
        around = reference.rotations(np.append(times_s, times_s[-1] + step_s) + 0.5 * step_s)[:, 1:]
        before = reference.rotations(np.append(times_s, times_s[-1] + step_s) - 0.5 * step_s)[:, 1:]
        velocity = (Rotation.from_quat(before).inv() * Rotation.from_quat(around)).as_rotvec() / step_s
        velocity = velocity.reshape(steps + 1, -1)
        acceleration = np.diff(velocity, axis=0) / step_s
        made_up = self._damping * velocity[:-1] + self._armature * acceleration
        torques_nm = np.clip(torques_nm, -self._limits_nm, self._limits_nm) + made_up.reshape(torques_nm.shape)
        return reference.rotations(times_s + step_s)[:, 1:].tolist(), torques_nm.tolist()

    def reset(self, root: RootState, rotations: PerJoint, velocities_rad_s: PerJoint) -> None:
        """Place root and joints."""
        turn = Rotation.from_quat(root.orientation)
        lever_m = turn.apply(self._root_centre_m)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:3] = root.position_m - lever_m
        self.data.qpos[[4, 5, 6, 3]] = root.orientation
        self.data.qpos[self._poses] = np.ravel(rotations)
        self.data.qvel[:3] = root.velocity_m_s - np.cross(root.angular_velocity_rad_s, lever_m)
        self.data.qvel[3:6] = turn.apply(root.angular_velocity_rad_s, inverse=True)
        self.data.qvel[self._speeds] = np.ravel(velocities_rad_s)
        mujoco.mj_forward(self.model, self.data)

    def step(self, targets: PerJoint, torques_nm: PerJoint, force_n: Numbers, torque_nm: Numbers) -> None:
        """Set springs, torques and the root wrench, then advance."""
        self.model.qpos_spring[self._poses] = np.ravel(targets)
        self.data.qfrc_applied[self._speeds] = np.ravel(torques_nm)
        self.data.xfrc_applied[1, :3] = force_n
        self.data.xfrc_applied[1, 3:] = torque_nm
        mujoco.mj_step(self.model, self.data)
        mujoco.mj_kinematics(self.model, self.data)

    def root(self) -> RootState:
        """State of the root."""
        *origin_m, w, x, y, z = self.data.qpos[:7].tolist()
        *velocity_m_s, p, q, r = self.data.qvel[:6].tolist()
        xx, xy, xz, yx, yy, yz, zx, zy, zz = self.data.xmat[1].tolist()
        angular_rad_s = xx * p + xy * q + xz * r, yx * p + yy * q + yz * r, zx * p + zy * q + zz * r
        centre_m = self.data.xipos[1].tolist()
        lever_m = [centre - origin for centre, origin in zip(centre_m, origin_m, strict=True)]
        turning_m_s = cross(angular_rad_s, lever_m)
        at_centre_m_s = [one + other for one, other in zip(velocity_m_s, turning_m_s, strict=True)]
        return RootState(centre_m, (x, y, z, w), at_centre_m_s, angular_rad_s)

    def rotations(self) -> list[Numbers]:
        """Rotations of all joints."""
        return self.data.qpos[self._poses].reshape(-1, 4).tolist()

    def positions_m(self, links: Sequence[int]) -> list[Numbers]:
        """Where the joints of some links are."""
        return self.data.xpos[self._bodies[list(links)]].tolist()

    def loads_n(self) -> list[float]:
        """Vertical force of the surroundings on each link."""
        touching, loads_n = self.data.contact, np.zeros(self.model.nbody)
        edges = touching.efc_address[:, None] + np.arange(4)  # of a pyramid, which add up to the normal force
        upward_n = self.data.efc_force[edges].sum(axis=1) * touching.frame[:, 2]
        one, other = self.model.geom_bodyid[touching.geom].T  # the normal points from one to the other
        np.add.at(loads_n, other, upward_n)
        np.add.at(loads_n, one, -upward_n)
        return loads_n[self._bodies].tolist()


def mjcf(body: Humanoid, settings: EngineSettings, step_s: float, props: Props) -> str:
    """The body over a floor as MuJoCo's XML. Bodies touch the floor and the supports that carry them, nothing else."""
    return (
        f'<mujoco><compiler angle="radian" inertiafromgeom="false"/>'
        f'<option timestep="{float(step_s)!r}" gravity="{_text(to_simulator(np.array(body.gravity_m_s2)))}" '
        f'integrator="Euler" cone="pyramidal" '
        f'iterations="{settings.mujoco.solver_iterations}"><flag eulerdamp="disable"/></option>'
        f'<default><geom friction="{settings.friction} 0.005 0.0001" solref="{settings.mujoco.contact_time_s} 1" '
        f'solimp="0.9 0.99 0.001" '
        f'contype="0" conaffinity="1" condim="3"/></default>'
        f'<worldbody><geom type="plane" size="0 0 1" contype="1" conaffinity="0"/>{_link(body, 0, settings)}'
        + "".join(map(_slab, props.slabs.values()))
        + "</worldbody><equality>"
        + "".join(map(_hold, props.holds.values()))
        + "</equality></mujoco>"
    )


def _slab(slab: Slab) -> str:
    """A slab, far away until it is shown."""
    links = sum(map(_bit, slab.links))
    return (
        f'<body mocap="true" pos="{_text(NOWHERE_M)}"><geom type="box" size="{_text(slab.half_m)}" '
        f'contype="{links}" conaffinity="0"/></body>'
    )


def _hold(hold: Hold) -> str:
    """A hand that may hold on to where it is."""
    return f'<connect body1="{hold.link}" anchor="{_text(hold.hand_m)}" active="false"/>'


def _bit(link: int) -> int:
    """The flag by which a link touches its supports; that of the floor is 1."""
    return 2 << link


def _link(body: Humanoid, link: int, settings: EngineSettings) -> str:
    """A link and, inside it, all that hang on it."""
    joint = "<freejoint/>" if link == 0 else '<joint type="ball"/>'
    touches = f'conaffinity="{1 + _bit(link)}"'
    up_m = np.array([0.0, SOLE_RADIUS_M - settings.sole_lowering_m, 0.0])
    spheres = [
        f'<geom type="sphere" size="{SOLE_RADIUS_M}" pos="{_text(corner + up_m)}" {touches}/>'
        for corner in body.soles.offsets_m[body.soles.joints == link]
    ]
    capsules = [
        f'<geom type="capsule" size="{capsule.radius_m}" fromto="{_text(np.ravel(capsule.ends_m))}" {touches}/>'
        for capsule in body.capsules
        if capsule.link == link
    ]
    return (
        f'<body name="{link}" pos="{_text(body.tree.offsets_m[link])}">{joint}'
        f'<inertial pos="{_text(body.centre_m[link])}" mass="{body.mass_kg[link]:.9g}" '
        f'diaginertia="{_text(body.inertia_kgm2[link])}"/>'
        + "".join(spheres + capsules)
        + "".join(_link(body, child, settings) for child in body.tree.children[link])
        + "</body>"
    )


def _text(numbers: Iterable[float]) -> str:
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
