"""Draws motions before and after correction, with the depth of their feet in the floor and the way that they have slid.

python docs/tools/moving_picture.py               # the walk of `selfcorrect demo`: docs/pictures/before-after.gif
python docs/tools/moving_picture.py SAMPLE.bvh    # a sample from runs/NAME/samples: docs/pictures/generated.gif
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from PIL import Image, ImageDraw, ImageFont

import selfcorrect as sc
from selfcorrect.experiments.correction.demo import demonstration
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.measures.physical import errors_by_frame
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.pictures.drawing import animate, save_animation
from selfcorrect.motion.pictures.panels import PicturePanel

PICTURES = Path(__file__).resolve().parents[1] / "pictures"
FPS, SIZE_PX, LINE_PX = 20.0, 360, 22
INK, RED = (17, 24, 39), (185, 28, 28)


def counters(motion: Motion, moments_s: np.ndarray) -> list[str]:
    """Depth of the feet in the floor at each moment, and the way that standing feet have slid until then."""
    errors = errors_by_frame(MotionBatch.stack([motion]))
    frames = np.minimum((moments_s * motion.fps).astype(int), len(motion) - 1)
    depth_mm = 1000 * errors.penetration_m[0][frames]
    slid_m = np.cumsum(errors.skate_m_s[0])[frames] / motion.fps
    return [f"in the floor {depth:3.0f} mm\nslid {slid:5.2f} m" for depth, slid in zip(depth_mm, slid_m, strict=True)]


def main(sample: Annotated[Path | None, tyro.conf.Positional] = None) -> None:
    """Draw both motions side by side, and what is counted below each."""
    if sample is None:
        made = demonstration()
        motions, name = [made.before, made.after.motion], "before-after.gif"
    else:
        drawn_sample = sc.load_motion(sample)
        motions = [drawn_sample, sc.correct(drawn_sample).motion]
        name = "generated.gif"
    panels = [
        PicturePanel(resample(motion, FPS), title) for motion, title in zip(motions, ("before", "after"), strict=True)
    ]
    drawn = animate(panels, size_px=SIZE_PX, same_view=True)
    room = np.full((len(drawn), 2 * LINE_PX + 12, *drawn.shape[2:]), 255, np.uint8)
    pictures = [Image.fromarray(picture) for picture in np.concatenate([drawn, room], axis=1)]
    font = ImageFont.load_default(size=0.8 * LINE_PX)
    moments_s = np.arange(len(pictures)) / FPS
    for column, motion in enumerate(motions):
        for picture, text in zip(pictures, counters(motion, moments_s), strict=True):
            place = (column * SIZE_PX + 12, SIZE_PX + 6)
            ImageDraw.Draw(picture).multiline_text(place, text, RED if column == 0 else INK, font)
    save_animation(PICTURES / name, np.stack([np.asarray(picture) for picture in pictures]), FPS)


if __name__ == "__main__":
    tyro.cli(main)
