"""Humanoid: a skeleton made into an articulated rigid body.

Every joint that muscles drive becomes a rigid link; joints that ride along (head, hands, fingers, twists) are frozen
into the link that carries them. Masses follow anthropometric tables, lengths the skeleton's own bones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Self

import numpy as np

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.motion.body.requirements import REQUIRED_PARTS
from selfcorrect.motion.body.surface import SolePoints, sole_points, stature_m
from selfcorrect.motion.geometry.rotations import rotate
from selfcorrect.motion.geometry.views import JointSubset
from selfcorrect.motion.ground import Ground
from selfcorrect.motion.motion import Moving
from selfcorrect.motion.skeleton import SMPL_22, SMPL_22_PARENTS, Skeleton

GRAVITY_M_S2 = 9.81

BODY_MASS_INDEX_KG_M2 = 23.0
"""Mass over squared stature of an adult of normal weight, between de Leva's women (20.5) and men (24.1)."""

STRENGTH_OF_KG = 71.8
"""Mass of the body whose joints are as strong as the table says; others are stronger or weaker in proportion."""
SOLE_RADIUS_M = 0.008
"""Radius of the spheres with which the soles touch the floor."""

LEG_BONE_M = (0.05, 1.5)
"""Lengths of thighs and shanks, from small children to giants."""

CARRIED_PARTS = frozenset({"", "neck", "head", "left_collar", "right_collar", "left_wrist", "right_wrist"})
SPINE = ("spine1", "spine2", "spine3")
"""Joints that follow the motion kinematically, and the spine, of which all but the lowest joint do so too. Freezing
them costs no fidelity and saves nearly half of the solver's rows."""

BULKY_PARTS = frozenset({"pelvis", "spine1", "spine2", "spine3", "left_hip", "right_hip"})


@dataclass(frozen=True)
class BodySegment:
    """A body segment: share of the body's mass (de Leva 1996, rounded), shape, strength of the joint at its base.

    The segment is a capsule from its joint towards the first of the parts `ends` that the skeleton has. Without one it
    goes `length_m` further along the incoming bone. An `across_m` > 0 lays the capsule sideways, half that wide.
    `centre` is where along the bone the centre of mass (and a sideways capsule) lies.
    """

    mass_percent: float
    radius_m: float
    centre: float
    ends: tuple[str, ...] = ()
    length_m: float = 0.0
    across_m: float = 0.0
    torque_limit_nm: float = 0.0


_ONE_SIDE = {
    "pelvis": BodySegment(11.2, 0.10, 0.0, across_m=0.07),
    "spine1": BodySegment(7.0, 0.10, 0.5, ("spine2", "spine3", "neck"), 0.12, 0.06, 400),
    "spine2": BodySegment(9.0, 0.10, 0.5, ("spine3", "neck"), 0.12, 0.06, 400),
    "spine3": BodySegment(13.3, 0.10, 0.4, ("neck", "head"), 0.25, 0.08, 400),
    "neck": BodySegment(1.6, 0.05, 0.5, ("head",), 0.10, torque_limit_nm=60),
    "head": BodySegment(5.3, 0.095, 0.9, length_m=0.09, torque_limit_nm=40),
    "left_hip": BodySegment(14.2, 0.065, 0.45, ("left_knee",), torque_limit_nm=400),
    "left_knee": BodySegment(4.3, 0.05, 0.45, ("left_ankle",), torque_limit_nm=400),
    "left_ankle": BodySegment(1.15, 0.0, 1.0, torque_limit_nm=300),
    "left_foot": BodySegment(0.25, 0.0, 1.0, torque_limit_nm=100),
    "left_collar": BodySegment(1.5, 0.05, 0.45, ("left_shoulder",), torque_limit_nm=150),
    "left_shoulder": BodySegment(2.7, 0.045, 0.45, ("left_elbow",), torque_limit_nm=120),
    "left_elbow": BodySegment(1.6, 0.035, 0.45, ("left_wrist",), 0.26, torque_limit_nm=80),
    "left_wrist": BodySegment(0.6, 0.035, 0.6, length_m=0.10, torque_limit_nm=30),
}
_PERCENT = sum(segment.mass_percent * (2 if part.startswith("left_") else 1) for part, segment in _ONE_SIDE.items())


@lru_cache(maxsize=len(SMPL_22))
def segment_of(part: str) -> BodySegment:
    """The segment that starts at a body part, left or right."""
    segment = _ONE_SIDE[part.replace("right_", "left_")]
    if part.startswith("right_"):
        return replace(segment, ends=tuple(end.replace("left_", "right_") for end in segment.ends))
    return segment


@dataclass(frozen=True)
class Capsule:
    """A collision shape on link `link`, end points in the link's frame, metres."""

    link: int
    ends_m: tuple[tuple[float, float, float], tuple[float, float, float]]
    radius_m: float


@dataclass(frozen=True, eq=False)
class ContactPoints:
    """C places where a body can touch the floor: spheres of radius 0 or more."""

    links: np.ndarray
    """(C,) link that carries each."""
    offsets_m: np.ndarray
    """(C, 3) centres in the links' frames."""
    radii_m: np.ndarray
    """(C,) radius of each, metres."""

    def __len__(self) -> int:
        return len(self.links)

    def lowest_points(self, positions_m: np.ndarray, orientations: np.ndarray) -> np.ndarray:
        """Their lowest points (..., C, 3) in the world, from world poses of the links (..., L, 3) and (..., L, 4)."""
        turned_m = rotate(orientations[..., self.links, :], self.offsets_m)
        down_m = self.radii_m[:, None] * np.array([0.0, 1.0, 0.0])
        return positions_m[..., self.links, :] + turned_m - down_m


@dataclass(frozen=True, eq=False)
class Humanoid:
    """An articulated body of L links; link 0 floats freely, each other hangs on its parent by a ball joint.

    Link frames are their joints' frames: parallel to the world (x left, y up, z forward) in the rest pose.
    """

    tree: Skeleton
    """The skeleton of the links."""
    joints: np.ndarray
    """(L,) index of each link's joint in the whole skeleton."""
    mass_kg: np.ndarray
    """(L,) mass of each link."""
    centre_m: np.ndarray
    """(L, 3) centre of mass."""
    inertia_kgm2: np.ndarray
    """(L, 3) moments about it, along the link's axes."""
    torque_limit_nm: np.ndarray
    """(L,) strength of the joint that carries the link."""
    capsules: tuple[Capsule, ...]
    """What can touch the floor beside the soles."""
    soles: SolePoints
    """The sole's corners, `soles.joints` counting links."""
    load_kg: float = 0.0
    """What it carries, which is part of its links' masses."""
    gravity_m_s2: tuple[float, float, float] = (0.0, -GRAVITY_M_S2, 0.0)
    """How it falls, world."""

    def link_view(self, whole: Moving) -> JointSubset[Moving]:
        """The view of the links of a motion on the whole skeleton alone."""
        return JointSubset(self.tree, self.joints, whole)

    def select_links(self, whole: Moving) -> Moving:
        """The motion of the links alone."""
        return self.link_view(whole).view(whole)

    @cached_property
    def contact_points(self) -> ContactPoints:
        """The soles' corners, then both ends of every capsule."""
        ends = [(capsule.link, end_m, capsule.radius_m) for capsule in self.capsules for end_m in capsule.ends_m]
        links, offsets_m, radii_m = zip(*ends, strict=True)
        return ContactPoints(
            links=np.concatenate([self.soles.joints, links]),
            offsets_m=np.concatenate([self.soles.offsets_m, offsets_m]),
            radii_m=np.concatenate([np.zeros(len(self.soles)), radii_m]),
        )

    def __len__(self) -> int:
        return len(self.mass_kg)

    @property
    def total_mass_kg(self) -> float:
        """Mass of the whole body, with what it carries."""
        return float(self.mass_kg.sum())

    @property
    def weight_n(self) -> float:
        """Weight of the body on Earth without what it carries: the unit of forces."""
        return (self.total_mass_kg - self.load_kg) * GRAVITY_M_S2

    @cached_property
    def trunk_and_thighs(self) -> np.ndarray:
        """Links that carry the body's weight on the floor when it lies or sits: trunk and thighs."""
        return np.array([link for link, part in enumerate(self.tree.parts) if part in BULKY_PARTS])

    def with_up_from(self, ground: Ground | None) -> Self:
        """The same body where what is up is what a ground says."""
        if ground is None or not ground.in_floor_frame:
            return self
        x, y, z = (-GRAVITY_M_S2 * ground.up).tolist()
        return replace(self, gravity_m_s2=(x, y, z))

    def with_minimum_inertia(self, minimum_kgm2: float) -> Self:
        """The same body with no moment of inertia below `minimum_kgm2`, as light links need in a coarse solver."""
        return replace(self, inertia_kgm2=np.maximum(self.inertia_kgm2, minimum_kgm2))


def estimate_mass_kg(skeleton: Skeleton) -> float:
    """What a body weighs by its shape, or with normal weight and this skeleton's stature, kilograms."""
    return skeleton.mass_kg or BODY_MASS_INDEX_KG_M2 * stature_m(skeleton) ** 2


def build_humanoid(skeleton: Skeleton, mass_kg: float | None = None, soles: SolePoints | None = None) -> Humanoid:
    """Build the body of a skeleton that weighs `mass_kg`, with the given soles or those of `sole_points`.

    Without a mass it weighs what its shape does, or else what is usual for its stature.

    Raises ValueError where the skeleton lacks a part of the legs, its root is not the pelvis, or the bones of the legs
    are no human's.
    """
    if missing := [part for part in REQUIRED_PARTS if skeleton.joint(part) is None]:
        raise InputError(f"a humanoid needs the parts {REQUIRED_PARTS}, the skeleton lacks {missing}")
    if skeleton.parts[0] != "pelvis":
        raise InputError(f"a humanoid's root must be its pelvis, got {skeleton.names[0]!r}")
    mass_kg = estimate_mass_kg(skeleton) if mass_kg is None else mass_kg
    if not mass_kg > 0:
        raise SettingError(f"body mass must be positive, got {mass_kg} kg")
    rest_m = skeleton.rest_positions_m
    _check_legs(skeleton, rest_m)
    joints = _find_driven_joints(skeleton)
    link_of = _assign_links(skeleton, joints)
    soles = soles or sole_points(skeleton)
    segments = [joint for joint, part in enumerate(skeleton.parts) if part]
    reach_m = {joint: _segment_vector_m(skeleton, soles, joint) for joint in segments}
    masses = _compute_part_masses(skeleton) * (mass_kg / _PERCENT)
    mass, centre, inertia = _assemble_links(skeleton, rest_m, joints, link_of, reach_m, masses)
    return Humanoid(
        tree=_build_link_tree(skeleton, rest_m, joints, link_of),
        joints=joints,
        mass_kg=mass,
        centre_m=centre,
        inertia_kgm2=inertia,
        torque_limit_nm=mass_kg
        / STRENGTH_OF_KG
        * np.array([segment_of(skeleton.parts[joint]).torque_limit_nm for joint in joints]),
        capsules=tuple(
            _capsule(skeleton, joint, reach_m[joint], link_of[joint], rest_m[joint] - rest_m[joints[link_of[joint]]])
            for joint in segments
            if segment_of(skeleton.parts[joint]).radius_m > 0
        ),
        soles=replace(soles, joints=link_of[soles.joints]),
    )


def _check_legs(skeleton: Skeleton, rest_m: np.ndarray) -> None:
    """Bones of thigh and shank must be long enough to bend, and not in other units than metres."""
    for side in ("left", "right"):
        for upper, lower in (("hip", "knee"), ("knee", "ankle")):
            ends = [skeleton.parts.index(f"{side}_{part}") for part in (upper, lower)]
            length_m = float(np.linalg.norm(rest_m[ends[1]] - rest_m[ends[0]]))
            if not LEG_BONE_M[0] < length_m < LEG_BONE_M[1]:
                raise InputError(
                    f"the bone from {side} {upper} to {lower} is {length_m:.3g} m long, expected {LEG_BONE_M[0]} to "
                    f"{LEG_BONE_M[1]} m; are the skeleton's offsets in metres?"
                )


def _find_driven_joints(skeleton: Skeleton) -> np.ndarray:
    """The joints that become links."""
    spine = [part for part in SPINE if skeleton.joint(part) is not None]
    carried = CARRIED_PARTS | set(spine[1:])
    return np.array([joint for joint, part in enumerate(skeleton.parts) if part not in carried])


def _assign_links(skeleton: Skeleton, joints: np.ndarray) -> np.ndarray:
    """For each joint the link (an index into `joints`) that carries it: its own, else its parent's."""
    own = {joint: link for link, joint in enumerate(joints.tolist())}
    link_of: list[int] = []
    for joint, parent in enumerate(skeleton.parents):
        link_of.append(own[joint] if joint in own else link_of[parent])
    return np.array(link_of)


def _build_link_tree(skeleton: Skeleton, rest_m: np.ndarray, joints: np.ndarray, link_of: np.ndarray) -> Skeleton:
    """The skeleton of the links alone."""
    parents = [-1] + [int(link_of[skeleton.parents[joint]]) for joint in joints[1:]]
    offsets_m = rest_m[joints] - rest_m[joints[parents]]
    offsets_m[0] = 0.0
    names = tuple(skeleton.names[joint] for joint in joints)
    return Skeleton(names, tuple(parents), offsets_m, tuple(skeleton.parts[joint] for joint in joints))


def _compute_part_masses(skeleton: Skeleton) -> np.ndarray:
    """(J,) mass in percent of the table; a part that the skeleton lacks weighs on its nearest ancestor there."""
    percent = np.zeros(len(skeleton))
    for part, parent in zip(SMPL_22, SMPL_22_PARENTS, strict=True):
        holder, ancestor = skeleton.joint(part), parent
        while holder is None:
            holder, ancestor = skeleton.joint(SMPL_22[ancestor]), SMPL_22_PARENTS[ancestor]
        percent[holder] += segment_of(part).mass_percent
    return percent


def _segment_vector_m(skeleton: Skeleton, soles: SolePoints, joint: int) -> np.ndarray:
    """The vector (3,) from a joint to the end of its segment, in the joint's frame, metres."""
    segment = segment_of(skeleton.parts[joint])
    if (on_foot := soles.joints == joint).any():
        return soles.offsets_m[on_foot].mean(0) * (1.0, 0.5, 1.0)
    end = next((found for part in segment.ends if (found := skeleton.joint(part)) is not None), None)
    if end is not None:
        return skeleton.rest_positions_m[end] - skeleton.rest_positions_m[joint]
    incoming_m = skeleton.offsets_m[joint]
    return incoming_m / max(float(np.linalg.norm(incoming_m)), 1e-9) * segment.length_m


def _assemble_links(
    skeleton: Skeleton,
    rest_m: np.ndarray,
    joints: np.ndarray,
    link_of: np.ndarray,
    reach_m: dict[int, np.ndarray],
    masses_kg: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mass (L,), centre (L, 3) and diagonal inertia (L, 3) of each link, joined from the segments it carries."""
    mass, centre, inertia = np.zeros(len(joints)), np.zeros((len(joints), 3)), np.zeros((len(joints), 3))
    pieces = []
    for joint, reach in reach_m.items():
        segment, link = segment_of(skeleton.parts[joint]), link_of[joint]
        middle_m = rest_m[joint] - rest_m[joints[link]] + segment.centre * reach
        axis_m = np.array([2 * segment.across_m, 0.0, 0.0]) if segment.across_m else reach
        pieces.append((link, masses_kg[joint], middle_m, _rod_inertia(masses_kg[joint], axis_m, segment.radius_m)))
        mass[link] += masses_kg[joint]
        centre[link] += masses_kg[joint] * middle_m
    centre /= mass[:, None]
    for link, kilograms, middle_m, own in pieces:
        away_m = middle_m - centre[link]
        inertia[link] += own + kilograms * (away_m @ away_m - away_m**2)  # parallel axes, off-diagonals dropped
    return mass, centre, inertia


def _rod_inertia(mass_kg: float, axis_m: np.ndarray, radius_m: float) -> np.ndarray:
    """Diagonal (3,) of the inertia of a solid cylinder along `axis_m`, rounded ends counted as half a radius each."""
    length = float(np.linalg.norm(axis_m))
    along, full = axis_m / max(length, 1e-9), length + radius_m
    axial, across = 0.5 * mass_kg * radius_m**2, mass_kg * (3 * radius_m**2 + full**2) / 12
    return across + (axial - across) * along**2


def _capsule(skeleton: Skeleton, joint: int, reach_m: np.ndarray, link: int, joint_m: np.ndarray) -> Capsule:
    """The collision shape of a segment whose joint lies at `joint_m` in its link's frame."""
    segment = segment_of(skeleton.parts[joint])
    if segment.across_m:
        half_m = np.array([segment.across_m, 0.0, 0.0])
        start_m, end_m = segment.centre * reach_m - half_m, segment.centre * reach_m + half_m
    else:
        start_m, end_m = np.zeros(3), reach_m
    return Capsule(int(link), (_format_vector(joint_m + start_m), _format_vector(joint_m + end_m)), segment.radius_m)


def _format_vector(vector: np.ndarray) -> tuple[float, float, float]:
    x, y, z = vector.tolist()
    return x, y, z
