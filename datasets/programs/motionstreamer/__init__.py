"""MotionStreamer's rows."""

from ...files.contract import READ_NPY, ArrayLayout, Format

COLUMNS = 272

MOTIONSTREAMER = Format(
    "motionstreamer",
    (".npy",),
    f"rows (T, {COLUMNS}), 30 fps",
    READ_NPY,
    f"{__name__}.reader:write_motionstreamer",
    layout=ArrayLayout("MotionStreamer", f"{__name__}.reader:open_motionstreamer", columns=COLUMNS, suffixes=(".npy",)),
)
