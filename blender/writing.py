# SPDX-License-Identifier: GPL-3.0-or-later
"""Write corrections into actions of rigs, their controls or copies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import bpy
import numpy as np

from . import actions, contacts, controls, copies, record, rig
from .program import Steps
from .work import scale_steps

VISIBLE_ERROR_M = 1e-3
"""Distance from the corrected position beyond which the user is warned, in m."""
_VERIFIED_FRAMES = 8
"""Number of frames in which a new action without controls is compared with its targets."""


@dataclass(frozen=True)
class Written:
    """A correction that was written to an action."""

    action: bpy.types.Action
    remark: str
    """Remark on the rig for the user, after a semicolon; "" for none."""
    warnings: list[str]
    uid: int
    """Session identifier of the armature object that plays the action."""
    has_ik_limbs: bool = False
    """Whether inverse kinematics drives limbs of the rig."""
    hidden: tuple[str, ...] = ()
    """Names of the objects for which a copy stands in, and which are hidden now."""


@dataclass(frozen=True, eq=False)
class Writer:
    """Writes corrections into actions of rigs, their controls or copies."""

    result: str
    """"ACTION" or "LAYER"."""
    held_rigs: str
    """"CONTROLS" or "COPY", for rigs whose bones are held by constraints."""
    selected: set[str] | None
    """Bones that may change; None for all."""
    contacts: contacts.Contacts | None
    unit_m: float
    """Length of the scene's unit."""
    body: frozenset[str]
    """Bones that are body parts. All others may follow constraints of their own."""

    def write(self, sampled: rig.Sampled, targets: dict[str, np.ndarray], scene: bpy.types.Scene) -> Steps:
        """Write a correction, in steps that end with `Written`.

        Args:
            sampled: Motion before the correction.
            targets: Target transforms (T, 4, 4) of bones in the world, by name.
            scene: The scene.
        """
        source = rig.find_rig(sampled.uid)
        if self.selected is not None:
            targets = {name: target for name, target in targets.items() if name in self.selected}
        is_stacked = actions.is_stacked(source)
        everything = is_stacked and self.result == "ACTION" and self.selected is None
        steps = actions.compute_keys(sampled, targets, self.unit_m, everything=everything)
        keys = yield from scale_steps(steps, 0.0, 0.3)
        source = rig.find_rig(sampled.uid)
        moved = {name for name, target in targets.items() if actions.is_moved(sampled, name, target, self.unit_m)}
        is_held = bool(
            copies.find_holding_constraints(source, set(keys))
            or copies.find_ik_constraints(source, moved)
            or actions.find_drivers(source, keys)
        )
        control_map = None
        if is_held and self.held_rigs == "CONTROLS" and source.library is None:
            steps = controls.map_controls(sampled.uid, list(targets))
            control_map = yield from scale_steps(steps, 0.3, 0.1)
        if control_map is not None:
            written = yield from self._write_controls(control_map, sampled, targets, scene)
        elif is_held or source.library is not None:
            written = yield from self._write_copy(sampled, targets, scene, is_held)
        else:
            written = yield from self._write_action(source, sampled, keys, scene)
        written_rig = rig.find_rig(written.uid)
        judged = {}
        for name, target in targets.items():
            if name in self.body or not rig.get_active_constraints(written_rig.pose.bones[name]):
                judged[name] = target
        last = sampled.clock.count - 1
        is_sure = control_map is None  # keys of the bones themselves are where they should be, or not, in all frames
        steps = np.unique(np.linspace(0, last, _VERIFIED_FRAMES).astype(int)) if is_sure else np.arange(last + 1)
        off, bone = yield from measure_error(written.uid, sampled, judged, scene, steps)
        if self.unit_m * off > VISIBLE_ERROR_M:
            cause = self._explain_error(rig.find_rig(written.uid), bone, written)
            warning = f"{bone} lies up to {1000 * self.unit_m * off:.0f} mm off, because {cause}"
            return replace(written, warnings=[*written.warnings, warning])
        return written

    def _explain_error(self, target: bpy.types.Object, bone: str, written: Written) -> str:
        """Explain why a bone is not at its target."""
        above = [ancestor.name for ancestor in target.data.bones[bone].parent_recursive]
        if self.selected is not None and not set(above) <= self.selected:
            return "bones above it are not selected, and stay"
        for driver in actions.find_drivers(target, {bone, *above}):
            driven = next(name for name in (bone, *above) if f'"{name}"' in driver.data_path)
            return f"a driver moves {driven}"
        if written.has_ik_limbs:
            return "inverse kinematics stretches its limb; limbs in FK do not stretch"
        for constraint in copies.find_holding_constraints(target, {bone, *above}):
            return f"the constraint {constraint.name} moves it"
        for name in (bone, *above):
            for constraint in target.pose.bones[name].constraints:
                if constraint.type in rig.LIMITS and not constraint.mute and constraint.influence > 0:
                    return f"the constraint {constraint.name} holds {name} back"
        return "its curves do not move it as they should; look for locked or muted ones"

    def _write_action(
        self,
        target: bpy.types.Object,
        sampled: rig.Sampled,
        keys: dict[str, actions.BoneKeys],
        scene: bpy.types.Scene,
        fk_switches: tuple[str, ...] = (),
        *,
        is_thinned: bool = False,
    ) -> Steps:
        """Write keys as an action, or as a layer over the old one.

        Thinned keys are left out where the motion before, or a line between other keys, is the same.
        """
        source = rig.find_rig(sampled.uid)
        data = source.animation_data
        old = data.action if data else None
        old_curves = record.list_curves(source)
        identifier = data.action_slot.identifier if old and data.action_slot else ""
        blend_type, influence = (data.action_blend_type, data.action_influence) if data else ("REPLACE", 1.0)
        original = record.find_original(old)
        is_layer = self.result == "LAYER"
        below = actions.read_layer(source, sampled.clock.times) if is_layer else {}
        is_on_top = target == source and (is_layer or actions.is_stacked(source))
        action, slot = actions.create_action(
            source, f"{original.name if original else source.name} corrected", is_copy=not is_on_top
        )
        if is_on_top and not actions.is_layer(source):
            actions.push_down(source, scene)
        bag = actions.get_bag(action, slot)
        baked: set[str] = set()
        bases: dict[str, np.ndarray] = {}
        patterns = actions.collect_strip_curves(target) if is_on_top and target.animation_data else []
        for count, (name, bone_keys) in enumerate(keys.items()):
            pose_bone = target.pose.bones[name]
            if is_layer and is_on_top:
                channels = actions.subtract_layer(pose_bone, sampled.channels[name], below)
                bases |= actions.write_layer_keys(bag, pose_bone, bone_keys, channels, sampled.clock.times, patterns)
            else:
                present = sampled.channels.get(name) if is_thinned else None
                baked |= actions.write_keys(bag, pose_bone, bone_keys, sampled.clock.times, present)
            yield 0.3 + 0.5 * count / len(keys), "writing the action"
        if bases:
            actions.hold_pose(target, bases, sampled.clock.first)
        controls.key_switches(bag, fk_switches, sampled.clock.first)
        if self.contacts is not None:
            actions.write_contacts(bag, target, self.contacts, sampled.clock.times)
        action[record.SOURCE_RIG] = source
        if old is not None:
            action[record.SOURCE_ACTION] = old
        if is_on_top:
            action[record.AMOUNT] = 1.0
        before = [*old_curves, *(actions.collect_strip_curves(source) if source.animation_data else [])]
        unkeyed = record.read_unkeyed(target, rig.get_curves(action, slot), before)
        played = record.Record(unkeyed=unkeyed, slot=identifier, blend_type=blend_type, influence=influence)
        record.write_record(action, played)
        actions.assign(target, action, slot, "ADD" if is_layer and is_on_top else "REPLACE")
        warnings = []
        if baked:
            kinds = ", ".join(sorted(kind.capitalize().replace("Fnoise", "Noise") for kind in baked))
            warnings.append(f"the modifiers of curves ({kinds}) are baked into the keys, and do nothing beyond them")
        return Written(action, "", warnings, target.session_uid)

    def _write_controls(
        self,
        control_map: controls.ControlMap,
        sampled: rig.Sampled,
        targets: dict[str, np.ndarray],
        scene: bpy.types.Scene,
    ) -> Steps:
        """Write keys on the controls of the rig."""
        steps = controls.solve_controls(sampled.uid, control_map, targets, sampled.world, sampled.clock)
        solved = yield from scale_steps(steps, 0.4, 0.3)
        source = rig.find_rig(sampled.uid)
        written = yield from self._write_action(
            source, sampled, solved.keys, scene, solved.fk_switches, is_thinned=not actions.is_stacked(source)
        )
        remark = f"; the keys are on {len(solved.keys)} controls of {rig.find_rig(sampled.uid).name}"
        if solved.ik_controls:
            remark += f", with those of IK: {', '.join(solved.ik_controls)}"
        if solved.fk_switches:
            remark += f"; {', '.join(solved.fk_switches)} are switched to FK"
        return replace(written, remark=remark, has_ik_limbs=bool(solved.ik_controls))

    def _write_copy(
        self, sampled: rig.Sampled, targets: dict[str, np.ndarray], scene: bpy.types.Scene, is_held: bool
    ) -> Steps:
        """Write keys on a copy of the rig, and hide the original."""
        steps = actions.compute_keys(sampled, targets, self.unit_m, everything=is_held)
        keys = yield from scale_steps(steps, 0.0, 0.3)
        source = rig.find_rig(sampled.uid)
        copy, hidden = copies.copy_rig(source, set(keys) if is_held else set(), scene)
        written = yield from self._write_action(copy, sampled, keys, scene)
        copy = rig.find_rig(written.uid)
        rig.find_rig(sampled.uid).select_set(False)
        copy.select_set(True)
        bpy.context.view_layer.objects.active = copy
        written.action[record.COPY] = copy
        reason = "the rig is linked"
        if is_held:
            reason = "constraints hold the bones of the rig"
            reason += "" if self.held_rigs == "COPY" else " and none of its controls moves them"
        remark = f"; {copy.name} is a copy, because {reason}, and the original is hidden"
        return replace(written, remark=remark, hidden=tuple(hidden))


def measure_error(
    uid: int, sampled: rig.Sampled, targets: dict[str, np.ndarray], scene: bpy.types.Scene, frames: np.ndarray
) -> Steps:
    """Find the bone furthest from its target, in steps.

    The steps end with the distance in the given frames, and the bone.
    """
    frame_before, subframe_before = scene.frame_current, scene.frame_subframe
    largest = (0.0, "")
    try:
        with rig.shown_in_viewports(uid):
            for step in frames:
                rig.show_time(sampled.clock, step)
                evaluated = rig.find_rig(uid).evaluated_get(bpy.context.evaluated_depsgraph_get())
                for name, target in targets.items():
                    head = np.array(evaluated.matrix_world @ evaluated.pose.bones[name].head)
                    largest = max(largest, (float(np.linalg.norm(head - target[step, :3, 3])), name))
                yield 0.9, "comparing the result"
    finally:
        bpy.context.scene.frame_set(frame_before, subframe=subframe_before)
    return largest
