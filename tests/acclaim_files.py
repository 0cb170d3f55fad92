"""Write ASF/AMC files from motions on SMPL's joints, with the bone names of the CMU database."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

import selfcorrect as sc

_SPINE = {"spine1": "lowerback", "spine2": "upperback", "spine3": "thorax", "neck": "lowerneck", "head": "upperneck"}
_LIMBS = {
    "hip": "hipjoint", "knee": "femur", "ankle": "tibia", "foot": "foot",
    "collar": "socket", "shoulder": "clavicle", "elbow": "humerus", "wrist": "radius",
}  # fmt: skip
_ENDS = {"head": "head", "foot": "toes", "wrist": "hand"}
"""Names of the bones that extend beyond joints without children."""


def name_bone(joint: str) -> str:
    """The bone that ends in a joint."""
    side, _, limb = joint.rpartition("_")
    return _SPINE.get(joint) or f"{side[:1]}{_LIMBS[limb]}"


def write_acclaim(
    path: Path,
    motion: sc.Motion,
    *,
    length: float = 0.45,
    orders: Sequence[str] = ("rx ry rz",),
    seed: int = 0,
    unit: str = "deg",
    root: str = "TX TY TZ RX RY RZ",
) -> None:
    """Write an AMC file and its ASF skeleton.

    Each bone has its own random axes and one of the given orders of angles.
    """
    random = np.random.default_rng(seed)
    skeleton = motion.skeleton
    units_per_m = length / 0.0254
    angle = 1.0 if unit == "deg" else np.pi / 180
    rotations = [Rotation.from_quat(motion.rotations[:, joint]) for joint in range(len(skeleton))]
    bones = []
    tree: dict[str, list[str]] = {}
    for joint in range(1, len(skeleton)):
        above = skeleton.parents[joint]
        start = name_bone(skeleton.names[above]) if above else "root"
        name = name_bone(skeleton.names[joint])
        bones.append((name, skeleton.offsets_m[joint], rotations[above] if above else None))
        tree.setdefault(start, []).append(name)
        if not skeleton.children[joint]:
            limb = skeleton.names[joint].rpartition("_")[2]
            end = skeleton.names[joint].rpartition("_")[0][:1] + _ENDS[limb]
            bones.append((end, 0.5 * skeleton.offsets_m[joint], rotations[joint]))
            tree.setdefault(name, []).append(end)
    lines = [
        "# made for a test", ":version 1.10", ":name MADE", ":units", "  mass 1.0", f"  length {length}",
        f"  angle {unit}", ":documentation", "   a line: of :text", ":root", f"   order {root}", "   axis XYZ",
        "   position 0 0 0", "   orientation 0 0 0", ":bonedata",
    ]  # fmt: skip
    kinds = root.split()
    places = motion.root_m * units_per_m
    turn_order = "".join(kind[1].lower() for kind in kinds if kind[0] == "R")
    turns = rotations[0].as_euler(turn_order, degrees=True) * angle
    columns = {}
    for kind in kinds:
        is_place = kind[0] == "T"
        columns[kind] = places[:, "XYZ".index(kind[1])] if is_place else turns[:, turn_order.index(kind[1].lower())]
    tracks = [("root", np.stack([columns[kind] for kind in kinds], axis=1))]
    for index, (name, bone_m, turned) in enumerate(bones):
        size = float(np.linalg.norm(bone_m))
        axis = random.uniform(-90, 90, 3)
        lines += ["  begin", f"     id {index + 1}", f"     name {name}"]
        lines.append("     direction " + " ".join(f"{value:.9g}" for value in bone_m / size))
        lines.append(f"     length {size * units_per_m:.9g}")
        lines.append("     axis " + " ".join(f"{value * angle:.9g}" for value in axis) + "  XYZ")
        if turned is not None:
            order = orders[index % len(orders)]
            axes = Rotation.from_euler("xyz", axis, degrees=True)
            letters = order.replace("r", "").replace(" ", "")
            lines += [f"    dof {order}", "    limits (-160.0 20.0)", *["           (-70.0 70.0)"] * 2]
            turns = (axes.inv() * turned * axes).as_euler(letters, degrees=True) * angle
            tracks.append((name, turns))
        lines.append("  end")
    lines += [":hierarchy", "  begin", *(f"    {name} {' '.join(below)}" for name, below in tree.items()), "  end"]
    path.with_suffix(".asf").write_text("\n".join(lines) + "\n")
    rows = ["#!OML:ASF F:\\RECORDINGS\\OTHER.ASF", ":FULLY-SPECIFIED", ":DEGREES" if unit == "deg" else ":RADIANS"]
    for frame in range(len(motion)):
        rows.append(str(frame + 1))
        rows += [f"{name} {' '.join(f'{value:.9g}' for value in values[frame])}" for name, values in tracks]
    path.write_text("\n".join(rows) + "\n")
