"""HumanML3D's representation: 263 numbers per frame.

It describes 22 joints at 20 frames per second (Guo et al., "Generating Diverse and Natural 3D Human Motions from Text",
CVPR 2022). J joints have 12 J − 1 columns. KIT-ML's 21 joints, in a unit of their own and at 12.5 frames per second,
have 251:

    yaw rate (1)            half the rotation until the next frame, rad
    velocity (2)            of the root in x and z until the next frame, m/frame, in the next frame's facing
    height (1)              of the root, m
    positions (3 (J − 1))   of the other joints, m: relative to the root in x and z, above the floor in y, facing +z
    rotations (6 (J − 1))   of the other joints' bones, first two columns of the matrix, relative to the bone before it
    velocities (3 J)        of all joints until the next frame, m/frame, in this frame's facing
    contacts (4)            left ankle, left foot, right ankle, right foot: 1 where the joint moves less than √0.002 m

T frames give T − 1 rows. Everything is expressed relative to the body's facing, which is smoothed over time and is +z
in the first frame by definition. The reference implementation computes it from hips right to left *plus* shoulders left
to right, so the hips almost cancel. The published statistics and models depend on this sum, so it is reproduced here.
Only the first facing of a clip (`canonical`) adds both in the same sense.
"""

from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Self

import numpy as np
from scipy.spatial.transform import Rotation

from ...core.errors import InputError
from ..geometry.filters import gaussian_filter1d
from ..geometry.vectors import norms
from ..skeleton import SMPL_22, SMPL_22_PARENTS

FPS = 20.0
SQUARED_CONTACT_STEP_M2 = 0.002
FACING_SMOOTHING_FRAMES = 20
CONTACT_JOINTS = tuple(SMPL_22.index(name) for name in ("left_ankle", "left_foot", "right_ankle", "right_foot"))

BONE_AXES = np.array(
    [
        [0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, -1, 0], [0, 1, 0], [0, -1, 0], [0, -1, 0],
        [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 1], [0, -1, 0], [0, -1, 0],
        [0, -1, 0], [0, -1, 0], [0, -1, 0], [0, -1, 0],
    ],
    dtype=float,
)  # fmt: skip
"""(22, 3) direction at identity of the bone that ends in each joint."""

TARGET_OFFSETS_M = BONE_AXES * np.array(
    [
        0.0000000, 0.1030739, 0.1098834, 0.1315683, 0.3936231, 0.3901881, 0.1431903, 0.4324330,
        0.4256433, 0.0573647, 0.1433817, 0.1494187, 0.2193600, 0.1374868, 0.1433828, 0.1030393,
        0.1316140, 0.1229843, 0.2568398, 0.2630919, 0.2660119, 0.2698763,
    ]
)[:, None]  # fmt: skip
"""(22, 3) offsets with the bone lengths that HumanML3D gives to every clip."""


@dataclass(frozen=True, eq=False)
class RowBody:
    """The joints described by rows, as in the reference implementation."""

    parents: tuple[int, ...]
    bone_axes: np.ndarray
    """(J, 3) direction at identity of the bone that ends in each joint."""
    arms: tuple[int, int]
    """First joint of each arm, whose rotation is relative to the root."""
    hips: tuple[int, int]
    """Right and left hip."""
    shoulders: tuple[int, int]
    """Right and left shoulder."""
    contact_joints: tuple[int, ...]
    """Left ankle and foot, then right ankle and foot."""
    squared_contact_step: float
    """Maximum squared step of a standing foot, in the squared unit of the rows."""
    fps: float = FPS
    bone_before: tuple[int, ...] = field(init=False)
    """Joint whose bone each rotation is relative to."""

    def __post_init__(self) -> None:
        before = tuple(0 if joint in self.arms else parent for joint, parent in enumerate(self.parents))
        object.__setattr__(self, "bone_before", before)

    def exchange_sides(self) -> Self:
        """Exchange left and right hip and shoulder, for mirrored joints."""
        return replace(self, hips=self.hips[::-1], shoulders=self.shoulders[::-1])


HUMANML3D_BODY = RowBody(
    parents=SMPL_22_PARENTS,
    bone_axes=BONE_AXES,
    arms=(SMPL_22.index("left_collar"), SMPL_22.index("right_collar")),
    hips=(SMPL_22.index("right_hip"), SMPL_22.index("left_hip")),
    shoulders=(SMPL_22.index("right_shoulder"), SMPL_22.index("left_shoulder")),
    contact_joints=CONTACT_JOINTS,
    squared_contact_step=SQUARED_CONTACT_STEP_M2,
)
KIT_BODY = RowBody(
    parents=(-1, 0, 1, 2, 3, 3, 5, 6, 3, 8, 9, 0, 11, 12, 13, 14, 0, 16, 17, 18, 19),
    bone_axes=np.array(
        [
            [0, 0, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0],
            [1, 0, 0], [0, -1, 0], [0, -1, 0], [-1, 0, 0], [0, -1, 0], [0, -1, 0],
            [1, 0, 0], [0, -1, 0], [0, -1, 0], [0, 0, 1], [0, 0, 1],
            [-1, 0, 0], [0, -1, 0], [0, -1, 0], [0, 0, 1], [0, 0, 1],
        ],
        dtype=float,
    ),
    arms=(5, 8),
    hips=(11, 16),
    shoulders=(5, 8),
    contact_joints=(19, 20, 14, 15),
    squared_contact_step=0.05,
    fps=12.5,
)  # fmt: skip
"""KIT-ML's 21 joints. The published files hold their mirror image, so the first leg and arm are the right ones."""

_PARENTS = np.array(SMPL_22_PARENTS)
_RIGHT_LEG = [SMPL_22.index("right_knee"), SMPL_22.index("right_ankle")]


def columns(joints: int = len(SMPL_22)) -> dict[str, slice]:
    """Return the slice of each column group, by the names above."""
    widths = {
        "yaw rate": 1,
        "velocity": 2,
        "height": 1,
        "positions": 3 * (joints - 1),
        "rotations": 6 * (joints - 1),
        "velocities": 3 * joints,
        "contacts": 4,
    }
    edges = accumulate(widths.values(), initial=0)
    return {name: slice(*edge) for name, edge in zip(widths, pairwise(edges), strict=True)}


def column_count(joints: int) -> int:
    """Return the number of columns of all groups: 12 J − 1 for J joints."""
    return columns(joints)["contacts"].stop


def joint_count(vectors: np.ndarray) -> int:
    """Return the number of joints J that rows (..., 12 J − 1) describe."""
    joints, remainder = divmod(vectors.shape[-1] + 1, 12)
    if remainder or joints < 2:
        raise InputError(f"rows must have 12 J − 1 columns for J joints (263 for 22), got shape {vectors.shape}")
    return joints


def normalise_bones(joints_m: np.ndarray, target_offsets_m: np.ndarray) -> np.ndarray:
    """Give bones the target lengths, keeping their directions.

    The root's path is scaled with the legs. A bone without length has no direction and continues the bone before it.

    Args:
        joints_m: (T, 22, 3) joint positions in the world.
        target_offsets_m: (22, 3) offsets, of which only the lengths are used.
    """
    lengths_m = norms(target_offsets_m)
    leg_bones_m = joints_m[0, _RIGHT_LEG] - joints_m[0, _PARENTS[_RIGHT_LEG]]
    leg_m = norms(leg_bones_m).sum()
    if leg_m == 0:
        raise InputError("bones cannot be normalised: the right leg has no length in frame 0")
    heading_rad = _heading_rad(_forward(joints_m, 1, HUMANML3D_BODY))
    orientations = _bone_orientations(joints_m, _rotation_about_y(heading_rad), HUMANML3D_BODY)
    normalised = np.empty(joints_m.shape)
    normalised[:, 0] = joints_m[:, 0] * (lengths_m[_RIGHT_LEG].sum() / leg_m)
    for joint in range(1, len(SMPL_22)):
        bone_m = orientations[joint].apply(lengths_m[joint] * BONE_AXES[joint])
        normalised[:, joint] = normalised[:, _PARENTS[joint]] + bone_m
    return normalised


def canonical(joints_m: np.ndarray, *, keep_height: bool = False, body: RowBody = HUMANML3D_BODY) -> np.ndarray:
    """Move joints (T, J, 3) to the floor and to the origin.

    The lowest joint is put on the floor. In frame 0, the body stands at the origin and faces +z.

    Args:
        keep_height: Leave heights unchanged.
    """
    root_x, _, root_z = joints_m[0, 0]
    placed = joints_m - [root_x, 0 if keep_height else joints_m[..., 1].min(), root_z]
    heading_rad = _heading_rad(_forward(joints_m[0], 1, body))
    return _rotation_about_y(-heading_rad).apply(placed)


def encode(
    joints_m: np.ndarray,
    target_offsets_m: np.ndarray | None = None,
    *,
    fps: float | None = None,
    keep_height: bool = False,
    keep_place: bool = False,
    body: RowBody = HUMANML3D_BODY,
) -> np.ndarray:
    """Encode joints (T, J, 3) in m, y up, as rows (T − 1, 12 J − 1).

    At 20 fps and without `keep_height`, rows agree with the reference implementation where its result is finite, except
    when the facing passes straight back. There, the reference has the wrong sign, and the rows here decode to the
    encoded motion.

    Args:
        target_offsets_m: (22, 3) offsets whose bone lengths a clip of 22 joints is given first; None to keep its own.
        fps: Frame rate, which determines the largest step of a contact; None for the body's.
        keep_height: Leave heights unchanged; by default, the lowest joint is put on the floor.
        keep_place: Leave heights and directions unchanged, for joints that were decoded from rows.
        body: The J joints. KIT-ML's are in the unit of its files instead of metres.
    """
    count = len(body.parents)
    if joints_m.ndim != 3 or joints_m.shape[1:] != (count, 3) or len(joints_m) < 2:
        raise InputError(f"expected joints of shape (at least 2 frames, {count}, 3), got {joints_m.shape}")
    joints_m = joints_m.astype(float)
    if target_offsets_m is not None:
        joints_m = normalise_bones(joints_m, target_offsets_m)
    if not keep_place:
        joints_m = canonical(joints_m, keep_height=keep_height, body=body)
    facing_rad = _smooth_facing_rad(joints_m, body)
    to_facing = _rotation_about_y(-facing_rad[:, None])
    steps_m = np.diff(joints_m, axis=0)
    turns_rad = (np.diff(facing_rad) + np.pi) % (2 * np.pi) - np.pi  # the shorter way round
    root_velocity_m = to_facing[1:].apply(steps_m[:, :1])
    relative_m = joints_m[:-1, 1:] - joints_m[:-1, :1] * [1, 0, 1]
    orientations = _bone_orientations(joints_m[:-1], _rotation_about_y(-facing_rad[:-1]), body)
    squared_steps_m2 = np.square(steps_m[:, body.contact_joints]).sum(-1)
    largest_step = body.squared_contact_step * (body.fps / (fps or body.fps)) ** 2
    groups = (
        -turns_rad / 2,
        root_velocity_m[..., [0, 2]],
        joints_m[:-1, 0, 1],
        to_facing[:-1].apply(relative_m),
        _encode_rotations(orientations, body),
        to_facing[:-1].apply(steps_m),
        squared_steps_m2 < largest_step,
    )
    return np.concatenate([group.reshape(len(steps_m), -1) for group in groups], axis=1)


def decode_joints(vectors: np.ndarray) -> np.ndarray:
    """Decode rows (..., T, 12 J − 1) into joints (..., T + 1, J, 3), in m, y up.

    The root starts at the origin, facing +z. The last frame follows from the velocities of the last row.
    """
    joints = joint_count(vectors)
    facing_rad, root_m = _root(vectors)
    groups = columns(joints)
    relative_m = vectors[..., groups["positions"]].reshape(*vectors.shape[:-1], joints - 1, 3)
    others_m = _rotation_about_y(facing_rad[..., None]).apply(relative_m) + root_m[..., None, :] * [1, 0, 1]
    joints_m = np.concatenate([root_m[..., None, :], others_m], axis=-2)
    steps_m = vectors[..., -1:, groups["velocities"]].reshape(*vectors.shape[:-2], 1, joints, 3)
    world_steps_m = _rotation_about_y(facing_rad[..., -1:, None]).apply(steps_m)
    last_m = joints_m[..., -1:, :, :] + world_steps_m
    return np.concatenate([joints_m, last_m], axis=-3)


def decode_contacts(vectors: np.ndarray) -> np.ndarray:
    """Decode rows (T, 12 J − 1) into foot contacts (T, 2) from 0 to 1, left first.

    A foot is in contact if its ankle or its toe is.
    """
    labels = np.clip(vectors[..., columns(joint_count(vectors))["contacts"]], 0.0, 1.0)
    return labels.reshape(*vectors.shape[:-1], 2, 2).max(axis=-1)


def _root(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the root's facing (..., T) in rad and its path (..., T, 3) in m."""
    slices = columns(joint_count(vectors))
    facing_rad = np.zeros(vectors.shape[:-1])
    facing_rad[..., 1:] = -2 * np.cumsum(vectors[..., :-1, 0], axis=-1)
    steps_m = np.zeros((*vectors.shape[:-1], 3))
    steps_m[..., 1:, [0, 2]] = vectors[..., :-1, slices["velocity"]]
    root_m = np.cumsum(_rotation_about_y(facing_rad).apply(steps_m), axis=-2)
    root_m[..., 1] = vectors[..., slices["height"].start]
    return facing_rad, root_m


def _bone_orientations(joints_m: np.ndarray, root: Rotation, body: RowBody) -> list[Rotation]:
    """Return the orientations (T,) of each joint's bone.

    They are the shortest rotations from the bone's axis in the world to the bone. A bone without length takes the
    orientation of the bone before it, so that its local rotation is the identity.
    """
    orientations = [root]
    for joint in range(1, len(body.parents)):
        bone_m = joints_m[:, joint] - joints_m[:, body.parents[joint]]
        swing = _swing(body.bone_axes[joint], bone_m)
        has_no_length = norms(bone_m)[..., None] == 0
        quaternions = np.where(has_no_length, orientations[body.bone_before[joint]].as_quat(), swing)
        orientations.append(Rotation.from_quat(quaternions))
    return orientations


def _swing(axis: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return the shortest rotations from a unit axis (3,) to directions (T, 3).

    The quaternions (T, 4) are xyzw and not normalised.
    """
    lengths = norms(directions)[..., None]
    real = lengths + directions @ axis[:, None]
    quaternions = np.concatenate([np.cross(axis, directions), real], axis=-1)
    opposite = norms(quaternions)[..., None] <= 1e-9 * lengths
    half_turn = [*np.roll(axis, 1), 0.0]  # about another coordinate axis, as every bone axis is a coordinate axis
    return np.where(opposite, half_turn, quaternions)


def _encode_rotations(orientations: list[Rotation], body: RowBody) -> np.ndarray:
    """Return rotations (T, J − 1, 6) relative to the previous bone.

    A rotation is the first two columns of its matrix, concatenated.
    """
    matrices = []
    for before, bone in zip(body.bone_before[1:], orientations[1:], strict=True):
        bone_to_before = orientations[before].inv() * bone
        matrices.append(bone_to_before.as_matrix())
    local = np.stack(matrices, axis=1)
    return local[..., :2].swapaxes(-1, -2).reshape(*local.shape[:2], 6)


def _smooth_facing_rad(joints_m: np.ndarray, body: RowBody) -> np.ndarray:
    """Return the smoothed heading (T,) of the reference implementation.

    Hips count with the wrong sign, and frame 0 faces +z by definition.
    """
    forward = gaussian_filter1d(_forward(joints_m, -1, body), FACING_SMOOTHING_FRAMES, axis=0, mode="nearest")
    facing_rad = _heading_rad(forward)
    facing_rad[0] = 0
    return facing_rad


def _forward(joints_m: np.ndarray, hips_sign: int, body: RowBody) -> np.ndarray:
    """Return the horizontal direction (..., 3) in front of the body.

    It is perpendicular to the body's left-right axis, and zero where left and right cancel or coincide.
    """
    right_shoulder, left_shoulder = body.shoulders
    right_hip, left_hip = body.hips
    right = joints_m[..., right_shoulder, :] - joints_m[..., left_shoulder, :]
    right = right + hips_sign * (joints_m[..., right_hip, :] - joints_m[..., left_hip, :])
    lengths = norms(right)[..., None]
    return np.cross([0.0, 1.0, 0.0], right) / np.where(lengths == 0, 1, lengths)


def _heading_rad(forward: np.ndarray) -> np.ndarray:
    """Return angles (...) from +z about +y, or 0 for zero and vertical directions."""
    return np.arctan2(forward[..., 0], forward[..., 2])


def _rotation_about_y(angles_rad: np.ndarray) -> Rotation:
    return Rotation.from_euler("y", np.asarray(angles_rad)[..., None])
