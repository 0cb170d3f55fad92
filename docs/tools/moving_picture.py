"""Draws the picture of the README: `python docs/tools/moving_picture.py` writes docs/pictures/before-after.gif.

The walk of `selfcorrect demo`, spoiled and corrected, with the depth of its feet in the floor now and the way that they
have slid so far.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from selfcorrect.experiments.correction.demo import demonstration
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.measures.physical import errors_by_frame
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.pictures.drawing import animate, save_animation
from selfcorrect.motion.pictures.panels import PicturePanel

OUT = Path(__file__).resolve().parents[1] / "pictures" / "before-after.gif"
FPS, SIZE_PX, LINE_PX = 20.0, 360, 22
INK, RED = (17, 24, 39), (185, 28, 28)


def counters(motion: Motion, moments_s: np.ndarray) -> list[str]:
    """Depth of the feet in the floor at each moment, and the way that standing feet have slid until then."""
    errors = errors_by_frame(MotionBatch.stack([motion]))
    frames = np.minimum((moments_s * motion.fps).astype(int), len(motion) - 1)
    depth_mm = 1000 * errors.penetration_m[0][frames]
    slid_m = np.cumsum(errors.skate_m_s[0])[frames] / motion.fps
    return [f"in the floor {depth:3.0f} mm\nslid {slid:5.2f} m" for depth, slid in zip(depth_mm, slid_m, strict=True)]


def main() -> None:
    """Draw both motions side by side, and what is counted below each."""
    made = demonstration()
    motions = [made.before, made.after.motion]
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
    save_animation(OUT, np.stack([np.asarray(picture) for picture in pictures]), FPS)


if __name__ == "__main__":
    main()
