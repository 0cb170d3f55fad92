"""Count corrections that harm plausible motions: real ones, at any frame rate, and in disguise.

    python -m benchmarks.harm                       # PyBullet's own motions
    python -m benchmarks.harm path/to/cmu-bvh --every 4 --fps 30 120

Motions in disguise (see `disguises`) are written as files of a rig, read back, corrected, and compared with what was
read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro

from benchmarks.disguises import (
    CHANGES,
    RIGS,
    Rig,
    canonicalise_frames,
    get_belt_m_s,
    read_from_rig,
    resample_smoothly,
)
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.collections.cmu import load_cmu
from selfcorrect.datasets.collections.deepmimic import load_deepmimic
from selfcorrect.experiments.file_correction.in_python import correct
from selfcorrect.motion.body.foot_frames import get_foot_frames
from selfcorrect.motion.body.surface import world_sole_points
from selfcorrect.motion.editing.transforms import heading_rad
from selfcorrect.motion.geometry.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.geometry.views import LevelFeet
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.measures.roughness import added_angular_speeds_rad_s, jerk_by_part_m_s3
from selfcorrect.motion.motion import Motion, MotionBatch

# --- tolerances ------------------------------------------------------------------------------------------------------

JERK_FACTOR = 1.1
JERK_M_S3 = 20.0
"""Jerk of the whole body or of a part may rise by the larger of factor and amount; speeds of feet likewise (below)."""
SPEED_FACTOR = 1.05
SPEED_M_S = 0.005
PENETRATION_M = 0.001
"""Soles may be deeper in the floor by this."""
KNEE_RAD_S = np.radians(150.0)
"""Angular speed that knees may gain in a frame."""
CLOSED_M = 0.001
LOOP_GAP_M = 0.003
"""A loop whose ends are no further apart than the first may open by the second, at any joint."""
TRAVEL_M = 0.1
HEADING_RAD = np.radians(5.0)
"""The root may end elsewhere and face elsewhere by these."""
LIFT_M = 0.01
"""Feet that stood as high as soles are thick may stand higher or lower by this."""

LOW_M = 0.03
"""A point is low that is no higher than this above its 5th percentile."""
STILL_M_S = 0.1
"""A joint of a foot stands that is low and slower than this."""
HIGHEST_TOE_M = 0.05
HIGHEST_ANKLE_M = 0.12
"""Largest heights of standing toe joints, and of ankles of feet without toes, on a floor that is right."""


# --- comparing -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """A motion before and after its correction."""

    jerk_m_s3: tuple[float, float]
    slide_m_s: tuple[float, float]
    """Speed of the slowest corner of the soles, among those that are low in the original motion."""
    standing_m_s: tuple[float, float]
    """Speed along the floor of ankles and toe joints in the frames in which they stand in the original motion."""
    penetration_m: tuple[float, float]
    loop_gap_m: tuple[float, float]
    """Largest distance of a joint between the first and the last pose, with the root in the same place and heading."""
    rougher_parts: tuple[str, ...]
    """Parts of the body whose jerk is higher."""
    added_knee_rad_s: float
    """Largest angular speed that a knee gains in a frame."""
    travel_m: float
    """Change of the root's path along the floor from the first to the last frame."""
    heading_rad: float
    """Change of the root's turn from the first to the last frame."""
    lift_m: float
    """Median rise of the feet over the frames in which they stand."""
    stood_on_floor: bool
    """Feet stood on the floor before, as far as joints show."""
    moved_m: float

    @property
    def harms(self) -> list[str]:
        """Names of the figures that are worse than before beyond tolerance."""
        is_worse = {
            "jerk": _is_rougher(*self.jerk_m_s3),
            **{f"jerk of {part}": True for part in self.rougher_parts},
            "sliding": _is_faster(*self.slide_m_s),
            "standing joints": _is_faster(*self.standing_m_s),
            "penetration": self.penetration_m[1] > self.penetration_m[0] + PENETRATION_M,
            "knees": self.added_knee_rad_s > KNEE_RAD_S,
            "loop": self.loop_gap_m[0] < CLOSED_M and self.loop_gap_m[1] > self.loop_gap_m[0] + LOOP_GAP_M,
            "travel": self.travel_m > TRAVEL_M or self.heading_rad > HEADING_RAD,
            "height": self.stood_on_floor and abs(self.lift_m) > LIFT_M,
        }
        return [name for name, worse in is_worse.items() if worse]


def _is_rougher(before_m_s3: float, after_m_s3: float) -> bool:
    return after_m_s3 > max(JERK_FACTOR * before_m_s3, before_m_s3 + JERK_M_S3)


def _is_faster(before_m_s: float, after_m_s: float) -> bool:
    return after_m_s > max(SPEED_FACTOR * before_m_s, before_m_s + SPEED_M_S)


def compare(before: Motion, after: Motion, belt_m_s: np.ndarray | None = None) -> Comparison:
    """Compare a motion with its correction.

    Soles are where the motion shows them before its correction; standing joints, height and knees need none.

    Args:
        before: Original motion.
        after: Its correction, with the same skeleton and frames.
        belt_m_s: Velocity (3,) of the treadmill on which the body walks in place, against which feet stand and slide.

    Returns:
        Figures of both.
    """
    level = LevelFeet(get_foot_frames(before))
    before = _view_from_belt(level.view(before), belt_m_s)
    after = _view_from_belt(level.view(after), belt_m_s)
    errors_before = physical_errors(MotionBatch.stack([before])).mean()
    errors_after = physical_errors(MotionBatch.stack([after])).mean()
    jerks_before = jerk_by_part_m_s3(before)
    jerks_after = jerk_by_part_m_s3(after)
    is_low = _find_low(_corners_m(before)[..., 1])
    before_m = joint_positions(before)
    after_m = joint_positions(after)
    parts = before.skeleton.parts
    feet = [joint for joint, part in enumerate(parts) if part.endswith(("_ankle", "_foot"))]
    toes = [index for index, joint in enumerate(feet) if parts[joint].endswith("foot")]
    knees = [joint for joint, part in enumerate(parts) if part in ("left_knee", "right_knee")]
    stands = _find_standing(before_m[:, feet], before.fps)
    heights_m = np.where(stands, before_m[:, feet, 1], np.nan)
    stood_m = _median(heights_m[:, toes or slice(None)])
    standing_before_m_s = _standing_speed_m_s(before_m[:, feet], stands, before.fps)
    standing_after_m_s = _standing_speed_m_s(after_m[:, feet], stands, before.fps)
    rougher_parts = []
    for part, jerk in jerks_before.items():
        if _is_rougher(float(jerk), float(jerks_after[part])):
            rougher_parts.append(part)
    knee_rad_s = added_angular_speeds_rad_s(before, after)[knees]
    travel = _measure_travel(after) - _measure_travel(before)
    turn_rad = np.angle(np.exp(1j * travel[2]))
    highest_m = HIGHEST_TOE_M if toes else HIGHEST_ANKLE_M
    return Comparison(
        jerk_m_s3=(errors_before["jerk_m_s3"], errors_after["jerk_m_s3"]),
        slide_m_s=(_slide_m_s(before, is_low), _slide_m_s(after, is_low)),
        standing_m_s=(standing_before_m_s, standing_after_m_s),
        penetration_m=(errors_before["penetration_m"], errors_after["penetration_m"]),
        loop_gap_m=(_loop_gap_m(before), _loop_gap_m(after)),
        rougher_parts=tuple(rougher_parts),
        added_knee_rad_s=float(knee_rad_s.max(initial=0.0)),
        travel_m=float(np.linalg.norm(travel[:2])),
        heading_rad=float(abs(turn_rad)),
        lift_m=_median(after_m[:, feet, 1] - heights_m),
        stood_on_floor=0.0 <= stood_m <= highest_m,
        moved_m=float(np.linalg.norm(after_m - before_m, axis=-1).mean()),
    )


def _view_from_belt(motion: Motion, belt_m_s: np.ndarray | None) -> Motion:
    if belt_m_s is None:
        return motion
    times_s = np.arange(len(motion))[:, None] / motion.fps
    return replace(motion, root_m=motion.root_m - times_s * belt_m_s)


def _median(values: np.ndarray) -> float:
    """Return the median of all values but NaN; NaN without any."""
    finite = values[~np.isnan(values)]
    return float(np.median(finite)) if finite.size else float("nan")


def _measure_travel(motion: Motion) -> np.ndarray:
    """Return the root's path along the floor (x, z, metres) and its turn (radians) from the first to the last frame."""
    headings_rad = heading_rad(motion.rotations[[0, -1], 0])
    path_m = motion.root_m[-1] - motion.root_m[0]
    return np.array([path_m[0], path_m[2], headings_rad[1] - headings_rad[0]])


def _loop_gap_m(motion: Motion) -> float:
    ends = canonicalise_frames(motion.select_frames(np.array([0, -1])))
    first_m, last_m = joint_positions(ends)
    return float(np.linalg.norm(last_m - first_m, axis=-1).max())


def _find_standing(joints_m: np.ndarray, fps: float) -> np.ndarray:
    """Return whether joints (T, K, 3) of feet stand, (T, K)."""
    speeds_m_s = np.linalg.norm(np.gradient(joints_m, 1 / fps, axis=0), axis=-1)
    return (speeds_m_s < STILL_M_S) & _find_low(joints_m[..., 1])


def _standing_speed_m_s(joints_m: np.ndarray, stands: np.ndarray, fps: float) -> float:
    """Return the mean speed along the floor of joints (T, K, 3) while they stand (T, K); 0 without any."""
    speeds_m_s = np.linalg.norm(np.gradient(joints_m[..., [0, 2]], 1 / fps, axis=0), axis=-1)
    return float(speeds_m_s[stands].mean()) if stands.any() else 0.0


def _corners_m(motion: Motion) -> np.ndarray:
    """Return the corners of the soles (T, P, 3)."""
    positions_m, orientations = forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
    return world_sole_points(motion.skeleton, positions_m, orientations)


def _find_low(heights_m: np.ndarray) -> np.ndarray:
    """Return whether points (T, P) are about as low as they get."""
    return heights_m < np.percentile(heights_m, 5, axis=0) + LOW_M


def _slide_m_s(motion: Motion, is_low: np.ndarray) -> float:
    """Return the speed along the floor of the slowest low corner (T, P), mean over the frames with low corners."""
    velocities_m_s = np.gradient(_corners_m(motion)[..., [0, 2]], 1 / motion.fps, axis=0)
    speeds_m_s = np.where(is_low, np.linalg.norm(velocities_m_s, axis=-1), np.inf)
    return float(speeds_m_s.min(axis=1)[is_low.any(axis=1)].mean())


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
    """Longest duration of a motion; the rest is left out."""
    fps: tuple[float, ...] = (30.0, 60.0, 120.0)
    """Frame rates of motions without a disguise; those in disguise have the first."""
    disguises: tuple[str, ...] = (*RIGS, *CHANGES)
    """Rigs and changes by name; motions without a disguise come first."""
    kinematic: bool = False
    """Correct by kinematic clean-up only."""

    def run(self) -> None:
        for fps in self.fps:
            motions = self._load_motions(fps)
            self._print_row(f"as they are, {fps:g} fps", motions, [None] * len(motions))
        originals = self._load_motions(self.fps[0])
        for name in self.disguises:
            title = name
            motions = []
            belts_m_s: list[np.ndarray | None] = []
            if name in RIGS:
                motions, refused = read_all_from_rig(originals, RIGS[name])
                belts_m_s = [None] * len(motions)
                if refused:
                    title = f"{name}, refused {', '.join(refused)}"
            else:
                for original in originals:
                    if (motion := CHANGES[name](original)) is not None:
                        motions.append(motion)
                        belts_m_s.append(get_belt_m_s(original, name))
            if motions:
                self._print_row(title, motions, belts_m_s)

    def _load_motions(self, fps: float) -> list[Motion]:
        if self.data is not None:
            clips = load_cmu(self.data, self.split)[:: self.every]
            return [resample_smoothly(self._cut(clip), fps) for clip in clips]
        return [self._cut(clip) for clip in load_deepmimic(fps)[:: self.every]]

    def _cut(self, motion: Motion) -> Motion:
        return motion.frames(0, min(len(motion), round(self.seconds * motion.fps)))

    def _print_row(self, title: str, motions: Sequence[Motion], belts_m_s: Sequence[np.ndarray | None]) -> None:
        """Correct motions and print a line of figures, means over those that are accepted."""
        comparisons = []
        harmed = []
        for motion, belt_m_s in zip(motions, belts_m_s, strict=True):
            correction = correct(motion, kinematic=self.kinematic)
            if not correction.accepted:
                continue
            comparison = compare(motion, correction.motion, belt_m_s)
            comparisons.append(comparison)
            if comparison.harms:
                harmed.append(f"{motion.label or Path(motion.source).stem} ({', '.join(comparison.harms)})")
        words = [f"{len(comparisons)} of {len(motions)} corrected, {len(harmed)} harmed"]
        for word, figure, factor, unit in _FIGURES:
            before, after = factor * np.mean([getattr(comparison, figure) for comparison in comparisons], axis=0)
            words.append(f"{word} {before:.1f} → {after:.1f} {unit}")
        fastest_knee_rad_s = max(comparison.added_knee_rad_s for comparison in comparisons)
        words.append(f"knees gain at most {np.degrees(fastest_knee_rad_s):.0f}°/s")
        words.append(f"travel off by at most {max(comparison.travel_m for comparison in comparisons):.2f} m")
        lifts_m = np.abs([comparison.lift_m for comparison in comparisons])
        words.append(f"lifted {1e3 * _median(lifts_m):.1f} mm (median)")
        words.append(f"moved {1e3 * np.mean([comparison.moved_m for comparison in comparisons]):.1f} mm")
        print(f"{title}: {', '.join(words)}{': ' if harmed else ''}{'; '.join(harmed)}", flush=True)


_FIGURES = (
    ("jerk", "jerk_m_s3", 1.0, "m/s³"),
    ("sliding", "slide_m_s", 1e3, "mm/s"),
    ("standing joints", "standing_m_s", 1e3, "mm/s"),
    ("penetration", "penetration_m", 1e3, "mm"),
    ("loop gap", "loop_gap_m", 1e3, "mm"),
)
"""Words, field of `Comparison`, factor from SI units and unit."""


def read_all_from_rig(motions: Sequence[Motion], rig: Rig) -> tuple[list[Motion], list[str]]:
    """Return motions as read from files of a rig, and the labels of those that the reader refuses."""
    read = []
    refused = []
    with tempfile.TemporaryDirectory() as folder:
        for motion in motions:
            try:
                read.append(read_from_rig(motion, rig, Path(folder)))
            except InputError:  # a crawl may not show which way is up
                refused.append(motion.label or Path(motion.source).stem)
    return read, refused


if __name__ == "__main__":
    tyro.cli(Benchmark).run()
