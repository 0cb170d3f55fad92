# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw menu entries, and the panel in the sidebar of the 3D view."""

from __future__ import annotations

import textwrap

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from . import actions, findings, footsteps, record
from .operators import (
    SELFCORRECT_OT_check,
    SELFCORRECT_OT_correct,
    SELFCORRECT_OT_set_frame_rate,
    SELFCORRECT_OT_show,
    SELFCORRECT_OT_toggle,
)
from .preferences import SELFCORRECT_OT_show_log, draw_progress
from .work import Running

_PIXELS_PER_CHARACTER = 7.0
"""Width of a letter at an interface scale of 1, in pixels."""
_ICON_LETTERS = 8
"""Width of an icon with its margins, in letters."""
_DEFAULT_WIDTH = 220.0
"""Default width of the sidebar, in pixels."""
_SHOWN_NOTES = 6


class SelfcorrectNote(bpy.types.PropertyGroup):
    """A warning or note of the last correction, with the sentence as its name."""

    is_warning: BoolProperty()


class SelfcorrectFinding(bpy.types.PropertyGroup):
    """A finding of a check, in frames of the scene."""

    rig: PointerProperty(type=bpy.types.Object)
    motion: StringProperty()
    rule: StringProperty()
    joints: StringProperty()
    amount: StringProperty()
    sentence: StringProperty()
    first_frame: IntProperty()
    last_frame: IntProperty()
    worst_frame: IntProperty()


class SELFCORRECT_UL_findings(bpy.types.UIList):
    """List the findings with their frames; details are shown below the list."""

    def filter_items(self, context, data, name) -> tuple[list[int], list[int]]:
        """Hide the findings of motions that are not shown now."""
        shown = [self.bitflag_filter_item if findings.is_current(row) else 0 for row in getattr(data, name)]
        return shown, []

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index=0, flt_flag=0) -> None:
        """Draw a finding in two columns that fit into the sidebar."""
        split = layout.split(factor=0.62)
        title = item.name.replace("-", " ").capitalize()
        is_alone = item.rig is None or all(row.rig == item.rig for row in data.selfcorrect_findings)
        split.label(text=title if is_alone else f"{item.rig.name}: {title}")
        frames = f"{item.first_frame}–{item.last_frame}"
        split.label(text=frames if item.first_frame != item.last_frame else str(item.first_frame))


def jump_to_finding(scene: bpy.types.Scene, context: bpy.types.Context) -> None:
    """Show the worst frame of the clicked finding."""
    if 0 <= scene.selfcorrect_finding < len(scene.selfcorrect_findings):
        scene.frame_set(scene.selfcorrect_findings[scene.selfcorrect_finding].worst_frame)


def wrap_text(text: str, context: bpy.types.Context, *, has_icon: bool = False) -> list[str]:
    """Wrap text to the width of the region, with space for an icon if there is one."""
    width = context.region.width if context.region else _DEFAULT_WIDTH
    scale = context.preferences.system.ui_scale or 1.0  # 0 without a window
    letters = int(width / (_PIXELS_PER_CHARACTER * scale))
    if has_icon:
        letters -= _ICON_LETTERS
    return textwrap.wrap(text, max(letters, 16))


def _draw_text(layout: bpy.types.UILayout, text: str, context: bpy.types.Context, icon: str = "NONE") -> None:
    column = layout.column(align=True)
    for number, line in enumerate(wrap_text(text, context, has_icon=icon != "NONE")):
        column.label(text=line, icon=icon if number == 0 or icon == "NONE" else "BLANK1")


class SELFCORRECT_PT_panel(bpy.types.Panel):
    """The panel in the sidebar."""

    bl_label = "selfcorrect"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "selfcorrect"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw buttons, progress, warnings and findings."""
        layout = self.layout
        scene = context.scene
        column = layout.column(align=True)
        column.enabled = not Running.title
        column.operator(SELFCORRECT_OT_correct.bl_idname)
        column.operator(SELFCORRECT_OT_check.bl_idname)
        column.operator(SELFCORRECT_OT_toggle.bl_idname)
        if (rig := footsteps.find_rig_of(context.object)) is not None:
            _draw_motions(layout, rig)
            footsteps.draw(layout, context)
        draw_progress(layout)
        if context.object and context.object.type == "ARMATURE" and actions.is_layer(context.object):
            layout.prop(context.object.animation_data, "action_influence", text="Amount", slider=True)
        for note in scene.selfcorrect_notes[:_SHOWN_NOTES]:
            _draw_text(layout, note.name, context, icon="ERROR" if note.is_warning else "INFO")
        _draw_findings(layout, context)
        layout.prop(scene, "selfcorrect_show_overlay")
        layout.operator(SELFCORRECT_OT_show_log.bl_idname)


def _draw_motions(layout: bpy.types.UILayout, rig: bpy.types.Object) -> None:
    """Draw the motion before and all its corrections, if there are several, with the shown one pressed."""
    corrections = record.list_corrections(rig)
    if len(corrections) < 2:
        return
    is_before = record.is_before(rig)
    column = layout.column(align=True)
    column.operator(SELFCORRECT_OT_show.bl_idname, text="Before", depress=is_before).action = ""
    for action in corrections:
        is_shown = not is_before and rig.animation_data.action == action
        column.operator(SELFCORRECT_OT_show.bl_idname, text=action.name, depress=is_shown).action = action.name


def _draw_findings(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    scene = context.scene
    if not scene.selfcorrect_findings:
        return
    layout.template_list(
        "SELFCORRECT_UL_findings", "", scene, "selfcorrect_findings", scene, "selfcorrect_finding", rows=4
    )
    if 0 <= scene.selfcorrect_finding < len(scene.selfcorrect_findings):
        finding = scene.selfcorrect_findings[scene.selfcorrect_finding]
        sentence = f"{finding.rule}: {finding.sentence} ({finding.joints}; {finding.amount})"
        _draw_text(layout, sentence, context)
    if scene.selfcorrect_frame_rate > 0:
        text = f"Set {scene.selfcorrect_frame_rate:g} Frames per Second"
        layout.operator(SELFCORRECT_OT_set_frame_rate.bl_idname, text=text, icon="TIME")


def draw_menu(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    """Draw the entries in Blender's menus."""
    menu.layout.separator()
    menu.layout.operator(SELFCORRECT_OT_correct.bl_idname, text="Correct with Physics…")
    menu.layout.operator(SELFCORRECT_OT_check.bl_idname, text="Check Motion…")
    menu.layout.operator(SELFCORRECT_OT_toggle.bl_idname)


CLASSES = (SelfcorrectNote, SelfcorrectFinding, SELFCORRECT_UL_findings, SELFCORRECT_PT_panel)
MENUS = ("VIEW3D_MT_object_animation", "VIEW3D_MT_pose")


def register() -> None:
    """Add the properties of scenes and the menu entries."""
    scene_type = bpy.types.Scene
    scene_type.selfcorrect_notes = bpy.props.CollectionProperty(type=SelfcorrectNote)
    scene_type.selfcorrect_findings = bpy.props.CollectionProperty(type=SelfcorrectFinding)
    scene_type.selfcorrect_finding = IntProperty(default=-1, update=jump_to_finding)
    scene_type.selfcorrect_frame_rate = FloatProperty()
    scene_type.selfcorrect_show_overlay = BoolProperty(
        name="Markers in the Viewport", default=True, description="Draw contacts and findings of the current frame"
    )
    for name in MENUS:
        getattr(bpy.types, name).append(draw_menu)


def unregister() -> None:
    """Remove what `register` has added."""
    for name in MENUS:
        getattr(bpy.types, name).remove(draw_menu)
    for name in ("notes", "findings", "finding", "frame_rate", "show_overlay"):
        delattr(bpy.types.Scene, f"selfcorrect_{name}")
