"""Make MVNX files with Xsens' segment names from motions on SMPL's 22 joints."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

import selfcorrect as sc
from selfcorrect.motion.kinematics import pose_joints

_LIMBS = {
    "hip": "UpperLeg", "knee": "LowerLeg", "ankle": "Foot", "foot": "Toe",
    "collar": "Shoulder", "shoulder": "UpperArm", "elbow": "ForeArm", "wrist": "Hand",
}  # fmt: skip
_TRUNK = {"pelvis": "Pelvis", "spine1": "L5", "spine2": "T12", "spine3": "T8", "neck": "Neck", "head": "Head"}
_TO_XSENS = Rotation.from_matrix([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""Turn from a world with y up and the body facing +z to one with z up and the body facing +x."""


def name_segment(joint: str) -> str:
    side, _, limb = joint.rpartition("_")
    return _TRUNK.get(joint) or f"{side.capitalize()}{_LIMBS[limb]}"


def write_mvnx(path: Path, motion: sc.Motion, *, rate: str = ' frameRate="60"', subjects: int = 1) -> None:
    """Write the positions and orientations of all segments, after two frames for the identity and the T-pose."""
    positions_m, orientations = pose_joints(motion)
    places_m = _TO_XSENS.apply(positions_m)
    turns = _TO_XSENS * Rotation.from_quat(orientations) * _TO_XSENS.inv()
    quaternions = turns.as_quat(scalar_first=True)
    names = [name_segment(name) for name in motion.skeleton.names]
    joints = [(names[parent], names[joint]) for joint, parent in enumerate(motion.skeleton.parents) if joint]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<mvnx version="4" xmlns="http://www.xsens.com/mvn/mvnx">']
    lines += ['<mvn version="2021" build="1"/>', "<comment></comment>"]
    for subject in range(subjects):
        lines.append(f'<subject label="P{subject}"{rate} segmentCount="{len(names)}"><segments>')
        for number, name in enumerate(names, 1):
            point = f'<point label="p{name}"><pos_b>0 0 0</pos_b></point>'
            lines.append(f'<segment label="{name}" id="{number}"><points>{point}</points></segment>')
        lines.append("</segments><joints>")
        for above, below in joints:
            ends = f"<connector1>{above}/j{below}</connector1><connector2>{below}/j{below}</connector2>"
            lines.append(f'<joint label="j{below}">{ends}</joint>')
        lines.append('</joints><frames segmentCount="23">')
        for kind in ("identity", "tpose"):
            lines.append(f'<frame time="0" index="" type="{kind}"><orientation>1 0 0 0</orientation></frame>')
        for frame in range(len(motion)):
            lines.append(f'<frame time="{frame}" index="{frame}" type="normal">')
            for kind, values in (("orientation", quaternions), ("position", places_m)):
                numbers = " ".join(f"{value:.9g}" for value in np.ravel(values[frame]))
                lines.append(f"<{kind}>{numbers}</{kind}>")
            lines.append("<velocity>0 0 0</velocity></frame>")
        lines.append("</frames></subject>")
    path.write_text("\n".join([*lines, "</mvnx>"]) + "\n")
