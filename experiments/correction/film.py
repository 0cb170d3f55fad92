"""Before and after as a film."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.core.extras import needed_for
from selfcorrect.motion.correction.results import CorrectedMotion
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.drawing import animate, fitted
from selfcorrect.motion.pictures.panels import PicturePanel

VIDEO_FPS = 30.0
_SHOT_FRAMES = 120
_FITTED_FRAMES = 2000
"""Frames of which the camera shows whole bodies, spread over a motion, so that memory does not grow with its length."""


def film(path: Path, pairs: Sequence[tuple[Motion, CorrectedMotion]]) -> None:
    """Each motion and its correction side by side as MP4, one after the other."""
    with needed_for("a film"):
        import imageio.v2 as imageio
    fps = min(pairs[0][0].fps, VIDEO_FPS)
    writer: Any = imageio.get_writer(path, fps=fps, codec="libx264", macro_block_size=1)
    with writer:
        for before, correction in pairs:
            for picture in _pictures(before, correction, fps):
                writer.append_data(picture)


def _pictures(before: Motion, correction: CorrectedMotion, fps: float) -> Iterator[np.ndarray]:
    """Both motions side by side, drawn shot by shot so that memory does not grow with their length."""
    motions = [resample(motion, fps) for motion in (before, correction.motion)]
    thinned = [resample(motion, min(fps, fps * _FITTED_FRAMES / len(motion))) for motion in motions]
    camera = fitted(_panels(thinned, correction), same_view=True)
    frames, margin = len(motions[0]), int(fps)  # the camera's path is smoothed over less than the margin
    for start in range(0, frames, _SHOT_FRAMES):
        first, stop = max(start - margin, 0), min(start + _SHOT_FRAMES, frames)
        shots = [motion.frames(first, min(stop + margin, frames)) for motion in motions]
        yield from animate(_panels(shots, correction), same_view=True, camera=camera)[start - first : stop - first]


def _panels(motions: Sequence[Motion], correction: CorrectedMotion) -> list[PicturePanel]:
    before, after = motions
    return [PicturePanel(before, "before"), PicturePanel(after, "after", tuple(correction.supports), before)]
