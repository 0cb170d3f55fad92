# SPDX-License-Identifier: GPL-3.0-or-later
"""What the extension does: correct a motion, check it, find and install the program."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from . import program, report, rig
from .exchange import ExchangeError, changed_world, read_bvh, read_contacts, write_bvh, write_contacts, write_ground
from .program import Failure, Steps

MARKED = "check: "
"""How the names of this extension's timeline markers begin."""
LOG_TEXT = "selfcorrect log"
_PAUSE_S = 0.05
_READING, _COMPUTING = 0.2, 0.9
"""Shares of the work at which Blender has been read, and the program has ended."""


class Running:
    """What is under way; one operator at a time."""

    title = ""
    share = 0.0
    doing = ""
    cancel = False


def preferences() -> bpy.types.AddonPreferences:
    """Those of this extension."""
    return bpy.context.preferences.addons[__package__].preferences


def environment() -> Path:
    """The folder of the extension's own Python environment."""
    return Path(bpy.utils.extension_path_user(__package__, path="environment", create=True))


def chosen_program() -> program.Program:
    """The program to use. Raises Failure where there is none."""
    return program.find_program(bpy.path.abspath(preferences().program), environment())


def log_file() -> Path:
    """What the programs of this session of Blender have said."""
    return Path(bpy.app.tempdir) / "selfcorrect.log"


class Working:
    """An operator whose work is done in steps: at once for scripts, for users beside the interface, until Esc."""

    def steps(self, context: bpy.types.Context) -> Steps:
        """The work; returns the sentence that is reported at its end."""
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Begin; where no user has called, do all of it."""
        if Running.title:
            self.report({"ERROR"}, f"{Running.title} is still under way")
            return {"CANCELLED"}
        Running.title, Running.share, Running.cancel = self.bl_label, 0.0, False
        self._work = self.steps(context)
        if bpy.app.background or not self.options.is_invoke:
            while (state := self._on(context)) is None:
                time.sleep(_PAUSE_S if Running.doing == program.WAITING else 0)
            return state
        self._timer = context.window_manager.event_timer_add(_PAUSE_S, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """A step at each tick; everything else goes to the interface."""
        if Running.cancel or (event.type == "ESC" and event.value == "PRESS"):
            return self.stop(context)
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        until = time.monotonic() + _PAUSE_S / 2
        while (state := self._on(context)) is None and Running.doing != program.WAITING and time.monotonic() < until:
            pass
        if state is None:
            context.workspace.status_text_set(f"{Running.title}: {Running.doing}, {Running.share:.0%} (Esc cancels)")
            for area in context.screen.areas:
                area.tag_redraw()
            return {"PASS_THROUGH"}
        return state

    def stop(self, context: bpy.types.Context) -> set[str]:
        """Cancel the work: end the program and leave everything as it was."""
        self._work.close()
        self.report({"WARNING"}, f"{self.bl_label} was cancelled; nothing was changed")
        return self._done(context, {"CANCELLED"})

    def _on(self, context: bpy.types.Context) -> set[str] | None:
        """A step; the operator's state where it was the last one."""
        try:
            Running.share, Running.doing = next(self._work)
            return None
        except StopIteration as end:
            level, sentence = end.value
            self.report({level}, sentence)
            return self._done(context, {"FINISHED"})
        except (Failure, ExchangeError, OSError) as error:
            self.report({"ERROR"}, str(error))
            return self._done(context, {"CANCELLED"})
        except BaseException:
            self._done(context, {"CANCELLED"})
            raise

    def _done(self, context: bpy.types.Context, state: set[str]) -> set[str]:
        Running.title = ""
        if getattr(self, "_timer", None):
            context.window_manager.event_timer_remove(self._timer)
            context.workspace.status_text_set(None)
            self._timer = None
        return state


class OfRig(Working):
    """An operator on the motion of the active armature."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Whether the active object is an armature."""
        cls.poll_message_set("The active object must be an armature")
        return context.object is not None and context.object.type == "ARMATURE"

    def _sampled(self, source: bpy.types.Object, frames: range) -> Steps:
        """Steps that end with the motion of the rig."""
        rig.check_rig(source)
        reading = rig.sample(source.session_uid, frames)
        while True:
            try:
                share, doing = next(reading)
            except StopIteration as end:
                return end.value
            yield share * _READING, doing


def _computed(command: list[str], good: tuple[int, ...] = (0,)) -> Steps:
    """Steps of a program."""
    for share, doing in program.run(command, log_file(), good):
        yield _READING + share * (_COMPUTING - _READING), doing


EXTENT = EnumProperty(
    name="Range",
    items=[
        ("ACTION", "Action", "All frames of the action, or of the scene where there is none"),
        ("SCENE", "Scene", "The frames of the scene, or of the preview range where it is on"),
    ],
)


GROUND = StringProperty(
    name="Ground", description="Collection of meshes that stand for boxes: steps, platforms, a floor that slopes"
)


class SELFCORRECT_OT_correct(OfRig, bpy.types.Operator):
    """Make the motion of the armature physically plausible, in a new action"""

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
    use_floor: BoolProperty(name="Floor at Height", description="The floor lies at a height of the scene")
    floor: FloatProperty(name="Height", unit="LENGTH", description="Height of the floor in the scene")
    extent: EXTENT
    use_frames: BoolProperty(name="Only Frames", description="Correct these frames only, and blend in and out")
    frame_start: IntProperty(name="Start", default=1)
    frame_end: IntProperty(name="End", default=250)
    keep_hands: BoolProperty(name="Keep Hands", description="Leave the hands where they are in the world")
    ground: GROUND
    use_contacts: BoolProperty(
        name="Use Edited Contacts",
        description="Correct the original action again; feet stand where the contacts of this action say",
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for options first."""
        frames = rig.frames_of(context.object, context.scene, "ACTION")
        self.frame_start, self.frame_end = frames[0], frames[-1]
        return context.window_manager.invoke_props_dialog(self, confirm_text="Correct")

    def draw(self, context: bpy.types.Context) -> None:
        """The options, each beside what it depends on."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "kinematic")
        row = layout.row()
        row.enabled = not self.kinematic
        row.prop(self, "strength")
        for name in ("support", "remove_drift", "keep_hands", "use_contacts", "extent"):
            layout.prop(self, name)
        layout.prop_search(self, "ground", bpy.data, "collections")
        for switch, names in (("use_floor", ("floor",)), ("use_frames", ("frame_start", "frame_end"))):
            layout.prop(self, switch)
            column = layout.column(align=True)
            column.enabled = getattr(self, switch)
            for name in names:
                column.prop(self, name)

    def asked(self, frames: range) -> program.Correction:
        """Those of the command line, frames counted from 0."""
        first, last = max(self.frame_start, frames[0]), min(self.frame_end, frames[-1])
        if self.use_frames and first > last:
            raise Failure(f"Frames {self.frame_start} to {self.frame_end} hold none of {frames[0]} to {frames[-1]}")
        return program.Correction(
            strength=self.strength,
            kinematic=self.kinematic,
            support=self.support,
            remove_drift=self.remove_drift,
            floor_at_zero=self.use_floor and not self.ground,
            frames=(first - frames[0], last - frames[0]) if self.use_frames else None,
            keep_hands=self.keep_hands,
        )

    def steps(self, context: bpy.types.Context) -> Steps:
        """Read the motion, have it corrected, write the new action."""
        if not self.use_contacts:
            return (yield from self._corrected(context, context.object, None))
        edited = context.object.animation_data and context.object.animation_data.action
        with rig.source_playing(context.object) as source:
            return (yield from self._corrected(context, source, edited))

    def _corrected(
        self, context: bpy.types.Context, source: bpy.types.Object, edited: bpy.types.Action | None
    ) -> Steps:
        """Correct the motion that a rig plays, with the contacts of an edited action if there is one."""
        tool, frames = chosen_program(), rig.frames_of(source, context.scene, self.extent)
        unit_m = context.scene.unit_settings.scale_length
        contacts = rig.contacts_in(edited, frames, unit_m) if edited else None
        blocks = rig.blocks_of(self.ground) if self.ground else []
        sampled = yield from self._sampled(source, frames)
        clip = rig.clip_of(sampled, context.scene)
        with tempfile.TemporaryDirectory(dir=bpy.app.tempdir or None) as folder:
            path, out = Path(folder, "motion.bvh"), Path(folder, "corrected")
            given, shown, ground = (Path(folder, f"{name}.json") for name in ("contacts", "shown", "ground"))
            options = replace(
                self.asked(frames), contacts=given if contacts else None, ground=ground if blocks else None
            )
            if "--contacts-out" in program.options_of(tool, "correct"):
                options = replace(options, contacts_out=shown)
            if contacts:
                write_contacts(given, contacts, clip.fps)
            floor_m = self.floor * unit_m if self.use_floor else 0.0
            if blocks:
                write_ground(ground, blocks, floor_m, unit_m)
            write_bvh(path, replace(clip, positions_m=clip.positions_m - [0, 0 if blocks else floor_m, 0]))
            command = program.correct_command(tool, path, out, options)
            program.require_options(tool, command)
            yield from _computed(command, good=(0, 1))
            told = report.read_report(out / "report.json", frames[0])
            moved = changed_world(clip, read_bvh(path), read_bvh(out / path.name), told.parts)
            contacts = read_contacts(shown) if shown.is_file() else None
        yield _COMPUTING, "writing the action"
        scene, said = context.scene, told.summary
        written = rig.write_action(sampled, rig.wanted_worlds(sampled, *moved, scene), contacts, scene)
        if written.rig.session_uid != sampled.uid:
            rig.found(sampled.uid).select_set(False)
            written.rig.select_set(True)
            context.view_layer.objects.active = written.rig
            said = f"{said}; {written.rig.name} is a copy, because the rig is linked or constraints hold its bones"
        if written.off_m > rig.SEEN_M:
            off = f"a bone lies up to {1000 * written.off_m:.0f} mm off, because something else moves it"
            return "WARNING", f"{written.action.name}: {said}; {off}"
        return "INFO", f"{written.action.name}: {said}"


class SELFCORRECT_OT_check(OfRig, bpy.types.Operator):
    """List what is physically implausible in the motion of the armature, and mark it on the timeline"""

    bl_idname = "selfcorrect.check"
    bl_label = "Check Motion"
    bl_options = {"UNDO"}  # noqa: RUF012

    extent: EXTENT
    ground: GROUND

    def steps(self, context: bpy.types.Context) -> Steps:
        """Read the motion, have it checked, list what was found."""
        blocks = rig.blocks_of(self.ground) if self.ground else []
        tool, frames = chosen_program(), rig.frames_of(context.object, context.scene, self.extent)
        sampled = yield from self._sampled(context.object, frames)
        with tempfile.TemporaryDirectory(dir=bpy.app.tempdir or None) as folder:
            source, told = Path(folder, "motion.bvh"), Path(folder, "findings.json")
            ground = Path(folder, "ground.json") if blocks else None
            if ground:
                write_ground(ground, blocks, 0.0, context.scene.unit_settings.scale_length)
            write_bvh(source, rig.clip_of(sampled, context.scene))
            command = program.check_command(tool, source, told, ground)
            program.require_options(tool, command)
            yield from _computed(command, good=(0, 1, 2))
            if not told.is_file():
                raise Failure(
                    program.last_words(log_file().read_text("utf-8", "replace")) or "It ended without findings"
                )
            findings = report.read_findings(told)
        show_findings(context.scene, findings, sampled.frames)
        name = rig.found(sampled.uid).name
        return "INFO", f"{name}: {len(findings)} finding{'s' * (len(findings) != 1)}"


def show_findings(scene: bpy.types.Scene, findings: list[report.Finding], frames: range) -> None:
    """Replace the list of findings and their markers."""
    for marker in [each for each in scene.timeline_markers if each.name.startswith(MARKED)]:
        scene.timeline_markers.remove(marker)
    scene.selfcorrect_findings.clear()
    for found in findings:
        row = scene.selfcorrect_findings.add()
        row.name, row.rule, row.where, row.amount = found.name, found.rule, ", ".join(found.joints), found.amount
        row.says = found.sentence
        row.first, row.last = frames[0] + found.first_frame, frames[0] + found.last_frame
        row.worst = frames[0] + found.worst_frame
        scene.timeline_markers.new(f"{MARKED}{found.rule} {row.where}", frame=row.worst)


class SELFCORRECT_OT_cancel(bpy.types.Operator):
    """Cancel what is under way"""

    bl_idname = "selfcorrect.cancel"
    bl_label = "Cancel"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """The next tick ends it."""
        Running.cancel = True
        return {"FINISHED"}


class SELFCORRECT_OT_show_log(bpy.types.Operator):
    """Open what the program has said in a text editor"""

    bl_idname = "selfcorrect.show_log"
    bl_label = "Show Log"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Fill a text block, and open a window with it where there is a screen."""
        if not log_file().is_file():
            self.report({"INFO"}, "The program has not been started yet")
            return {"CANCELLED"}
        text = bpy.data.texts.get(LOG_TEXT) or bpy.data.texts.new(LOG_TEXT)
        text.clear()
        text.write(log_file().read_text(encoding="utf-8", errors="replace").replace("\r", "\n"))
        if not bpy.app.background:
            bpy.ops.wm.window_new()
            area = context.window_manager.windows[-1].screen.areas[0]
            area.type = "TEXT_EDITOR"
            area.spaces.active.text = text
        return {"FINISHED"}


class SELFCORRECT_OT_test_program(bpy.types.Operator):
    """Start the program and show its version"""

    bl_idname = "selfcorrect.test_program"
    bl_label = "Test"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask for the version, and keep it for the preferences."""
        try:
            tool = chosen_program()
            told, level = f"{program.version_of(tool)} ({tool.origin}: {tool.path})", "INFO"
        except Failure as error:
            told, level = str(error), "ERROR"
        preferences().tested = told
        self.report({level}, told)
        return {"FINISHED"} if level == "INFO" else {"CANCELLED"}


class SELFCORRECT_OT_install(Working, bpy.types.Operator):
    """Create a Python environment for the program and install it there with pip"""

    bl_idname = "selfcorrect.install"
    bl_label = "Install selfcorrect"

    package: StringProperty(name="Package", description="What pip installs; empty for that of the preferences")

    def steps(self, context: bpy.types.Context) -> Steps:
        """Make the environment, fill it, and start the program once."""
        python, package = bpy.path.abspath(preferences().python), self.package or preferences().package
        if not python:
            raise Failure("Name a Python 3.11 or newer in the preferences, from which the environment is made")
        if not bpy.app.online_access and not Path(package).is_absolute():
            raise Failure("Blender is offline; allow online access in Preferences › System, or name a local package")
        commands = program.install_commands(python, environment(), package)
        for number, command in enumerate(commands):
            for _ in program.run(command, log_file()):
                yield number / len(commands), f"installing {package}"
        preferences().tested = program.version_of(chosen_program())
        return "INFO", f"Installed {preferences().tested}"


CLASSES = (
    SELFCORRECT_OT_correct,
    SELFCORRECT_OT_check,
    SELFCORRECT_OT_cancel,
    SELFCORRECT_OT_show_log,
    SELFCORRECT_OT_test_program,
    SELFCORRECT_OT_install,
)
