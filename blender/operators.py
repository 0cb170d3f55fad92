# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that correct, check and toggle the motions of armatures."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty

from . import actions, contacts, findings, footsteps, program, record, report, rig
from .clock import Clock
from .exchange import Clip, ExchangeError, compute_changes, make_file_names, read_bvh, turn_feet, write_bvh
from .ground import write_ground
from .options import OPTIONS, PLACE, Option, Settings
from .placement import Placement
from .preferences import choose_program, get_log_file
from .program import Failure, Steps
from .work import Running, StepOperator, scale_steps
from .writing import Writer

_READING, _HANDING, _COMPUTING, _WRITING = 0.2, 0.05, 0.65, 0.1
"""Shares of the work: reading the motion, writing it for the program, waiting for the program, and writing keys."""
_BEFORE_COMPUTING, _AFTER_COMPUTING = _READING + _HANDING, 1 - _WRITING
_DIALOG_WIDTH = 360
"""Width of the dialog at which no option is cut off, in pixels."""
_LEVEL_RULE = "F4"
"""Rule that the floor is at 0, which does not apply to a character that keeps its level."""
_RATES = (12.0, 15.0, 24.0, 25.0, 30.0, 48.0, 50.0, 60.0, 90.0, 100.0, 120.0, 240.0)
"""Usual frame rates."""
_FAST, _FASTEST = 1.2, 3.1
"""Factors by which motions are tried more slowly: between usual rates that differ clearly."""
_RATE_TRIES = 3
"""Maximum number of frame rates that are tried until the pace is right."""


class RigOperator(StepOperator):
    """An operator on the motion of armatures."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is an armature."""
        cls.poll_message_set("The active object must be an armature or one of its footsteps")
        return footsteps.find_rig_of(context.object) is not None

    def work_on_rigs(self, context: bpy.types.Context) -> Steps:
        """Work on all selected armatures, one after the other, in steps that end with level and sentence."""
        rigs = list_rigs(context)
        uids = [selected.session_uid for selected in rigs]
        names = [selected.name for selected in rigs]
        context.scene.selfcorrect_notes.clear()
        sentences = []
        failures = []
        level = "INFO"
        for count, uid in enumerate(uids):
            steps = self.work_on_rig(context, rig.find_rig(uid))
            try:
                sentence, warnings, notes = yield from scale_steps(steps, count / len(uids), 1 / len(uids))
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

    def work_on_rig(self, context: bpy.types.Context, target: bpy.types.Object) -> Steps:
        """Work on a rig, in steps that end with a sentence, warnings and notes."""
        raise NotImplementedError


def make_property(option: Option) -> object:
    """Make the property of an option."""
    common = {"name": option.title, "description": option.tooltip}
    if option.choices:
        items = [(choice.identifier, choice.title, choice.tooltip) for choice in option.choices]
        return EnumProperty(**common, items=items, default=option.default)
    if option.is_length:
        return FloatProperty(**common, default=option.default, unit="LENGTH")
    kind = StringProperty if isinstance(option.default, str) else BoolProperty
    return kind(**common, default=option.default)


def _with_options(names: tuple[str, ...]) -> dict[str, object]:
    """Return the properties of an operator with these options."""
    return {option.name: make_property(option) for option in OPTIONS if option.name in names}


@dataclass(frozen=True)
class ClipFiles:
    """A motion and its files for the program."""

    clip: Clip
    placement: Placement
    folder: Path
    warnings: list[str]
    """Warnings, such as a sentence on the body's size if its unit was guessed."""
    keeps_level: bool
    """Whether the character stays on its level, which is neither that of the scene nor of the armature."""
    ground_outlines: list[list[list[float]]] = field(default_factory=list)
    """Corners of each rectangle of the ground, in the scene."""

    @property
    def motion(self) -> Path:
        """BVH file of the motion."""
        return self.folder / "motion.bvh"

    @property
    def ground(self) -> Path:
        """File of the ground on which the motion stands."""
        return self.folder / "ground.json"


def _sample(settings: Settings, source: bpy.types.Object, clock: Clock) -> Steps:
    """Sample a rig and, if it has one, its ground."""
    ground = [mesh.name for mesh in rig.find_ground(settings.ground)] if settings.ground else []
    return rig.sample(source.session_uid, clock, ground)


def _describe_ride(sampled: rig.Sampled) -> list[str]:
    """Return a note if the ground moves."""
    is_moving = np.ptp(sampled.ride, axis=0).any()
    return ["the ground moves, and the motion is corrected as seen from the ground"] if is_moving else []


def _write_files(settings: Settings, sampled: rig.Sampled, folder: str) -> Steps:
    """Write files of the motion and, if there is one, its ground, in steps that end with `ClipFiles`.

    The height to which feet come is moved to 0.
    """
    scene = bpy.context.scene
    unit_m, warnings = rig.guess_unit(sampled, scene.unit_settings.scale_length)
    placement = Placement.from_object(sampled.world[0], unit_m)
    floor_m = settings.floor * unit_m if settings.floor_mode == "HEIGHT" else 0.0
    keeps_level = False
    if settings.floor_mode == "LEVEL" and not settings.ground:
        level_m = rig.find_level(sampled, unit_m)
        keeps_level = level_m is None
        floor_m = level_m or 0.0
    if not settings.ground:
        placement = replace(placement, origin_m=(*placement.origin_m[:2], floor_m))
    clip = yield from rig.make_clip(sampled, scene, placement)
    files = ClipFiles(clip, placement, Path(folder), warnings, keeps_level)
    if settings.ground:
        surface = rig.collect_surface(sampled.ground)
        outlines = write_ground(files.ground, surface, floor_m, placement, rig.collect_path(sampled))
        files = replace(files, ground_outlines=outlines)
    yield from write_bvh(files.motion, files.clip)
    return files


class SELFCORRECT_OT_correct(RigOperator, bpy.types.Operator):
    """Make the motion of the selected armatures physically plausible"""

    bl_idname = "selfcorrect.correct"
    bl_label = "Correct with Physics"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    __annotations__ = _with_options(tuple(option.name for option in OPTIONS))

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for options first."""
        return context.window_manager.invoke_props_dialog(self, width=_DIALOG_WIDTH, confirm_text="Correct")

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the options, each next to the option on which it depends."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "use_contacts")
        column = layout.column()
        column.enabled = not self.use_contacts  # then the options of the first correction hold
        column.prop(self, "kinematic")
        row = column.row()
        row.enabled = not self.kinematic
        row.prop(self, "strength")
        for option in OPTIONS:
            if option.name not in ("use_contacts", "kinematic", "strength", *PLACE):
                column.prop(self, option.name)
        _draw_place(self, column)

    def create_steps(self, context: bpy.types.Context) -> Steps:
        """Correct all selected armatures, one after the other."""
        return self.work_on_rigs(context)

    def work_on_rig(self, context: bpy.types.Context, target: bpy.types.Object) -> Steps:
        """Correct a rig, in steps that end with a sentence, warnings and notes."""
        settings = Settings.from_operator(self)
        if not settings.use_contacts:
            return (yield from _correct(context, target, settings, _list_selected_bones(target, settings), None))
        edited = target.animation_data.action if target.animation_data else None
        with record.playing_source(target) as source:
            earlier = record.read_record(edited)
            settings = Settings.from_record(earlier.settings)
            selected = set(earlier.selected) if earlier.selected is not None else None
            return (yield from _correct(context, source, settings, selected, edited))


def _correct(
    context: bpy.types.Context,
    source: bpy.types.Object,
    settings: Settings,
    selected: set[str] | None,
    edited: bpy.types.Action | None,
) -> Steps:
    """Correct a rig's motion, with the contacts of an edited action if there is one.

    Args:
        context: The context.
        source: The rig, which plays the motion.
        settings: The options.
        selected: Bones that may change; None for all.
        edited: Earlier correction whose contacts were edited.
    """
    tool = choose_program()
    rig.check_rig(source)
    clock = rig.choose_clock(source, context.scene, settings.extent)
    edits = footsteps.read_edits(edited, clock.times) if edited else None
    earlier = record.read_record(edited)
    played = source.animation_data.action if source.animation_data else None
    played_uid = played.session_uid if played else None
    sampled = yield from scale_steps(_sample(settings, source, clock), 0.0, _READING)
    with tempfile.TemporaryDirectory(dir=bpy.app.tempdir or None) as folder:
        files = yield from scale_steps(_write_files(settings, sampled, folder), _READING, _HANDING)
        before = yield from scale_steps(read_bvh(files.motion), _BEFORE_COMPUTING, 0.0)
        if edits is not None and edits.turns:
            turned = turn_feet(files.clip, edits.turns, earlier.feet)
            yield from scale_steps(write_bvh(files.motion, turned), _BEFORE_COMPUTING, 0.0)
        shown = Path(folder, "shown.json")
        options = [*_list_words(settings, clock, files), "--contacts-out", str(shown)]
        if edits is not None:
            edited_file = Path(folder, "contacts.json")
            contacts.write_edits(edited_file, edits, files.clip.fps)
            options += ["--contacts", str(edited_file)]
        out = Path(folder, "corrected")
        command = program.make_correct_command(tool, files.motion, out, options)
        running = program.run(command, get_log_file(), good=(0, 1))
        with report.translating_failures(clock):
            yield from scale_steps(running, _BEFORE_COMPUTING, _COMPUTING)
        correction = report.read_report(out / "report.json", clock, (_LEVEL_RULE,) if files.keeps_level else ())
        after = yield from scale_steps(read_bvh(out / files.motion.name), _AFTER_COMPUTING, 0.0)
        changes, positions_m = compute_changes(files.clip, before, after, correction.parts)
        yield _AFTER_COMPUTING, "reading the result"
        contact_text = shown.read_text(encoding="utf-8") if shown.is_file() else ""
        found_contacts = contacts.read_contacts(shown, files.placement) if contact_text else None
    targets = rig.compute_targets(sampled, changes, positions_m, files.placement)
    yield _AFTER_COMPUTING, "reading the result"
    bones = dict(zip(make_file_names(files.clip.names), files.clip.names, strict=True))
    body = frozenset(bones[joint] for joint in correction.parts if joint in bones)
    writer = Writer(settings.result, settings.held_rigs, selected, found_contacts, files.placement.unit_m, body)
    with actions.restoring_if_interrupted(sampled.uid):
        steps = writer.write(sampled, targets, context.scene)
        written = yield from scale_steps(steps, _AFTER_COMPUTING, _WRITING)
    record.change_record(
        written.action,
        settings=settings.to_record(),
        selected=sorted(selected) if selected is not None else None,
        hidden=list(written.hidden),
        contacts=contact_text,
        placement=vars(files.placement),
        feet=_find_feet(correction, bones),
        clock=[clock.first, clock.step],
        ground=files.ground_outlines,
    )
    rig.find_rig(sampled.uid)[record.SHOWN] = written.action
    played = next((action for action in bpy.data.actions if action.session_uid == played_uid), None)
    findings.store(played or rig.find_rig(sampled.uid), correction.findings_before, clock)
    findings.store(written.action, correction.findings_left, clock)
    findings.show(context.scene, [rig.find_rig(sampled.uid), rig.find_rig(written.uid)])
    footsteps.refresh(rig.find_rig(written.uid))
    warnings = [*files.warnings, *written.warnings, *correction.warnings]
    notes = [*_describe_ride(sampled), *correction.notes]
    return f"{written.action.name}: {correction.summary}{written.remark}", warnings, notes


def _find_feet(correction: report.Correction, bones: dict[str, str]) -> dict[str, list[str]]:
    """Return the bones of ankle and toe joint of each foot that the program has recognised.

    `bones` has the bones by their names in the file.
    """
    feet = {}
    for side in ("left", "right"):
        joints = [correction.joints.get(f"{side}_{part}", "") for part in ("ankle", "foot")]
        feet[f"{side} foot"] = [bones.get(joint, "") for joint in joints]
    return feet


def _list_selected_bones(source: bpy.types.Object, settings: Settings) -> set[str] | None:
    """Return the selected bones, or None if all may change."""
    if not settings.only_selected:
        return None
    selected = {bone.name for bone in source.data.bones if _is_selected(source, bone.name)}
    if not selected:
        raise Failure(f"No bone of {source.name} is selected")
    return selected


def _list_words(settings: Settings, clock: Clock, files: ClipFiles) -> list[str]:
    """Return the command-line options for the program."""
    words = ["--kinematic"] if settings.kinematic else ["--strength", settings.strength]
    words += ["--support", settings.support]
    if settings.remove_drift:
        words.append("--remove-drift")
    if settings.level:
        words.append("--level")
    if files.keeps_level:
        words.append("--keep-level")
    if clock.part is not None:
        words += ["--frames", "{}:{}".format(*clock.part)]
    if settings.keep_hands:
        words += ["--keep", "hands"]
    return words + _list_floor_words(settings, files)


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


def _list_floor_words(settings: Settings, files: ClipFiles) -> list[str]:
    """Return the command-line options for a known ground or floor."""
    if settings.ground:
        return ["--ground", str(files.ground)]
    return ["--floor", "0"] if settings.floor_mode == "HEIGHT" else []


def list_rigs(context: bpy.types.Context) -> list[bpy.types.Object]:
    """Return the active armature and all other selected ones, with those of footsteps."""
    found = [footsteps.find_rig_of(item) for item in (context.object, *context.selected_objects)]
    return list(dict.fromkeys(item for item in found if item is not None))


def _is_selected(source: bpy.types.Object, name: str) -> bool:
    """Return whether a bone is selected, which Blender 5 stores in the pose."""
    pose_bone = source.pose.bones[name]
    return pose_bone.select if hasattr(pose_bone, "select") else pose_bone.bone.select


# --- the check -------------------------------------------------------------------------------------------------------


class SELFCORRECT_OT_check(RigOperator, bpy.types.Operator):
    """List what is physically implausible in the motion of the selected armatures, and mark it on the timeline"""

    bl_idname = "selfcorrect.check"
    bl_label = "Check Motion"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    __annotations__ = _with_options(PLACE)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for options first."""
        return context.window_manager.invoke_props_dialog(self, confirm_text="Check")

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the options."""
        self.layout.use_property_split = True
        _draw_place(self, self.layout)

    def create_steps(self, context: bpy.types.Context) -> Steps:
        """Check all selected armatures, one after the other."""
        context.scene.selfcorrect_frame_rate = 0.0
        return self.work_on_rigs(context)

    def work_on_rig(self, context: bpy.types.Context, target: bpy.types.Object) -> Steps:
        """Read the motion, check it, and list the findings."""
        settings = Settings.from_operator(self)
        tool = choose_program()
        rig.check_rig(target)
        clock = rig.choose_clock(target, context.scene, settings.extent)
        played = target.animation_data.action if target.animation_data else None
        played_uid = played.session_uid if played and not record.is_before(target) else None
        if played and played_uid is None:
            original = record.find_original(played)
            played_uid = original.session_uid if original else None
        sampled = yield from scale_steps(_sample(settings, target, clock), 0.0, _READING)
        scene_fps = context.scene.render.fps / context.scene.render.fps_base
        with tempfile.TemporaryDirectory(dir=bpy.app.tempdir or None) as folder:
            files = yield from scale_steps(_write_files(settings, sampled, folder), _READING, _HANDING)
            found = yield from _find(tool, files.motion, _list_floor_words(settings, files), clock)
            rate = scene_fps
            later = found
            if not suggest_rate(rate, found):
                rate, later = yield from _try_slower_rates(tool, settings, files, clock, found)
            for _ in range(_RATE_TRIES):  # far from the true rate, the measured pace is too near to 1
                if not (next_rate := suggest_rate(rate, later)):
                    break
                rate = next_rate
                clip = replace(files.clip, fps=clock.get_fps(rate))
                yield from scale_steps(write_bvh(files.motion, clip), _BEFORE_COMPUTING, 0.0)
                later = yield from _find(tool, files.motion, _list_floor_words(settings, files), clock)
        if files.keeps_level:
            found = [finding for finding in found if finding.rule != _LEVEL_RULE]
        checked = rig.find_rig(sampled.uid)
        played = next((action for action in bpy.data.actions if action.session_uid == played_uid), None)
        findings.store(played or checked, found, clock)
        findings.show(context.scene, [checked])
        if rate != scene_fps:
            context.scene.selfcorrect_frame_rate = rate
        return f"{checked.name}: {len(found)} finding{'s' * (len(found) != 1)}", files.warnings, []


def _try_slower_rates(
    tool: program.Program, settings: Settings, files: ClipFiles, clock: Clock, found: list[report.Finding]
) -> Steps:
    """Look for a slower frame rate in steps.

    The steps end with a rate at which the motion is still too fast, and its findings.

    Far above its true rate, a walk looks like no walk, so its pace shows only nearer to it. Without such a rate, the
    result is the present rate.
    """
    scene = bpy.context.scene
    present = scene.render.fps / scene.render.fps_base
    rates = [rate for rate in reversed(_RATES) if present / _FASTEST <= rate <= present / _FAST]
    sources = []
    for rate in rates:
        sources.append(files.folder / f"motion-{rate:g}.bvh")
        yield from scale_steps(write_bvh(sources[-1], replace(files.clip, fps=clock.get_fps(rate))), _COMPUTING, 0.0)
    if not sources:
        return present, found
    all_found = yield from _find_all(tool, sources, _list_floor_words(settings, files), clock)
    for rate, slower in zip(rates, all_found, strict=True):
        if 0 < suggest_rate(rate, slower) < rate:
            return rate, slower
    return present, found


def _find(tool: program.Program, motion: Path, floor_words: list[str], clock: Clock) -> Steps:
    """Run the check of the program on a file in steps, and return its findings."""
    (found,) = yield from _find_all(tool, [motion], floor_words, clock)
    return found


def _find_all(tool: program.Program, motions: list[Path], floor_words: list[str], clock: Clock) -> Steps:
    """Run the check of the program on files in steps, and return the findings of each."""
    out = motions[0].with_name("findings.json")
    out.unlink(missing_ok=True)
    command = program.make_check_command(tool, motions, out, floor_words)
    log_start = program.get_log_size(get_log_file())
    running = program.run(command, get_log_file(), good=(0, 1, 2))
    with report.translating_failures(clock):
        yield from scale_steps(running, _BEFORE_COMPUTING, _COMPUTING)
        if not out.is_file():
            sentence = program.find_last_sentence(program.read_log(get_log_file(), log_start))
            raise Failure(sentence or program.describe_exit(None))
        return report.read_findings(out, len(motions))


def suggest_rate(fps: float, findings: list[report.Finding]) -> float:
    """Return the frame rate with the pace of gravity.

    This is a usual rate, or 0 if the present rate is right.

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
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

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
    """Show the motion of the selected armatures before the correction, or after it again"""

    bl_idname = "selfcorrect.toggle"
    bl_label = "Before / After"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is an armature, and no work is running."""
        return footsteps.find_rig_of(context.object) is not None and not Running.title

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Switch all selected armatures to the motion that the active one does not show."""
        rigs = list_rigs(context)
        sentences = []
        errors = []
        shows_before = None
        for target in rigs:
            try:
                if shows_before is None or record.is_before(target) != shows_before:
                    sentences.append(f"{target.name} {record.toggle(target)} the correction")
                if shows_before is None:
                    shows_before = record.is_before(target)
            except Failure as error:
                errors.append(str(error))
        if not sentences and errors:
            self.report({"ERROR"}, errors[0])
            return {"CANCELLED"}
        _show_again(context, rigs)
        self.report({"INFO"}, "; ".join([*sentences, *errors]))
        return {"FINISHED"}


class SELFCORRECT_OT_show(bpy.types.Operator):
    """Show one of the corrections of this motion"""

    bl_idname = "selfcorrect.show"
    bl_label = "Show Correction"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    action: StringProperty(name="Action", description="The corrected action; empty for the motion before")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether the active object is an armature, and no work is running."""
        return SELFCORRECT_OT_toggle.poll(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Show it."""
        target = footsteps.find_rig_of(context.object)
        chosen = [action for action in record.list_corrections(target) if action.name == self.action]
        if self.action and not chosen:
            self.report({"ERROR"}, f"{target.name} has no correction {self.action!r}")
            return {"CANCELLED"}
        if chosen:
            record.show_correction(target, chosen[0])
        else:
            record.show_before(target)
        _show_again(context, [target])
        return {"FINISHED"}


def _show_again(context: bpy.types.Context, rigs: list[bpy.types.Object]) -> None:
    """Show the frame and the findings of rigs that play another motion."""
    context.scene.frame_set(context.scene.frame_current)
    findings.show(context.scene, rigs)


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
    SELFCORRECT_OT_show,
    SELFCORRECT_OT_cancel,
)
