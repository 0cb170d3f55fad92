"""Chooses the encoders that judge captions, on people who judge nothing else.

    python -m benchmarks.caption_encoders 'cmu-bvh.tar.gz#test'

Encoders with several settings are trained on the first three quarters of each clip and score on the last, which shares
no frame with them. The preset `text` trains and judges on the split `train`, whose people are others. Prints means over
seeds of R-precision, and what shuffled captions score. The defaults of `ContrastiveSettings` were chosen here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
import tyro

from selfcorrect.core.randomness import streams
from selfcorrect.datasets.load import load_motions
from selfcorrect.datasets.window_settings import WindowSettings
from selfcorrect.datasets.windows import Split, split_windows
from selfcorrect.experiments.motion.run.captions import CaptionJudge, label_by_caption
from selfcorrect.experiments.motion.run.task import CAPTION_STRIDE, WINDOWS_PER_CAPTION, caption_vectors
from selfcorrect.models.contrastive import ContrastiveSettings

_BASE = ContrastiveSettings()
CANDIDATES = {
    "defaults": _BASE,
    **{f"dropout {rate}": replace(_BASE, dropout=rate) for rate in (0.0, 0.2, 0.7)},
    "steps 100": replace(_BASE, steps=100),
}


def score(split: Split, settings: ContrastiveSettings, seed: int) -> tuple[dict[str, float], dict[str, float]]:
    """What held-out times score with their captions, and with captions that were shuffled."""
    known, stream = split.training.labels, streams(seed).child("retrieval")
    judge = CaptionJudge.fit(split.training, known, caption_vectors(split.training.label_names), stream, settings)
    shuffled = stream.child("shuffled").numpy().permutation(split.held_out.labels)
    held_out = split.held_out.batch
    return judge.scores(held_out, split.held_out.labels), judge.scores(held_out, shuffled)


def main(data: Annotated[str, tyro.conf.Positional], seeds: int = 3) -> None:
    """Print a row for each of `CANDIDATES`."""
    settings = WindowSettings(stride=CAPTION_STRIDE, mirrored=False, cap_per_label=WINDOWS_PER_CAPTION)
    split = split_windows(label_by_caption(load_motions(data)), settings)
    names = len(split.training.label_names)
    print(f"{names} captions, {len(split.training)} windows to train on, {len(split.held_out)} held out")
    print(f"{'settings':<20} {'top 1':>6} {'top 3':>6}  shuffled: top 3")
    for name, candidate in CANDIDATES.items():
        scores = [score(split, candidate, seed) for seed in range(seeds)]
        mean = [float(np.mean([each[0][f"r_precision_{top}"] for each in scores])) for top in (1, 3)]
        chance = float(np.mean([each[1]["r_precision_3"] for each in scores]))
        print(f"{name:<20} {mean[0]:6.3f} {mean[1]:6.3f}  {chance:6.3f}", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
