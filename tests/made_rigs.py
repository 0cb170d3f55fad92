"""Make rigs that vary as rigs in files do: by joint names, missing joints, rest poses and props.

All are derived from the built-in walk, three times in a row, on a body with all 22 parts whose rest pose is the T-pose.
Joints of the body stay at the same positions in every variant.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
from helpers import load_clips
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.collections.deepmimic import on_smpl
from selfcorrect.motion.editing.transforms import close_cycle, repeat_cycle
from selfcorrect.motion.geometry.rotations import compose, invert, quaternions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SMPL_22, Skeleton
from selfcorrect.motion.views import TurnedFrames

SIDES = ("left", "right")
OPTIONAL_PARTS = (
    ("left_collar", "right_collar"),
    ("neck",),
    ("head",),
    ("spine1",),
    ("spine2",),
    ("spine3",),
    ("left_wrist", "right_wrist"),
    ("left_foot", "right_foot"),
)
"""Groups of parts that rigs may lack together."""


@cache
def base_walk(cycles: int = 3) -> Motion:
    """Return `cycles` cycles of the built-in walk on SMPL's joints."""
    return on_smpl(repeat_cycle(close_cycle(load_clips()["walk"]), cycles))


# --- names -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Naming:
    """Joint names by part; those of limbs have `{}` for the side."""

    trunk: Mapping[str, str]
    limbs: Mapping[str, str]
    sides: tuple[str, str]

    def names(self) -> dict[str, str]:
        """Return the name of each of the 22 parts."""
        names = dict(self.trunk)
        for side, word in zip(SIDES, self.sides, strict=True):
            for limb, pattern in self.limbs.items():
                names[f"{side}_{limb}"] = pattern.format(word)
        return names


_LIMBS = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")
_TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")


def _naming(trunk: str, limbs: str, sides: tuple[str, str]) -> Naming:
    return Naming(dict(zip(_TRUNK, trunk.split(), strict=True)), dict(zip(_LIMBS, limbs.split(), strict=True)), sides)


NAMINGS = {
    "mixamo": _naming("Hips Spine Spine1 Spine2 Neck Head",
                      "{}UpLeg {}Leg {}Foot {}ToeBase {}Shoulder {}Arm {}ForeArm {}Hand", ("Left", "Right")),
    "unreal": _naming("pelvis spine_01 spine_02 spine_03 neck_01 head",
                      "thigh_{} calf_{} foot_{} ball_{} clavicle_{} upperarm_{} lowerarm_{} hand_{}", ("l", "r")),
    "valve": _naming("Pelvis Spine Spine2 Spine4 Neck1 Head1",
                     "{}_Thigh {}_Calf {}_Foot {}_Toe0 {}_Clavicle {}_UpperArm {}_Forearm {}_Hand", ("L", "R")),
    "character creator": _naming("Hip Waist Spine01 Spine02 NeckTwist01 Head",
                                 "{}_Thigh {}_Calf {}_Foot {}_ToeBase {}_Clavicle {}_Upperarm {}_Forearm {}_Hand",
                                 ("L", "R")),
    "rigify": _naming("spine spine.001 spine.002 spine.003 spine.004 spine.006",
                      "thigh.{} shin.{} foot.{} toe.{} shoulder.{} upper_arm.{} forearm.{} hand.{}", ("L", "R")),
    "kinect": _naming("SpineBase SpineMid SpineUpper SpineShoulder Neck Head",
                      "Hip{0} Knee{0} Ankle{0} Foot{0} Collar{0} Shoulder{0} Elbow{0} Wrist{0}", ("Left", "Right")),
    "azure kinect": _naming("PELVIS SPINE_NAVEL SPINE_MID SPINE_CHEST NECK HEAD",
                            "HIP_{0} KNEE_{0} ANKLE_{0} FOOT_{0} CLAVICLE_{0} SHOULDER_{0} ELBOW_{0} WRIST_{0}",
                            ("LEFT", "RIGHT")),
    "advanced skeleton": _naming("Root_M Spine1_M Spine2_M Chest_M Neck_M Head_M",
                                 "Hip_{0} Knee_{0} Ankle_{0} Toes_{0} Scapula_{0} Shoulder_{0} Elbow_{0} Wrist_{0}",
                                 ("L", "R")),
    "auto-rig": _naming("root.x spine_01.x spine_02.x spine_03.x neck.x head.x",
                        "thigh_stretch.{0} leg_stretch.{0} foot.{0} toes_01.{0} shoulder.{0} arm_stretch.{0} "
                        "forearm_stretch.{0} hand.{0}", ("l", "r")),
    "daz 8": _naming("hip abdomenLower abdomenUpper chestUpper neckLower head",
                     "{}ThighBend {}Shin {}Foot {}Toe {}Collar {}ShldrBend {}ForearmBend {}Hand", ("l", "r")),
    "unity": _naming("Hips Spine Chest UpperChest Neck Head",
                     "{}UpperLeg {}LowerLeg {}Foot {}Toes {}Shoulder {}UpperArm {}LowerArm {}Hand",
                     ("Left", "Right")),
    "smpl": _naming("pelvis spine1 spine2 spine3 neck head",
                    "{}_hip {}_knee {}_ankle {}_foot {}_collar {}_shoulder {}_elbow {}_wrist", ("left", "right")),
    "max": _naming("Pelvis Spine Spine1 Spine2 Neck Head",
                   "{0} Thigh|{0} Calf|{0} Foot|{0} Toe0|{0} Clavicle|{0} UpperArm|{0} Forearm|{0} Hand"
                   .replace(" ", "~").replace("|", " "), ("L", "R")),
}  # fmt: skip
"""Joint names of various programs; a tilde stands for a space."""

PREFIXES = (
    "", "Model_", "Character1_", "Armature|", "jnt_", "CC_Base_", "b_", "ValveBiped.Bip01_", "mixamorig:", "Bip001 ",
    "bip_", "rig_", "root|", "SK_", "Bone_", "bn_", "j_", "Jnt", "joint", "DEF-", "ORG-", "char:rig:", "Player.",
    "skeleton_", "Skel/", "man01_", "HumanMale_", "bind_", "sk_", "Beta:", "C4D-", "npc-guard-02_",
)  # fmt: skip
SUFFIXES = ("", "_jnt", ".001", "Joint", "_joint", "_bone", "_JNT", "_bind", "-skin", "Bone", "_0", "_01_copy")


def rename_joints(motion: Motion, naming: str, prefix: str = "", suffix: str = "") -> Motion:
    """Rename joints by a naming scheme, with a prefix and a suffix, and drop their parts."""
    by_part = NAMINGS[naming].names()
    skeleton = motion.skeleton
    names = []
    for name, part in zip(skeleton.names, skeleton.parts, strict=True):
        names.append(f"{prefix}{by_part.get(part, name).replace('~', ' ')}{suffix}")
    return replace(motion, skeleton=replace(skeleton, names=tuple(names), parts=("",) * len(skeleton)))


def number_joints(motion: Motion) -> Motion:
    """Append a different number to each joint name, as some glTF exporters do."""
    names = tuple(f"{name}_{index:03d}" for index, name in enumerate(motion.skeleton.names))
    return replace(motion, skeleton=replace(motion.skeleton, names=names))


def clear_names(motion: Motion) -> Motion:
    """Replace joint names by meaningless ones and drop their parts."""
    count = len(motion.skeleton)
    names = tuple(f"bone{index:02d}" for index in range(count))
    return replace(motion, skeleton=replace(motion.skeleton, names=names, parts=("",) * count))


# --- joints ----------------------------------------------------------------------------------------------------------


def remove_parts(motion: Motion, parts: Sequence[str]) -> Motion:
    """Remove parts, keeping the other joints in place as far as the remaining bones allow.

    Orientations stay. A joint whose parent is removed becomes a child of its nearest remaining ancestor, at the mean of
    its positions relative to it. All joints below a removed foot are removed, too.
    """
    from selfcorrect.motion.kinematics import local_rotations, pose_joints

    skeleton = motion.skeleton
    feet = {joint for joint, part in enumerate(skeleton.parts) if part in parts and part.endswith("foot")}
    remaining = [
        joint
        for joint, part in enumerate(skeleton.parts)
        if part not in parts and feet.isdisjoint(skeleton.path_to_root(joint))
    ]
    positions_m, orientations = pose_joints(motion)
    parents = []
    offsets_m = np.zeros((len(remaining), 3))
    for index, joint in enumerate(remaining):
        parent = skeleton.parents[joint]
        while parent >= 0 and parent not in remaining:
            parent = skeleton.parents[parent]
        parents.append(remaining.index(parent) if parent >= 0 else -1)
        if parent >= 0:
            bones_m = (
                Rotation.from_quat(orientations[:, parent]).inv().apply(positions_m[:, joint] - positions_m[:, parent])
            )
            offsets_m[index] = bones_m.mean(axis=0)
    reduced = Skeleton(
        tuple(skeleton.names[joint] for joint in remaining),
        tuple(parents),
        offsets_m,
        tuple(skeleton.parts[joint] for joint in remaining),
    )
    return replace(motion, skeleton=reduced, rotations=local_rotations(reduced, orientations[:, remaining]))


TWIST_BONES = {
    "thigh_twist": ("left_hip", "left_knee", "left_hip"),
    "upperarm_twist": ("right_shoulder", "right_elbow", "right_shoulder"),
    "forearm_twist": ("left_elbow", "left_wrist", "left_wrist"),
}
"""Twist bones within limbs: the parts above and below each, and the part that gives up a share of its twist."""


def insert_twist_bones(
    motion: Motion, share: float, twist_bones: Mapping[str, tuple[str, str, str]] = TWIST_BONES
) -> Motion:
    """Insert twist bones halfway along limbs, each with a share of a neighbouring part's twist."""
    names = list(motion.skeleton.names)
    parents = list(motion.skeleton.parents)
    parts = list(motion.skeleton.parts)
    offsets_m = list(motion.skeleton.offsets_m)
    turns = list(np.moveaxis(motion.rotations, 1, 0))
    for name, (upper, lower, leader) in twist_bones.items():
        above, below = parts.index(upper), parts.index(lower)
        axis = offsets_m[below] / np.linalg.norm(offsets_m[below])
        joint = parts.index(leader)
        half_angles_rad = np.unwrap(np.arctan2(turns[joint][:, :3] @ axis, turns[joint][:, 3]), period=np.pi)
        turn = quaternions(2 * share * half_angles_rad[:, None] * axis)
        turns[joint] = compose(turns[joint], invert(turn)) if joint == above else compose(invert(turn), turns[joint])
        names.insert(below, name)
        parts.insert(below, "")
        turns.insert(below, turn)
        parents = [parent + (parent >= below) for parent in parents]
        offsets_m.insert(below, offsets_m[below] / 2)
        offsets_m[below + 1] = offsets_m[below + 1] / 2
        parents.insert(below, above)
        parents[below + 1] = below
    rig = Skeleton(tuple(names), tuple(parents), np.array(offsets_m), tuple(parts))
    return replace(motion, skeleton=rig, rotations=np.stack(turns, axis=1))


def with_chains(motion: Motion, chains: Mapping[str, tuple[str, Sequence[tuple[float, float, float]]]]) -> Motion:
    """Add chains of joints that do not turn.

    `chains` maps the name of each chain to the part it is attached to and its bones in metres.
    """
    skeleton = motion.skeleton
    names = list(skeleton.names)
    parents = list(skeleton.parents)
    offsets_m = list(skeleton.offsets_m)
    for name, (part, bones_m) in chains.items():
        above = skeleton.parts.index(part)
        for number, bone_m in enumerate(bones_m):
            names.append(f"{name}_{number}")
            parents.append(above)
            offsets_m.append(np.array(bone_m))
            above = len(names) - 1
    more = len(names) - len(skeleton)
    still = np.tile([0.0, 0.0, 0.0, 1.0], (len(motion), more, 1))
    changed = Skeleton(tuple(names), tuple(parents), np.array(offsets_m), (*skeleton.parts, *[""] * more))
    return replace(motion, skeleton=changed, rotations=np.concatenate([motion.rotations, still], axis=1))


PROPS: dict[str, dict[str, tuple[str, list[tuple[float, float, float]]]]] = {
    "pigtails": {
        f"pigtail_{side[0]}": ("head", [(0.08 * x, 0.1, 0.0), (0.05 * x, -0.2, 0.0), (0.0, -0.2, 0.0),
                                        (0.0, -0.1, 0.0)])
        for side, x in (("left", 1.0), ("right", -1.0))
    },
    "sword": {"sword": ("right_wrist", [(-0.08, 0.0, 0.0), (0.0, 0.0, 1.0)])},
    "sword in one joint": {"sword": ("right_wrist", [(-0.08, 0.0, 0.9)])},
    "two swords": {f"blade_{side[0]}": (f"{side}_wrist", [(0.08 * x, 0.0, 0.0), (0.0, 0.0, 1.1)])
                   for side, x in (("left", 1.0), ("right", -1.0))},
    "shield": {"shield": ("left_elbow", [(0.12, 0.0, 0.05), (0.0, 0.5, 0.0)])},
    "cape": {
        f"cape_{index}": ("spine3", [(0.12 * (index - 1), 0.12, -0.1), (0.0, -0.3, -0.05), (0.0, -0.35, -0.05),
                                     (0.0, -0.3, 0.0)])
        for index in range(3)
    },
    "skirt": {
        f"skirt_{index}": ("pelvis", [(0.15 * np.cos(angle), -0.05, 0.15 * np.sin(angle)), (0.0, -0.25, 0.0),
                                      (0.0, -0.25, 0.0)])
        for index, angle in enumerate(np.arange(8) * np.pi / 4)
    },
    "tail": {"tail": ("pelvis", [(0.0, 0.0, -0.1), (0.0, -0.2, -0.2), (0.0, -0.2, -0.2), (0.0, -0.1, -0.2)])},
    "wings": {
        f"wing_{side[0]}": ("spine3", [(0.05 * x, 0.1, -0.1), (0.3 * x, 0.2, -0.1), (0.35 * x, -0.1, -0.1),
                                       (0.3 * x, -0.1, 0.0)])
        for side, x in (("left", 1.0), ("right", -1.0))
    },
}  # fmt: skip
"""What characters wear and hold: per item, chains as in `with_chains`."""


# --- what is no human body -------------------------------------------------------------------------------------------


def _swinging(joints: Sequence[tuple[str, str, tuple[float, float, float]]], swings: Sequence[str]) -> Motion:
    """Return a second of motion in which some joints swing.

    Joints are given as name, parent's name and offset in metres. Of those that swing, every other one swings in the
    opposite phase.
    """
    names = [name for name, _, _ in joints]
    parents = tuple(names.index(parent) if parent else -1 for _, parent, _ in joints)
    skeleton = Skeleton(
        tuple(names), parents, np.array([offset for _, _, offset in joints], dtype=float), ("",) * len(names)
    )
    phases = np.linspace(0, 2 * np.pi, 30)
    rotations = np.tile([0.0, 0.0, 0.0, 1.0], (30, len(names), 1))
    for index, name in enumerate(swings):
        angles_rad = 0.5 * np.sin(phases + np.pi * (index % 2))
        rotations[:, names.index(name)] = Rotation.from_rotvec(angles_rad[:, None] * [1.0, 0.0, 0.0]).as_quat()
    root_m = np.stack([0 * phases, np.full(30, 0.45), phases / 8], axis=1)
    return Motion(skeleton, root_m, rotations, 30.0)


def fox() -> Motion:
    """Return a walking fox whose forelegs are named as arms, as is common in animal rigs."""
    joints: list[tuple[str, str, tuple[float, float, float]]] = [
        ("b_Root_00", "", (0.0, 0.0, 0.0)),
        ("b_Hip_01", "b_Root_00", (0.0, 0.0, 0.0)),
        ("b_Spine01_02", "b_Hip_01", (0.0, 0.05, 0.15)),
        ("b_Spine02_03", "b_Spine01_02", (0.0, 0.0, 0.2)),
        ("b_Neck_04", "b_Spine02_03", (0.0, 0.1, 0.12)),
        ("b_Head_05", "b_Neck_04", (0.0, 0.1, 0.1)),
        ("b_Tail01_012", "b_Hip_01", (0.0, 0.0, -0.1)),
        ("b_Tail02_013", "b_Tail01_012", (0.0, 0.0, -0.2)),
    ]
    for side, x in (("Left", 1.0), ("Right", -1.0)):
        joints += [
            (f"b_{side}UpperArm_06", "b_Spine02_03", (0.06 * x, -0.05, 0.02)),
            (f"b_{side}ForeArm_07", f"b_{side}UpperArm_06", (0.0, -0.18, -0.03)),
            (f"b_{side}Hand_08", f"b_{side}ForeArm_07", (0.0, -0.18, 0.04)),
            (f"b_{side}Leg01_015", "b_Hip_01", (0.06 * x, -0.05, 0.0)),
            (f"b_{side}Leg02_016", f"b_{side}Leg01_015", (0.0, -0.15, 0.05)),
            (f"b_{side}Foot01_017", f"b_{side}Leg02_016", (0.0, -0.15, -0.08)),
            (f"b_{side}Foot02_018", f"b_{side}Foot01_017", (0.0, -0.1, 0.03)),
        ]
    return _swinging(joints, ["b_LeftLeg01_015", "b_RightLeg01_015", "b_RightUpperArm_06", "b_LeftUpperArm_06"])


def chicken() -> Motion:
    """Return a chicken whose legs have a person's joint names."""
    joints: list[tuple[str, str, tuple[float, float, float]]] = [
        ("root", "", (0.0, 0.0, 0.0)),
        ("body", "root", (0.0, 0.0, 0.0)),
        ("chest", "body", (0.0, 0.08, 0.1)),
        ("neck", "chest", (0.0, 0.06, 0.05)),
        ("head", "neck", (0.0, 0.11, 0.03)),
        ("beak", "head", (0.0, 0.0, 0.05)),
    ]
    for side, x in (("L", 1.0), ("R", -1.0)):
        joints += [
            (f"wing_{side}", "chest", (0.06 * x, 0.02, -0.02)),
            (f"wing2_{side}", f"wing_{side}", (0.1 * x, -0.03, -0.05)),
            (f"wing3_{side}", f"wing2_{side}", (0.08 * x, -0.02, -0.08)),
            (f"thigh_{side}", "body", (0.05 * x, -0.02, 0.0)),
            (f"shin_{side}", f"thigh_{side}", (0.0, -0.1, 0.05)),
            (f"foot_{side}", f"shin_{side}", (0.0, -0.12, -0.06)),
            (f"toe_{side}", f"foot_{side}", (0.0, -0.02, 0.07)),
        ]
    return _swinging(joints, ["thigh_L", "thigh_R"])


def octopus() -> Motion:
    """Return a body with eight arms around it, two pairs of which have the proportions of legs and arms."""
    joints: list[tuple[str, str, tuple[float, float, float]]] = [
        ("root", "", (0.0, 0.0, 0.0)),
        ("head", "root", (0.0, 0.2, 0.0)),
    ]
    for arm, angle_rad in enumerate(np.arange(8) * np.pi / 4):
        above = "root"
        for bone in range(5):
            joints.append((f"arm{arm}_{bone}", above, (0.1 * np.cos(angle_rad), -0.03, 0.1 * np.sin(angle_rad))))
            above = f"arm{arm}_{bone}"
    return _swinging(joints, ["arm0_0", "arm3_0"])


def lizard() -> Motion:
    """Return a lizard with a long horizontal trunk, four legs at its sides and a tail."""
    joints: list[tuple[str, str, tuple[float, float, float]]] = [("root", "", (0.0, 0.0, 0.0))]
    for name, count, length_m in (("spine", 6, 0.1), ("tail", 6, -0.1)):
        above = "root"
        for bone in range(count):
            joints.append((f"{name}{bone}", above, (0.0, 0.0, length_m)))
            above = f"{name}{bone}"
    for side, x in (("L", 1.0), ("R", -1.0)):
        for limb, start in (("fore", "spine3"), ("hind", "root")):
            above = start
            for bone, offset_m in enumerate([(0.05 * x, 0.0, 0.0), (0.1 * x, 0.0, 0.0), (0.02 * x, -0.1, 0.0)]):
                joints.append((f"{limb}{bone}_{side}", above, offset_m))
                above = f"{limb}{bone}_{side}"
    return _swinging(joints, ["fore1_L", "hind1_R"])


def chain(count: int = 12) -> Motion:
    """Return a chain of `count` joints that swing."""
    names = [f"node{index}" for index in range(count)]
    joints = [(names[0], "", (0.0, 0.0, 0.0))]
    joints += [(name, above, (0.0, 0.1, 0.0)) for above, name in pairwise(names)]
    return _swinging(joints, names)


# --- rest poses ------------------------------------------------------------------------------------------------------


def _a_pose(skeleton: Skeleton) -> Rotation:
    return _pose_joints(skeleton, {"left_shoulder": (0.0, 0.0, -45.0), "right_shoulder": (0.0, 0.0, 45.0)})


def _sitting(skeleton: Skeleton) -> Rotation:
    legs = {f"{side}_hip": (-90.0, 0.0, 0.0) for side in SIDES} | {f"{side}_knee": (90.0, 0.0, 0.0) for side in SIDES}
    return _pose_joints(skeleton, legs)


def _pose_joints(skeleton: Skeleton, angles_deg: Mapping[str, tuple[float, float, float]]) -> Rotation:
    """Return the turns (J,) of joint frames that make a pose the rest pose.

    In this pose the given parts, and everything below them, are turned by Euler angles xyz.
    """
    turns: list[Rotation] = []
    for part, parent in zip(skeleton.parts, skeleton.parents, strict=True):
        above = turns[parent] if parent >= 0 else Rotation.identity()
        turns.append(above * Rotation.from_euler("xyz", angles_deg.get(part, (0.0, 0.0, 0.0)), degrees=True))
    return Rotation.concatenate(turns).inv()


def _align_with(axis: int) -> Callable[[Skeleton], Rotation]:
    """Return a function that turns joint frames.

    Every bone then lies along one axis of its joint's frame.
    """

    def turns_of(skeleton: Skeleton) -> Rotation:
        turns = []
        for children in skeleton.children:
            bone_m = skeleton.offsets_m[children[0]] if children else np.array([0.0, 1.0, 0.0])
            turns.append(Rotation.align_vectors(bone_m[None], np.eye(3)[[axis]])[0])
        return Rotation.concatenate(turns)

    return turns_of


def _turn_by(skeleton: Skeleton, axis: str, angle_deg: float) -> Rotation:
    return Rotation.from_euler(axis, np.full((len(skeleton), 1), angle_deg), degrees=True)


def _random(skeleton: Skeleton) -> Rotation:
    return Rotation.random(len(skeleton), random_state=np.random.default_rng(5))


REST_POSES: dict[str, Callable[[Skeleton], Rotation]] = {
    "T-pose": lambda skeleton: Rotation.identity(len(skeleton)),
    "A-pose": _a_pose,
    "sitting": _sitting,
    "z up": lambda skeleton: _turn_by(skeleton, "x", -90.0),
    "lying": lambda skeleton: _turn_by(skeleton, "z", 90.0),
    "bones along x": _align_with(0),
    "bones along y": _align_with(1),
    "any frames": _random,
}
"""Turns (J,) of joint frames by the rest pose that they lead to."""


def with_bones_up(motion: Motion) -> Motion:
    """Point all offsets along y.

    Where several bones start at one joint, each gets a zero-length socket joint of its own. In the rest pose all joints
    then lie above one another, and those of the left and right side at the same positions.
    """
    from selfcorrect.motion.kinematics import local_rotations, pose_joints

    skeleton = motion.skeleton
    _, orientations = pose_joints(motion)
    names = []
    parents = []
    offsets_m = []
    parts = []
    turned: list[np.ndarray] = []
    index_of: dict[int, int] = {}
    for joint, parent in enumerate(skeleton.parents):
        above = index_of[parent] if parent >= 0 else -1
        bone_m = skeleton.offsets_m[joint]
        if parent >= 0 and len(skeleton.children[parent]) > 1:
            names.append(f"{skeleton.names[joint]} socket")
            parents.append(above)
            offsets_m.append(np.zeros(3))
            parts.append("")
            turned.append((Rotation.from_quat(orientations[:, parent]) * _along_y(bone_m)).as_quat())
            above = len(names) - 1
        names.append(skeleton.names[joint])
        parents.append(above)
        offsets_m.append(np.array([0.0, np.linalg.norm(bone_m), 0.0]))
        parts.append(skeleton.parts[joint])
        children = skeleton.children[joint]
        turn = _along_y(skeleton.offsets_m[children[0]]) if len(children) == 1 else Rotation.identity()
        turned.append((Rotation.from_quat(orientations[:, joint]) * turn).as_quat())
        index_of[joint] = len(names) - 1
    changed = Skeleton(tuple(names), tuple(parents), np.array(offsets_m), tuple(parts))
    return replace(motion, skeleton=changed, rotations=local_rotations(changed, np.stack(turned, axis=1)))


def _along_y(bone_m: np.ndarray) -> Rotation:
    """Return the turn that puts a bone along y."""
    return Rotation.align_vectors(bone_m[None], np.array([[0.0, 1.0, 0.0]]))[0]


def resting(motion: Motion, pose: str) -> Motion:
    """Return the same motion on a skeleton with another rest pose."""
    return TurnedFrames(REST_POSES[pose](motion.skeleton).as_quat()).view(motion)


assert set(_TRUNK) | {f"{side}_{limb}" for side in SIDES for limb in _LIMBS} == set(SMPL_22)
