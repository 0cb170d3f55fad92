# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose or install the program in the preferences of the extension."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import zipfile
from pathlib import Path

import bpy
from bpy.props import StringProperty

from . import program
from .program import Failure, Steps
from .work import Running, StepOperator

LOG_TEXT = "selfcorrect log"


def get_preferences() -> bpy.types.AddonPreferences:
    """Return the preferences of this extension."""
    return bpy.context.preferences.addons[__package__].preferences


def get_environment() -> Path:
    """Return the folder of the extension's own Python environment."""
    return Path(bpy.utils.extension_path_user(__package__, path="environment", create=True))


def get_log_file() -> Path:
    """Return the log file of all program runs in this session."""
    return Path(bpy.app.tempdir) / "selfcorrect.log"


def choose_program() -> program.Program:
    """Return the program to use. Raises Failure if there is none."""
    return program.find_program(bpy.path.abspath(get_preferences().program), find_bundled_program(), get_environment())


def find_bundled_program() -> program.Program | None:
    """Return the program that Blender installed from bundled wheels, or None if the extension has none.

    Wheels that must not replace packages of Blender are unpacked for the program alone.
    """
    modules = importlib.util.find_spec(program.NAME)
    own_wheels = sorted(Path(__file__).parent.glob("own_wheels/*.whl"))
    if modules is None or not modules.origin or not own_wheels:
        return None
    folders = [_unpack(wheel) for wheel in own_wheels]
    launcher = Path(__file__).with_name("bundled.py")
    words = (sys.executable, "-I", str(launcher), *map(str, folders), str(Path(modules.origin).parents[1]), "--")
    return program.Program(words, "the extension")


def _unpack(wheel: Path) -> Path:
    """Unpack a wheel once and return its folder."""
    parent = Path(bpy.utils.extension_path_user(__package__, path="own_wheels", create=True))
    folder = parent / wheel.stem
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(dir=parent) as unfinished, zipfile.ZipFile(wheel) as packed:
            packed.extractall(unfinished)
            Path(unfinished).rename(folder)
            Path(unfinished).mkdir()  # the context removes it
    return folder


def find_bundled_wheel() -> Path:
    """Return the program's wheel in the extension. Raises Failure if it was packed without."""
    for wheel in sorted(Path(__file__).parent.glob("program/*.whl"), reverse=True):
        return wheel
    raise Failure("This extension was packed without the program; pack it with `make blender`")


class SelfcorrectPreferences(bpy.types.AddonPreferences):
    """Paths of the program and of wheels."""

    bl_idname = __package__

    program: StringProperty(
        name="Program",
        subtype="FILE_PATH",
        options={"PATH_SUPPORTS_BLEND_RELATIVE"},
        description="selfcorrect; empty for the one on the search path",
    )
    wheels: StringProperty(
        name="Folder of Wheels",
        subtype="DIR_PATH",
        options={"PATH_SUPPORTS_BLEND_RELATIVE"},
        description="Install from these files, without the network",
    )
    version: StringProperty(options={"SKIP_SAVE"})

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the preferences in the order in which the program is searched."""
        layout = self.layout
        if importlib.util.find_spec(program.NAME) is None:
            _draw_installation(self, layout.box())
        layout.prop(self, "program")
        row = layout.row()
        row.operator(SELFCORRECT_OT_test_program.bl_idname)
        row.operator(SELFCORRECT_OT_show_log.bl_idname)
        layout.label(text=self.version or "Not tested yet")
        draw_progress(layout)


def _draw_installation(preferences: SelfcorrectPreferences, box: bpy.types.UILayout) -> None:
    """Draw how to install the program if it did not come with the extension."""
    box.operator(SELFCORRECT_OT_install.bl_idname)
    if not bpy.app.online_access and not preferences.wheels:
        box.label(text="Blender is offline: allow online access, or name a folder of wheels", icon="INTERNET_OFFLINE")
    box.prop(preferences, "wheels")


def draw_progress(layout: bpy.types.UILayout) -> None:
    """Draw the progress of running work, with a button to cancel it."""
    if Running.title:
        row = layout.row()
        row.progress(factor=Running.share, text=f"{Running.title}: {Running.stage}")
        row.operator("selfcorrect.cancel", text="", icon="CANCEL")


class SELFCORRECT_OT_install(StepOperator, bpy.types.Operator):
    """Create a Python environment of the extension, and install the program there with pip"""

    bl_idname = "selfcorrect.install"
    bl_label = "Install selfcorrect"

    def create_steps(self, context: bpy.types.Context) -> Steps:
        """Create an environment, install the program, and start it once."""
        wheels = bpy.path.abspath(get_preferences().wheels)
        if not bpy.app.online_access and not wheels:
            raise Failure(
                "Blender is offline; allow online access in Preferences › System, or name a folder of wheels to "
                "install from"
            )
        if wheels and not Path(wheels).is_dir():
            raise Failure(f"There is no folder {wheels}")
        commands = program.make_install_commands(get_environment(), find_bundled_wheel(), wheels)
        source = f"from {Path(wheels).name}, without the network" if wheels else "from the package index"
        for number, command in enumerate(commands):
            for _ in program.run(command, get_log_file()):
                yield number / len(commands), f"installing {source}"
        get_preferences().version = program.get_version(choose_program())
        return "INFO", f"Installed {get_preferences().version} {source}"


class SELFCORRECT_OT_test_program(bpy.types.Operator):
    """Start the program and show its version"""

    bl_idname = "selfcorrect.test_program"
    bl_label = "Test"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask the program for its version, and show it in the preferences."""
        try:
            tool = choose_program()
            get_preferences().version = f"{program.get_version(tool)} ({tool.origin}: {tool.path})"
        except Failure as error:
            get_preferences().version = str(error)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, get_preferences().version)
        return {"FINISHED"}


class SELFCORRECT_OT_show_log(bpy.types.Operator):
    """Open what the program has printed in a text editor"""

    bl_idname = "selfcorrect.show_log"
    bl_label = "Show Log"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Show the log as a text, in a new window if there is a screen."""
        if not get_log_file().is_file():
            self.report({"INFO"}, "The program has not been started yet")
            return {"CANCELLED"}
        text = bpy.data.texts.get(LOG_TEXT) or bpy.data.texts.new(LOG_TEXT)
        text.clear()
        text.write(get_log_file().read_text(encoding="utf-8", errors="replace").replace("\r", "\n"))
        if not bpy.app.background:
            bpy.ops.wm.window_new()
            area = context.window_manager.windows[-1].screen.areas[0]
            area.type = "TEXT_EDITOR"
            area.spaces.active.text = text
        return {"FINISHED"}


CLASSES = (SelfcorrectPreferences, SELFCORRECT_OT_install, SELFCORRECT_OT_test_program, SELFCORRECT_OT_show_log)
