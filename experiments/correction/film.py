"""Before and after as a film."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np

from selfcorrect.motion.correction.results import CorrectedMotion
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.drawing import Panel, animate
from selfcorrect.motion.transforms import resample

VIDEO_FPS = 30.0
_SHOT_FRAMES = 120


def film(path: Path, pairs: Sequence[tuple[Motion, CorrectedMotion]]) -> None:
    """Each motion and its correction side by side as MP4, one after the other."""
    fps = min(pairs[0][0].fps, VIDEO_FPS)
    writer: Any = imageio.get_writer(path, fps=fps, codec="libx264", macro_block_size=1)
    with writer:
        for before, correction in pairs:
            for picture in _pictures(before, correction, fps):
                writer.append_data(picture)


def _pictures(before: Motion, correction: CorrectedMotion, fps: float) -> Iterator[np.ndarray]:
    """Both motions side by side, drawn shot by shot so that memory does not grow with their length."""
    motions = [resample(motion, fps) for motion in (before, correction.motion)]
    frames, margin = len(motions[0]), int(fps)  # the camera's path is smoothed over less than the margin
    for start in range(0, frames, _SHOT_FRAMES):
        first, stop = max(start - margin, 0), min(start + _SHOT_FRAMES, frames)
        shots = [motion.frames(first, min(stop + margin, frames)) for motion in motions]
        panels = [Panel(shots[0], "before"), Panel(shots[1], "after", tuple(correction.supports))]
        yield from animate(panels, same_view=True)[start - first : stop - first]
