"""What no force of the floor explains in the samples of a finished run, arm by arm: what only physics can take out.

    python experiments/benchmarks/unexplained.py runs/motion-full

Kinematic clean-up first removes penetration and skating from samples of each arm's last model. Then the force is
computed that the floor cannot give the body. The figures are added to the run's `summary.json`, as metrics of its last
generation, and of real windows, raw and corrected. Start it where the run was started, so that paths of data are found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from tqdm import tqdm

from selfcorrect.correctors.correction import Correction
from selfcorrect.experiments.motion.correctors.builtin import CorrectorInputs, physics
from selfcorrect.experiments.motion.run.feasibility import KEYS, feasibility, feasible_rows, of_arm
from selfcorrect.experiments.motion.run.parts import JudgedTask
from selfcorrect.experiments.motion.run.references import CORRECTED_REAL, REAL
from selfcorrect.experiments.motion.run.seed_runs import MotionRun, seed_runs
from selfcorrect.experiments.motion.run.task import motion_task
from selfcorrect.experiments.motion.settings.experiment import settings_of
from selfcorrect.experiments.reporting.results import ArmCurves
from selfcorrect.experiments.reporting.summary import SUMMARY, read_summary, write_summary
from selfcorrect.loop.run import corrected_real
from selfcorrect.runtime.progress import silent


@dataclass(frozen=True)
class Arguments:
    """What no floor explains in the samples of a run's last models."""

    run: tyro.conf.Positional[Path]
    """A finished run of `selfcorrect motion`."""
    samples: int = 64
    """Of each arm and seed."""


def of_real(run: MotionRun, task: JudgedTask, count: int) -> dict[str, dict[str, float]]:
    """Those of real windows that no model has seen, raw and corrected, by the names that summaries have for them."""
    inputs = CorrectorInputs(task.codec, task.task.real, task.task.model, run.stream, silent)
    raw = task.fresh.take(feasible_rows(task, run.stream, count))
    corrected = corrected_real(raw, Correction(physics(inputs)), run.stream)
    return {
        title: feasibility(task.codec.decode(samples.values), run.settings.engine)
        for title, samples in ((REAL, raw), (CORRECTED_REAL, corrected))
    }


def with_last(curves: ArmCurves, rows: Sequence[Mapping[str, float]]) -> ArmCurves:
    """Curves with the figures of every seed's last generation."""
    shape = next(iter(curves.values.values())).shape
    added = {key: np.full(shape, np.nan) for key in KEYS}
    for key, values in added.items():
        values[:, -1] = [row.get(key, np.nan) for row in rows]
    return replace(curves, values={**curves.values, **added})


def main(arguments: Arguments) -> None:
    """Measure all arms, print a line for each, and add the figures to the run's summary."""
    path = arguments.run / SUMMARY
    summary = read_summary(path)
    settings = settings_of(summary.settings)
    real: list[dict[str, dict[str, float]]] = []
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for run in tqdm(seed_runs(settings, arguments.run), unit="seed"):
        task = motion_task(settings, run.comparison, run.stream)
        if run.comparison == settings.comparisons[0]:
            real.append(of_real(run, task, arguments.samples))
        for arm in run.comparison.arms:
            measured = of_arm(run, task, arm, arguments.samples)
            found.setdefault((run.comparison.denoiser, arm.name), []).append(measured)
    floors = {
        title: {**scores, **{key: np.array([one[title][key] for one in real]) for key in KEYS}}
        for title, scores in summary.floors.items()
    }
    arms = {
        denoiser: tuple(with_last(curves, found[denoiser, curves.name]) for curves in group)
        for denoiser, group in summary.arms.items()
    }
    write_summary(path, replace(summary, floors=floors, arms=arms))
    for (denoiser, name), rows in found.items():
        told = "  ".join(f"{key} {np.mean([row[key] for row in rows]):.3f}" for key in KEYS if key in rows[0])
        print(f"{denoiser} {name}: {told}")


if __name__ == "__main__":
    main(tyro.cli(Arguments))
