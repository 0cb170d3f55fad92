"""Which real windows strict correction accepts, with and without a fallback, by label: before any loop is run.

python -m benchmarks.strict_windows --windows 12 --seeds 3
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from scipy.stats import binomtest

from selfcorrect.experiments.motion.correctors.builtin import residual_free_corrector
from selfcorrect.experiments.motion.run.seed_runs import seed_runs
from selfcorrect.experiments.motion.run.task import motion_data
from selfcorrect.experiments.motion.settings.presets import PRESETS
from selfcorrect.motion.correction.results import CorrectedMotion
from selfcorrect.motion.motion import Motion


@dataclass(frozen=True)
class Arguments:
    """Correct real windows of the preset `strictness` without root force, then with the fallback."""

    windows: int = 12
    """Of each seed."""
    seeds: int = 3


def real_windows(arguments: Arguments) -> tuple[list[Motion], list[str]]:
    """Windows that no loop is trained on, with their labels."""
    motions, labels = [], []
    runs = {run.seed: run for run in seed_runs(replace(PRESETS["strictness"], seeds=arguments.seeds), Path("runs"))}
    for run in runs.values():
        fresh = motion_data(run.settings, run.stream).fresh
        motions += [fresh.batch[index] for index in range(arguments.windows)]
        labels += [fresh.label_names[label] for label in fresh.labels[: arguments.windows]]
    return motions, labels


def row(label: str, strict: list[CorrectedMotion], eased: list[CorrectedMotion]) -> str:
    """Accepted of tried by both, and the root force that the fallback gave on average, in Markdown."""
    counts = [sum(each.accepted for each in own) for own in (strict, eased)]
    given = np.mean([each.residual["residual_force_bodyweights"] for each in eased if each.accepted] or [np.nan])
    cells = []
    for count in counts:
        interval = binomtest(count, len(strict)).proportion_ci(method="wilson")
        cells.append(f"{count} of {len(strict)} ({100 * interval.low:.0f} to {100 * interval.high:.0f} %)")
    return f"| {label} | {' | '.join(cells)} | {given:.2f} |"


def main(arguments: Arguments) -> None:
    """Print a row for each label, and one for all."""
    motions, labels = real_windows(arguments)
    strict, eased = residual_free_corrector("mujoco")(motions), residual_free_corrector("mujoco", "balanced")(motions)
    print(
        "| label | without root force (95 % interval) | with the fallback | root force of the fallback (body weights) |"
    )
    print("| --- | --- | --- | --- |")
    for label in [*sorted(set(labels)), "all"]:
        here = [index for index, own in enumerate(labels) if label in (own, "all")]
        print(row(label, [strict[index] for index in here], [eased[index] for index in here]))


if __name__ == "__main__":
    main(tyro.cli(Arguments))
