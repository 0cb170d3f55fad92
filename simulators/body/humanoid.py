"""An articulated rigid body built from a skeleton.

Every joint that muscles drive becomes a link. Other joints (head, hands, fingers, twist joints) are frozen into the
link that carries them. Masses follow anthropometric tables, and lengths follow the skeleton's bones.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Self

import numpy as np

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.motion.body.requirements import REQUIRED_PARTS
from selfcorrect.motion.body.surface import SolePoints, sole_points, stature_m
from selfcorrect.motion.geometry.rotations import rotate
from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2, UP
from selfcorrect.motion.ground import Ground
from selfcorrect.motion.motion import Moving
from selfcorrect.motion.skeleton import SMPL_22, SMPL_22_PARENTS, Skeleton
from selfcorrect.motion.views import JointSubset

BODY_MASS_INDEX_KG_M2 = 23.0
"""Body-mass index of an adult of normal weight, in kg/m². It lies between de Leva's women (20.5) and men (24.1)."""

STRENGTH_OF_KG = 71.8
"""Body mass to which the table's joint strengths apply, in kg. Strength scales with body mass."""

SOLE_RADIUS_M = 0.008
"""Radius of the contact spheres at the soles' corners, in m."""

LEG_BONE_M = (0.05, 1.5)
"""Minimum and maximum length of a thigh or shank, in m."""

KINEMATIC_PARTS = frozenset({"", "neck", "head", "left_collar", "right_collar", "left_wrist", "right_wrist"})
"""Parts whose joints follow the motion kinematically. Freezing them costs no fidelity and saves nearly half of the
solver's constraint rows."""

SPINE = ("spine1", "spine2", "spine3")
"""Joints of the spine. All but the lowest follow the motion kinematically, too."""

BULKY_PARTS = frozenset({"pelvis", "spine1", "spine2", "spine3", "left_hip", "right_hip"})
"""Parts of trunk and thighs, which carry a lying or sitting body."""


@dataclass(frozen=True)
class BodySegment:
    """Mass, collision shape and strength of a body segment.

    Mass shares are those of de Leva 1996, rounded. The shape is a capsule from the segment's joint along its bone.
    """

    mass_percent: float
    """Share of the body's mass, in percent."""
    radius_m: float
    """Radius of the capsule; 0 for none."""
    centre: float
    """Position of the centre of mass along the bone, as a share of the bone. A sideways capsule lies there, too."""
    ends: tuple[str, ...] = ()
    """Parts at which the capsule may end. The first that the skeleton has counts."""
    length_m: float = 0.0
    """Length of the capsule, along the incoming bone, if the skeleton has none of these parts."""
    across_m: float = 0.0
    """Half length of a capsule that lies sideways; 0 for a capsule along the bone."""
    torque_limit_nm: float = 0.0
    """Strength of the joint at the segment's base."""


_SEGMENTS = {
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
_TOTAL_PERCENT = sum(
    segment.mass_percent * (2 if part.startswith("left_") else 1) for part, segment in _SEGMENTS.items()
)


@lru_cache(maxsize=len(SMPL_22))
def segment_of(part: str) -> BodySegment:
    """Return the table's segment for a part of either side."""
    segment = _SEGMENTS[part.replace("right_", "left_")]
    if part.startswith("right_"):
        return replace(segment, ends=tuple(end.replace("left_", "right_") for end in segment.ends))
    return segment


@dataclass(frozen=True)
class Capsule:
    """A collision capsule with end points in its link's frame."""

    link: int
    ends_m: tuple[tuple[float, float, float], tuple[float, float, float]]
    radius_m: float


@dataclass(frozen=True, eq=False)
class ContactPoints:
    """The C spheres, of radius 0 or more, with which a body can touch the floor."""

    links: np.ndarray
    """(C,) link of each point."""
    offsets_m: np.ndarray
    """(C, 3) sphere centres in the links' frames."""
    radii_m: np.ndarray
    """(C,) radius of each sphere, in m."""

    def __len__(self) -> int:
        return len(self.links)

    def lowest_points(self, positions_m: np.ndarray, orientations: np.ndarray) -> np.ndarray:
        """Return the lowest point of each sphere.

        Args:
            positions_m: (..., L, 3) links, world.
            orientations: (..., L, 4) links, world.

        Returns:
            (..., C, 3) in m, world.
        """
        turned_m = rotate(orientations.take(self.links, -2), self.offsets_m)
        down_m = self.radii_m[:, None] * UP
        return positions_m.take(self.links, -2) + turned_m - down_m


@dataclass(frozen=True, eq=False)
class Humanoid:
    """An articulated body of L links.

    Link 0 floats freely, and each other link is attached to its parent by a ball joint. A link's frame is that of its
    joint, which is parallel to the world at rest (x left, y up, z forward).
    """

    tree: Skeleton
    """The skeleton of the links."""
    joints: np.ndarray
    """(L,) skeleton joint of each link."""
    mass_kg: np.ndarray
    """(L,) mass of each link."""
    centre_m: np.ndarray
    """(L, 3) centre of mass in the link's frame."""
    inertia_kgm2: np.ndarray
    """(L, 3) moments of inertia about the centre of mass, along the link's axes."""
    torque_limit_nm: np.ndarray
    """(L,) strength of each link's joint."""
    capsules: tuple[Capsule, ...]
    """Collision shapes other than the soles."""
    soles: SolePoints
    """Corners of the soles. Their `joints` are indices of links."""
    load_kg: float = 0.0
    """Mass of a carried load, in kg. The links' masses include it."""
    gravity_m_s2: tuple[float, float, float] = (0.0, -GRAVITY_M_S2, 0.0)
    """Acceleration due to gravity, world."""

    def link_view(self, motion: Moving) -> JointSubset[Moving]:
        """Return the view that reduces a motion of the whole skeleton to the links."""
        return JointSubset(self.tree, self.joints, motion)

    def select_links(self, motion: Moving) -> Moving:
        """Reduce a motion of the whole skeleton to the links."""
        return self.link_view(motion).view(motion)

    @cached_property
    def contact_points(self) -> ContactPoints:
        """The soles' corners, then both ends of every capsule."""
        links = []
        ends_m = []
        radii_m = []
        for capsule in self.capsules:
            for end_m in capsule.ends_m:
                links.append(capsule.link)
                ends_m.append(end_m)
                radii_m.append(capsule.radius_m)
        return ContactPoints(
            links=np.concatenate([self.soles.joints, links]),
            offsets_m=np.concatenate([self.soles.offsets_m, ends_m]),
            radii_m=np.concatenate([np.zeros(len(self.soles)), radii_m]),
        )

    def __len__(self) -> int:
        return len(self.mass_kg)

    @property
    def total_mass_kg(self) -> float:
        """Mass of the whole body, with the load."""
        return float(self.mass_kg.sum())

    @property
    def weight_n(self) -> float:
        """Body weight on Earth without the load: the unit of forces."""
        return (self.total_mass_kg - self.load_kg) * GRAVITY_M_S2

    @cached_property
    def trunk_and_thighs(self) -> np.ndarray:
        """Links that carry a lying or sitting body: trunk and thighs."""
        return np.array([link for link, part in enumerate(self.tree.parts) if part in BULKY_PARTS])

    def with_up_from(self, ground: Ground | None) -> Self:
        """Return the body with gravity along the ground's vertical."""
        if ground is None or not ground.in_floor_frame:
            return self
        x, y, z = (-GRAVITY_M_S2 * ground.up).tolist()
        return replace(self, gravity_m_s2=(x, y, z))

    def with_minimum_inertia(self, minimum_kgm2: float) -> Self:
        """Return the body with moments of inertia of at least `minimum_kgm2`.

        Lighter links would be unstable in a coarse solver.
        """
        return replace(self, inertia_kgm2=np.maximum(self.inertia_kgm2, minimum_kgm2))


def estimate_mass_kg(skeleton: Skeleton) -> float:
    """Return a body's mass in kg: that of its shape, or else the normal one for its stature."""
    return skeleton.mass_kg or BODY_MASS_INDEX_KG_M2 * stature_m(skeleton) ** 2


def build_humanoid(skeleton: Skeleton, mass_kg: float | None = None, soles: SolePoints | None = None) -> Humanoid:
    """Build the body of a skeleton.

    Args:
        skeleton: Skeleton with the pelvis as root.
        mass_kg: Mass of the body; by default that of `estimate_mass_kg`.
        soles: Corners of the soles; by default those of `sole_points`.

    Raises:
        InputError: The skeleton lacks a part of the legs, the root is not the pelvis, or a leg bone is too short or too
            long for a person.
        SettingError: The mass is not positive.
    """
    if missing := [part for part in REQUIRED_PARTS if skeleton.joint(part) is None]:
        raise InputError(f"a humanoid needs the parts {REQUIRED_PARTS}, but the skeleton lacks {missing}")
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
    segment_joints = [joint for joint, part in enumerate(skeleton.parts) if part]
    reach_m = {joint: _segment_vector_m(skeleton, soles, joint) for joint in segment_joints}
    part_masses_kg = _compute_part_masses(skeleton) * (mass_kg / _TOTAL_PERCENT)
    link_masses_kg, centre_m, inertia_kgm2 = _assemble_links(skeleton, rest_m, joints, link_of, reach_m, part_masses_kg)
    torque_limits_nm = np.array([segment_of(skeleton.parts[joint]).torque_limit_nm for joint in joints])
    capsules = []
    for joint in segment_joints:
        if segment_of(skeleton.parts[joint]).radius_m > 0:
            link = link_of[joint]
            joint_m = rest_m[joint] - rest_m[joints[link]]
            capsules.append(_capsule(skeleton, joint, reach_m[joint], link, joint_m))
    return Humanoid(
        tree=_build_link_tree(skeleton, rest_m, joints, link_of),
        joints=joints,
        mass_kg=link_masses_kg,
        centre_m=centre_m,
        inertia_kgm2=inertia_kgm2,
        torque_limit_nm=mass_kg / STRENGTH_OF_KG * torque_limits_nm,
        capsules=tuple(capsules),
        soles=replace(soles, joints=link_of[soles.joints]),
    )


def _check_legs(skeleton: Skeleton, rest_m: np.ndarray) -> None:
    """Check that thighs and shanks have plausible lengths in metres."""
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
    """Return the joints that become links."""
    spine = [part for part in SPINE if skeleton.joint(part) is not None]
    carried = KINEMATIC_PARTS | set(spine[1:])
    return np.array([joint for joint, part in enumerate(skeleton.parts) if part not in carried])


def _assign_links(skeleton: Skeleton, joints: np.ndarray) -> np.ndarray:
    """Return the link that carries each joint, its own or its parent's.

    Returns:
        (J,) indices into `joints`.
    """
    link_of_driven = {joint: link for link, joint in enumerate(joints.tolist())}
    link_of: list[int] = []
    for joint, parent in enumerate(skeleton.parents):
        link = link_of_driven[joint] if joint in link_of_driven else link_of[parent]
        link_of.append(link)
    return np.array(link_of)


def _build_link_tree(skeleton: Skeleton, rest_m: np.ndarray, joints: np.ndarray, link_of: np.ndarray) -> Skeleton:
    """Return the skeleton of only the links."""
    parents = [-1] + [int(link_of[skeleton.parents[joint]]) for joint in joints[1:]]
    offsets_m = rest_m[joints] - rest_m[joints[parents]]
    offsets_m[0] = 0.0
    names = tuple(skeleton.names[joint] for joint in joints)
    parts = tuple(skeleton.parts[joint] for joint in joints)
    return Skeleton(names, tuple(parents), offsets_m, parts)


def _compute_part_masses(skeleton: Skeleton) -> np.ndarray:
    """Return the mass (J,) of each joint's part, in percent.

    The mass of a part that the skeleton lacks is added to the nearest ancestor that it has.
    """
    percent = np.zeros(len(skeleton))
    for part, parent in zip(SMPL_22, SMPL_22_PARENTS, strict=True):
        holder = skeleton.joint(part)
        ancestor = parent
        while holder is None:
            holder = skeleton.joint(SMPL_22[ancestor])
            ancestor = SMPL_22_PARENTS[ancestor]
        percent[holder] += segment_of(part).mass_percent
    return percent


def _segment_vector_m(skeleton: Skeleton, soles: SolePoints, joint: int) -> np.ndarray:
    """Return the vector from a joint to its segment's end.

    Returns:
        (3,) in the joint's frame, in m.
    """
    segment = segment_of(skeleton.parts[joint])
    is_on_foot = soles.joints == joint
    if is_on_foot.any():
        return soles.offsets_m[is_on_foot].mean(0) * (1.0, 0.5, 1.0)
    for part in segment.ends:
        end = skeleton.joint(part)
        if end is not None:
            return skeleton.rest_positions_m[end] - skeleton.rest_positions_m[joint]
    incoming_m = skeleton.offsets_m[joint]
    length_m = max(float(np.linalg.norm(incoming_m)), 1e-9)
    return incoming_m / length_m * segment.length_m


def _assemble_links(
    skeleton: Skeleton,
    rest_m: np.ndarray,
    joints: np.ndarray,
    link_of: np.ndarray,
    reach_m: dict[int, np.ndarray],
    masses_kg: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Assemble links from their segments.

    Args:
        rest_m: (J, 3) positions of the joints at rest.
        joints: (L,) joint of each link.
        link_of: (J,) link that carries each joint.
        reach_m: Vector (3,) from each segment's joint to the segment's end.
        masses_kg: (J,) mass of each joint's part.

    Returns:
        Mass (L,), centre of mass (L, 3) and diagonal inertia (L, 3) of each link.
    """
    mass_kg = np.zeros(len(joints))
    centre_m = np.zeros((len(joints), 3))
    inertia_kgm2 = np.zeros((len(joints), 3))
    segments = []
    for joint, segment_m in reach_m.items():
        segment = segment_of(skeleton.parts[joint])
        link = link_of[joint]
        segment_kg = masses_kg[joint]
        middle_m = rest_m[joint] - rest_m[joints[link]] + segment.centre * segment_m
        axis_m = np.array([2 * segment.across_m, 0.0, 0.0]) if segment.across_m else segment_m
        segment_inertia = _rod_inertia(segment_kg, axis_m, segment.radius_m)
        segments.append((link, segment_kg, middle_m, segment_inertia))
        mass_kg[link] += segment_kg
        centre_m[link] += segment_kg * middle_m
    centre_m /= mass_kg[:, None]
    for link, segment_kg, middle_m, segment_inertia in segments:
        arm_m = middle_m - centre_m[link]
        # Parallel axes theorem; off-diagonal moments are dropped.
        inertia_kgm2[link] += segment_inertia + segment_kg * (arm_m @ arm_m - arm_m**2)
    return mass_kg, centre_m, inertia_kgm2


def _rod_inertia(mass_kg: float, axis_m: np.ndarray, radius_m: float) -> np.ndarray:
    """Return the diagonal inertia (3,) of a rod with round ends.

    The rod counts as a solid cylinder, to which each end adds half a radius of length.
    """
    length_m = float(np.linalg.norm(axis_m))
    direction = axis_m / max(length_m, 1e-9)
    full_length_m = length_m + radius_m
    axial = 0.5 * mass_kg * radius_m**2
    across = mass_kg * (3 * radius_m**2 + full_length_m**2) / 12
    return across + (axial - across) * direction**2


def _capsule(skeleton: Skeleton, joint: int, reach_m: np.ndarray, link: int, joint_m: np.ndarray) -> Capsule:
    """Return the collision capsule of a segment.

    Args:
        joint_m: (3,) the segment's joint in the link's frame.
    """
    segment = segment_of(skeleton.parts[joint])
    if segment.across_m:
        half_m = np.array([segment.across_m, 0.0, 0.0])
        start_m = segment.centre * reach_m - half_m
        end_m = segment.centre * reach_m + half_m
    else:
        start_m = np.zeros(3)
        end_m = reach_m
    ends_m = (_to_tuple(joint_m + start_m), _to_tuple(joint_m + end_m))
    return Capsule(int(link), ends_m, segment.radius_m)


def _to_tuple(vector: np.ndarray) -> tuple[float, float, float]:
    x, y, z = vector.tolist()
    return x, y, z
