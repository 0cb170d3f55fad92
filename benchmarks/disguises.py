"""Motions in disguise: as files of other rigs, units, axes and statures, at other rates, in place, and as loops.

Each disguise keeps the motion that a viewer sees, so a correction of it must be as harmless as that of the original.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.motion.editing.transforms import canonicalise, close_cycle, repeat_cycle
from selfcorrect.motion.geometry.kinematics import joint_positions, make_continuous
from selfcorrect.motion.geometry.views import Z_UP, ScaledBody, TurnedFrames, TurnedWorld, to_y_up
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import Skeleton

CYCLE_S, CYCLE_M = (0.5, 2.0), 0.06
"""Length of a cycle that is looked for, and how far apart joints may be at its ends, root mean square."""

_MIXAMO = {
    "pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck", "head": "Head",
    "hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "foot": "ToeBase", "collar": "Shoulder", "shoulder": "Arm",
    "elbow": "ForeArm", "wrist": "Hand",
}  # fmt: skip
_BIPED = {
    "pelvis": "Pelvis", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck", "head": "Head",
    "hip": "Thigh", "knee": "Calf", "ankle": "Foot", "foot": "Toe0", "collar": "Clavicle", "shoulder": "UpperArm",
    "elbow": "Forearm", "wrist": "Hand",
}  # fmt: skip


def _sided(part: str) -> tuple[str, str]:
    side, _, rest = part.partition("_")
    return (side, rest) if side in ("left", "right") else ("", part)


def mixamo(index: int, part: str) -> str:
    side, rest = _sided(part)
    return f"mixamorig:{side.title()}{_MIXAMO[rest]}"


def biped(index: int, part: str) -> str:
    side, rest = _sided(part)
    return f"Bip01_{side[:1].upper()}{'_' if side else ''}{_BIPED[rest]}"


def smpl(index: int, part: str) -> str:
    side, rest = _sided(part)
    return f"{side[:1].upper()}_{rest.title()}" if side else rest.title()


def numbers(index: int, part: str) -> str:
    return f"joint{index}"


@dataclass(frozen=True)
class Rig:
    """How a body is written into a file."""

    name: Callable[[int, str], str]
    """Name of a joint, from its index and body part."""
    metres_per_unit: float
    fingers: bool = False
    stature: float = 1.0
    """Size of the body, 1 for as it is."""
    z_up: bool = False
    turned_rad: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    """Rotation vectors by which frames of body parts are turned in themselves; what is seen stays."""


RIGS = {
    "Mixamo, centimetres": Rig(mixamo, 0.01),
    "Biped, inches": Rig(biped, 0.0254),
    "SMPL, metres": Rig(smpl, 1.0),
    "Mixamo with fingers": Rig(mixamo, 0.01, fingers=True),
    "numbers with fingers": Rig(numbers, 0.01, fingers=True),
    "Mixamo, z up": Rig(mixamo, 0.01, z_up=True),
    "child of 1 m, centimetres": Rig(mixamo, 0.01, stature=0.6),
    "child of 1.1 m, inches": Rig(mixamo, 0.0254, stature=0.65),
    "right knees with flipped axes": Rig(mixamo, 0.01, turned_rad={"right_knee": (0.0, np.pi, 0.0)}),
    "feet tilted by 20 degrees": Rig(
        mixamo, 0.01, turned_rad={"left_ankle": (0.35, 0.0, 0.0), "right_ankle": (0.35, 0.0, 0.0)}
    ),
}
"""Rigs in disguise by name."""


def on_rig(motion: Motion, rig: Rig, folder: Path) -> Motion:
    """A motion as it is read from a file of a rig."""
    write_bvh(folder / "rig.bvh", clip_of(disguised(motion, rig), rig.metres_per_unit))
    return replace(open_motion(folder / "rig.bvh").motion, label=motion.label)


def disguised(motion: Motion, rig: Rig) -> Motion:
    """A motion with the names, size and frames of a rig, and nothing that says which joint is which part."""
    parts = motion.skeleton.parts
    turns = Rotation.from_rotvec([rig.turned_rad.get(part, (0.0, 0.0, 0.0)) for part in parts])
    motion = TurnedFrames(turns).view(ScaledBody(rig.stature).view(motion))
    if rig.z_up:  # and the body rests facing −y
        turn = to_y_up(Z_UP).turn.inv()
        still = TurnedFrames(Rotation.concatenate([turn.inv()] * len(parts)))
        motion = still.view(TurnedWorld(turn).view(motion))
    names = tuple(rig.name(index, part) for index, part in enumerate(parts))
    unknown = replace(motion, skeleton=replace(motion.skeleton, names=names, parts=("",) * len(parts)))
    return _with_fingers(unknown, parts) if rig.fingers else unknown


def _with_fingers(motion: Motion, parts: Sequence[str]) -> Motion:
    """Four fingers of two bones on each hand, which do not turn."""
    skeleton, names = motion.skeleton, list(motion.skeleton.names)
    parents, offsets_m = list(skeleton.parents), [*skeleton.offsets_m]
    for side, x in (("left", 1.0), ("right", -1.0)):
        for finger in range(4):
            parent, offset_m = parts.index(f"{side}_wrist"), np.array([0.09 * x, 0.0, 0.02 * finger - 0.03])
            for bone in (1, 2):
                parents.append(parent)
                names.append(f"{side.title()}Finger{finger}{bone}")
                offsets_m.append(offset_m)
                parent, offset_m = len(parents) - 1, np.array([0.03 * x, 0.0, 0.0])
    more = len(parents) - len(skeleton)
    changed = Skeleton(tuple(names), tuple(parents), np.array(offsets_m), ("",) * len(parents))
    still = np.tile([0.0, 0.0, 0.0, 1.0], (len(motion), more, 1))
    return replace(motion, skeleton=changed, rotations=np.concatenate([motion.rotations, still], axis=1))


def finer(motion: Motion, fps: float) -> Motion:
    """A motion at a higher frame rate, along splines of the fifth degree, which have no kinks."""
    if fps == motion.fps or len(motion) < 6:
        return motion
    times_s = np.arange(len(motion)) / motion.fps
    finer_s = np.arange(int(times_s[-1] * fps + 1e-9) + 1) / fps
    rotations = make_interp_spline(times_s, make_continuous(motion.rotations), k=5)(finer_s)
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    return replace(
        motion, root_m=make_interp_spline(times_s, motion.root_m, k=5)(finer_s), rotations=rotations, fps=fps
    )


def cycle_of(motion: Motion) -> Motion | None:
    """The most cyclic part of a motion, closed: its last frame is its first pose again; None without a cycle."""
    shortest, longest = (round(seconds * motion.fps) for seconds in CYCLE_S)
    poses_m = joint_positions(canonical_frames(motion))
    flat_m = poses_m.reshape(len(motion), -1)
    apart_m = cdist(flat_m, flat_m) / np.sqrt(len(motion.skeleton))
    frames = np.arange(len(motion))
    ahead = frames[None] - frames[:, None]
    apart_m[(ahead < shortest) | (ahead > longest)] = np.inf
    first, last = np.unravel_index(apart_m.argmin(), apart_m.shape)
    if not apart_m[first, last] < CYCLE_M or not np.ptp(poses_m, axis=0).max() > CYCLE_M:
        return None
    return close_cycle(motion.frames(int(first), int(last) + 1))


def canonical_frames(motion: Motion) -> Motion:
    """Each frame above the origin and facing +z, whatever the others do."""
    batch = MotionBatch.stack([motion])
    singles = canonicalise(
        replace(
            batch, root_m=batch.root_m[0][:, None], rotations=batch.rotations[0][:, None], lengths=np.ones(len(motion))
        )
    )
    return replace(motion, root_m=singles.root_m[:, 0], rotations=singles.rotations[:, 0])


def in_place(motion: Motion) -> Motion:
    """A motion without its steady travel along the floor, as game animation plays walks."""
    share = np.linspace(0.0, 1.0, len(motion))[:, None]
    travel_m = (motion.root_m[-1] - motion.root_m[0]) * (1.0, 0.0, 1.0)
    return replace(motion, root_m=motion.root_m - share * travel_m)


def cycles_in_place(motion: Motion) -> Motion | None:
    """Four cycles of a motion on the spot, if it has cycles."""
    return None if (cycle := cycle_of(motion)) is None else in_place(repeat_cycle(cycle, 4))


def belt_m_s(motion: Motion, name: str) -> np.ndarray:
    """Velocity (3,) of the treadmill beneath a motion that was changed by what a name says: minus the way it lost."""
    cycle = cycle_of(motion) if name == IN_PLACE else None
    return np.zeros(3) if cycle is None else (cycle.root_m[0] - cycle.root_m[-1]) * (1.0, 0.0, 1.0) / cycle.seconds


IN_PLACE = "four cycles in place"
CHANGES: dict[str, Callable[[Motion], Motion | None]] = {"one cycle": cycle_of, IN_PLACE: cycles_in_place}
"""What is done to motions before they are corrected, by name; None where it cannot be done to one."""
