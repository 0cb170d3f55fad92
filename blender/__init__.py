# SPDX-License-Identifier: GPL-3.0-or-later
"""Correct human motion with physics, and check it, inside Blender. The program selfcorrect does the work."""

import bpy

from . import operators, panels


def register() -> None:
    """Called by Blender when the extension is enabled."""
    for each in operators.CLASSES:
        bpy.utils.register_class(each)
    panels.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled."""
    panels.unregister()
    for each in reversed(operators.CLASSES):
        bpy.utils.unregister_class(each)
