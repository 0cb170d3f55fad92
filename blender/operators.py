# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that correct, check and toggle the motions of armatures."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty

from . import actions, contacts, controls, copies, program, report, rig
from .actions import SOURCE_ACTION, SOURCE_RIG
from .clock import Clock
from .exchange import Clip, ExchangeError, compute_changes, read_bvh, write_bvh
from .ground import write_ground
from .placement import Placement
from .preferences import choose_program, get_log_file
from .program import Failure, Steps
from .work import Running, StepOperator

MARKER_PREFIX = "check: "
"""Prefix of the names of this extension's timeline markers."""
VISIBLE_ERROR_M = 1e-3
"""Distance from the corrected position beyond which the user is warned, in m."""
_READING, _HANDING, _COMPUTING, _WRITING = 0.2, 0.05, 0.65, 0.1
"""Shares of the work: reading the motion, writing it for the program, waiting for the program, and writing keys."""
_BEFORE_COMPUTING, _AFTER_COMPUTING = _READING + _HANDING, 1 - _WRITING
_DIALOG_WIDTH = 360
"""Width of the dialog at which no option is cut off, in pixels."""
_VERIFIED_FRAMES = 8
"""Number of frames in which a new action is compared with its targets."""
_LEVEL_RULE = "F4"
"""Rule that the floor is at 0, which does not apply to a character that keeps its level."""
_RATES = (12.0, 15.0, 24.0, 25.0, 30.0, 48.0, 50.0, 60.0, 90.0, 100.0, 120.0, 240.0)
"""Usual frame rates."""
_RATE_TRIES = 3
"""Maximum number of frame rates that are tried until the pace is right."""


def _scale_steps(steps: Steps, start: float, share: float) -> Steps:
    """Yield steps as a part of longer work. Returns their return value."""
    while True:
        try:
            share_done, stage = next(steps)
        except StopIteration as end:
            return end.value
        yield start + share * share_done, stage


class RigOperator(StepOperator):
    """An operator on the motion of armatures."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is an armature."""
        cls.poll_message_set("The active object must be an armature")
        return context.object is not None and context.object.type == "ARMATURE"


EXTENT = EnumProperty(
    name="Range",
    items=[
        ("ACTION", "Action", "All frames of the action, or of the scene if there is none"),
        ("SCENE", "Scene", "Frames of the scene, or of the preview range; the correction blends in and out"),
    ],
)
GROUND = StringProperty(
    name="Ground", description="Mesh, or collection of meshes, on which the body stands: stairs, platforms, a slope"
)
FLOOR_MODE = EnumProperty(
    name="Floor",
    items=[
        ("LEVEL", "Where It Stands", "The character stays on its level; floors within 5 cm of zero come to zero"),
        ("ZERO", "Zero", "The floor that the motion shows comes to the height 0 of the scene"),
        ("HEIGHT", "At Height", "The floor lies at a height of the scene"),
    ],
)
FLOOR = FloatProperty(name="Height", unit="LENGTH", description="Height of the floor in the scene")


@dataclass(frozen=True)
class ClipFiles:
    """A motion and its files for the program."""

    clip: Clip
    placement: Placement
    folder: Path
    warnings: list[str]
    """Warnings, such as a sentence on the body's size if its unit was guessed."""

    @property
    def motion(self) -> Path:
        """BVH file of the motion."""
        return self.folder / "motion.bvh"

    @property
    def ground(self) -> Path:
        """File of the ground on which the motion stands."""
        return self.folder / "ground.json"


def _sample(options: bpy.types.Operator, source: bpy.types.Object, clock: Clock) -> Steps:
    """Sample a rig and, if it has one, its ground."""
    ground = [mesh.name for mesh in rig.find_ground(options.ground)] if options.ground else []
    return rig.sample(source.session_uid, clock, ground)


def _describe_ride(sampled: rig.Sampled) -> list[str]:
    """Return a note if the ground moves."""
    is_moving = np.ptp(sampled.ride, axis=0).any()
    return ["the ground moves, and the motion is corrected as seen from the ground"] if is_moving else []


def _write_files(options: bpy.types.Operator, sampled: rig.Sampled, folder: str) -> Steps:
    """Write files of the motion and, if there is one, its ground, in steps that end with `ClipFiles`.

    A floor at a given height is moved to 0.
    """
    scene = bpy.context.scene
    unit_m, warnings = rig.guess_unit(sampled, scene.unit_settings.scale_length)
    placement = Placement.from_object(sampled.world[0], unit_m)
    floor_m = options.floor * unit_m if options.floor_mode == "HEIGHT" else 0.0
    if not options.ground:
        placement = replace(placement, origin_m=(*placement.origin_m[:2], floor_m))
    clip = yield from rig.make_clip(sampled, scene, placement)
    files = ClipFiles(clip, placement, Path(folder), warnings)
    if options.ground:
        write_ground(files.ground, rig.collect_blocks(sampled.ground), floor_m, placement)
    yield from write_bvh(files.motion, files.clip)
    return files


class SELFCORRECT_OT_correct(RigOperator, bpy.types.Operator):
    """Make the motion of the selected armatures physically plausible"""

    bl_idname = "selfcorrect.correct"
    bl_label = "Correct with Physics"
    bl_options = {"UNDO"}  # noqa: RUF012

    strength: EnumProperty(
        name="Strength",
        items=[
            ("faithful", "Faithful", "Closest to the motion"),
            ("balanced", "Balanced", "Between the motion and physics"),
            ("physical", "Physical", "Most physical"),
            ("residual-free", "Residual-free", "Muscles and contacts alone hold the body up; takes longer"),
        ],
        default="balanced",
    )
    kinematic: BoolProperty(name="Kinematic Only", description="Clean up by kinematics and simulate nothing")
    support: EnumProperty(
        name="Support",
        items=[
            ("infer", "Inferred", "Steps, rungs and seats where the motion shows them"),
            ("floor", "Floor", "The floor alone"),
            ("off", "Unknown", "Something unknown; the body keeps its height"),
        ],
    )
    remove_drift: BoolProperty(name="Remove Drift", description="Take out the drift of the floor")
    level: BoolProperty(name="Level Floor", description="Turn a motion whose floor is tilted, so that it stands level")
    floor_mode: FLOOR_MODE
    floor: FLOOR
    extent: EXTENT
    keep_hands: BoolProperty(name="Keep Hands", description="Leave the hands where they are in the world")
    only_selected: BoolProperty(name="Selected Bones", description="Change only the bones that are selected")
    ground: GROUND
    result: EnumProperty(
        name="Result",
        items=[
            ("ACTION", "New Action", "A new action in place of the old one, which stays in the file"),
            ("LAYER", "Additive Layer", "A layer over the untouched action; its Amount can be changed at any time"),
        ],
    )
    held_rigs: EnumProperty(
        name="Constrained Rigs",
        items=[
            ("CONTROLS", "Key the Controls", "Keys on the controls of the rig; limbs of Rigify switch to FK"),
            ("COPY", "Copy", "Keys on the bones of a copy without controls; the original is hidden"),
        ],
    )
    use_contacts: BoolProperty(
        name="Use Edited Contacts",
        description="Correct the original motion again; feet stand where the contacts of this action say",
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for options first."""
        return context.window_manager.invoke_props_dialog(self, width=_DIALOG_WIDTH, confirm_text="Correct")

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the options, each next to the option on which it depends."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "kinematic")
        row = layout.row()
        row.enabled = not self.kinematic
        row.prop(self, "strength")
        for name in (
            "support",
            "remove_drift",
            "level",
            "keep_hands",
            "only_selected",
            "result",
            "held_rigs",
            "use_contacts",
        ):
            layout.prop(self, name)
        _draw_place(self, layout)

    def create_steps(self, context: bpy.types.Context) -> Steps:
        """Correct all selected armatures, one after the other."""
        rigs = _list_rigs(context)
        uids = [selected.session_uid for selected in rigs]
        names = [selected.name for selected in rigs]
        context.scene.selfcorrect_notes.clear()
        sentences = []
        failures = []
        level = "INFO"
        for count, uid in enumerate(uids):
            steps = self._correct_rig(context, rig.find_rig(uid))
            try:
                sentence, warnings, notes = yield from _scale_steps(steps, count / len(uids), 1 / len(uids))
            except (Failure, ExchangeError) as error:  # for example, a prop is also selected
                failures.append(error)
                sentence, warnings, notes = f"{names[count]} is skipped", [f"{names[count]}: {error}"], []
            else:
                self.finished = (*self.finished, names[count])
            for text in (*warnings, *notes):
                row = context.scene.selfcorrect_notes.add()
                row.name = text
                row.is_warning = text in warnings
            if warnings:
                level = "WARNING"
            sentences.append("; ".join([sentence, *warnings[:3]]))
        if len(failures) == len(uids):
            raise failures[0]
        return level, " | ".join(sentences)

    def _correct_rig(self, context: bpy.types.Context, target: bpy.types.Object) -> Steps:
        """Correct a rig, in steps that end with a sentence, warnings and notes."""
        if not self.use_contacts:
            return (yield from self._correct_source(context, target, None))
        edited = target.animation_data and target.animation_data.action
        with actions.playing_original(target) as source:
            return (yield from self._correct_source(context, source, edited))

    def _correct_source(
        self, context: bpy.types.Context, source: bpy.types.Object, edited: bpy.types.Action | None
    ) -> Steps:
        """Correct a rig's motion, with the contacts of an edited action if there is one."""
        tool = choose_program()
        rig.check_rig(source)
        clock = rig.choose_clock(source, context.scene, self.extent)
        selected = self._list_selected_bones(source)
        edited_contacts = actions.read_contacts(edited, clock.times) if edited else None
        sampled = yield from _scale_steps(_sample(self, source, clock), 0.0, _READING)
        with tempfile.TemporaryDirectory(dir=bpy.app.tempdir or None) as folder:
            files = yield from _scale_steps(_write_files(self, sampled, folder), _READING, _HANDING)
            shown = Path(folder, "shown.json")
            options = [*self._list_words(clock, files), "--contacts-out", str(shown)]
            if edited_contacts is not None:
                edited_file = Path(folder, "contacts.json")
                contacts.write_contacts(edited_file, edited_contacts, files.clip.fps, files.placement)
                options += ["--contacts", str(edited_file)]
            out = Path(folder, "corrected")
            command = program.make_correct_command(tool, files.motion, out, options)
            running = program.run(command, get_log_file(), good=(0, 1))
            with report.translating_failures(clock):
                yield from _scale_steps(running, _BEFORE_COMPUTING, _COMPUTING)
            ignored_rules = (_LEVEL_RULE,) if self._keeps_level() else ()
            correction = report.read_report(out / "report.json", clock, ignored_rules)
            before = yield from _scale_steps(read_bvh(files.motion), _AFTER_COMPUTING, 0.0)
            after = yield from _scale_steps(read_bvh(out / files.motion.name), _AFTER_COMPUTING, 0.0)
            changes, positions_m = compute_changes(files.clip, before, after, correction.parts)
            yield _AFTER_COMPUTING, "reading the result"
            found_contacts = contacts.read_contacts(shown, files.placement) if shown.is_file() else None
        targets = rig.compute_targets(sampled, changes, positions_m, files.placement)
        yield _AFTER_COMPUTING, "reading the result"
        writer = Writer(self.result, self.held_rigs, selected, found_contacts, files.placement.unit_m)
        with actions.restoring_if_interrupted(sampled.uid):
            steps = writer.write(sampled, targets, context.scene)
            written = yield from _scale_steps(steps, _AFTER_COMPUTING, _WRITING)
        warnings = [*files.warnings, *written.warnings, *correction.warnings]
        notes = [*_describe_ride(sampled), *correction.notes]
        return f"{written.action.name}: {correction.summary}{written.remark}", warnings, notes

    def _list_selected_bones(self, source: bpy.types.Object) -> set[str] | None:
        """Return the selected bones, or None if all may change."""
        if not self.only_selected:
            return None
        selected = {bone.name for bone in source.data.bones if _is_selected(source, bone.name)}
        if not selected:
            raise Failure(f"No bone of {source.name} is selected")
        return selected

    def _keeps_level(self) -> bool:
        """Whether the character stays on the level where it stands."""
        return self.floor_mode == "LEVEL" and not self.ground

    def _list_words(self, clock: Clock, files: ClipFiles) -> list[str]:
        """Return the command-line options for the program."""
        words = ["--kinematic"] if self.kinematic else ["--strength", self.strength]
        words += ["--support", self.support]
        if self.remove_drift:
            words.append("--remove-drift")
        if self.level:
            words.append("--level")
        if self._keeps_level():
            words.append("--keep-level")
        if clock.part is not None:
            words += ["--frames", "{}:{}".format(*clock.part)]
        if self.keep_hands:
            words += ["--keep", "hands"]
        return words + _list_floor_words(self, files)


def _draw_place(options: bpy.types.Operator, layout: bpy.types.UILayout) -> None:
    """Draw the options for range, ground and floor."""
    layout.prop(options, "extent")
    layout.prop_search(options, "ground", bpy.data, "collections")
    layout.prop_search(options, "ground", bpy.data, "objects", text="or Mesh")
    row = layout.row()
    row.enabled = not options.ground
    row.prop(options, "floor_mode")
    row = layout.row()
    row.enabled = options.floor_mode == "HEIGHT"
    row.prop(options, "floor")


def _list_floor_words(options: bpy.types.Operator, files: ClipFiles) -> list[str]:
    """Return the command-line options for a known ground or floor."""
    if options.ground:
        return ["--ground", str(files.ground)]
    return ["--floor", "0"] if options.floor_mode == "HEIGHT" else []


def _list_rigs(context: bpy.types.Context) -> list[bpy.types.Object]:
    """Return the active armature and all other selected armatures."""
    selected = [item for item in context.selected_objects if item.type == "ARMATURE" and item != context.object]
    return [context.object, *selected]


def _is_selected(source: bpy.types.Object, name: str) -> bool:
    """Return whether a bone is selected, which Blender 5 stores in the pose."""
    pose_bone = source.pose.bones[name]
    return pose_bone.select if hasattr(pose_bone, "select") else pose_bone.bone.select


# --- writing ---------------------------------------------------------------------------------------------------------


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
        keys = yield from _scale_steps(steps, 0.0, 0.3)
        source = rig.find_rig(sampled.uid)
        is_held = bool(copies.find_holding_constraints(source, set(keys)) or actions.find_drivers(source, keys))
        if is_held and self.held_rigs == "CONTROLS" and source.library is None:
            written = yield from self._write_controls(sampled, targets, scene)
        elif is_held or source.library is not None:
            written = yield from self._write_copy(sampled, targets, scene, is_held)
        else:
            written = yield from self._write_action(source, sampled, keys, scene)
        off, bone = yield from _measure_error(written.uid, sampled, targets, scene)
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
        return "its curves do not move it as they should; look for locked or muted ones"

    def _write_action(
        self,
        target: bpy.types.Object,
        sampled: rig.Sampled,
        keys: dict[str, actions.BoneKeys],
        scene: bpy.types.Scene,
        fk_switches: tuple[str, ...] = (),
    ) -> Steps:
        """Write keys as an action, or as a layer over the old one."""
        source = rig.find_rig(sampled.uid)
        data = source.animation_data
        old = data.action if data else None
        is_layer = self.result == "LAYER"
        is_on_top = target == source and (is_layer or actions.is_stacked(source))
        action, slot = actions.create_action(
            source, f"{old.name if old else source.name} corrected", is_copy=not is_on_top
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
                channels = sampled.channels[name]
                bases |= actions.write_layer_keys(bag, pose_bone, bone_keys, channels, sampled.clock.times, patterns)
            else:
                baked |= actions.write_keys(bag, pose_bone, bone_keys, sampled.clock.times)
            yield 0.3 + 0.5 * count / len(keys), "writing the action"
        if bases:
            actions.hold_pose(target, bases, sampled.clock.first)
        controls.key_switches(bag, fk_switches, sampled.clock.first)
        if self.contacts is not None:
            actions.write_contacts(bag, target, self.contacts, sampled.clock.times)
        action[SOURCE_RIG] = source
        if old is not None:
            action[SOURCE_ACTION] = old
        if is_on_top:
            action[actions.AMOUNT] = 1.0
        actions.assign(target, action, slot, "ADD" if is_layer and is_on_top else "REPLACE")
        warnings = []
        if baked:
            kinds = ", ".join(sorted(kind.capitalize().replace("Fnoise", "Noise") for kind in baked))
            warnings.append(f"the modifiers of curves ({kinds}) are baked into the keys, and do nothing beyond them")
        return Written(action, "", warnings, target.session_uid)

    def _write_controls(self, sampled: rig.Sampled, targets: dict[str, np.ndarray], scene: bpy.types.Scene) -> Steps:
        """Write keys on the controls of the rig."""
        steps = controls.map_controls(sampled.uid, list(targets))
        control_map = yield from _scale_steps(steps, 0.3, 0.1)
        steps = controls.solve_controls(sampled.uid, control_map, targets, sampled.world, sampled.clock)
        solved = yield from _scale_steps(steps, 0.4, 0.3)
        source = rig.find_rig(sampled.uid)
        written = yield from self._write_action(source, sampled, solved.keys, scene, solved.fk_switches)
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
        keys = yield from _scale_steps(steps, 0.0, 0.3)
        source = rig.find_rig(sampled.uid)
        copy = copies.copy_rig(source, set(keys) if is_held else set(), scene)
        written = yield from self._write_action(copy, sampled, keys, scene)
        copy = rig.find_rig(written.uid)
        rig.find_rig(sampled.uid).select_set(False)
        copy.select_set(True)
        bpy.context.view_layer.objects.active = copy
        reason = "constraints hold the bones of the rig" if is_held else "the rig is linked"
        remark = f"; {copy.name} is a copy, because {reason}, and the original is hidden"
        return replace(written, remark=remark)


def _measure_error(uid: int, sampled: rig.Sampled, targets: dict[str, np.ndarray], scene: bpy.types.Scene) -> Steps:
    """Find the bone that is furthest from its target, in steps that end with this distance and the bone."""
    frame_before, subframe_before = scene.frame_current, scene.frame_subframe
    largest = (0.0, "")
    steps = np.unique(np.linspace(0, sampled.clock.count - 1, _VERIFIED_FRAMES).astype(int))
    try:
        with rig.shown_in_viewports(uid):
            for step in steps:
                rig.show_time(sampled.clock, step)
                evaluated = rig.find_rig(uid).evaluated_get(bpy.context.evaluated_depsgraph_get())
                for name, target in targets.items():
                    head = np.array(evaluated.matrix_world @ evaluated.pose.bones[name].head)
                    largest = max(largest, (float(np.linalg.norm(head - target[step, :3, 3])), name))
                yield 0.9, "comparing the result"
    finally:
        bpy.context.scene.frame_set(frame_before, subframe=subframe_before)
    return largest


# --- the check -------------------------------------------------------------------------------------------------------


class SELFCORRECT_OT_check(RigOperator, bpy.types.Operator):
    """List what is physically implausible in the motion of the armature, and mark it on the timeline"""

    bl_idname = "selfcorrect.check"
    bl_label = "Check Motion"
    bl_options = {"UNDO"}  # noqa: RUF012

    extent: EXTENT
    ground: GROUND
    floor_mode: FLOOR_MODE
    floor: FLOOR

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for options first."""
        return context.window_manager.invoke_props_dialog(self, confirm_text="Check")

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the options."""
        self.layout.use_property_split = True
        _draw_place(self, self.layout)

    def create_steps(self, context: bpy.types.Context) -> Steps:
        """Read the motion, check it, and list the findings."""
        tool = choose_program()
        source = context.object
        rig.check_rig(source)
        clock = rig.choose_clock(source, context.scene, self.extent)
        sampled = yield from _scale_steps(_sample(self, source, clock), 0.0, _READING)
        scene_fps = context.scene.render.fps / context.scene.render.fps_base
        with tempfile.TemporaryDirectory(dir=bpy.app.tempdir or None) as folder:
            files = yield from _scale_steps(_write_files(self, sampled, folder), _READING, _HANDING)
            findings = yield from self._find(tool, files, clock)
            rate = scene_fps
            later_findings = findings
            for _ in range(_RATE_TRIES):  # far from the true rate, the measured pace is too near to 1
                if not (next_rate := suggest_rate(rate, later_findings)):
                    break
                rate = next_rate
                clip = replace(files.clip, fps=clock.get_fps(rate))
                yield from _scale_steps(write_bvh(files.motion, clip), _BEFORE_COMPUTING, 0.0)
                later_findings = yield from self._find(tool, files, clock)
        if self.floor_mode == "LEVEL":
            findings = [finding for finding in findings if finding.rule != _LEVEL_RULE]
        show_findings(context.scene, findings, clock)
        context.scene.selfcorrect_frame_rate = rate if rate != scene_fps else 0.0
        name = rig.find_rig(sampled.uid).name
        return "INFO", f"{name}: {len(findings)} finding{'s' * (len(findings) != 1)}"

    def _find(self, tool: program.Program, files: ClipFiles, clock: Clock) -> Steps:
        """Run the check of the program in steps, and return its findings."""
        out = files.folder / "findings.json"
        command = program.make_check_command(tool, files.motion, out, _list_floor_words(self, files))
        log_start = program.get_log_size(get_log_file())
        running = program.run(command, get_log_file(), good=(0, 1, 2))
        with report.translating_failures(clock):
            yield from _scale_steps(running, _BEFORE_COMPUTING, _COMPUTING)
            if not out.is_file():
                sentence = program.find_last_sentence(program.read_log(get_log_file(), log_start))
                raise Failure(sentence or "The program ended without findings")
            return report.read_findings(out)


def show_findings(scene: bpy.types.Scene, findings: list[report.Finding], clock: Clock) -> None:
    """Replace the list of findings and their timeline markers.

    Args:
        scene: Scene of the motion.
        findings: Findings whose frames count from 0.
        clock: Times of the motion.
    """
    for marker in list(scene.timeline_markers):
        if marker.name.startswith(MARKER_PREFIX):
            scene.timeline_markers.remove(marker)
    scene.selfcorrect_findings.clear()
    for finding in findings:
        row = scene.selfcorrect_findings.add()
        row.name = finding.name
        row.rule = finding.rule
        row.joints = ", ".join(finding.joints)
        row.amount = finding.amount
        row.sentence = report.shift_frames(finding.sentence, clock)
        row.first_frame = clock.name_frame(finding.first_frame)
        row.last_frame = clock.name_frame(finding.last_frame)
        row.worst_frame = clock.name_frame(finding.worst_frame)
        scene.timeline_markers.new(f"{MARKER_PREFIX}{finding.rule} {row.joints}", frame=row.worst_frame)


def suggest_rate(fps: float, findings: list[report.Finding]) -> float:
    """Return the usual frame rate at which the motion has the pace of gravity, or 0 if the present rate is right.

    Args:
        fps: Present frame rate.
        findings: Findings of a check at this rate.
    """
    for finding in findings:
        if (pace := report.get_pace(finding)) is not None:
            rate = min(_RATES, key=lambda usual: abs(np.log(usual * pace / fps)))
            return rate if abs(rate / fps - 1) > 0.01 else 0.0
    return 0.0


class SELFCORRECT_OT_set_frame_rate(bpy.types.Operator):
    """Set the frame rate of the scene at which the motion runs at the pace of gravity"""

    bl_idname = "selfcorrect.set_frame_rate"
    bl_label = "Set Frame Rate"
    bl_options = {"UNDO"}  # noqa: RUF012

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set the rate that the last check suggests."""
        scene = context.scene
        if scene.selfcorrect_frame_rate <= 0:
            self.report({"ERROR"}, "Check the motion first; the frame rate seems right")
            return {"CANCELLED"}
        scene.render.fps = round(scene.selfcorrect_frame_rate)
        scene.render.fps_base = 1.0
        self.report({"INFO"}, f"The scene has {scene.render.fps} frames per second")
        scene.selfcorrect_frame_rate = 0.0
        return {"FINISHED"}


class SELFCORRECT_OT_toggle(bpy.types.Operator):
    """Show the motion of the armature before the correction, or after it again"""

    bl_idname = "selfcorrect.toggle"
    bl_label = "Before / After"
    bl_options = {"UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is an armature, and no work is running."""
        return context.object is not None and context.object.type == "ARMATURE" and not Running.title

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Switch to the other motion."""
        target = context.object
        action = target.animation_data and target.animation_data.action
        source = action.get(SOURCE_RIG) if action else None
        try:
            if source not in (None, target):
                shown = copies.toggle_copy(target, context.scene)
            else:
                shown = actions.toggle_correction(target)
        except Failure as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        context.scene.frame_set(context.scene.frame_current)
        self.report({"INFO"}, f"{target.name} {shown} the correction")
        return {"FINISHED"}


class SELFCORRECT_OT_cancel(bpy.types.Operator):
    """Cancel what is under way"""

    bl_idname = "selfcorrect.cancel"
    bl_label = "Cancel"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the next tick end the work."""
        Running.should_cancel = True
        return {"FINISHED"}


CLASSES = (
    SELFCORRECT_OT_correct,
    SELFCORRECT_OT_check,
    SELFCORRECT_OT_set_frame_rate,
    SELFCORRECT_OT_toggle,
    SELFCORRECT_OT_cancel,
)
