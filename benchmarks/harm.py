"""Whether corrections harm motions that were plausible: real ones, at any frame rate, and in disguise.

    python -m benchmarks.harm                       # PyBullet's own motions
    python -m benchmarks.harm path/to/cmu-bvh --every 4 --fps 30 120

Motions in disguise (see `disguises`) are written as files of a rig, read back, corrected, and compared with what was
read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import tyro

from benchmarks.disguises import CHANGES, RIGS, Rig, belt_m_s, canonical_frames, finer, on_rig
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.collections.cmu import load_cmu
from selfcorrect.datasets.collections.deepmimic import load_deepmimic
from selfcorrect.experiments.correction.in_python import correct
from selfcorrect.motion.body.foot_frames import get_foot_frames
from selfcorrect.motion.body.surface import world_sole_points
from selfcorrect.motion.correction.results import CorrectedMotion
from selfcorrect.motion.editing.transforms import heading_rad
from selfcorrect.motion.geometry.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.geometry.views import LevelFeet
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.measures.roughness import added_angular_speeds_rad_s, jerk_by_part_m_s3
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import Skeleton

# --- judging ---------------------------------------------------------------------------------------------------------

_ROUGHER, _ROUGHER_M_S3, _FASTER, _FASTER_M_S, _DEEPER_M = 1.1, 20.0, 1.05, 0.005, 0.001
_SNAP_RAD_S, _GAP_M, _TRAVEL_M, _HEADING_RAD, _LIFT_M = np.radians(150.0), 0.003, 0.1, np.radians(5.0), 0.01
"""What counts as harm, each by a factor, an amount or both. Jerk of the whole or of a part rises, feet slide faster, or
soles are deeper in the floor. Knees gain angular speed in a frame, loops open, or roots end or face elsewhere. Feet
that stood as high as soles are thick stand higher or lower."""

_LOW_M = 0.03
"""A point is low that is no higher than this above its 5th percentile."""

_STILL_M_S = 0.1
"""A joint of a foot stands that is low and slower than this."""

_CLOSED_M = 0.001
"""The ends of a loop are no further apart than this, at any joint."""

_HIGHEST_TOE_M, _HIGHEST_ANKLE_M = 0.05, 0.12
"""How high toe joints stand, and ankles of feet without, where the floor is right."""


@dataclass(frozen=True)
class Judged:
    """A motion before and after its correction."""

    jerk_m_s3: tuple[float, float]
    slide_m_s: tuple[float, float]
    """Speed of the slowest corner of the soles, among those that are low in the original motion, the same before and
    after."""
    standing_m_s: tuple[float, float]
    """Speed along the floor of ankles and toe joints in the frames in which they stand in the original motion."""
    penetration_m: tuple[float, float]
    loop_gap_m: tuple[float, float]
    """Furthest that a joint is from its first to its last pose, with the root in the same place and heading."""
    rougher_parts: tuple[str, ...]
    """Parts of the body whose jerk is higher."""
    added_knee_rad_s: float
    """Largest angular speed that a knee gains in a frame."""
    travel_m: float
    """By how much the root's way along the floor from the first to the last frame is another."""
    heading_rad: float
    """By how much the root's turn from the first to the last frame is another."""
    lift_m: float
    """By how much feet stand higher, in the median over the frames in which they stand."""
    stands_right: bool
    """Whether feet stood on the floor before, as far as joints show."""
    moved_m: float

    @property
    def harms(self) -> list[str]:
        """Names of the figures that are worse than before beyond tolerance."""
        worse = {
            "jerk": _rougher(*self.jerk_m_s3),
            **{f"jerk of {part}": True for part in self.rougher_parts},
            "sliding": _faster(*self.slide_m_s),
            "standing joints": _faster(*self.standing_m_s),
            "penetration": self.penetration_m[1] > self.penetration_m[0] + _DEEPER_M,
            "knees": self.added_knee_rad_s > _SNAP_RAD_S,
            "loop": self.loop_gap_m[0] < _CLOSED_M and self.loop_gap_m[1] > self.loop_gap_m[0] + _GAP_M,
            "travel": self.travel_m > _TRAVEL_M or self.heading_rad > _HEADING_RAD,
            "height": self.stands_right and abs(self.lift_m) > _LIFT_M,
        }
        return [name for name, is_worse in worse.items() if is_worse]


def _rougher(before_m_s3: float, after_m_s3: float) -> bool:
    return after_m_s3 > max(_ROUGHER * before_m_s3, before_m_s3 + _ROUGHER_M_S3)


def _faster(before_m_s: float, after_m_s: float) -> bool:
    return after_m_s > max(_FASTER * before_m_s, before_m_s + _FASTER_M_S)


def judged(before: Motion, after: Motion, belt_m_s: np.ndarray | None = None) -> Judged:
    """Figures of a motion and of its correction, which share skeleton and frames.

    belt_m_s: velocity (3,) of the treadmill on which the body walks in place, against which feet stand and slide.
    Soles are where the motion shows them before its correction; standing joints, height and knees need none.
    """
    level = LevelFeet(get_foot_frames(before))
    before, after = (_off_belt(level.view(motion), belt_m_s) for motion in (before, after))
    errors = [physical_errors(MotionBatch.stack([motion])) for motion in (before, after)]
    low = _low(_corners_m(before)[..., 1])
    joints_m = [joint_positions(motion) for motion in (before, after)]
    feet = _feet(before.skeleton)
    stands = _stands(joints_m[0][:, feet], before.fps)
    jerks = [jerk_by_part_m_s3(motion) for motion in (before, after)]
    knees = [joint for side in ("left", "right") if (joint := before.skeleton.joint(f"{side}_knee")) is not None]
    heights_m = [np.where(stands, each[:, feet, 1], np.nan) for each in joints_m]
    toes = [index for index, joint in enumerate(feet) if before.skeleton.parts[joint].endswith("foot")]
    stood_m = _median(heights_m[0][:, toes or slice(None)])
    return Judged(
        jerk_m_s3=(float(errors[0].jerk_m_s3[0]), float(errors[1].jerk_m_s3[0])),
        slide_m_s=(_slide_m_s(before, low), _slide_m_s(after, low)),
        standing_m_s=(
            _speed_m_s(joints_m[0][:, feet], stands, before.fps),
            _speed_m_s(joints_m[1][:, feet], stands, before.fps),
        ),
        penetration_m=(float(errors[0].penetration_m[0]), float(errors[1].penetration_m[0])),
        loop_gap_m=(_loop_gap_m(before), _loop_gap_m(after)),
        rougher_parts=tuple(part for part in jerks[0] if _rougher(float(jerks[0][part]), float(jerks[1][part]))),
        added_knee_rad_s=float(added_angular_speeds_rad_s(before, after)[knees].max(initial=0.0)),
        travel_m=float(np.linalg.norm((_way(after) - _way(before))[:2])),
        heading_rad=float(abs(np.angle(np.exp(1j * (_way(after) - _way(before))[2])))),
        lift_m=_median(heights_m[1] - heights_m[0]),
        stands_right=0.0 <= stood_m <= (_HIGHEST_TOE_M if toes else _HIGHEST_ANKLE_M),
        moved_m=float(np.linalg.norm(joints_m[1] - joints_m[0], axis=-1).mean()),
    )


def _off_belt(motion: Motion, belt_m_s: np.ndarray | None) -> Motion:
    """The motion as seen from a treadmill's belt."""
    times_s = np.arange(len(motion))[:, None] / motion.fps
    return motion if belt_m_s is None else replace(motion, root_m=motion.root_m - times_s * belt_m_s)


def _median(values: np.ndarray) -> float:
    """Median of what is a number; not a number where nothing is."""
    return float(np.median(values[~np.isnan(values)])) if not np.isnan(values).all() else float("nan")


def _way(motion: Motion) -> np.ndarray:
    """The root's way along the floor (x and z, metres) and its turn (radians) from the first to the last frame."""
    turned_rad = heading_rad(motion.rotations[[0, -1], 0])
    return np.array([*(motion.root_m[-1] - motion.root_m[0])[[0, 2]], turned_rad[1] - turned_rad[0]])


def _loop_gap_m(motion: Motion) -> float:
    """See `Judged.loop_gap_m`."""
    first_m, last_m = joint_positions(canonical_frames(motion.select_frames(np.array([0, -1]))))
    return float(np.linalg.norm(last_m - first_m, axis=-1).max())


def _feet(skeleton: Skeleton) -> list[int]:
    """Ankles and toe joints."""
    return [joint for joint, part in enumerate(skeleton.parts) if part.endswith(("_ankle", "_foot"))]


def _stands(joints_m: np.ndarray, fps: float) -> np.ndarray:
    """(T, K) whether joints (T, K, 3) of feet stand."""
    speeds_m_s = np.linalg.norm(np.gradient(joints_m, 1 / fps, axis=0), axis=-1)
    return (speeds_m_s < _STILL_M_S) & _low(joints_m[..., 1])


def _speed_m_s(joints_m: np.ndarray, stands: np.ndarray, fps: float) -> float:
    """Mean speed along the floor of joints (T, K, 3) in the frames in which they stand (T, K); 0 without any."""
    speeds_m_s = np.linalg.norm(np.gradient(joints_m[..., [0, 2]], 1 / fps, axis=0), axis=-1)
    return float(speeds_m_s[stands].mean()) if stands.any() else 0.0


def _corners_m(motion: Motion) -> np.ndarray:
    """(T, P, 3) of the soles."""
    return world_sole_points(motion.skeleton, *forward_kinematics(motion.skeleton, motion.root_m, motion.rotations))


def _low(heights_m: np.ndarray) -> np.ndarray:
    """(T, P) whether points (T, P) are about as low as they get."""
    return heights_m < np.percentile(heights_m, 5, axis=0) + _LOW_M


def _slide_m_s(motion: Motion, low: np.ndarray) -> float:
    """Mean over the frames in which corners are low (T, P) of the speed along the floor of the slowest of them."""
    speeds = np.linalg.norm(np.gradient(_corners_m(motion)[..., [0, 2]], 1 / motion.fps, axis=0), axis=-1)
    return float(np.where(low, speeds, np.inf).min(axis=1)[low.any(axis=1)].mean())


# --- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Benchmark:
    """Correct real motions, one by one, with default options, and count those that are worse than before."""

    data: tyro.conf.Positional[Path | None] = None
    """Folder or archive of the CMU set; PyBullet's own motions without."""
    split: str = "test"
    every: int = 1
    """Take each n-th motion only."""
    seconds: float = 3.0
    """Of each motion."""
    fps: tuple[float, ...] = (30.0, 60.0, 120.0)
    """Frame rates of motions as they are; those in disguise have the first."""
    disguises: tuple[str, ...] = (*RIGS, *CHANGES)
    """Rigs and changes by name; motions as they are come first."""
    kinematic: bool = False
    """Clean up by kinematics alone."""

    def run(self) -> None:
        one = partial(correct, kinematic=self.kinematic)
        for fps in self.fps:
            print(row(f"as they are, {fps:g} fps", partial(map, one), self._motions(fps)), flush=True)
        motions = self._motions(self.fps[0])
        for name in self.disguises:
            with tempfile.TemporaryDirectory() as folder:
                refused: list[str] = []
                if name in RIGS:
                    read, refused = _read(motions, RIGS[name], Path(folder))
                    own = [(motion, None) for motion in read]
                else:
                    changed = ((CHANGES[name](motion), belt_m_s(motion, name)) for motion in motions)
                    own = [(motion, belt) for motion, belt in changed if motion is not None]
                if own:
                    told = f"{name}, refused {', '.join(refused)}" if refused else name
                    print(row(told, partial(map, one), *zip(*own, strict=True)), flush=True)

    def _motions(self, fps: float) -> list[Motion]:
        if self.data is not None:
            return [finer(self._start(clip), fps) for clip in load_cmu(self.data, self.split)[:: self.every]]
        return [self._start(clip) for clip in load_deepmimic(fps)[:: self.every]]

    def _start(self, motion: Motion) -> Motion:
        return motion.frames(0, min(len(motion), round(self.seconds * motion.fps)))


def _read(motions: Sequence[Motion], rig: Rig, folder: Path) -> tuple[list[Motion], list[str]]:
    """Motions as read from files of a rig, and what those are called that the reader refuses."""
    read, refused = [], []
    for motion in motions:
        try:
            read.append(on_rig(motion, rig, folder))
        except InputError:  # a crawl may not show which way is up
            refused.append(motion.label or Path(motion.source).stem)
    return read, refused


def row(
    name: str,
    corrector: Callable[[Sequence[Motion]], Iterable[CorrectedMotion]],
    motions: Sequence[Motion],
    belts_m_s: Sequence[np.ndarray | None] = (),
) -> str:
    """A line of figures: how many are corrected and harmed, and means over those that are corrected.

    belts_m_s: see `judged`, of each motion.
    """
    both = zip(motions, corrector(motions), belts_m_s or [None] * len(motions), strict=True)
    triples = [(motion, c.motion, belt) for motion, c, belt in both if c.accepted]
    each = [judged(*triple) for triple in triples]
    harmed = [f"{triple[0].label or Path(triple[0].source).stem} ({', '.join(own.harms)})"
              for triple, own in zip(triples, each, strict=True) if own.harms]  # fmt: skip
    figures = (("jerk", "jerk_m_s3", 1.0, "m/s³"), ("sliding", "slide_m_s", 1e3, "mm/s"),
               ("standing joints", "standing_m_s", 1e3, "mm/s"), ("penetration", "penetration_m", 1e3, "mm"),
               ("loop gap", "loop_gap_m", 1e3, "mm"))  # fmt: skip
    words = [f"{len(each)} of {len(motions)} corrected, {len(harmed)} harmed"]
    for word, figure, per_si, unit in figures:
        before, after = per_si * np.mean([getattr(own, figure) for own in each], axis=0)
        words.append(f"{word} {before:.1f} → {after:.1f} {unit}")
    words.append(f"knees gain at most {np.degrees(max(own.added_knee_rad_s for own in each)):.0f}°/s")
    words.append(f"travel off by at most {max(own.travel_m for own in each):.2f} m")
    words.append(f"lifted {1e3 * _median(np.abs([own.lift_m for own in each])):.1f} mm (median)")
    words.append(f"moved {1e3 * np.mean([own.moved_m for own in each]):.1f} mm")
    return f"{name}: {', '.join(words)}{': ' if harmed else ''}{'; '.join(harmed)}"


if __name__ == "__main__":
    tyro.cli(Benchmark).run()
