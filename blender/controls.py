# SPDX-License-Identifier: GPL-3.0-or-later
"""Key the controls of a rig so that its body moves as corrected.

First, we find what each control does: we rotate it a little and see which bones of the body rotate with it. The control
of a bone is the one that swings it fully and rotates the fewest other bones. Targets and poles of inverse kinematics
are
known from their constraints. Then, in each frame, each control is rotated by the error of its bone, minus the rotation
by the controls above it. A few iterations leave no error. Limbs of Rigify are solved by their FK controls. If inverse
kinematics drives a limb, its IK controls are then moved to the solved pose, so that it keeps using inverse kinematics.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import bpy
import numpy as np
from mathutils import Matrix, Vector

from .actions import BoneKeys
from .clock import Clock
from .copies import find_chain
from .program import Steps
from .rig import (
    LIMITS,
    find_followers_of_bones,
    find_rig,
    get_active_constraints,
    get_curves,
    get_rotation_property,
    show_time,
)

_PROBE_RAD = 0.1
_SWING, _TWIST = ("X", "Z"), ("Y",)
"""Axes across a control and along it. Limb segments often follow only rotations about the former."""
_FULL_TURN = 0.9
"""Share of a test rotation from which on a bone follows it fully."""
_MOVED_SHARE = 0.6
"""Share of the body that a root must move. Limbs held by targets of inverse kinematics do not move."""
_ROUNDS = 6
_SOLVED = 5e-5
"""Error of rotations (rad) and positions (units of the scene) at which a frame is solved."""
_NO_BETTER, _IDLE_ROUNDS = 0.9, 3
"""Ratio of an error to the least one from which on a round did not help, and number of such rounds, one after the
other, after which a constraint holds something back."""
_MACHINERY = ("ORG-", "MCH-", "VIS_", "WGT-")
"""Prefixes of bones that Rigify hides from users."""
_DEFORMING = "DEF-"
"""Prefix of the bones of Rigify that follow its controls."""
_FK_NAME = "_fk"
"""Part of the names of Rigify's FK controls."""
_SAME_PLACE = 0.05
"""Largest distance between a bone's tail and another head that coincide, relative to the bone's length."""
_FK_SWITCH = "IK_FK"
"""Rigify's custom property that switches a limb between IK (0) and FK (1)."""
_SWITCH_NAME = re.compile(r"(?P<limb>.+)_parent(?P<side>\..*)?")
"""Pattern of the names of bones with this property."""
_STRAIGHT = 0.02
"""Distance of a chain's middle from the line between its ends up to which it is straight, relative to a bone."""
_END_ERROR, _MIDDLE_ERROR = 0.002, 0.02
"""Largest errors of a limb's end and middle with inverse kinematics, relative to its length."""


@dataclass(frozen=True)
class Control:
    """A control and the bone of the body that it corrects."""

    name: str
    bone: str
    moves: bool
    """True for the root, which also moves the bone."""
    turns: bool
    """False for a root that only moves and does not rotate."""
    twists: bool
    """True if the bone also follows rotations about the control's own axis."""
    next_bone: str = ""
    """Bone of the limb's next control to which this control may stretch, as inverse kinematics does; "" if it may
    not."""


@dataclass(frozen=True)
class IkTarget:
    """A target or pole of inverse kinematics, with the chain that follows it."""

    name: str
    tip: str
    """Bone of the body whose tail (or head) follows the target."""
    chain: tuple[str, ...]
    """Bones of the chain, from the tip to the root."""
    is_pole: bool
    uses_tail: bool = True


@dataclass(frozen=True)
class IkLimb:
    """A limb of Rigify that inverse kinematics may drive, and its controls in this case."""

    switch: str
    """Bone with the switch between IK and FK."""
    end: str
    """Control that the end of the limb follows."""
    base: str
    """Control that rotates the limb about the line between its ends, unless the pole does."""
    pole: str
    bones: tuple[str, str, str]
    """First bones of the limb's upper part, lower part and end."""
    fk_controls: frozenset[str]
    """Controls that move the limb in FK, and do nothing in IK."""
    toe: str = ""
    """Control of the toes; "" if the limb has none."""
    toe_bone: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the controls."""
        return tuple(filter(None, (self.end, self.base, self.pole, self.toe)))


@dataclass(frozen=True, eq=False)
class SolvedControls:
    """Keys of controls that make the body move as corrected."""

    keys: dict[str, BoneKeys]
    """Keys, by control."""
    ik_controls: tuple[str, ...]
    """Controls of inverse kinematics that have keys."""
    fk_switches: tuple[str, ...]
    """Bones with the switches of the limbs that must be switched to FK."""


@dataclass(frozen=True)
class ControlMap:
    """The controls of a rig."""

    controls: tuple[Control, ...]
    """Controls, parents before children."""
    targets: tuple[IkTarget, ...]
    turned_by: dict[str, frozenset[str]]
    """All bones, including controls, that each control rotates fully."""
    switches: tuple[str, ...] = field(default=())
    """Bones with a switch between IK and FK."""
    limbs: tuple[IkLimb, ...] = ()
    """Limbs whose IK controls are known."""

    @property
    def names(self) -> list[str]:
        """Unique names of all bones that get keys."""
        return list(dict.fromkeys([*(c.name for c in self.controls), *(t.name for t in self.targets)]))


def switch_to_fk(rig: bpy.types.Object) -> tuple[str, ...]:
    """Switch all limbs of a Rigify rig to FK. Returns the bones with the switches."""
    switches = tuple(bone.name for bone in rig.pose.bones if _FK_SWITCH in bone)
    for name in switches:
        rig.pose.bones[name][_FK_SWITCH] = 1.0
    if switches:
        rig.update_tag()
        bpy.context.view_layer.update()
    return switches


def map_controls(uid: int, names: list[str]) -> Steps:
    """Map the body to controls, in steps that end with a `ControlMap`, or None if it has no controls."""
    rig = find_rig(uid)
    before = read_transforms(rig)
    switched = {pose_bone.name: pose_bone[_FK_SWITCH] for pose_bone in rig.pose.bones if _FK_SWITCH in pose_bone}
    try:
        with muted_limits(uid):
            return (yield from _map_at_rest(uid, names))
    finally:
        write_transforms(find_rig(uid), before)
        for name, value in switched.items():
            find_rig(uid).pose.bones[name][_FK_SWITCH] = value
        bpy.context.scene.frame_set(bpy.context.scene.frame_current)


def read_transforms(rig: bpy.types.Object) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    """Return location, rotation and scale of all bones, by name, exactly as their properties have them."""
    values = {}
    for bone in rig.pose.bones:
        names = ("location", get_rotation_property(bone), "scale")
        values[bone.name] = [(name, tuple(getattr(bone, name))) for name in names]
    return values


def write_transforms(rig: bpy.types.Object, values: dict[str, list[tuple[str, tuple[float, ...]]]]) -> None:
    """Set what `read_transforms` returned."""
    for bone, channels in values.items():
        for name, value in channels:
            setattr(rig.pose.bones[bone], name, value)


@contextmanager
def muted_limits(uid: int) -> Iterator[None]:
    """Mute the limits of bones for a while.

    A control at its limit then counts and does not wind up.
    """
    muted = []
    for pose_bone in find_rig(uid).pose.bones:
        for constraint in pose_bone.constraints:
            if constraint.type in LIMITS and not constraint.mute:
                muted.append((pose_bone.name, constraint.name))
                constraint.mute = True
    try:
        yield
    finally:
        for bone, name in muted:
            find_rig(uid).pose.bones[bone].constraints[name].mute = False


def _map_at_rest(uid: int, names: list[str]) -> Steps:
    """Map the controls in the rest pose, where nothing is stretched."""
    rig = find_rig(uid)
    for pose_bone in rig.pose.bones:
        pose_bone.matrix_basis = Matrix()
    switches = switch_to_fk(rig)
    bpy.context.view_layer.update()
    candidates = _select_candidates(rig, set(names))
    turned_by: dict[str, frozenset[str]] = {}
    for count, name in enumerate(candidates):
        turned_by[name] = _probe(find_rig(uid), name, {*names, *candidates}, _SWING)
        yield count / len(candidates), "finding the controls"
    rig = find_rig(uid)
    targets = _find_ik_targets(rig, set(names))
    ik_bones = {chain_bone for target in targets for chain_bone in target.chain}
    best: dict[str, str] = {}
    for name in names:
        turning = [control for control in candidates if name in turned_by[control]]
        if turning and name not in ik_bones:
            best[name] = min(turning, key=lambda control: _rank(rig, control, name, turned_by, names))
    root = _find_root(rig, candidates, turned_by, names)
    controls = []
    for control in candidates:  # parents before children
        followers = [name for name in names if best.get(name) == control]
        if not followers and control != root:
            continue
        bone = names[0]
        if control != root:
            head = rig.data.bones[control].head_local
            bone = min(followers, key=lambda name: (rig.data.bones[name].head_local - head).length)
        twists = bone in _probe(find_rig(uid), control, {bone, control}, _TWIST)
        controls.append(Control(control, bone, moves=control == root, turns=bool(followers), twists=twists))
        yield 1.0, "finding the controls"
    if not root or len(best) + len(ik_bones & set(names)) < len(names) / 2:
        return None
    if switches:
        controls = [replace(control, next_bone=_find_next_bone(rig, control, controls)) for control in controls]
    return ControlMap(tuple(controls), targets, turned_by, switches, _find_ik_limbs(rig, switches, controls))


def _find_ik_limbs(rig: bpy.types.Object, switches: tuple[str, ...], controls: list[Control]) -> tuple[IkLimb, ...]:
    """Find the limbs of Rigify whose controls have their usual names."""
    body = {control.name: control.bone for control in controls}
    limbs = []
    for switch in switches:
        match = _SWITCH_NAME.fullmatch(switch)
        if match is None:
            continue
        limb, side = match["limb"], match["side"] or ""
        chain = [f"{limb}{_FK_NAME}{side}"]
        if chain[0] not in rig.data.bones:
            continue
        first = rig.data.bones[chain[0]]
        below = [
            rig.data.bones[name] for name in body if _FK_NAME in name and first in rig.data.bones[name].parent_recursive
        ]
        chain += [bone.name for bone in sorted(below, key=lambda bone: len(bone.parent_recursive))]
        if len(chain) < 3 or not set(chain) <= body.keys():
            continue
        names = (chain[2].replace(_FK_NAME, "_ik"), f"{limb}_ik{side}", f"{limb}_ik_target{side}")
        if all(name in rig.pose.bones for name in names):
            toe = chain[3].replace(_FK_NAME, "_ik") if len(chain) == 4 else ""
            toe = toe if toe in rig.pose.bones else ""
            bones = (body[chain[0]], body[chain[1]], body[chain[2]])
            toe_bone = body[chain[3]] if toe else ""
            limbs.append(IkLimb(switch, *names, bones, frozenset(chain), toe, toe_bone))
    return tuple(limbs)


def _find_next_bone(rig: bpy.types.Object, control: Control, controls: list[Control]) -> str:
    """Return the bone of the next FK control.

    The bone begins where this FK control ends, and this control may stretch to it.

    Returns "" if there is none or the control must not be scaled.
    """
    bone = rig.data.bones[control.name]
    if _FK_NAME not in control.name or rig.pose.bones[control.name].lock_scale[1]:
        return ""
    for candidate in controls:
        distance = (rig.data.bones[candidate.bone].head_local - bone.tail_local).length
        is_below = _FK_NAME in candidate.name and bone in rig.data.bones[candidate.name].parent_recursive
        if is_below and distance < _SAME_PLACE * bone.length:
            return candidate.bone
    return ""


def _find_root(
    rig: bpy.types.Object, candidates: list[str], turned_by: dict[str, frozenset[str]], names: list[str]
) -> str:
    """Return the last control that moves the whole body.

    The control moves the first bone, and with it all bones that no IK target holds.
    """
    most = max((len(turned_by[control] & set(names)) for control in candidates), default=0)
    root = ""
    for control in candidates:
        if len(turned_by[control] & set(names)) < most / 2:
            continue
        basis = rig.pose.bones[control].matrix_basis.copy()
        before = _read_heads(rig, names)
        rig.pose.bones[control].matrix_basis = Matrix.Translation((0.0, _PROBE_RAD, 0.0)) @ basis
        bpy.context.view_layer.update()
        shifts = _read_heads(rig, names) - before
        rig.pose.bones[control].matrix_basis = basis
        bpy.context.view_layer.update()
        is_moved = np.linalg.norm(shifts - shifts[0], axis=1) < (1 - _FULL_TURN) * np.linalg.norm(shifts[0])
        if np.linalg.norm(shifts[0]) > 0 and is_moved.mean() > _MOVED_SHARE:
            root = control
    return root


def _read_heads(rig: bpy.types.Object, names: list[str]) -> np.ndarray:
    """Return the heads (J, 3) of bones in the armature."""
    evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array([evaluated.pose.bones[name].head for name in names])


def _rank(
    rig: bpy.types.Object, control: str, name: str, turned_by: dict[str, frozenset[str]], names: list[str]
) -> tuple[int, float]:
    """Rank how well a control suits a bone.

    The best rotates fewest other bones, and is nearest. Lower is better.
    """
    others = len(turned_by[control] & set(names))
    distance = (rig.data.bones[control].head_local - rig.data.bones[name].head_local).length
    return others, distance


def _select_candidates(rig: bpy.types.Object, names: set[str]) -> list[str]:
    """Return the bones that users may key, parents before children.

    Bones without effect, because their own constraints override their keys, are found later: a test rotation does not
    turn them.
    """
    is_generated = any(bone.name.startswith(_MACHINERY[0]) for bone in rig.data.bones)
    hidden = (*_MACHINERY, _DEFORMING) if is_generated else ()
    candidates = []
    for bone in sorted(rig.data.bones, key=lambda bone: len(bone.parent_recursive)):
        is_hidden = bone.name.startswith(hidden) or (bone.use_deform and bone.name not in names)
        if not is_hidden:
            candidates.append(bone.name)
    return candidates


def _probe(rig: bpy.types.Object, control: str, names: set[str], axes: tuple[str, ...]) -> frozenset[str]:
    """Return the bones that rotate fully when a control rotates a little about each of these axes."""
    turned = set(names)
    before = _read_rotations(rig, names)
    pose_bone = rig.pose.bones[control]
    basis = pose_bone.matrix_basis.copy()
    for axis in axes:
        pose_bone.matrix_basis = basis @ Matrix.Rotation(_PROBE_RAD, 4, axis)
        bpy.context.view_layer.update()
        after = _read_rotations(rig, names)
        control_turn = after[control] @ before[control].T
        if _measure_angle(control_turn) < 0.5 * _PROBE_RAD:
            turned.clear()
        for name in list(turned):
            remainder = after[name] @ before[name].T @ control_turn.T
            if _measure_angle(remainder) > (1 - _FULL_TURN) * _PROBE_RAD:
                turned.discard(name)
    pose_bone.matrix_basis = basis
    bpy.context.view_layer.update()
    return frozenset(turned)


def _measure_angle(rotation: np.ndarray) -> float:
    return float(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1.0, 1.0)))


def _read_rotations(rig: bpy.types.Object, names: set[str]) -> dict[str, np.ndarray]:
    """Return the rotations (3, 3) of bones in the armature."""
    evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return {name: _get_rotation(evaluated.pose.bones[name].matrix) for name in names}


def _get_rotation(matrix: Matrix) -> np.ndarray:
    return np.array(matrix.to_3x3().normalized())


def _find_ik_targets(rig: bpy.types.Object, names: set[str]) -> tuple[IkTarget, ...]:
    """Find the IK targets and poles of the body's bones."""
    targets = []
    followers = find_followers_of_bones(rig, names)
    for pose_bone in rig.pose.bones:
        for constraint in get_active_constraints(pose_bone):
            if constraint.type != "IK" or constraint.target != rig or not constraint.subtarget:
                continue
            chain = [name if name in names else followers.get(name, "") for name in find_chain(pose_bone, constraint)]
            if not set(chain) <= names or get_active_constraints(rig.pose.bones[constraint.subtarget]):
                continue
            targets.append(
                IkTarget(constraint.subtarget, chain[0], tuple(chain), is_pole=False, uses_tail=constraint.use_tail)
            )
            if constraint.pole_target == rig and constraint.pole_subtarget:
                targets.append(IkTarget(constraint.pole_subtarget, chain[0], tuple(chain), is_pole=True))
    return tuple(targets)


def solve_controls(
    uid: int, control_map: ControlMap, targets: dict[str, np.ndarray], worlds: np.ndarray, clock: Clock
) -> Steps:
    """Solve the keys of all controls, in steps that end with `SolvedControls`.

    Limbs driven by inverse kinematics stay driven by it if it can reach their targets. All others are solved again by
    their FK controls.

    Args:
        uid: Session identifier of the rig.
        control_map: Controls of the rig.
        targets: Target transforms (T, 4, 4) of the body's bones in the world, by name.
        worlds: Transforms (T, 4, 4) of the armature object.
        clock: Times of the T steps.
    """
    scene = bpy.context.scene
    frame_before, subframe_before = scene.frame_current, scene.frame_subframe
    before = read_transforms(find_rig(uid))
    switched = {name: find_rig(uid).pose.bones[name][_FK_SWITCH] for name in control_map.switches}
    unkeyed = [name for name in switched if not _has_curve(find_rig(uid), name)]
    ik_names = [name for limb in control_map.limbs for name in limb.names]
    bases = {name: np.empty((clock.count, 4, 4)) for name in (*control_map.names, *ik_names)}
    failed: frozenset[IkLimb] = frozenset()
    try:
        with muted_limits(uid):
            while True:
                held: set[IkLimb] = set()
                always_held = set(control_map.limbs)
                newly_failed: set[IkLimb] = set()
                last: dict[str, tuple[Matrix, Matrix]] = {}
                for step in range(clock.count):
                    write_transforms(find_rig(uid), before)  # channels without keys would keep the last solution
                    show_time(clock, step)
                    rig = find_rig(uid)
                    for name in unkeyed:  # a switch without animation keeps its value
                        rig.pose.bones[name][_FK_SWITCH] = switched[name]
                    limbs = []
                    for limb in control_map.limbs:
                        if limb not in failed and rig.pose.bones[limb.switch][_FK_SWITCH] < 1:
                            limbs.append(limb)
                    to_armature = Matrix(worlds[step].tolist()).inverted()
                    goal_poses = {name: to_armature @ Matrix(target[step].tolist()) for name, target in targets.items()}
                    _start_near(rig, bases, last)
                    newly_failed |= _solve_frame(rig, control_map, limbs, goal_poses)
                    for name, values in bases.items():
                        values[step] = rig.pose.bones[name].matrix_basis
                        last[name] = (last[name][0], rig.pose.bones[name].matrix_basis.copy())
                    held.update(limbs)
                    always_held &= set(limbs)
                    yield step / clock.count, "moving the controls"
                if not newly_failed:
                    break
                failed |= newly_failed
    finally:
        write_transforms(find_rig(uid), before)
        for name, value in switched.items():
            find_rig(uid).pose.bones[name][_FK_SWITCH] = value
        bpy.context.scene.frame_set(frame_before, subframe=subframe_before)
    moving = {control.name for control in control_map.controls if control.moves}
    moving |= {target.name for target in control_map.targets}
    moving |= {name for limb in held for name in (limb.end, limb.pole)}
    stretching = {control.name for control in control_map.controls if control.next_bone}
    idle = {name for limb in always_held for name in limb.fk_controls}
    ik_controls = tuple(name for limb in control_map.limbs if limb in held for name in limb.names)
    keys = {}
    for name in (*control_map.names, *ik_controls):
        if name not in idle:
            keys[name] = BoneKeys(bases[name], name in moving, name in stretching)
    switches = tuple(limb.switch for limb in control_map.limbs if limb in failed)
    others = set(control_map.switches) - {limb.switch for limb in control_map.limbs}
    others = {name for name in others if switched[name] < 1 or name not in unkeyed}
    return SolvedControls(keys, ik_controls, (*switches, *sorted(others)))


def _start_near(rig: bpy.types.Object, bases: dict[str, np.ndarray], last: dict[str, tuple[Matrix, Matrix]]) -> None:
    """Change the controls in a frame as in the last frame, since corrections change slowly.

    Args:
        rig: Rig that shows the frame.
        bases: Controls, by name.
        last: Transform of each control before and after its change in the last frame, which is updated.
    """
    for name in bases:
        pose_bone = rig.pose.bones[name]
        before = pose_bone.matrix_basis.copy()
        if name in last:
            earlier, changed = last[name]
            place = before.translation + changed.translation - earlier.translation
            turn = before.to_quaternion() @ earlier.to_quaternion().inverted() @ changed.to_quaternion()
            stretch = Vector(
                c * b / max(e, 1e-9)
                for c, b, e in zip(changed.to_scale(), before.to_scale(), earlier.to_scale(), strict=True)
            )
            pose_bone.matrix_basis = Matrix.LocRotScale(place, turn, stretch)
        last[name] = (before, before)


def _has_curve(rig: bpy.types.Object, name: str) -> bool:
    """Return whether a bone's switch is animated."""
    data = rig.animation_data
    if data is None or data.action is None:
        return False
    return any(curve.data_path == _make_switch_path(name) for curve in get_curves(data.action, data.action_slot))


def _make_switch_path(name: str) -> str:
    return f'pose.bones["{bpy.utils.escape_identifier(name)}"]["{_FK_SWITCH}"]'


def _move_limb(
    rig: bpy.types.Object, evaluated: bpy.types.Object, limb: IkLimb, goal_poses: dict[str, Matrix]
) -> np.ndarray:
    """Move a limb's IK controls by the errors of its bones.

    Returns:
        Distances of the limb's middle and end from their targets.
    """
    upper, lower, end = (evaluated.pose.bones[name].matrix for name in limb.bones)
    upper_goal, lower_goal, end_goal = (goal_poses[name] for name in limb.bones)
    turn = end_goal.to_3x3().normalized() @ end.to_3x3().normalized().transposed()
    change = Matrix.Translation(end_goal.translation) @ turn.to_4x4() @ Matrix.Translation(-end.translation)
    _set_pose(rig, evaluated, limb.end, change)
    start = upper_goal.translation
    axis = (end_goal.translation - start).normalized()
    goal = lower_goal.translation - start
    current = lower.translation - upper.translation
    pole = evaluated.pose.bones[limb.pole].matrix.translation - start
    if limb.toe:
        toe, toe_goal = evaluated.pose.bones[limb.toe_bone].matrix, goal_poses[limb.toe_bone]
        bend = toe_goal.to_3x3().normalized() @ toe.to_3x3().normalized().transposed()
        bend = turn.transposed() @ bend  # the foot takes the toes along
        pivot = evaluated.pose.bones[limb.toe].matrix.translation
        _set_pose(rig, evaluated, limb.toe, Matrix.Translation(pivot) @ bend.to_4x4() @ Matrix.Translation(-pivot))
    for name, direction in ((limb.base, current), (limb.pole, pole)):
        about = Matrix.Rotation(_measure_angle_about(axis, direction, goal), 4, axis)
        _set_pose(rig, evaluated, name, Matrix.Translation(start) @ about @ Matrix.Translation(-start))
    return np.array([(goal - current).length, (end_goal.translation - end.translation).length])


def _measure_angle_about(axis: Vector, first: Vector, second: Vector) -> float:
    """Return the angle between two directions about an axis, or 0 for directions along the axis."""
    first = first - first.dot(axis) * axis
    second = second - second.dot(axis) * axis
    return float(np.arctan2(axis.dot(first.cross(second)), first.dot(second)))


def _set_pose(rig: bpy.types.Object, evaluated: bpy.types.Object, name: str, change: Matrix) -> None:
    """Apply a change to a control's pose in the armature, but keep its scale."""
    pose_bone = rig.pose.bones[name]
    scale = pose_bone.scale.copy()
    pose_bone.matrix = change @ evaluated.pose.bones[name].matrix
    pose_bone.scale = scale


def _solve_frame(
    rig: bpy.types.Object, control_map: ControlMap, limbs: list[IkLimb], goal_poses: dict[str, Matrix]
) -> set[IkLimb]:
    """Set the controls so that the body reaches the goals of a frame.

    Args:
        rig: Rig that shows the frame.
        control_map: Its controls.
        limbs: Limbs that stay in IK.
        goal_poses: Target poses of the body's bones in the armature, by name.

    Returns:
        Limbs whose goals inverse kinematics cannot reach.
    """
    by_ik = {limb.switch for limb in limbs}
    idle = {name for limb in limbs for name in limb.fk_controls}
    for name in control_map.switches:
        rig.pose.bones[name][_FK_SWITCH] = 0.0 if name in by_ik else 1.0
    rig.update_tag()
    bpy.context.view_layer.update()
    controls = [control for control in control_map.controls if control.name not in idle]
    errors: dict[IkLimb, np.ndarray] = {}
    best = np.inf
    idle_rounds = 0
    for _ in range(_ROUNDS):
        evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        poses = {name: evaluated.pose.bones[name].matrix.copy() for name in goal_poses}
        error = max(
            _turn_controls(rig, control_map, controls, goal_poses, poses),
            _move_targets(rig, control_map, goal_poses, poses),
        )
        for limb in limbs:
            errors[limb] = _move_limb(rig, evaluated, limb, goal_poses)
            error = max(error, float(errors[limb][1]))
        bpy.context.view_layer.update()
        idle_rounds = idle_rounds + 1 if error > _NO_BETTER * best else 0
        best = min(best, error)
        if error < _SOLVED or idle_rounds == _IDLE_ROUNDS:
            break
    failed = set()
    for limb in limbs:
        upper, lower, end = (goal_poses[name].translation for name in limb.bones)
        length = (upper - lower).length + (lower - end).length
        if (errors[limb] > length * np.array([_MIDDLE_ERROR, _END_ERROR])).any():
            failed.add(limb)
    return failed


def _turn_controls(
    rig: bpy.types.Object,
    control_map: ControlMap,
    controls: list[Control],
    goal_poses: dict[str, Matrix],
    poses: dict[str, Matrix],
) -> float:
    """Rotate each control by the error of its bone, minus that of the control above. Returns the largest error."""
    evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    errors: dict[str, Matrix] = {}
    largest = 0.0
    for control in controls:
        pose_bone = rig.pose.bones[control.name]
        rotation = Matrix.Identity(3)
        if control.turns:
            rotation = _compute_turn(poses[control.bone], goal_poses[control.bone], twists=control.twists)
        inherited = Matrix.Identity(3)
        for above in reversed(list(errors)):
            if control.name in control_map.turned_by[above]:
                inherited = errors[above]
                break
        errors[control.name] = rotation
        largest = max(largest, _measure_angle(np.array(rotation)))
        basis = pose_bone.matrix_basis.copy()
        frame = evaluated.pose.bones[control.name].matrix @ basis.inverted_safe()
        axes = frame.to_3x3().normalized()
        turned = (inherited @ axes).transposed() @ rotation @ axes @ basis.to_3x3().normalized()
        place = basis.translation.copy()
        if control.moves:
            # The bone rotates about the control, so take its position after the rotation.
            pivot = evaluated.pose.bones[control.name].matrix.translation
            turned_place = pivot + rotation @ (poses[control.bone].translation - pivot)
            missing = goal_poses[control.bone].translation - turned_place
            largest = max(largest, missing.length)
            place += frame.to_3x3().inverted_safe() @ missing
        scale = basis.to_scale()
        if control.next_bone:
            scale.y *= _measure_stretch(control, goal_poses) / max(_measure_stretch(control, poses), 1e-9)
        pose_bone.matrix_basis = Matrix.LocRotScale(place, turned.to_quaternion(), scale)
    return largest


def _measure_stretch(control: Control, poses: dict[str, Matrix]) -> float:
    """Return the distance from a control's bone to the next bone of the same limb."""
    return (poses[control.next_bone].translation - poses[control.bone].translation).length


def _compute_turn(pose: Matrix, target: Matrix, *, twists: bool) -> Matrix:
    """Return the rotation (3, 3) between two poses, or only between their directions if `twists` is false."""
    if twists:
        return target.to_3x3().normalized() @ pose.to_3x3().normalized().transposed()
    return pose.col[1].to_3d().rotation_difference(target.col[1].to_3d()).to_matrix()


def _move_targets(
    rig: bpy.types.Object, control_map: ControlMap, goal_poses: dict[str, Matrix], poses: dict[str, Matrix]
) -> float:
    """Move IK targets to the tips of their chains, and poles with their chains. Returns the largest error."""
    evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    largest = 0.0
    for target in control_map.targets:
        pose_bone = rig.pose.bones[target.name]
        pose = evaluated.pose.bones[target.name].matrix
        frame = pose @ evaluated.pose.bones[target.name].matrix_basis.inverted_safe()
        if target.is_pole:
            move = _find_pole_move(rig, target, pose.translation, goal_poses, poses)
        else:
            length = rig.data.bones[target.tip].length if target.uses_tail else 0.0
            tail = Vector((0.0, length, 0.0))
            move = goal_poses[target.tip] @ tail - poses[target.tip] @ tail
            largest = max(largest, move.length)
        basis = pose_bone.matrix_basis.copy()
        basis.translation += frame.to_3x3().inverted_safe() @ move
        pose_bone.matrix_basis = basis
    return largest


def _find_pole_move(
    rig: bpy.types.Object, target: IkTarget, pole: Vector, goal_poses: dict[str, Matrix], poses: dict[str, Matrix]
) -> Vector:
    """Return the move of a pole that takes its chain along, and turns the chain's middle towards its goal."""
    root, middle = target.chain[-1], target.chain[max(len(target.chain) - 2, 0)]
    start = goal_poses[root].translation
    carried = pole + start - poses[root].translation
    tail = Vector((0.0, rig.data.bones[target.tip].length, 0.0))
    axis = (goal_poses[target.tip] @ tail - start).normalized()
    bent = poses[middle].translation - poses[root].translation
    goal = goal_poses[middle].translation - start
    across = min((side - side.project(axis)).length for side in (bent, goal))
    is_straight = across < _STRAIGHT * goal.length  # then the middle shows no direction
    angle_rad = 0.0 if is_straight else _measure_angle_about(axis, bent, goal)
    turn = Matrix.Rotation(angle_rad, 4, axis)
    return start + turn @ (carried - start) - pole


def key_switches(bag: bpy.types.ActionChannelbag, switches: tuple[str, ...], first_frame: float) -> None:
    """Set a single key on each FK switch, instead of earlier keys.

    Args:
        bag: Curves of the rig's action.
        switches: Bones with the switches.
        first_frame: Frame of the key.
    """
    for name in switches:
        path = _make_switch_path(name)
        curve = bag.fcurves.find(path)
        if curve is not None:
            bag.fcurves.remove(curve)
        bag.fcurves.new(path).keyframe_points.insert(first_frame, 1.0)
