"""Recognise body parts: joint names propose parts, and the structure of the body decides."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise, product

from selfcorrect.motion.body.requirements import REQUIRED_PARTS
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SIDES, Skeleton, strip_side, swap_sides

from .naming import ARM_PARTS, LEG_PARTS, JointName, has_animal_names, parts_from_names, spine_parts, split_names
from .shape import SHORTEST_END, measure_bend, parts_from_shape
from .sides import BENT

_NO_BONE = 1e-4
"""Length, relative to the longest bone, up to which a joint is in its parent's position."""
_FOREARM = 0.6
"""Smallest ratio of forearm to upper arm."""
_LIMBS = (LEG_PARTS[:3], ARM_PARTS)


def recognize_parts(motion: Motion) -> Motion:
    """Recognise the body parts of a skeleton by joint names, shape and motion.

    If the names give a whole body, they are used. If they leave a part of a limb open or skip a joint that bends, the
    body that is likeliest by its shape is used, with names as part of the evidence. Sides, neck and head follow names
    in either case. A body with wings or paws instead of arms has no parts.
    """
    skeleton = motion.skeleton
    joint_names = split_names(skeleton.names)
    if has_animal_names(joint_names):
        return replace(motion, skeleton=replace(skeleton, parts=("",) * len(skeleton)))
    parts = _complete_parts(parts_from_names(skeleton.names), skeleton)
    if not set(REQUIRED_PARTS).issubset(parts) or _skips_joints(motion, parts):
        by_shape = parts_from_shape(motion, joint_names, parts)
        if by_shape is not None:
            parts = _believe_names(joint_names, by_shape, parts)
    return replace(motion, skeleton=replace(skeleton, parts=parts))


def _skips_joints(motion: Motion, parts: Sequence[str]) -> bool:
    """Return whether names leave a limb joint open, or a limb bends between two joints that they connect."""
    skeleton = replace(motion.skeleton, parts=tuple(parts))
    for side, limb in product(SIDES, _LIMBS):
        joints = [skeleton.joint(f"{side}_{part}") for part in limb]
        if any(joint is None for joint in joints[-3:]):
            return True
        for upper, lower in pairwise(joint for joint in joints if joint is not None):
            path = [upper, *skeleton.path_between(upper, lower)]
            if len(path) > 2 and measure_bend(motion, path) > BENT:
                return True
    return False


def note_overruled_names(skeleton: Skeleton) -> tuple[str, ...]:
    """Note the limb joints whose parts contradict their names, if any."""
    overruled = []
    for name, part, named_part in zip(skeleton.names, skeleton.parts, parts_from_names(skeleton.names), strict=True):
        if "_" in part and "_" in named_part and strip_side(part) != strip_side(named_part):
            overruled.append(f"{name} is the {part.replace('_', ' ')}")
    return (f"joint names contradict the structure of the body: {', '.join(overruled)}",) if overruled else ()


def has_parts_outside_pelvis(skeleton: Skeleton) -> bool:
    """Return whether any body part is not below the pelvis."""
    pelvis = skeleton.joint("pelvis")
    part_joints = [joint for joint, part in enumerate(skeleton.parts) if part]
    return pelvis is not None and any(pelvis not in skeleton.path_to_root(joint) for joint in part_joints)


def _complete_parts(parts: Sequence[str], skeleton: Skeleton) -> tuple[str, ...]:
    """Complete trunk, collars and wrists that names leave open, from the tree of joints.

    The pelvis is the nearest joint above both hips, and the chest the nearest above both arms. The joints between them
    are the spine if none is named so. Joints above the chest that are called spine are neck and head if no joint is
    called neck, and the last joint below the head is the neck. A single joint between chest and shoulder is the collar,
    and the joint at the far end of the forearm is the wrist. An end site closer to the ankle than the length of a foot
    is not a toe joint.
    """
    part_joints = {part: joint for joint, part in reversed(list(enumerate(parts))) if part}
    lengths = norms(skeleton.offsets_m)
    for side in SIDES:
        toe = part_joints.get(f"{side}_foot")
        ankle = part_joints.get(f"{side}_ankle")
        if toe is None or ankle is None or skeleton.parents[toe] != ankle:
            continue
        is_end = skeleton.names[toe] in (*skeleton.rigid, f"{skeleton.names[ankle]}_end")
        if is_end and lengths[toe] < SHORTEST_END * lengths[ankle]:
            del part_joints[f"{side}_foot"]
    has_bone = lengths > _NO_BONE * lengths.max()
    pelvis = _find_pelvis(part_joints, skeleton)
    chest = _find_chest(part_joints, skeleton)
    if pelvis is not None and chest is not None and pelvis in skeleton.path_to_root(chest):
        trunk = [joint for joint in skeleton.path_between(pelvis, chest) if has_bone[joint]]
        _complete_spine(part_joints, pelvis, chest, trunk, skeleton)
    if pelvis is not None:
        part_joints["pelvis"] = pelvis
    head = part_joints.get("head")
    if head is not None and chest is not None and "neck" not in part_joints:
        below_head = skeleton.path_between(chest, head)
        if len(below_head) > 1:
            part_joints["neck"] = below_head[-2]
    for side in SIDES:
        shoulder = part_joints.get(f"{side}_shoulder")
        if shoulder is None or chest is None:
            continue
        between = [joint for joint in skeleton.path_between(chest, shoulder)[:-1] if has_bone[joint]]
        if len(between) == 1:
            part_joints[f"{side}_collar"] = between[0]
        elbow = part_joints.get(f"{side}_elbow")
        if elbow is not None and f"{side}_wrist" not in part_joints:
            hands = [child for child in skeleton.children[elbow] if lengths[child] > _FOREARM * lengths[elbow]]
            part_joints |= {f"{side}_wrist": hand for hand in hands[:1] if skeleton.names[hand] not in skeleton.rigid}
    completed = [""] * len(parts)
    for part, joint in part_joints.items():
        completed[joint] = part
    return tuple(completed)


def _find_pelvis(part_joints: dict[str, int], skeleton: Skeleton) -> int | None:
    """Find the pelvis by its name, or else as the joint where the paths between hips and neck meet.

    Any joint may be the root of the skeleton. The result is None if the paths meet within a limb.
    """
    if "pelvis" in part_joints or not {"left_hip", "right_hip"} <= set(part_joints):
        return part_joints.get("pelvis")
    tops = [joint for part, joint in part_joints.items() if part in ("neck", "head") or part.endswith("shoulder")]
    ends = (part_joints["left_hip"], part_joints["right_hip"], tops[0] if tops else 0)
    meetings = []
    for first, second in combinations(ends, 2):
        above_second = skeleton.path_to_root(second)
        meetings.append(next(joint for joint in skeleton.path_to_root(first) if joint in above_second))
    pelvis = max(meetings, key=lambda joint: len(skeleton.path_to_root(joint)))
    limbs = {joint for part, joint in part_joints.items() if "_" in part}
    return None if pelvis in limbs else pelvis


def _find_chest(part_joints: dict[str, int], skeleton: Skeleton) -> int | None:
    """Find the nearest joint above both arms, or return None if the arms are unknown."""
    for part in ("collar", "shoulder"):
        if {f"left_{part}", f"right_{part}"} <= set(part_joints):
            above_right = skeleton.path_to_root(part_joints[f"right_{part}"])[1:]
            above_left = skeleton.path_to_root(part_joints[f"left_{part}"])[1:]
            return next((joint for joint in above_left if joint in above_right), None)
    return None


def _complete_spine(
    part_joints: dict[str, int], pelvis: int, chest: int, trunk: Sequence[int], skeleton: Skeleton
) -> None:
    """Complete the spine between pelvis and chest, and the neck and head if they are called spine.

    Args:
        part_joints: Joint of each part that is named; changed in place.
        pelvis: Joint of the pelvis.
        chest: Nearest joint above both arms.
        trunk: Joints from the one above the pelvis to the chest.
        skeleton: The skeleton.
    """
    spine_names = ("spine1", "spine2", "spine3")
    spine = [part_joints[part] for part in spine_names if part in part_joints]
    others = {joint for part, joint in part_joints.items() if part not in spine_names}
    top = spine[-1] if spine else chest
    above = skeleton.path_between(chest, top)
    is_neck_called_spine = bool(above) and "neck" not in part_joints
    skips_any = set(spine) <= set(trunk) - others and len(spine) < min(len(spine_names), len(trunk))
    if spine and pelvis not in spine and not is_neck_called_spine and not skips_any:
        return
    for part in spine_names:
        part_joints.pop(part, None)
    part_joints |= spine_parts(trunk)
    if is_neck_called_spine and "head" not in part_joints and len(above) > 1:
        part_joints["head"] = above.pop()
    if is_neck_called_spine:
        part_joints["neck"] = above[-1]


def _believe_names(
    joint_names: Sequence[JointName], by_shape: tuple[str, ...], by_name: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the parts by shape, with sides, neck and head by name."""
    parts = by_shape
    agreements = []
    for name, part in zip(joint_names, parts, strict=True):
        if name.side and "_" in part:
            agreements.append(part.startswith(name.side))
    if 2 * sum(agreements) < len(agreements):
        parts = tuple(swap_sides(part) for part in parts)
    believed = [part for part in ("neck", "head") if part in by_name and "_" not in parts[by_name.index(part)]]
    for part in believed:
        parts = tuple("" if inferred == part else inferred for inferred in parts)
    for part in believed:
        joint = by_name.index(part)
        parts = (*parts[:joint], part, *parts[joint + 1 :])
    return parts
