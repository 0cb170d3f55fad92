"""Which part of the body a joint is, by its name in the usual naming schemes.

Limbs follow from the scheme whose names fit most joints, sides from `Left…`, `l_…`, `lThigh`, `…_L` and their like.
The spine's joints follow from their order, because their numbering differs from scheme to scheme; of several neck
joints the last one counts.
"""

import re
from collections.abc import Mapping, Sequence

_LIMBS = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")
_SCHEMES = (
    ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist"),  # SMPL
    ("hip", "knee", "ankle", "toe", "collar", "shoulder", "elbow", "wrist"),  # Acclaim, Poser's short names
    ("upleg", "leg", "foot", "toebase", "shoulder", "arm", "forearm", "hand"),  # Mixamo, MotionBuilder, CMU
    ("upleg", "leg", "foot", "toe", "shoulder", "arm", "forearm", "hand"),  # LAFAN1
    ("thigh", "shin", "foot", "toe", "collar", "shldr", "forearm", "hand"),  # DAZ
    ("thigh", "calf", "foot", "toe0", "clavicle", "upperarm", "forearm", "hand"),  # 3ds Max Biped
    ("upperleg", "lowerleg", "foot", "toes", "shoulder", "upperarm", "lowerarm", "hand"),  # Unity, Bandai Namco
    ("upperleg", "lowerleg", "foot", "toebase", "shoulder", "upperarm", "lowerarm", "hand"),  # VRM
    ("upperleg", "lowerleg", "foot", "toe", "shoulder", "upperarm", "forearm", "hand"),  # Xsens
    ("thigh", "calf", "foot", "ball", "clavicle", "upperarm", "lowerarm", "hand"),  # Unreal
    ("thigh", "shin", "foot", "toe", "shoulder", "arm", "forearm", "hand"),  # Rokoko
    ("thigh", "shin", "foot", "toe", "shoulder", "upperarm", "forearm", "hand"),  # Rigify
    ("femur", "tibia", "foot", "toes", "clavicle", "humerus", "radius", "wrist"),  # Acclaim's ASF
)
"""What each scheme calls `_LIMBS`, without side, in lower case."""

_ROOTS = ("pelvis", "hips", "hip")
_SPINE = re.compile(r"(spine|chest|upperchest|abdomen|lowerback|upperback|torso|thorax)\d*|l5|l3|t12|t8")
_NECK = re.compile(r"(lower|upper)?neck\d*")
_PREFIX = re.compile(r"^(.*:)?(mixamorig\d*|bip0*1|joint|j_bip(?:_c)?|def|org)?[ _-]*", re.IGNORECASE)
_SIDES = (
    re.compile(r"(?P<side>left|right)[ _.-]?(?P<core>.+)", re.IGNORECASE),
    re.compile(r"(?P<side>[lr])[ _.-](?P<core>.+)", re.IGNORECASE),
    re.compile(r"(?P<side>[lrLR])(?P<core>[A-Z].*)"),
    re.compile(r"(?P<core>.+?)[ _.-](?P<side>left|right|l|r)", re.IGNORECASE),
    re.compile(r"(?P<side>[lr])(?P<core>femur|tibia|foot|toes|clavicle|humerus|radius|wrist)"),
)


def parts_of(names: Sequence[str]) -> tuple[str, ...]:
    """The body part of each joint, "" where none is recognised; joints come in the order of a skeleton.

    The end site of a foot serves as its toe joint where the skeleton has no other.
    """
    split = [_split(name) for name in names]
    found = _limbs(split)
    midline = [(index, core) for index, (side, core) in enumerate(split) if not side]
    found |= _first("pelvis", [index for index, core in midline if core in _ROOTS])
    found |= _first("head", [index for index, core in midline if core == "head"])
    found |= _first("neck", [index for index, core in reversed(midline) if _NECK.fullmatch(core)])
    found |= spine_parts([index for index, core in midline if _SPINE.fullmatch(core)])
    found |= _toe_ends(names, found)
    part_at = {index: part for part, index in found.items()}
    return tuple(part_at.get(index, "") for index in range(len(names)))


def side_of(name: str) -> str:
    """The side that a name says: "left", "right" or ""."""
    return _split(name)[0]


def _split(name: str) -> tuple[str, str]:
    """Side ("left", "right" or "") and the rest of a name, letters and digits in lower case."""
    bare = _PREFIX.sub("", name)
    for pattern in _SIDES:
        if match := pattern.fullmatch(bare):
            side = "left" if match["side"][0] in "lL" else "right"
            return side, _plain(match["core"])
    return "", _plain(bare)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _limbs(split: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The joint of each part of arms and legs, by the scheme that fits best."""
    by_scheme = [
        {
            f"{side}_{_LIMBS[scheme.index(core)]}": index
            for index, (side, core) in reversed(list(enumerate(split)))
            if side and core in scheme
        }
        for scheme in _SCHEMES
    ]
    return max(by_scheme, key=len)


def _first(part: str, joints: Sequence[int]) -> dict[str, int]:
    return {part: joints[0]} if joints else {}


def spine_parts(joints: Sequence[int]) -> dict[str, int]:
    """Up to three parts along the spine's joints: the lowest, the middle one, and the highest, which bears the arms."""
    if len(joints) < 3:
        return dict(zip(("spine3",) if len(joints) == 1 else ("spine1", "spine3"), joints, strict=False))
    return {"spine1": joints[0], "spine2": joints[len(joints) // 2], "spine3": joints[-1]}


def _toe_ends(names: Sequence[str], found: Mapping[str, int]) -> dict[str, int]:
    """End sites of feet without toes."""
    ends = {}
    for side in ("left", "right"):
        ankle = found.get(f"{side}_ankle")
        if ankle is not None and f"{side}_foot" not in found and f"{names[ankle]}_end" in names:
            ends[f"{side}_foot"] = names.index(f"{names[ankle]}_end")
    return ends
