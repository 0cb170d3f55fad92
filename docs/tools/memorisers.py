"""What a memoriser scores beside the runs of earlier versions: `python docs/tools/memorisers.py`, in the data's folder.

A memoriser returns its training windows, drawn with replacement. Scores that it reaches do not show that a model
generalises. Runs of version 0.3 measure it themselves. For the others, only their real data are needed, which a seed
determines. The same real data are scored as well: a seed whose floor is not the kept one is left out with a warning.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Mapping

from evidence import REAL
from keeping import SUMMARIES
from page_tables import MEMORISERS, TABLES

from selfcorrect.core.randomness import Stream, streams
from selfcorrect.datasets.windows import Windows
from selfcorrect.experiments.motion.run.task import motion_data, motion_evaluator
from selfcorrect.experiments.motion.settings.experiment import MotionSettings, settings_from_config
from selfcorrect.experiments.reporting.summary import Summary, read_summary
from selfcorrect.motion.measures.metrics import MEASURED

COLUMNS = ("summary", "seed", "metric", "value")
TOLERANCE = 0.01
"""Largest relative difference of a floor's Fréchet distance to the kept one."""


def score_memorisers(name: str, summary: Summary) -> Iterator[tuple[str, int, str, str]]:
    """Yield rows of `COLUMNS` for the seeds of a kept run."""
    settings = settings_from_config(summary.settings)
    for index in range(summary.seeds):
        seed = summary.first_seed + index
        floor, memoriser = _score_real_data(settings, streams(seed))
        kept = float(summary.floors[REAL]["fid_kinematic"][index])
        if abs(floor["fid_kinematic"] - kept) > TOLERANCE * kept:
            print(f"{name}, seed {seed}: real data score {floor['fid_kinematic']:.4g}, not {kept:.4g}", file=sys.stderr)
            continue
        for metric in MEASURED:
            yield name, seed, metric.key, f"{memoriser[metric.key]:.5g}"


def _score_real_data(settings: MotionSettings, stream: Stream) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Return the scores of fresh real windows, and those of training windows drawn with replacement."""
    data = motion_data(settings, stream)
    evaluator = motion_evaluator(settings, stream)
    draws = stream.child("memoriser").numpy().integers(len(data.training), size=len(data.fresh))

    def score(windows: Windows) -> Mapping[str, float]:
        return evaluator.evaluate(windows.batch, windows.labels)

    return score(data.fresh), score(data.training.take(draws))


def main() -> None:
    """Score the memorisers of all runs in tables of the pages."""
    names = sorted({group.summary for table in TABLES.values() for group in table.groups})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name in names:
        writer.writerows(score_memorisers(name, read_summary(SUMMARIES / f"{name}.json")))
        print(name)
    MEMORISERS.write_text(text.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    main()
