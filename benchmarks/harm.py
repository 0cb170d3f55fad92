"""Count corrections that harm plausible motions: real ones, at any frame rate, and in disguise.

    python -m benchmarks.harm                       # PyBullet's own motions
    python -m benchmarks.harm path/to/cmu-bvh --every 4 --fps 30 120

Motions in disguise (see `disguises`) are written as files of a rig, read back, corrected, and compared with what was
read: by the figures of `correct`, and by what they do not show.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from benchmarks.disguises import CHANGES, RIGS, canonicalise_frames, read_from_rig, resample_smoothly
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.collections.cmu import load_cmu
from selfcorrect.datasets.collections.deepmimic import load_deepmimic
from selfcorrect.experiments.file_correction.describe import measure_travel
from selfcorrect.experiments.file_correction.in_python import correct
from selfcorrect.motion.corrector_interface.results import CorrectedMotion
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.physical import ERRORS, is_worse
from selfcorrect.motion.measures.roughness import added_angular_speeds_rad_s, jerk_by_part_m_s3
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.observation.observation import find_feet_m, observe

JERK_FACTOR = 1.1
JERK_M_S3 = 20.0
"""Jerk of a part of the body may rise by the larger of factor and amount."""
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
HIGHEST_TOE_M = 0.05
HIGHEST_ANKLE_M = 0.12
"""Largest heights of standing toe joints, and of ankles of feet without toes, on a floor that is right."""


@dataclass(frozen=True)
class Changes:
    """What a correction changes beside the figures of `correct`, in which errors of floor, feet and jerk are."""

    rougher_parts: tuple[str, ...]
    """Parts of the body whose jerk is higher."""
    added_knee_rad_s: float
    """Largest angular speed that a knee gains in a frame."""
    loop_gaps_m: tuple[float, float]
    """Largest distance of a joint between the first and the last pose, with the root in the same place and heading,
    before and after."""
    travel_m: float
    """Change of the root's path along the floor from the first to the last frame."""
    heading_rad: float
    """Change of the root's turn from the first to the last frame."""
    lift_m: float
    """Median rise of the feet that stood on the floor before; NaN if none did, as far as joints show."""

    @property
    def harms(self) -> list[str]:
        """Names of the changes beyond tolerance."""
        gap_before_m, gap_after_m = self.loop_gaps_m
        is_worse = {
            **{f"jerk of {part}": True for part in self.rougher_parts},
            "knees": self.added_knee_rad_s > KNEE_RAD_S,
            "loop": gap_before_m < CLOSED_M and gap_after_m > gap_before_m + LOOP_GAP_M,
            "travel": self.travel_m > TRAVEL_M or self.heading_rad > HEADING_RAD,
            "height": abs(self.lift_m) > LIFT_M,
        }
        return [name for name, worse in is_worse.items() if worse]


def compare(before: Motion, after: Motion) -> Changes:
    """Return what changes from a motion to its correction, which has the same skeleton and frames."""
    jerks_after = jerk_by_part_m_s3(after)
    rougher_parts = []
    for part, jerk_m_s3 in jerk_by_part_m_s3(before).items():
        if jerks_after[part] > max(JERK_FACTOR * jerk_m_s3, jerk_m_s3 + JERK_M_S3):
            rougher_parts.append(part)
    knees = [joint for joint, part in enumerate(before.skeleton.parts) if part in ("left_knee", "right_knee")]
    travel = measure_travel(after) - measure_travel(before)
    return Changes(
        rougher_parts=tuple(rougher_parts),
        added_knee_rad_s=float(added_angular_speeds_rad_s(before, after)[knees].max(initial=0.0)),
        loop_gaps_m=(_measure_loop_gap_m(before), _measure_loop_gap_m(after)),
        travel_m=float(np.linalg.norm(travel[:2])),
        heading_rad=float(abs(np.angle(np.exp(1j * travel[2])))),
        lift_m=_measure_lift_m(before, after),
    )


def _measure_loop_gap_m(motion: Motion) -> float:
    ends = canonicalise_frames(motion.select_frames(np.array([0, -1])))
    first_m, last_m = joint_positions(ends)
    return float(np.linalg.norm(last_m - first_m, axis=-1).max())


def _measure_lift_m(before: Motion, after: Motion) -> float:
    """Return the median rise of the lowest joints of feet while they stand; NaN unless they stood on the floor."""
    stands = observe(before).stands
    has_toes = before.skeleton.joint("left_foot") is not None
    heights_m, heights_after_m = find_feet_m(before)[..., -1, 1], find_feet_m(after)[..., -1, 1]
    if not stands.any():
        return float("nan")
    stood_m = float(np.median(heights_m[stands]))
    is_on_floor = 0.0 <= stood_m <= (HIGHEST_TOE_M if has_toes else HIGHEST_ANKLE_M)
    return float(np.median((heights_after_m - heights_m)[stands])) if is_on_floor else float("nan")


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

    def run(self) -> None:
        for fps in self.fps:
            self._print_row(f"as they are, {fps:g} fps", self._load_motions(fps))
        originals = self._load_motions(self.fps[0])
        for name in self.disguises:
            title = name
            disguised = []
            for original in originals:
                try:
                    motion = _disguise(original, name)
                except InputError:  # a crawl may not show which way is up
                    title += f", refused {original.label or Path(original.source).stem}"
                    continue
                disguised += [] if motion is None else [motion]
            if disguised:
                self._print_row(title, disguised)

    def _load_motions(self, fps: float) -> list[Motion]:
        if self.data is not None:
            clips = load_cmu(self.data, self.split)[:: self.every]
            return [resample_smoothly(self._cut(clip), fps) for clip in clips]
        return [self._cut(clip) for clip in load_deepmimic(fps)[:: self.every]]

    def _cut(self, motion: Motion) -> Motion:
        return motion.frames(0, min(len(motion), round(self.seconds * motion.fps)))

    def _print_row(self, title: str, motions: Sequence[Motion]) -> None:
        """Correct motions and print a line of figures, means over those that are accepted."""
        corrections: list[CorrectedMotion] = []
        changes: list[Changes] = []
        harmed = []
        stayed = 0
        for motion in motions:
            correction = correct(motion)
            if not correction.accepted:
                continue
            corrections.append(correction)
            stayed += correct(correction.motion).is_unchanged
            changes.append(compare(motion, correction.motion))
            harms = [figure.title for figure in ERRORS if is_worse(figure, correction.before, correction.after)]
            if harms := harms + changes[-1].harms:
                harmed.append(f"{motion.label or Path(motion.source).stem} ({', '.join(harms)})")
        counts = f"{len(corrections)} of {len(motions)} corrected, {len(harmed)} harmed"
        words = [f"{counts}, {stayed} stay if corrected again"]
        for figure in ERRORS:
            before, after = figure.unit.per_si * np.mean(
                [(correction.before[figure.key], correction.after[figure.key]) for correction in corrections], axis=0
            )
            words.append(f"{figure.title} {before:.1f} → {after:.1f} {figure.unit.symbol}")
        words.append(f"knees gain at most {np.degrees(max(change.added_knee_rad_s for change in changes)):.0f}°/s")
        words.append(f"travel off by at most {max(change.travel_m for change in changes):.2f} m")
        words.append(f"lifted {1e3 * np.nanmedian(np.abs([change.lift_m for change in changes])):.1f} mm (median)")
        words.append(f"moved {1e3 * np.mean([correction.figures['moved_m'] for correction in corrections]):.1f} mm")
        print(f"{title}: {', '.join(words)}{': ' if harmed else ''}{'; '.join(harmed)}", flush=True)


def _disguise(motion: Motion, name: str) -> Motion | None:
    if name in CHANGES:
        return CHANGES[name](motion)
    with tempfile.TemporaryDirectory() as folder:
        return read_from_rig(motion, RIGS[name], Path(folder))


if __name__ == "__main__":
    tyro.cli(Benchmark).run()
