"""Whether corrections harm motions that were plausible: real ones, at any frame rate and on rigs in disguise.

    python -m selfcorrect.experiments.benchmarks.harm                       # PyBullet's own motions, on five rigs
    python -m selfcorrect.experiments.benchmarks.harm path/to/cmu-bvh --every 4 --fps 30 120

Every motion is written as a file of a rig, read back, corrected, and compared with what was read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from scipy.interpolate import make_interp_spline

from selfcorrect.datasets.collections.cmu import load_cmu
from selfcorrect.datasets.collections.deepmimic import load_deepmimic
from selfcorrect.datasets.files.bvh import clip_of, write_bvh
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.motion.body.flesh import world_sole_points
from selfcorrect.motion.correction.results import CorrectMotions
from selfcorrect.motion.kinematics import continuous, forward_kinematics, joint_positions
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.simulators.corrector import PhysicsCorrector

# --- rigs ------------------------------------------------------------------------------------------------------------

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


RIGS: dict[str, tuple[Callable[[int, str], str], float, bool]] = {
    "Mixamo, centimetres": (mixamo, 0.01, False), "Biped, inches": (biped, 0.0254, False),
    "SMPL, metres": (smpl, 1.0, False), "Mixamo with fingers": (mixamo, 0.01, True),
    "numbers with fingers": (numbers, 0.01, True),
}  # fmt: skip
"""Names of joints, the file's unit in metres, and whether there are fingers and ends."""


def on_rig(motion: Motion, rig: str, folder: Path) -> Motion:
    """A motion as it is read from a file of a rig."""
    name, metres_per_unit, fingers = RIGS[rig]
    skeleton = motion.skeleton
    names = tuple(name(index, part) for index, part in enumerate(skeleton.parts))
    disguised = replace(motion, skeleton=replace(skeleton, names=names, parts=("",) * len(skeleton)))
    disguised = _with_fingers(disguised, skeleton.parts) if fingers else disguised
    write_bvh(folder / "rig.bvh", clip_of(disguised, metres_per_unit))
    return replace(open_motion(folder / "rig.bvh").motion, label=motion.label)


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
    rotations = make_interp_spline(times_s, continuous(motion.rotations), k=5)(finer_s)
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    return replace(
        motion, root_m=make_interp_spline(times_s, motion.root_m, k=5)(finer_s), rotations=rotations, fps=fps
    )


# --- judging ---------------------------------------------------------------------------------------------------------

_ROUGHER, _ROUGHER_M_S3, _FASTER_M_S, _DEEPER_M = 1.1, 20.0, 0.005, 0.001
"""What counts as harm: jerk that is higher by this factor and by this; feet that slide so much faster; soles so much
deeper in the floor."""

_LOW_M = 0.03
"""A corner of the soles is low that is no higher than this above its 5th percentile."""


@dataclass(frozen=True)
class Judged:
    """A motion before and after its correction."""

    jerk_m_s3: tuple[float, float]
    slide_m_s: tuple[float, float]
    """Of the slowest corner of the soles of those that are low in the motion as it came, the same before and after."""
    penetration_m: tuple[float, float]
    moved_m: float

    @property
    def harms(self) -> list[str]:
        """Names of the figures that are worse than before beyond tolerance."""
        jerk, slide, penetration = self.jerk_m_s3, self.slide_m_s, self.penetration_m
        worse = {
            "jerk": jerk[1] > max(_ROUGHER * jerk[0], jerk[0] + _ROUGHER_M_S3),
            "sliding": slide[1] > slide[0] + _FASTER_M_S,
            "penetration": penetration[1] > penetration[0] + _DEEPER_M,
        }
        return [name for name, is_worse in worse.items() if is_worse]


def judged(before: Motion, after: Motion) -> Judged:
    """Figures of a motion and of its correction, which share skeleton and frames."""
    errors = [physical_errors(MotionBatch.stack([motion])) for motion in (before, after)]
    low = _low_corners(before)
    moved_m = np.linalg.norm(joint_positions(after) - joint_positions(before), axis=-1).mean()
    return Judged(
        jerk_m_s3=(float(errors[0].jerk_m_s3[0]), float(errors[1].jerk_m_s3[0])),
        slide_m_s=(_slide_m_s(before, low), _slide_m_s(after, low)),
        penetration_m=(float(errors[0].penetration_m[0]), float(errors[1].penetration_m[0])),
        moved_m=float(moved_m),
    )


def _corners_m(motion: Motion) -> np.ndarray:
    """(T, P, 3) of the soles."""
    return world_sole_points(motion.skeleton, *forward_kinematics(motion.skeleton, motion.root_m, motion.rotations))


def _low_corners(motion: Motion) -> np.ndarray:
    heights_m = _corners_m(motion)[..., 1]
    return heights_m < np.percentile(heights_m, 5, axis=0) + _LOW_M


def _slide_m_s(motion: Motion, low: np.ndarray) -> float:
    """Mean over the frames in which corners are low (T, P) of the speed along the floor of the slowest of them."""
    speeds = np.linalg.norm(np.gradient(_corners_m(motion)[..., [0, 2]], 1 / motion.fps, axis=0), axis=-1)
    return float(np.where(low, speeds, np.inf).min(axis=1)[low.any(axis=1)].mean())


# --- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Benchmark:
    """Correct real motions and count those that are worse than before."""

    data: tyro.conf.Positional[Path | None] = None
    """Folder or archive of the CMU set; PyBullet's own motions on all rigs without."""
    split: str = "test"
    every: int = 1
    """Take each n-th motion only."""
    seconds: float = 3.0
    """Of each motion."""
    fps: tuple[float, ...] = (30.0, 60.0, 120.0)

    def run(self) -> None:
        corrector = PhysicsCorrector()
        with tempfile.TemporaryDirectory() as folder:
            for fps in self.fps:
                for name, motions in self._motions(fps, Path(folder)):
                    print(row(f"{name}, {fps:g} fps", corrector, motions), flush=True)

    def _motions(self, fps: float, folder: Path) -> Iterator[tuple[str, list[Motion]]]:
        if self.data is not None:
            clips = [finer(self._start(clip), fps) for clip in load_cmu(self.data, self.split)[:: self.every]]
            yield f"CMU {self.split}", clips
            return
        clips = [self._start(clip) for clip in load_deepmimic(fps)[:: self.every]]
        for rig in RIGS:
            yield rig, [on_rig(clip, rig, folder) for clip in clips]

    def _start(self, motion: Motion) -> Motion:
        return motion.frames(0, min(len(motion), round(self.seconds * motion.fps)))


def row(name: str, corrector: CorrectMotions, motions: Sequence[Motion]) -> str:
    """A line of figures: how many are followed and harmed, and means over those that are followed."""
    pairs = [(motion, c) for motion, c in zip(motions, corrector(motions), strict=True) if c.accepted]
    each = [judged(motion, correction.motion) for motion, correction in pairs]
    harmed = [f"{pair[0].label or Path(pair[0].source).stem} ({', '.join(own.harms)})"
              for pair, own in zip(pairs, each, strict=True) if own.harms]  # fmt: skip
    figures = (("jerk", "jerk_m_s3", 1.0, "m/s³"), ("sliding", "slide_m_s", 1e3, "mm/s"),
               ("penetration", "penetration_m", 1e3, "mm"))  # fmt: skip
    words = [f"{len(each)} of {len(motions)} followed, {len(harmed)} harmed"]
    for word, figure, per_si, unit in figures:
        before, after = per_si * np.mean([getattr(own, figure) for own in each], axis=0)
        words.append(f"{word} {before:.1f} → {after:.1f} {unit}")
    words.append(f"moved {1e3 * np.mean([own.moved_m for own in each]):.1f} mm")
    return f"{name}: {', '.join(words)}{': ' if harmed else ''}{'; '.join(harmed)}"


if __name__ == "__main__":
    tyro.cli(Benchmark).run()
