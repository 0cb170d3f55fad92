"""Measure whether each special case of the corrector beats its absence.

    python -m benchmarks.ablation path/to/cmu-bvh                # a table of docs/results/tables.md
    python -m benchmarks.ablation path/to/cmu-bvh --more FOLDER  # also files without a truth, such as samples of loops

Captured clips of both splits are damaged as in `benchmarks.truth` and corrected by kinematics. Where a hypothesis is
believed, the clip is corrected again without it, and both results are compared with the capture after their median
error is taken out. A hypothesis *helps* if the joints are closer to the truth with it, on average by 5 % and by 0.1 mm,
and *harms* if they are as much further away.

All captures are also corrected as they are, at full length ("captures"). Floors that are tilted or sink may stay so by
default, so the damaged clip is as true as the capture there, and the nearer one counts; with `--level`
("tilt5 --level"), only the capture does.

Files without a truth are compared in the same way (5 % and 1 mm/s) by the horizontal speed of feet that stand in the
input.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time

import numpy as np
import tyro

from benchmarks import truth
from selfcorrect.commands.correct.in_python import correct
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.observation import observe
from selfcorrect.simulators.hypotheses.table import HYPOTHESES
from selfcorrect.simulators.results.results import CorrectedMotion

CLEAR_SHARE = 0.05
"""Minimum change of an error that counts, as a share of it."""
CLEAR_MM = 0.1
"""Minimum change of the mean distance from the truth that counts, in mm."""
CLEAR_MM_S = 1.0
"""Minimum change of the speed of standing feet that counts, in mm/s."""
NO_TRUTH = "files"
"""Kind of files without a truth."""


@dataclass
class Tally:
    """Outcomes of a hypothesis, by kind of damage."""

    helped: Counter[str] = field(default_factory=Counter)
    harmed: Counter[str] = field(default_factory=Counter)
    unchanged: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    """Processor time of corrections with the hypothesis less those without."""

    def count(self, kind: str, with_it: float, without_it: float, clear: float) -> None:
        """Count a file by its errors with and without the hypothesis."""
        margin = max(CLEAR_SHARE * without_it, clear)
        outcome = self.unchanged
        if with_it < without_it - margin:
            outcome = self.helped
        elif with_it > without_it + margin:
            outcome = self.harmed
        outcome[kind] += 1


@dataclass(frozen=True)
class Case:
    """A file to correct, and the truth, if it is known."""

    kind: str
    motion: Motion
    truth_m: np.ndarray | None = None
    """(T, J, 3) joints of the capture."""
    level: bool = False
    """Whether to level the floor."""
    other_truth_m: np.ndarray | None = None
    """(T, J, 3) joints that are as true."""

    def measure_error(self, corrected: Motion) -> float:
        """Return the mean distance from the nearer truth in mm, or else the speed of standing feet in mm/s."""
        truths_m = [truth_m for truth_m in (self.truth_m, self.other_truth_m) if truth_m is not None]
        if not truths_m:
            return 1000 * observe(self.motion).standing_speed_m_s(corrected)
        joints_m = joint_positions(corrected)
        return min(_measure_distance_mm(joints_m, truth_m) for truth_m in truths_m)

    @property
    def clear(self) -> float:
        """Minimum change that counts, in the unit of the error."""
        return CLEAR_MM_S if self.truth_m is None else CLEAR_MM


def _measure_distance_mm(joints_m: np.ndarray, truth_m: np.ndarray) -> float:
    """Return the mean distance of joints (T, J, 3) from the truth, less its median, in mm."""
    errors_m = joints_m - truth_m
    errors_m -= np.median(errors_m, axis=(0, 1))
    return 1000 * float(np.linalg.norm(errors_m, axis=-1).mean())


STAYING = ("sinking", "tilt5", "tilt15", "far")
"""Damages that stay by default, because such a floor may be meant."""
MEANT = ("t-pose", "poses")
"""Damages that are part of the file, so the damaged clip is the truth."""


def damage_clips(clips: Sequence[truth.Clip], damages: Sequence[str], folder: Path) -> Iterator[Case]:
    """Yield captured clips with each damage."""
    for clip in clips:
        path = folder / f"{clip.name}.bvh"
        truth.write_clip(path, clip, clip.rows, "clean")
        truth_m = joint_positions(open_motion(path).motion)
        for damage in damages:
            placed = clip.move(20) if damage == "far" else clip
            truth.write_clip(path, placed, truth.damage_clip(placed, damage), damage)
            motion = open_motion(path).motion
            if damage in STAYING:
                yield Case(damage, motion, joint_positions(motion), other_truth_m=truth_m)
                yield Case(f"{damage} --level", motion, truth_m, level=True)
            elif damage in MEANT:
                yield Case(damage, motion, joint_positions(motion))
            else:
                yield Case(damage, motion, truth_m)


def find_captures(path: Path, folder: Path) -> Iterator[Case]:
    """Yield the captured clips of a folder or archive as they are, at full length."""
    for archive in [path] if path.is_file() else path.glob("*.tar*"):
        shutil.unpack_archive(archive, folder, filter="data")
    for file in sorted([*path.rglob("*.bvh"), *folder.rglob("*.bvh")]):
        motion = open_motion(file).motion
        yield Case("captures", motion, joint_positions(motion))


def time_correction(case: Case, without: tuple[str, ...] = ()) -> tuple[CorrectedMotion, float]:
    """Correct a motion. Also return the processor time in s."""
    started_s = process_time()
    correction = correct(case.motion, kinematic=True, level=case.level, without=without)
    return correction, process_time() - started_s


def tally_case(case: Case, tallies: dict[str, Tally]) -> None:
    """Correct a file with all hypotheses, and once without each that was believed."""
    believing, with_s = time_correction(case)
    error = case.measure_error(believing.motion)
    for name in believing.hypotheses:
        doubting, without_s = time_correction(case, (name,))
        tallies[name].count(case.kind, error, case.measure_error(doubting.motion), case.clear)
        tallies[name].seconds += with_s - without_s


def format_table(tallies: dict[str, Tally]) -> str:
    """Return a table in Markdown with a row for each hypothesis."""
    columns = ("hypothesis", "helps", "harms", "neither", "processor time", "helps with", "harms with")
    lines = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    for name, tally in tallies.items():
        counts = [sum(outcome.values()) for outcome in (tally.helped, tally.harmed, tally.unchanged)]
        seconds = f"{tally.seconds / sum(counts):+.2f} s" if sum(counts) else "–"
        kinds = []
        for outcome in (tally.helped, tally.harmed):
            kinds.append(", ".join(f"{kind} {count}" for kind, count in outcome.most_common(4)) or "–")
        lines.append(f"| `{name}` | {' | '.join([*map(str, counts), seconds, *kinds])} |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Options:
    """Measure whether each special case of the corrector beats its absence."""

    path: tyro.conf.Positional[Path]
    """Folder or tar file of captured BVH clips, with the folders train and test."""
    clips: int = 12
    """Number of clips of each split."""
    damages: str = ",".join(damage for damage in truth.DAMAGES if damage != "shift")
    """Damages, separated by commas."""
    more: tuple[Path, ...] = ()
    """Folders of motion files without a truth."""
    out: Path = Path("ablation.json")
    """File for the counts."""


def main() -> None:
    options = tyro.cli(Options)
    tallies = {row.name: Tally() for row in HYPOTHESES}
    with tempfile.TemporaryDirectory() as folder:
        for split in ("train", "test"):
            clips = truth.load_clips(options.path, split, options.clips)
            for case in damage_clips(clips, options.damages.split(","), Path(folder)):
                tally_case(case, tallies)
    with tempfile.TemporaryDirectory() as folder:
        for case in find_captures(options.path, Path(folder)):
            tally_case(case, tallies)
    for path in sorted(file for more in options.more for file in more.rglob("*") if file.is_file()):
        tally_case(Case(NO_TRUTH, open_motion(path).motion), tallies)
    print(format_table(tallies))
    counts = {
        name: {"helped": tally.helped, "harmed": tally.harmed, "unchanged": tally.unchanged}
        for name, tally in tallies.items()
    }
    options.out.write_text(json.dumps(counts, indent=1) + "\n")


if __name__ == "__main__":
    main()
