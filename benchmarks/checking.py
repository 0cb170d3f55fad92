"""Count false alarms and found faults of `check`.

    python -m benchmarks.checking path/to/cmu-bvh                   # a table of docs/results/tables.md

Thresholds are set on the training clips and evaluated on the test clips, which show other subjects. The table has the
false alarms on both. Faults are planted in test clips.

Clean clips are those without recorded spikes, which the index counts. Rules for the floor skip clips of people who
climb
on objects that are not in the data. Each fault is planted once in each clean clip, at a random time and place.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from benchmarks.faults import FAULTS, Fault
from selfcorrect.datasets.collections.cmu import INDEX, load_cmu
from selfcorrect.motion.checks.check import RuleChoice, check_with
from selfcorrect.motion.checks.rules import RULES
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.feasibility import check_physics, infer_surroundings

FLOOR_RULES = "FPX"
"""First letters of rules that need a level floor."""


@dataclass(frozen=True)
class Clips:
    """Real motions: `clean` have no recorded spikes, and `level` are those of them that stay on the floor."""

    clean: list[Motion]
    level: list[Motion]

    def select(self, code: str) -> list[Motion]:
        """Return the clips to which a rule applies."""
        return self.level if code[0] in FLOOR_RULES else self.clean


def load_clips(folder: Path, split: str) -> Clips:
    """Load the clips of a CMU split."""
    with (folder / INDEX).open(newline="") as file:
        spikes = {Path(row["file"]).stem: int(row["spike_frames"]) for row in csv.DictReader(file)}
    clean = [motion for motion in load_cmu(folder, split) if not spikes[Path(motion.source).stem]]
    return Clips(clean, [motion for motion in clean if "climb" not in motion.label])


def find_broken_rules(motion: Motion, codes: Sequence[str]) -> set[str]:
    """Return which of these rules a motion breaks."""
    choice = RuleChoice(tuple(codes))
    findings = check_with(motion, choice, infer_surroundings).findings
    if any(code.startswith("X") for code in codes):
        findings += tuple(check_physics(motion, choice))
    return {finding.code for finding in findings}


def find_false_alarms(clips: Clips, codes: Sequence[str]) -> dict[str, list[str]]:
    """Return the names of the clean clips that break each rule."""
    alarms: dict[str, list[str]] = {code: [] for code in codes}
    level_sources = {motion.source for motion in clips.level}
    for motion in clips.clean:
        for code in find_broken_rules(motion, codes):
            if code[0] not in FLOOR_RULES or motion.source in level_sources:
                alarms[code].append(Path(motion.source).stem)
    return alarms


def find_planted(motions: Sequence[Motion], fault: Fault, seed: int = 0) -> list[bool]:
    """Return for each planted fault whether one of its rules finds it.

    Motions in which the fault would not be visible are skipped.
    """
    hits = []
    for index, motion in enumerate(filter(fault.is_visible, motions)):
        faulty = fault.plant(motion, np.random.default_rng([seed, index]))
        hits.append(bool(find_broken_rules(faulty, fault.codes.split())))
    return hits


@dataclass(frozen=True)
class Benchmark:
    """Print false alarms and found faults by rule."""

    folder: tyro.conf.Positional[Path]
    """Folder of the CMU set."""
    physics: bool = False
    """Also evaluate the rules of physics, which take ten times as long as all others."""
    planted: int = 24
    """Number of test clips in which faults are planted."""

    def run(self) -> None:
        codes = [rule.code for rule in RULES if rule.measure or self.physics]
        splits = [load_clips(self.folder, "train"), load_clips(self.folder, "test")]
        alarms = [find_false_alarms(clips, codes) for clips in splits]
        print("| rule | false alarms, training clips | false alarms, test clips | planted faults found in test clips |")
        print("| --- | --- | --- | --- |")
        for code in codes:
            cells = []
            for clips, split_alarms in zip(splits, alarms, strict=True):
                alarm_count = len(split_alarms[code])
                clip_count = len(clips.select(code))
                cells.append(f"{alarm_count} of {clip_count} ({alarm_count / clip_count:.1%})")
            faults = [name for name, fault in FAULTS.items() if code in fault.codes.split()]
            cells.append("; ".join(self._describe_hits(splits[1].select(code), name) for name in faults))
            print(f"| {code} | {' | '.join(cells)} |", flush=True)
        for title, split_alarms in zip(("training", "test"), alarms, strict=True):
            print(f"{title}:", {code: names for code, names in split_alarms.items() if names})

    def _describe_hits(self, motions: Sequence[Motion], name: str) -> str:
        visible = list(filter(FAULTS[name].is_visible, motions))
        step = max(1, len(visible) // self.planted)
        hits = find_planted(visible[::step][: self.planted], FAULTS[name])
        return f"{name}: {sum(hits)} of {len(hits)}"


if __name__ == "__main__":
    tyro.cli(Benchmark).run()
