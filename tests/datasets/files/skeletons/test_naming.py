"""Body parts by name in the usual schemes."""

import pytest

from selfcorrect.datasets.files.skeletons.naming import parts_from_names
from selfcorrect.motion.skeleton import SMPL_22

LIMBS = ["hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist"]


def both_sides(pattern: str, limbs: str, sides: tuple[str, str] = ("Left", "Right")) -> dict[str, str]:
    """Name the limbs on both sides, and return their parts."""
    return {
        pattern.format(side=side, limb=limb): f"{word}_{part}"
        for side, word in zip(sides, ("left", "right"), strict=True)
        for limb, part in zip(limbs.split(), LIMBS, strict=True)
    }


MOTIONBUILDER = "UpLeg Leg Foot ToeBase Shoulder Arm ForeArm Hand"
SCHEMES = {
    "smpl": dict(zip(SMPL_22, SMPL_22, strict=True)),
    "smpl short": {"Pelvis": "pelvis", "Spine1": "spine1", "Spine2": "spine2", "Spine3": "spine3", "Neck": "neck"}
    | both_sides("{side}_{limb}", "Hip Knee Ankle Foot Collar Shoulder Elbow Wrist", ("L", "R")),
    "mixamo": {
        "mixamorig:Hips": "pelvis", "mixamorig:Spine": "spine1", "mixamorig:Spine1": "spine2",
        "mixamorig:Spine2": "spine3", "mixamorig:Neck": "neck", "mixamorig:Head": "head", "mixamorig:HeadTop_End": "",
        "mixamorig:LeftHandThumb1": "", "mixamorig:LeftToe_End": "",
    } | both_sides("mixamorig:{side}{limb}", MOTIONBUILDER),
    "cmu": {
        "Hips": "pelvis", "LHipJoint": "", "RHipJoint": "", "LowerBack": "spine1", "Spine": "spine2",
        "Spine1": "spine3", "Neck": "", "Neck1": "neck", "Head": "head", "Head_end": "", "LThumb": "",
        "LeftFingerBase": "",
    } | both_sides("{side}{limb}", MOTIONBUILDER),
    "lafan": {"Hips": "pelvis", "Spine": "spine1", "Spine1": "spine2", "Spine2": "spine3", "Neck": "neck"}
    | both_sides("{side}{limb}", "UpLeg Leg Foot Toe Shoulder Arm ForeArm Hand"),
    "daz": {
        "hip": "pelvis", "abdomen": "spine1", "chest": "spine3", "neck": "neck", "head": "head", "leftEye": "",
        "lButtock": "", "rButtock": "", "lFoot_end": "left_foot", "rFoot_end": "right_foot", "lPinky1": "",
    } | {
        name: part
        for name, part in both_sides(
            "{side}{limb}", "Thigh Shin Foot Toe Collar Shldr ForeArm Hand", ("l", "r")
        ).items()
        if not part.endswith("foot")
    },
    "biped": {
        "Bip01": "", "Bip01 Pelvis": "pelvis", "Bip01 Spine": "spine1", "Bip01 Spine1": "spine3",
        "Bip01 Neck": "neck", "Bip01 Head": "head", "Bip01 L Finger0": "",
    } | both_sides("Bip01 {side} {limb}", "Thigh Calf Foot Toe0 Clavicle UpperArm Forearm Hand", ("L", "R")),
    "bandai": {"joint_Root": "", "Hips": "pelvis", "Spine": "spine1", "Chest": "spine3", "Neck": "neck"}
    | both_sides("{limb}_{side}", "UpperLeg LowerLeg Foot Toes Shoulder UpperArm LowerArm Hand", ("L", "R")),
    "acclaim": {"Hips": "pelvis", "Chest": "spine3", "Neck": "neck", "Head": "head"}
    | both_sides("{side}{limb}", "Hip Knee Ankle Toe Collar Shoulder Elbow Wrist"),
    "unreal": {"root": "", "pelvis": "pelvis", "spine_01": "spine1", "spine_02": "spine2", "spine_03": "spine3",
        "neck_01": "neck", "head": "head", "thigh_twist_01_l": "", "ik_foot_root": "", "index_01_l": "",
    } | both_sides("{limb}_{side}", "thigh calf foot ball clavicle upperarm lowerarm hand", ("l", "r")),
    "rokoko": {"Hips": "pelvis", "Spine1": "spine1", "Spine3": "spine3", "Neck": "neck"}
    | both_sides("{side}{limb}", "Thigh Shin Foot Toe Shoulder Arm ForeArm Hand"),
    "xsens": {"Pelvis": "pelvis", "L5": "spine1", "L3": "", "T12": "spine2", "T8": "spine3", "Neck": "neck"}
    | both_sides("{side}{limb}", "UpperLeg LowerLeg Foot Toe Shoulder UpperArm ForeArm Hand"),
    "rigify": {"DEF-spine": "spine3", "DEF-breast.L": "", "DEF-pelvis.L": "", "DEF-thigh.L.001": ""}
    | both_sides("DEF-{limb}.{side}", "thigh shin foot toe shoulder upper_arm forearm hand", ("L", "R")),
    "vrm": {"J_Bip_C_Hips": "pelvis", "J_Bip_C_Spine": "spine1", "J_Bip_C_UpperChest": "spine3", "J_Sec_Hair1_01": ""}
    | both_sides("J_Bip_{side}_{limb}", "UpperLeg LowerLeg Foot ToeBase Shoulder UpperArm LowerArm Hand", ("L", "R")),
    "asf": {"root": "", "lhipjoint": "", "lowerback": "spine1", "upperback": "spine2", "thorax": "spine3",
        "lowerneck": "", "upperneck": "neck", "head": "head", "lfingers": "", "lthumb": "",
    } | both_sides("{side}{limb}", "femur tibia foot toes clavicle humerus radius wrist", ("l", "r")),
    "unknown": {"bone_1": "", "bone_2": "", "": "", "Tail": "", "LegoMan": ""},
}  # fmt: skip


@pytest.mark.parametrize("scheme", SCHEMES)
def test_parts_are_told_by_name(scheme: str):
    names = SCHEMES[scheme]
    assert dict(zip(names, parts_from_names(tuple(names)), strict=True)) == names


def test_spine_joints_are_thinned():
    assert parts_from_names(("hips", "torso")) == ("pelvis", "spine3")
    assert parts_from_names(tuple(f"spine{index}" for index in range(5))) == ("spine1", "", "spine2", "", "spine3")
