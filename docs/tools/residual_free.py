"""Draws one kick with much, with little and without residual force: `python docs/tools/residual_free.py` writes
docs/pictures/residual-free.gif.

Below each body stands the force on its root at that moment, and its mean so far.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from selfcorrect.datasets.collections.deepmimic import load_deepmimic
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.pictures.drawing import animate, save_animation
from selfcorrect.motion.pictures.panels import PicturePanel
from selfcorrect.simulators.cleanup.clean import CleanupSettings, clean_motions
from selfcorrect.simulators.pipeline import Physics, correct_cleaned
from selfcorrect.simulators.settings.tracker import STRENGTHS, TrackerSettings

OUT = Path(__file__).resolve().parents[1] / "pictures" / "residual-free.gif"
CLIP = "spinkick"
FPS, SIZE_PX, LINE_PX = 15.0, 260, 20
INK, RED = (17, 24, 39), (185, 28, 28)
WAYS = {
    "balanced": TrackerSettings.at_strength(STRENGTHS["balanced"], "mujoco"),
    "residual-free, fallback": TrackerSettings.without_residual(fallback="balanced"),
    "residual-free": TrackerSettings.without_residual(),
}
"""By title: how the root is helped."""


def followed(motion: Motion, settings: TrackerSettings) -> tuple[Motion, np.ndarray, int | None]:
    """What the body did, the force on its root (T,) in body weights, and when it fell."""
    cleanup = CleanupSettings(polish=False)
    physics = Physics(settings, cleanup.mode, finishing=())
    ((made,),) = correct_cleaned(physics, [clean_motions(MotionBatch.stack([motion]), cleanup)])
    assert made.timeline is not None
    force = made.timeline.residual_force_bodyweights
    fell = None if made.failure is None else made.failure.frame
    return made.motion, np.concatenate([force, np.zeros(len(motion) - len(force))]), fell


def main() -> None:
    """Draw the bodies side by side, and what held them up below each."""
    motion = next(clip for clip in load_deepmimic() if clip.label == CLIP)
    results = {title: followed(motion, settings) for title, settings in WAYS.items()}
    for title, (_, force, fell) in results.items():
        print(f"{title}: {force.mean():.3f} body weights, {np.mean(force > 0):.2f} of frames, fell at {fell}")
    panels = [PicturePanel(resample(done, FPS), title) for title, (done, _, _) in results.items()]
    drawn = animate(panels, size_px=SIZE_PX, same_view=True)
    room = np.full((len(drawn), 2 * LINE_PX + 12, *drawn.shape[2:]), 255, np.uint8)
    pictures = [Image.fromarray(picture) for picture in np.concatenate([drawn, room], axis=1)]
    font = ImageFont.load_default(size=0.8 * LINE_PX)
    for column, (_, force, fell) in enumerate(results.values()):
        for index, picture in enumerate(pictures):
            frame = min(int(index / FPS * motion.fps), len(motion) - 1)
            down = fell is not None and frame >= fell
            text = "fell" if down else f"now {force[frame]:.2f} body weights\nmean {force[: frame + 1].mean():.3f}"
            place = (column * SIZE_PX + 12, SIZE_PX + 6)
            ImageDraw.Draw(picture).multiline_text(place, text, RED if down else INK, font)
    save_animation(OUT, np.stack([np.asarray(picture) for picture in pictures]), FPS)


if __name__ == "__main__":
    main()
