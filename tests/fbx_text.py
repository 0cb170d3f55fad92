"""Write FBX text files without an FBX library."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

import selfcorrect as sc

TICKS_PER_SECOND = 46186158000
LINEAR = 4


def _curve(identity: int, times_s: np.ndarray, values: np.ndarray) -> str:
    keys = ",".join(str(round(time * TICKS_PER_SECOND)) for time in times_s)
    count = len(times_s)
    return f"""
    AnimationCurve: {identity}, "AnimCurve::", "" {{
        Default: 0
        KeyVer: 4008
        KeyTime: *{count} {{ a: {keys} }}
        KeyValueFloat: *{count} {{ a: {",".join(f"{value:.8g}" for value in values)} }}
        KeyAttrFlags: *1 {{ a: {LINEAR} }}
        KeyAttrDataFloat: *4 {{ a: 0,0,0,0 }}
        KeyAttrRefCount: *1 {{ a: {count} }}
    }}"""


def _vector(name: str, values: Sequence[float]) -> str:
    return f'P: "{name}", "{name}", "", "A",{",".join(f"{value:.8g}" for value in values)}'


def write_fbx(
    path: Path, motion: sc.Motion, unit_m: float = 0.01, *, z_up: bool = False, armature: bool = False, people: int = 1
) -> None:
    """Write an FBX 7.4 text file.

    Each joint is a limb node with linear curves for translation and rotation (Euler angles XYZ).

    Args:
        path: File to write.
        motion: Motion to write.
        unit_m: Length of the file's unit in metres.
        z_up: Whether the file's z axis points up instead of y.
        armature: Whether the limb nodes are children of a node that turns and scales them, as in Blender's exports.
        people: Number of skeletons, which all move in the same way.
    """
    turn = Rotation.from_euler("x", 90 * z_up, degrees=True)
    skeleton = motion.skeleton
    offsets = turn.apply(skeleton.offsets_m) / unit_m
    rotations = (turn * Rotation.from_quat(motion.rotations) * turn.inv()).as_quat()
    times_s = np.arange(len(motion)) / motion.fps
    objects = []
    links = ['C: "OO",501,500']
    path_of_root = turn.apply(motion.root_m) / unit_m
    if armature:
        lying = Rotation.from_euler("x", 90, degrees=True)
        offsets = offsets / 100
        path_of_root = lying.apply(path_of_root) / 100
        rotations[:, 0] = (lying * Rotation.from_quat(rotations[:, 0])).as_quat()
        turned = _vector("Lcl Rotation", [-90, 0, 0])
        scaled = _vector("Lcl Scaling", [100, 100, 100])
        objects.append(
            f'Model: 1999, "Model::Armature", "Null" {{ Version: 232\nProperties70: {{ {turned}\n{scaled} }} }}'
        )
        links.append('C: "OO",1999,0')
    for person, (joint, name) in product(range(people), enumerate(skeleton.names)):
        first = 500_000 * person
        degrees = np.unwrap(Rotation.from_quat(rotations[:, joint]).as_euler("xyz", degrees=True), period=360, axis=0)
        objects.append(
            f'NodeAttribute: {first + 1000 + joint}, "NodeAttribute::", "LimbNode" {{ TypeFlags: "Skeleton" }}\n'
            f'Model: {first + 2000 + joint}, "Model::{name}", "LimbNode" {{ Version: 232\nProperties70: {{ '
            f"{_vector('Lcl Translation', offsets[joint])}\n{_vector('Lcl Rotation', degrees[0])} }} }}"
        )
        parent = first + 2000 + skeleton.parents[joint] if joint else 1999 * armature
        model = first + 2000 + joint
        links += [f'C: "OO",{model},{parent}', f'C: "OO",{first + 1000 + joint},{model}']
        tracks = {"Lcl Rotation": degrees} | ({} if joint else {"Lcl Translation": path_of_root})
        for number, (kind, track) in enumerate(tracks.items()):
            node = first + 3000 + 10 * joint + number
            objects.append(f'AnimationCurveNode: {node}, "AnimCurveNode::{kind[4]}", "" {{ }}')
            links += [f'C: "OO",{node},501', f'C: "OP",{node},{model}, "{kind}"']
            for axis, values in zip("XYZ", track.T, strict=True):
                curve = 10 * node + "XYZ".index(axis)
                objects.append(_curve(curve, times_s, values))
                links.append(f'C: "OP",{curve},{node}, "d|{axis}"')
    stop = round(times_s[-1] * TICKS_PER_SECOND)
    up, front = (2, 1) if z_up else (1, 2)
    settings = {"UpAxis": up, "UpAxisSign": 1, "FrontAxis": front, "FrontAxisSign": -1 if z_up else 1, "CoordAxis": 0,
                "CoordAxisSign": 1, "TimeMode": 6}  # fmt: skip
    path.write_text(
        "; FBX 7.4.0 project file\nFBXHeaderExtension: { FBXHeaderVersion: 1003\nFBXVersion: 7400 }\n"
        "GlobalSettings: { Version: 1000\nProperties70: {\n"
        + "\n".join(f'P: "{name}", "int", "Integer", "",{value}' for name, value in settings.items())
        + f'\nP: "UnitScaleFactor", "double", "Number", "",{100 * unit_m}\n}} }}\nObjects: {{\n'
        + f'AnimationStack: 500, "AnimStack::{motion.label}", "" {{ Properties70: {{ '
        + f'P: "LocalStart", "KTime", "Time", "",0\nP: "LocalStop", "KTime", "Time", "",{stop} }} }}\n'
        + 'AnimationLayer: 501, "AnimLayer::Base", "" { }\n'
        + "\n".join(objects)
        + "\n}\nConnections: {\n"
        + "\n".join(links)
        + "\n}\n"
    )
