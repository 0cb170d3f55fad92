# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy rigs whose bones cannot be moved by keys, because they are linked or constraints hold them."""

from __future__ import annotations

import bpy

from .actions import find_drivers
from .rig import find_followers, get_active_constraints

_CHAINS = ("IK", "SPLINE_IK")
"""Constraints that move several bones."""
_TARGET_ROLES = ("target", "pole_target")


def find_holding_constraints(rig: bpy.types.Object, names: set[str]) -> list[bpy.types.Constraint]:
    """Return the constraints that hold any of these bones, so that keys do not move them."""
    holding = []
    for pose_bone in rig.pose.bones:
        for constraint in get_active_constraints(pose_bone):
            if names & set(find_chain(pose_bone, constraint)):
                holding.append(constraint)
    return holding


def find_ik_constraints(rig: bpy.types.Object, names: set[str]) -> list[bpy.types.Constraint]:
    """Return the constraints that keep bones at a target.

    These bones do not follow the bones above.
    """
    return [constraint for constraint in find_holding_constraints(rig, names) if constraint.type in _CHAINS]


def find_chain(pose_bone: bpy.types.PoseBone, constraint: bpy.types.Constraint) -> list[str]:
    """Return the bones that a constraint moves: the chain of inverse kinematics, or the bone itself."""
    if constraint.type not in _CHAINS:
        return [pose_bone.name]
    chain = [pose_bone, *pose_bone.parent_recursive]
    if constraint.type == "IK" and not constraint.use_tail:
        chain = chain[1:]
    return [link.name for link in chain[: constraint.chain_count or None]]


def copy_rig(rig: bpy.types.Object, names: set[str], scene: bpy.types.Scene) -> tuple[bpy.types.Object, list[str]]:
    """Copy a rig, with all objects that follow it, into a new local collection, and hide the original.

    Args:
        rig: The armature object.
        names: Bones that only keys may move on the copy, whose other bones are hidden. If there are none, the copy
            moves
            as the rig does.
        scene: Scene for the copy.

    Returns:
        The copy, and the names of the objects that were visible and are hidden now.
    """
    title = f"{rig.name} corrected"
    copy = rig.copy()
    copy.name = title
    collection = bpy.data.collections.new(title)
    scene.collection.children.link(collection)
    collection.objects.link(copy)
    twins = {rig: copy}
    for follower in find_followers(rig, scene):
        twins[follower] = follower.copy()
        collection.objects.link(twins[follower])
    for original, twin in twins.items():
        if twin is not copy and original.parent in twins:
            twin.parent = twins[original.parent]
            twin.matrix_parent_inverse = original.matrix_parent_inverse
        for modifier in twin.modifiers:
            if getattr(modifier, "object", None) in twins:
                modifier.object = twins[modifier.object]
        _retarget(twin.constraints, twins)
    for pose_bone in copy.pose.bones:
        _retarget(pose_bone.constraints, twins)
    if names:
        _free_bones(copy, names)
    hidden = []
    for original in twins:
        if not original.hide_viewport:
            hidden.append(original.name)
        original.hide_viewport = True
        original.hide_render = True
    return copy, hidden


def _retarget(constraints: bpy.types.ObjectConstraints, twins: dict[bpy.types.Object, bpy.types.Object]) -> None:
    """Retarget constraints to the copies."""
    for constraint in constraints:
        for holder in (constraint, *getattr(constraint, "targets", ())):
            for role in _TARGET_ROLES:
                target = getattr(holder, role, None)
                if target in twins:
                    setattr(holder, role, twins[target])


def _free_bones(copy: bpy.types.Object, names: set[str]) -> None:
    """Remove what moves these bones besides keys, and hide all others, which would be controls without effect."""
    for constraint in find_holding_constraints(copy, names):
        constraint.mute = True
    for driver in find_drivers(copy, names):
        copy.animation_data.drivers.remove(driver)
    copy.data = copy.data.copy()
    for bone in copy.data.bones:
        bone.hide = bone.name not in names
    for pose_bone in copy.pose.bones:
        if hasattr(pose_bone, "hide"):  # newer versions of Blender hide bones by pose
            pose_bone.hide = pose_bone.name not in names
        if pose_bone.name in names:
            pose_bone.custom_shape = None
