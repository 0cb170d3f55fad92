"""Recognise body parts by common joint names.

Affixes that nearly all names share (`Model_`, `_jnt`, `.001`) are removed first. The joints of legs and of arms follow
from the naming scheme that fits most of them, and sides from `Left…`, `l_…`, `lThigh`, `…_L` and the like. Spine joints
follow from their order, because their numbering differs between schemes. Of several neck joints, the last one is the
neck.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter

from selfcorrect.motion.skeleton import SIDES

LEG_PARTS = ("hip", "knee", "ankle", "foot")
_LEG_SCHEMES = (
    ("hip", "knee", "ankle", "foot|toes?"),  # SMPL, Kinect, Acclaim, Poser's short names, Advanced Skeleton
    ("hip", "knee", "foot", "toes?|toebase|ball"),
    # Mixamo, MotionBuilder, CMU, LAFAN1; DAZ, Rokoko, Rigify, Auto-Rig Pro; 3ds Max Biped, Valve, Character Creator,
    # Unreal; Unity, Bandai Namco, VRM, Xsens; Acclaim's ASF
    ("upleg|thigh|upperleg|femur", "leg|shin|calf|lowerleg|tibia", "foot", "toes?|toe0|toebase|ball"),
)
ARM_PARTS = ("collar", "shoulder", "elbow", "wrist")
_ARM_SCHEMES = (
    ("collar|clavicle|scapula", "shoulder", "elbow", "wrist|hand"),  # SMPL, Acclaim, Kinect, Advanced Skeleton
    # Mixamo, MotionBuilder, CMU, LAFAN1, Rokoko, Auto-Rig Pro, Motive; Unity, Bandai Namco, VRM, Xsens, Rigify
    ("shoulder", "u?arm|upperarm", "farm|forearm|lowerarm", "hand"),
    # DAZ; 3ds Max Biped, Valve, Character Creator, Unreal; Acclaim's ASF
    ("collar|clavicle", "shldr|upperarm|humerus", "forearm|lowerarm|radius", "wrist|hand"),
)
"""Patterns of the parts' names in each scheme, without side and in lower case."""

_FIRST_OF_SEVERAL = r"(?:bend|stretch)?(?:0?1)?"
"""Pattern that may follow the name of a part for which a rig has several joints."""

_ROOTS = ("pelvis", "hips", "hip", "spinebase")
_SPINE = re.compile(
    r"(spine(navel|low|lower|mid|middle|up|upper|chest|shoulder)?|chest(lower|upper)?|upperchest|abdomen(lower|upper)?"
    r"|waist|lowerback|upperback|torso|thorax)\d*|l5|l3|t12|t8"
)
_NECK = re.compile(r"(lower|upper)?neck(lower|upper|twist)?\d*")
_HEAD = re.compile(r"head\d*")

_NAMESPACE = re.compile(r"^.*[:|/]")
_PREFIX = re.compile(r"^(mixamorig\d*|bip0*1|joint|j_bip(?:_c)?|def|org)?[ _-]*", re.IGNORECASE)
_MIDDLE = re.compile(r"^(?:[cm][ _.-])?(.+?)(?:[ _.-][cmx])?$", re.IGNORECASE)
"""Pattern of a joint on the midline, where some rigs have a letter instead of a side."""

_SIDES = (
    re.compile(r"(?P<side>left|right)[ _.-]?(?P<core>.+)", re.IGNORECASE),
    re.compile(r"(?P<side>[lr])[ _.-](?P<core>.+)", re.IGNORECASE),
    re.compile(r"(?P<side>[lrLR])(?P<core>[A-Z](?![A-Z]{2}).*)"),
    re.compile(r"(?P<core>.+?)[ _.-](?P<side>left|right|l|r)", re.IGNORECASE),
    re.compile(r"(?P<core>.*[a-z0-9])(?P<side>Left|Right|[LR])"),
    re.compile(r"(?P<side>[lr])(?P<core>femur|tibia|foot|toes|clavicle|humerus|radius|wrist)"),
    re.compile(r"(?P<core>.+?[ _.-])(?P<side>left|right|l|r)(?P<rest>[ _.-].+)", re.IGNORECASE),
)

_PROP = (
    r"hair|pigtail|ponytail|braid|tail|cape|cloak|coat|skirt|dress|robe|ribbon|scarf|cloth|belt|bag|sword|blade|hilt"
    r"|weapon|shield|gun|rifle|staff|axe|wing|breast|accessory|hat|helmet|feather"
)
_PROP_NAME = re.compile(rf"({_PROP}).*|.*({_PROP})\d*")
"""Pattern of the names of props, which characters wear or hold in addition to a human body."""

_ANIMAL_NAME = re.compile(r"(wing|beak|snout|muzzle|hoof|paw|talon|(front|fore|hind|back|rear)leg)[a-z]*\d*")

_SHARED = 0.6
"""Smallest share of names with a shared affix, larger than the share of one side's joints."""
_NUMBERED = 0.8
"""Share of numbered names from which on the numbers come from an export and mean nothing."""
_MIN_NAMES = 5
_NUMBER = re.compile(r"[ ._-]\d+$")
_END_SITE = re.compile(r"(_end(?: \d+)?)$")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|.", re.DOTALL)
_BODY_WORD = re.compile(
    r"left|right|l|r|hips?|pelvis|spine|chest|neck|head|leg|thigh|shin|calf|knee|ankle|foot|toe|shoulder|collar"
    r"|clavicle|arm|forearm|elbow|wrist|hand|finger|thumb|index|middle|ring|pinky|abdomen|torso",
    re.IGNORECASE,
)
"""Words that name a body part and are therefore never removed as shared affixes."""


@dataclass(frozen=True)
class JointName:
    """Meaning of a joint's name."""

    side: str
    """"left", "right" or ""."""
    core: str
    """Name without side and affixes: letters and digits in lower case."""


@lru_cache(maxsize=64)
def parts_from_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the body part of each joint by its name, or "" if it is not recognised.

    If a foot has no toe joint, its end site is used.
    """
    joint_names = split_names(names)
    legs = _find_limbs(joint_names, LEG_PARTS, _LEG_SCHEMES)
    arms = _find_limbs(joint_names, ARM_PARTS, _ARM_SCHEMES)
    part_joints = {**legs, **arms}
    midline = [(joint, name.core) for joint, name in enumerate(joint_names) if not name.side]
    roots = [joint for joint, core in midline if core in _ROOTS]
    heads = [joint for joint, core in midline if _HEAD.fullmatch(core)]
    necks = [joint for joint, core in midline if _NECK.fullmatch(core)]
    if roots:
        part_joints["pelvis"] = roots[0]
    if heads:
        part_joints["head"] = heads[0]
    if necks:
        part_joints["neck"] = necks[-1]
    part_joints |= spine_parts([joint for joint, core in midline if _SPINE.fullmatch(core)])
    for side in SIDES:
        ankle = part_joints.get(f"{side}_ankle")
        if ankle is not None and f"{names[ankle]}_end" in names:
            part_joints.setdefault(f"{side}_foot", names.index(f"{names[ankle]}_end"))
    parts = [""] * len(names)
    for part, joint in part_joints.items():
        parts[joint] = part
    return tuple(parts)


@lru_cache(maxsize=64)
def split_names(names: tuple[str, ...]) -> tuple[JointName, ...]:
    """Split joint names into side and core, after shared affixes are removed."""
    return tuple(map(_split_name, remove_shared_affixes(names)))


def remove_shared_affixes(names: Sequence[str]) -> list[str]:
    """Remove namespaces, and the beginnings, ends and numbers that most names have.

    An end site keeps its ending `_end` and loses the same prefix as its parent.
    """
    shortened = [_NAMESPACE.sub("", name) for name in names]
    ends = [match[0] if (match := _END_SITE.search(name)) else "" for name in shortened]
    stems = [name.removesuffix(end) for name, end in zip(shortened, ends, strict=True)]
    if len(set(stems)) < _MIN_NAMES:
        return shortened
    before: list[str] = []
    while stems != before:
        before = stems
        stems = _cut_shared_words(_cut_shared_words(stems), from_end=True)
        unnumbered = [_NUMBER.sub("", stem) for stem in stems]
        if len(set(stems) - set(unnumbered)) >= _NUMBERED * len(set(stems)):
            stems = unnumbered
    return [f"{stem}{end}" for stem, end in zip(stems, ends, strict=True)]


def _cut_shared_words(names: Sequence[str], *, from_end: bool = False) -> list[str]:
    """Cut the words with which most names begin or end, unless they name a body part."""
    order = -1 if from_end else 1
    words = [tuple(_WORD.findall(name)[::order]) for name in names]
    distinct = set(words)
    shared: tuple[str, ...] = ()
    while True:
        longer = Counter(name[: len(shared) + 1] for name in distinct if name[: len(shared)] == shared != name)
        beginning, count = max(longer.items(), key=itemgetter(1), default=(("",), 0))
        if count < _SHARED * len(distinct) or _BODY_WORD.fullmatch(beginning[-1]):
            break
        shared = beginning
    cut = [name[len(shared) :] if name[: len(shared)] == shared else () for name in words]
    return ["".join(rest[::order]) or name for name, rest in zip(names, cut, strict=True)]


def _split_name(name: str) -> JointName:
    bare = _PREFIX.sub("", name)
    for pattern in _SIDES:
        if match := pattern.fullmatch(bare):
            side = "left" if match["side"][0] in "lL" else "right"
            return JointName(side, _simplify(match["core"] + match.groupdict().get("rest", "")))
    middle = _MIDDLE.fullmatch(bare)
    return JointName("", _simplify(middle[1] if middle else bare))


def _simplify(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@lru_cache(maxsize=64)
def _find_limbs(
    joint_names: tuple[JointName, ...], limb_parts: tuple[str, ...], schemes: tuple[tuple[str, ...], ...]
) -> Mapping[str, int]:
    """Find both arms or legs by the naming scheme that fits most joints."""
    best: dict[str, int] = {}
    for scheme in schemes:
        patterns = [re.compile(rf"(?:{pattern}){_FIRST_OF_SEVERAL}") for pattern in scheme]
        part_joints: dict[str, int] = {}
        for joint, name in enumerate(joint_names):
            for part, pattern in zip(limb_parts, patterns, strict=True):
                if name.side and pattern.fullmatch(name.core):
                    part_joints.setdefault(f"{name.side}_{part}", joint)
        if len(part_joints) > len(best):
            best = part_joints
    return best


def spine_parts(joints: Sequence[int]) -> dict[str, int]:
    """Assign the spine's parts to its joints, which are ordered upwards.

    The lowest joint is spine1, a middle one spine2, and the highest, which carries the arms, spine3. A single joint is
    spine3.
    """
    if not joints:
        return {}
    if len(joints) == 1:
        return {"spine3": joints[0]}
    middle = {"spine2": joints[len(joints) // 2]} if len(joints) > 2 else {}
    return {"spine1": joints[0], **middle, "spine3": joints[-1]}


def is_prop_name(name: JointName) -> bool:
    """Return whether a name is that of a prop, such as hair, a cape or a sword."""
    return bool(_PROP_NAME.fullmatch(name.core))


def has_animal_names(joint_names: tuple[JointName, ...]) -> bool:
    """Return whether names describe an animal: some joint is a wing, paw or the like, and none is part of an arm."""
    if _find_limbs(joint_names, ARM_PARTS, _ARM_SCHEMES):
        return False
    return any(_ANIMAL_NAME.fullmatch(name.core) for name in joint_names)
