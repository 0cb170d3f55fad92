"""Figures: skeletons drawn as capsules between points that joints carry.

Pictures and pages draw motions in this form.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.spatial.transform import Rotation

from ..body.surface import HEAD_RADIUS_M, head_point, sole_points
from ..kinematics import forward_kinematics, in_chunks
from ..measures.slip import find_bearing_feet
from ..motion import Motion
from ..perception.foot_frames import level_feet
from ..perception.observation import observe
from ..skeleton import Skeleton, strip_side

Colour = tuple[int, int, int]
LEFT: Colour = (38, 112, 190)
RIGHT: Colour = (226, 116, 32)
MIDDLE: Colour = (96, 102, 112)
PLANTED: Colour = (34, 150, 84)
"""Colour of standing feet."""
SUNK: Colour = (214, 39, 40)
"""Colour of feet below the floor."""
PAPER: Colour = (250, 250, 248)
INK: Colour = (40, 44, 52)
GHOST: Colour = (205, 207, 212)
"""Colour of the motion that another is compared with."""

_RADII_M = {
    "pelvis": 0.105, "spine1": 0.105, "spine2": 0.11, "spine3": 0.115, "neck": 0.055, "head": 0.055, "collar": 0.07,
    "shoulder": 0.055, "elbow": 0.042, "wrist": 0.033, "hip": 0.085, "knee": 0.055, "ankle": 0.042, "foot": 0.032,
}  # fmt: skip
"""Body radius around each joint, in m, by part without its side."""

FOOT_RADIUS_M = 0.028
"""Radius of the two capsules along a shoe's edges."""

_INNER_SHARE = 0.97
"""Radius of a capsule's end inside the next capsule, as a share, so that the next one's colour is visible there."""

_FINGER_M = 0.012
_POLE_M = 0.02
"""Radius around joints of a skeleton without any body part, in m. With body parts, joints that are none have
`_FINGER_M`."""

_HEEL_AND_TIP = 2
"""Number of sole points along a foot without a toe joint."""


@dataclass(frozen=True, eq=False)
class Figure:
    """A skeleton as tapered capsules.

    B capsules connect P points. The first J points are the joints, and the others are the head's centre and points
    inside the soles' corners, so that capsules touch the floor where the soles do.
    """

    skeleton: Skeleton
    carriers: np.ndarray
    """(P,) joints that carry the points."""
    offsets_m: np.ndarray
    """(P, 3) positions in these joints' frames."""
    bones: np.ndarray
    """(B, 2) points that each capsule connects."""
    radii_m: np.ndarray
    """(B, 2) radii at these points."""
    colours: tuple[Colour, ...]
    """Colour of each capsule, by side."""
    feet: np.ndarray
    """(B,) foot of each capsule: 0 for left, 1 for right, −1 for neither."""
    toes: tuple[tuple[int, int], ...] = ()
    """Points of ball and tip, for feet with toe joints. Tips bend up at the floor, see `with_bent_toes`."""

    def points_m(self, motion: Motion) -> np.ndarray:
        """Return the points in the world, (T, P, 3)."""
        return in_chunks(self._points_m, motion.root_m, motion.rotations)

    def _points_m(self, root_m: np.ndarray, rotations: np.ndarray) -> np.ndarray:
        positions_m, orientations = forward_kinematics(self.skeleton, root_m, rotations)
        turned_m = Rotation.from_quat(orientations[:, self.carriers]).apply(self.offsets_m)
        points_m = positions_m[:, self.carriers] + turned_m
        for ball, tip in self.toes if self.skeleton.soles_m else ():
            lowest_m = np.minimum(points_m[:, ball, 1], FOOT_RADIUS_M)
            points_m[:, tip, 1] = np.maximum(points_m[:, tip, 1], lowest_m)
        return points_m


def pose_figure(motion: Motion) -> tuple[Figure, np.ndarray]:
    """Return a motion's figure and its points (T, P, 3) in the world."""
    motion = level_feet(motion)
    figure = make_figure(motion.skeleton)
    return figure, figure.points_m(motion)


def detect_standing(motion: Motion, figure: Figure) -> np.ndarray:
    """Return when each foot stands, (T, 2), or all false for a figure without feet."""
    has_feet = (figure.feet >= 0).any()
    return find_bearing_feet(observe(motion)) if has_feet else np.zeros((len(motion), 2), dtype=bool)


def make_figure(skeleton: Skeleton) -> Figure:
    """Return the figure of a skeleton."""
    joints = len(skeleton)
    radii_m = _radii_m(skeleton)
    points: list[tuple[int, np.ndarray]] = [(joint, np.zeros(3)) for joint in range(joints)]
    bones = [(parent, joint) for joint, parent in enumerate(skeleton.parents) if parent >= 0]
    for part in ("hip", "shoulder"):  # the trunk's width
        if (pair := skeleton.pair(part)) is not None:
            bones.append(pair)
    widths = [(radii_m[start], _INNER_SHARE * radii_m[stop]) for start, stop in bones]
    colours = [_colour(skeleton, start) if stop in skeleton.children[start] else MIDDLE for start, stop in bones]
    feet = [-1] * len(bones)
    toes = list[tuple[int, int]]()
    for foot, line in _sole_edges(skeleton):
        first = len(points)
        if len(line) > _HEEL_AND_TIP:
            toes.append((first + 1, first + 2))
        along = list(pairwise(range(first, first + len(line))))
        points += line
        bones += along
        colours += [(LEFT, RIGHT)[foot]] * len(along)
        widths += [(FOOT_RADIUS_M, FOOT_RADIUS_M)] * len(along)
        feet += [foot] * len(along)
    if (head := head_point(skeleton)) is not None:
        centre = len(points)
        points.append(head)
        bones += [(head[0], centre), (centre, centre)]
        widths += [(radii_m[head[0]], radii_m[head[0]]), (HEAD_RADIUS_M, HEAD_RADIUS_M)]
        colours += [MIDDLE, MIDDLE]
        feet += [-1, -1]
    carriers, offsets_m = zip(*points, strict=True)
    return Figure(
        skeleton,
        np.array(carriers),
        np.array(offsets_m),
        np.array(bones).reshape(-1, 2),
        np.array(widths).reshape(-1, 2),
        tuple(colours),
        np.array(feet, dtype=int),
        tuple(toes),
    )


def _radii_m(skeleton: Skeleton) -> list[float]:
    """Return the body radius around each joint.

    Inside the body, a joint without a part has its parent's radius.
    """
    inside = [bool(part) for part in skeleton.parts]
    for joint in reversed(range(1, len(skeleton))):
        inside[skeleton.parents[joint]] |= inside[joint]
    thin_m = _FINGER_M if any(skeleton.parts) else _POLE_M
    radii_m = list[float]()
    for joint, part in enumerate(skeleton.parts):
        parent = skeleton.parents[joint]
        like_m = thin_m
        if inside[joint]:
            like_m = radii_m[parent] if parent >= 0 else _RADII_M["pelvis"]
        radii_m.append(_RADII_M.get(strip_side(part), like_m))
    return radii_m


def _sole_edges(skeleton: Skeleton) -> list[tuple[int, list[tuple[int, np.ndarray]]]]:
    """Return both edges of each sole, with the foot's number.

    An edge runs from heel to toe tip, as a list of joints and points (3,) in their frames. Edges lie inside the shoe,
    so that capsules around them touch its surface. Without ankles, the result is empty.
    """
    if skeleton.pair("ankle") is None:
        return []
    soles = sole_points(skeleton)
    inward_m = np.array([[-FOOT_RADIUS_M, FOOT_RADIUS_M, 0.0], [FOOT_RADIUS_M, FOOT_RADIUS_M, 0.0]])
    edges = []
    for foot in (0, 1):
        joints = soles.joints[soles.side == foot]
        corners_m = soles.offsets_m[soles.side == foot]
        for edge in (0, 1):  # corners come in pairs across the foot, the left corner first
            line_m = corners_m[edge::2] + inward_m[edge]
            line = zip(joints[edge::2].tolist(), line_m, strict=True)
            edges.append((foot, list(line)))
    return edges


def _colour(skeleton: Skeleton, joint: int) -> Colour:
    """Return the colour of a joint's side.

    A joint without a part, such as a finger, has its nearest ancestor's.
    """
    while not skeleton.parts[joint] and skeleton.parents[joint] >= 0:
        joint = skeleton.parents[joint]
    part = skeleton.parts[joint]
    if part.startswith("left_"):
        return LEFT
    return RIGHT if part.startswith("right_") else MIDDLE
