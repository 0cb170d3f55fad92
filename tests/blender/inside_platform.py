"""Test a platform's zip of the extension in a bare Blender.

This script installs the zip and corrects a clip without a window, network or search path.

usage: python inside_platform.py ZIP CLIP RESULT
"""

import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import bpy

ZIP, CLIP, RESULT = map(Path, sys.argv[1:])
NAME = "bl_ext.user_default.selfcorrect"


def find_numpy() -> str:
    """Return the path of the NumPy that Blender would import."""
    return PathFinder.find_spec("numpy").origin


def main() -> None:
    """Install the zip, correct the clip, and write what a user would see."""
    numpy_before = find_numpy()
    bpy.ops.extensions.package_install_files(filepath=str(ZIP), repo="user_default", enable_on_install=True)
    os.environ["PATH"] = ""
    bpy.ops.import_anim.bvh(filepath=str(CLIP), global_scale=0.01, update_scene_fps=True)
    assert bpy.ops.selfcorrect.test_program() == {"FINISHED"}
    version = bpy.context.preferences.addons[NAME].preferences.version
    assert bpy.ops.selfcorrect.correct() == {"FINISHED"}
    action = bpy.context.object.animation_data.action.name
    RESULT.write_text("\n".join([version, action, numpy_before, find_numpy()]))
    sys.stdout.flush()
    os._exit(0)  # the module may hang when Python ends


if __name__ == "__main__":
    main()
