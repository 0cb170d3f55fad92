# SPDX-License-Identifier: GPL-3.0-or-later
"""Correct and check human motion inside Blender; the program selfcorrect does the work."""

import bpy
from bpy.app.handlers import persistent

from . import actions, footsteps, operators, overlay, panels, preferences, work

_CLASSES = (*preferences.CLASSES, *operators.CLASSES, *footsteps.CLASSES, *panels.CLASSES)


@persistent
def restore_after_load(*_: object) -> None:
    """Restore what Blender does not save."""
    actions.restore_contact_properties()


_HANDLERS = (("load_pre", work.stop_before_load), ("load_post", restore_after_load))


def register() -> None:
    """Add the extension's classes, properties, menus and handlers."""
    for kind in _CLASSES:
        bpy.utils.register_class(kind)
    panels.register()
    overlay.register()
    for name, handler in _HANDLERS:
        getattr(bpy.app.handlers, name).append(handler)


def unregister() -> None:
    """Stop running work, and remove everything that was added."""
    work.Running.stop()
    for name, handler in _HANDLERS:
        handlers = getattr(bpy.app.handlers, name)
        if handler in handlers:
            handlers.remove(handler)
    overlay.unregister()
    panels.unregister()
    for kind in reversed(_CLASSES):
        bpy.utils.unregister_class(kind)
