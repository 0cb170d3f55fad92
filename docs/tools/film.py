"""Draw samples of the first and the last generation as docs/pictures/collapse.gif: `python docs/tools/film.py RUN`.

RUN is a folder of `selfcorrect motion --preset short`, whose uncorrected loop is fully synthetic. All columns have the
first label of the data. The noise of a column is the same in both rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import tyro

from selfcorrect.experiments.motion.media import draw_samples
from selfcorrect.experiments.motion.run.study import motion_runs
from selfcorrect.experiments.motion.run.task import motion_task
from selfcorrect.experiments.motion.settings.experiment import settings_from_config
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.summary import read_summary
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.pictures.drawing import animate, save_animation
from selfcorrect.motion.pictures.panels import PicturePanel

OUT = Path(__file__).resolve().parents[1] / "pictures" / "collapse.gif"
COLUMNS = 5
FPS = 12.5
SIZE_PX = 132


def main(run: Annotated[Path, tyro.conf.Positional]) -> None:
    """Draw the samples of the first seed."""
    settings = settings_from_config(read_summary(run / "summary.json").settings)
    first = motion_runs(settings, run)[0]
    task = motion_task(settings, settings.comparisons[0], first.stream)
    labels = torch.zeros(COLUMNS, dtype=torch.long)
    label = task.data.training.label_names[0]
    last = settings.generations
    uncorrected = ArmSettings("replace")
    folder = first.arm_folder(uncorrected)
    rows = [
        (f"{label}, generation 0", draw_samples(first, task, labels, BASELINE, 0, first.first_folder)),
        (f"{label}, generation {last}", draw_samples(first, task, labels, uncorrected, last, folder)),
    ]
    panels = []
    for title, motions in rows:
        for index, motion in enumerate(motions):
            panels.append(PicturePanel(resample(motion, FPS), title * (index == 0)))
    save_animation(OUT, animate(panels, size_px=SIZE_PX, columns=COLUMNS), FPS)
    print(OUT)


if __name__ == "__main__":
    tyro.cli(main)
