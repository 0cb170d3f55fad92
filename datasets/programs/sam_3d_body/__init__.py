"""Results of SAM 3D Body."""

from ...files.contract import READ_ARRAYS, ArrayLayout, Format

JOINTS = "pred_joint_coords"
ROOT_POSITION = "pred_cam_t"

SAM_3D_BODY = Format(
    "sam-3d-body",
    (".pkl",),
    "SAM 3D Body's joints per frame, in the camera's frame",
    READ_ARRAYS,
    None,
    layout=ArrayLayout(
        "SAM 3D Body",
        f"{__name__}.reader:open_sam3d",
        (JOINTS, ROOT_POSITION),
        recognises=f"{__name__}.reader:recognises_sam3d",
    ),
)
