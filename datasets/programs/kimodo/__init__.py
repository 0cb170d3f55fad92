"""Motions of Kimodo."""

from ...files.contract import READ_ARRAYS, ArrayLayout, Format

POSE_ARRAYS = ("posed_joints", "global_rot_mats")

KIMODO = Format(
    "kimodo",
    (".npz",),
    "Kimodo's joints and rotations, y up, 30 fps",
    READ_ARRAYS,
    f"{__name__}.reader:write_kimodo",
    layout=ArrayLayout("Kimodo", f"{__name__}.reader:open_kimodo", POSE_ARRAYS),
)
