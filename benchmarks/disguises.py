"""Disguise motions: as files of other rigs, units, axes and statures, at other rates, in place, and as loops.

Each disguise keeps the motion that a viewer sees, so a correction of it must be as harmless as that of the original.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.spatial.distance import cdist

from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.motion.editing.transforms import canonicalise, close_cycle, repeat_cycle
from selfcorrect.motion.geometry.rotations import invert, quaternions
from selfcorrect.motion.kinematics import joint_positions, make_continuous
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.motion.views import Z_UP, ScaledBody, TurnedFrames, TurnedWorld, to_y_up

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


@dataclass(frozen=True)
class Rig:
    """A body as a file holds it: names, unit, size and frames of its joints."""

    pattern: str
    """Names of joints by {side} (Left), {letter} (L), {part} and {index}."""
    part_names: Mapping[str, str]
    """Names of parts without their side; by default as they are, in capitals."""
    metres_per_unit: float
    fingers: bool = False
    stature: float = 1.0
    """Size of the body, 1 for as it is."""
    z_up: bool = False
    turned_rad: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    """Rotation vectors by which frames of body parts are turned in themselves; what is seen stays."""

    def name(self, index: int, part: str) -> str:
        """Return the name of a joint."""
        side = part.partition("_")[0] if part.startswith(("left", "right")) else ""
        bare = part.removeprefix(f"{side}_")
        name = self.part_names.get(bare, bare.title())
        letter = f"{side[:1].upper()}_" if side else ""
        return self.pattern.format(side=side.title(), letter=letter, part=name, index=index)


_MIXAMO_PATTERN = "mixamorig:{side}{part}"


RIGS = {
    "Mixamo, centimetres": Rig(_MIXAMO_PATTERN, _MIXAMO, 0.01),
    "Biped, inches": Rig("Bip01_{letter}{part}", _BIPED, 0.0254),
    "SMPL, metres": Rig("{letter}{part}", {}, 1.0),
    "Mixamo with fingers": Rig(_MIXAMO_PATTERN, _MIXAMO, 0.01, fingers=True),
    "numbers with fingers": Rig("joint{index}", {}, 0.01, fingers=True),
    "Mixamo, z up": Rig(_MIXAMO_PATTERN, _MIXAMO, 0.01, z_up=True),
    "child of 1 m, centimetres": Rig(_MIXAMO_PATTERN, _MIXAMO, 0.01, stature=0.6),
    "child of 1.1 m, inches": Rig(_MIXAMO_PATTERN, _MIXAMO, 0.0254, stature=0.65),
    "right knees with flipped axes": Rig(_MIXAMO_PATTERN, _MIXAMO, 0.01, turned_rad={"right_knee": (0.0, np.pi, 0.0)}),
    "feet tilted by 20 degrees": Rig(
        _MIXAMO_PATTERN, _MIXAMO, 0.01, turned_rad={"left_ankle": (0.35, 0.0, 0.0), "right_ankle": (0.35, 0.0, 0.0)}
    ),
}
"""Rigs in disguise by name."""


def read_from_rig(motion: Motion, rig: Rig, folder: Path) -> Motion:
    """Write a motion as a file of a rig and read that file."""
    write_bvh(folder / "rig.bvh", clip_of(disguise(motion, rig), rig.metres_per_unit))
    return replace(open_motion(folder / "rig.bvh").motion, label=motion.label)


def disguise(motion: Motion, rig: Rig) -> Motion:
    """Give a motion the names, size and frames of a rig, and remove the body parts of its joints."""
    parts = motion.skeleton.parts
    turns = quaternions(np.array([rig.turned_rad.get(part, (0.0, 0.0, 0.0)) for part in parts]))
    scaled = ScaledBody(rig.stature).view(motion)
    motion = TurnedFrames(turns).view(scaled)
    if rig.z_up:  # and the body rests facing −y
        turn = invert(to_y_up(Z_UP).turn)
        turned = TurnedWorld(turn).view(motion)
        frames = TurnedFrames(np.tile(invert(turn), (len(parts), 1)))
        motion = frames.view(turned)
    names = tuple(rig.name(index, part) for index, part in enumerate(parts))
    skeleton = replace(motion.skeleton, names=names, parts=("",) * len(parts))
    motion = replace(motion, skeleton=skeleton)
    return _add_fingers(motion, parts) if rig.fingers else motion


def _add_fingers(motion: Motion, parts: Sequence[str]) -> Motion:
    """Add four fingers of two bones to each hand, which do not turn."""
    names = list(motion.skeleton.names)
    parents = list(motion.skeleton.parents)
    offsets_m = [*motion.skeleton.offsets_m]
    for side, x in (("left", 1.0), ("right", -1.0)):
        wrist = parts.index(f"{side}_wrist")
        for finger in range(4):
            names += [f"{side.title()}Finger{finger}1", f"{side.title()}Finger{finger}2"]
            parents += [wrist, len(parents)]
            offsets_m += [np.array([0.09 * x, 0.0, 0.02 * finger - 0.03]), np.array([0.03 * x, 0.0, 0.0])]
    skeleton = Skeleton(tuple(names), tuple(parents), np.array(offsets_m), ("",) * len(parents))
    finger_count = len(parents) - len(motion.skeleton)
    finger_rotations = np.tile([0.0, 0.0, 0.0, 1.0], (len(motion), finger_count, 1))
    rotations = np.concatenate([motion.rotations, finger_rotations], axis=1)
    return replace(motion, skeleton=skeleton, rotations=rotations)


def resample_smoothly(motion: Motion, fps: float) -> Motion:
    """Resample a motion at a higher frame rate along splines of the fifth degree, which have no kinks."""
    if fps == motion.fps or len(motion) < 6:
        return motion
    times_s = np.arange(len(motion)) / motion.fps
    new_times_s = np.arange(int(times_s[-1] * fps + 1e-9) + 1) / fps
    rotations = make_interp_spline(times_s, make_continuous(motion.rotations), k=5)(new_times_s)
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    root_m = make_interp_spline(times_s, motion.root_m, k=5)(new_times_s)
    return replace(motion, root_m=root_m, rotations=rotations, fps=fps)


def find_cycle(motion: Motion) -> Motion | None:
    """Return the most cyclic part of a motion, closed with its first pose; None without a cycle."""
    shortest = round(CYCLE_S[0] * motion.fps)
    longest = round(CYCLE_S[1] * motion.fps)
    poses_m = joint_positions(canonicalise_frames(motion))
    flat_poses_m = poses_m.reshape(len(motion), -1)
    distances_m = cdist(flat_poses_m, flat_poses_m) / np.sqrt(len(motion.skeleton))
    frames = np.arange(len(motion))
    durations = frames[None] - frames[:, None]
    distances_m[(durations < shortest) | (durations > longest)] = np.inf
    first, last = np.unravel_index(distances_m.argmin(), distances_m.shape)
    if not distances_m[first, last] < CYCLE_M or not np.ptp(poses_m, axis=0).max() > CYCLE_M:
        return None
    return close_cycle(motion.frames(int(first), int(last) + 1))


def canonicalise_frames(motion: Motion) -> Motion:
    """Put each frame above the origin, facing +z."""
    batch = MotionBatch.stack([motion])
    root_m = batch.root_m[0][:, None]
    rotations = batch.rotations[0][:, None]
    single_frames = replace(batch, root_m=root_m, rotations=rotations, lengths=np.ones(len(motion)))
    canonical = canonicalise(single_frames)
    return replace(motion, root_m=canonical.root_m[:, 0], rotations=canonical.rotations[:, 0])


def remove_travel(motion: Motion) -> Motion:
    """Remove the steady travel along the floor, as game animation plays walks."""
    share = np.linspace(0.0, 1.0, len(motion))[:, None]
    travel_m = (motion.root_m[-1] - motion.root_m[0]) * (1.0, 0.0, 1.0)
    return replace(motion, root_m=motion.root_m - share * travel_m)


def make_cycles_in_place(motion: Motion) -> Motion | None:
    """Return four cycles of a motion on the spot; None without a cycle."""
    cycle = find_cycle(motion)
    return None if cycle is None else remove_travel(repeat_cycle(cycle, 4))


CHANGES: dict[str, Callable[[Motion], Motion | None]] = {
    "one cycle": find_cycle,
    "four cycles in place": make_cycles_in_place,
}
"""Changes of motions before they are corrected, by name; they return None for motions without a cycle."""
