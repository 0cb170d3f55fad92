# SPDX-License-Identifier: GPL-3.0-or-later
"""What the extension shows: preferences, menu entries, and a panel in the sidebar of the 3D view."""

import bpy
from bpy.props import IntProperty, StringProperty

from .exchange import FEET
from .operators import (
    Running,
    SELFCORRECT_OT_cancel,
    SELFCORRECT_OT_check,
    SELFCORRECT_OT_correct,
    SELFCORRECT_OT_install,
    SELFCORRECT_OT_show_log,
    SELFCORRECT_OT_test_program,
)


class SelfcorrectPreferences(bpy.types.AddonPreferences):
    """Where the program is."""

    bl_idname = __package__

    program: StringProperty(
        name="Program", subtype="FILE_PATH", description="selfcorrect; empty for the one on the search path"
    )
    python: StringProperty(
        name="Python", subtype="FILE_PATH", description="A Python 3.11 or newer, from which an environment is made"
    )
    package: StringProperty(
        name="Package", default="selfcorrect", description="What pip installs: a name, a wheel or a folder"
    )
    tested: StringProperty(options={"SKIP_SAVE"})

    def draw(self, context: bpy.types.Context) -> None:
        """Search order from top to bottom."""
        layout = self.layout
        layout.prop(self, "program")
        row = layout.row()
        row.operator(SELFCORRECT_OT_test_program.bl_idname)
        row.operator(SELFCORRECT_OT_show_log.bl_idname)
        layout.label(text=self.tested or "Not tested yet")
        box = layout.box()
        box.label(text="Without a program, install one into an environment of the extension:")
        box.prop(self, "python")
        box.prop(self, "package")
        box.operator(SELFCORRECT_OT_install.bl_idname)
        _draw_progress(layout)


def _draw_progress(layout: bpy.types.UILayout) -> None:
    if Running.title:
        row = layout.row()
        row.progress(factor=Running.share, text=f"{Running.title}: {Running.doing}")
        row.operator(SELFCORRECT_OT_cancel.bl_idname, text="", icon="CANCEL")


class SelfcorrectFinding(bpy.types.PropertyGroup):
    """A finding of a check; frames are those of the scene."""

    rule: StringProperty()
    where: StringProperty()
    amount: StringProperty()
    says: StringProperty()
    first: IntProperty()
    last: IntProperty()
    worst: IntProperty()


class SELFCORRECT_UL_findings(bpy.types.UIList):
    """Findings: rule, frames, joints, amount."""

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index=0, flt_flag=0) -> None:
        """One finding."""
        row = layout.row()
        row.label(text=f"{item.rule} {item.name}")
        row.label(text=f"{item.first}–{item.last}")
        row.label(text=item.where)
        row.label(text=item.amount)


def _jump(scene: bpy.types.Scene, context: bpy.types.Context) -> None:
    """Show the worst frame of the finding that was clicked."""
    if 0 <= scene.selfcorrect_finding < len(scene.selfcorrect_findings):
        scene.frame_set(scene.selfcorrect_findings[scene.selfcorrect_finding].worst)


class SELFCORRECT_PT_panel(bpy.types.Panel):
    """The panel in the sidebar."""

    bl_label = "selfcorrect"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "selfcorrect"

    def draw(self, context: bpy.types.Context) -> None:
        """Buttons, progress, findings."""
        layout, scene = self.layout, context.scene
        column = layout.column(align=True)
        column.enabled = not Running.title
        column.operator(SELFCORRECT_OT_correct.bl_idname)
        column.operator(SELFCORRECT_OT_check.bl_idname)
        _draw_progress(layout)
        layout.template_list(
            "SELFCORRECT_UL_findings", "", scene, "selfcorrect_findings", scene, "selfcorrect_finding", rows=4
        )
        if 0 <= scene.selfcorrect_finding < len(scene.selfcorrect_findings):
            layout.label(text=scene.selfcorrect_findings[scene.selfcorrect_finding].says)
        for part in FEET:
            for what in ("stands", "place"):
                if context.object and f"{part} {what}" in context.object:
                    layout.prop(context.object, f'["{part} {what}"]', text=f"{part.capitalize()} {what}")
        layout.operator(SELFCORRECT_OT_show_log.bl_idname)


def _draw_menu(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    self.layout.separator()
    self.layout.operator(SELFCORRECT_OT_correct.bl_idname, text="Correct with Physics…")
    self.layout.operator(SELFCORRECT_OT_check.bl_idname)


CLASSES = (SelfcorrectPreferences, SelfcorrectFinding, SELFCORRECT_UL_findings, SELFCORRECT_PT_panel)
MENUS = ("VIEW3D_MT_object_animation", "VIEW3D_MT_pose")


def register() -> None:
    """Classes, properties of scenes, menu entries."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    bpy.types.Scene.selfcorrect_findings = bpy.props.CollectionProperty(type=SelfcorrectFinding)
    bpy.types.Scene.selfcorrect_finding = IntProperty(default=-1, update=_jump)
    for name in MENUS:
        getattr(bpy.types, name).append(_draw_menu)


def unregister() -> None:
    """Take back what `register` has done."""
    for name in MENUS:
        getattr(bpy.types, name).remove(_draw_menu)
    del bpy.types.Scene.selfcorrect_findings, bpy.types.Scene.selfcorrect_finding
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
