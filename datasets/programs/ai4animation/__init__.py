"""Motions of AI4AnimationPy."""

from ...files.contract import READ_ARRAYS, ArrayLayout, Format

BONE_ARRAYS = ("positions", "quaternions", "parent_indices")

AI4ANIMATION = Format(
    "ai4animation",
    (".npz",),
    "AI4AnimationPy's named bones with positions and rotations",
    READ_ARRAYS,
    f"{__name__}.reader:write_named_bones",
    layout=ArrayLayout("AI4AnimationPy", f"{__name__}.reader:open_named_bones", BONE_ARRAYS, suffixes=(".npz",)),
)
