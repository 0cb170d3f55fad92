"""Draws what each control does to a correction: docs/pictures/control-*.png, a row of moments before and after.

python docs/tools/control_pictures.py [NAME ...]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from PIL import Image

import selfcorrect as sc
from selfcorrect.datasets.collections.deepmimic import load_deepmimic
from selfcorrect.motion.editing.transforms import close_cycle, repeat_cycle
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.drawing import Camera, film_strip, fit_camera
from selfcorrect.motion.pictures.panels import PicturePanel

PICTURES = Path(__file__).resolve().parents[1] / "pictures"
MOMENTS, SIZE_PX = 6, 200
AZIMUTHS_DEG = {"contacts": 15.0}
"""From where a picture is seen, where that is not the side."""
STEP_M = 0.18
UP = np.array([0.0, 1.0, 0.0])

Rows = Mapping[str, Motion]


@cache
def walk() -> Motion:
    """A real walk of three cycles that is 8 cm too low."""
    cycle = next(clip for clip in load_deepmimic() if clip.label == "walk")
    whole = repeat_cycle(close_cycle(cycle), 3)
    return raised(whole, -0.08)


def raised(motion: Motion, by_m: float) -> Motion:
    return replace(motion, root_m=motion.root_m + by_m * UP)


def corrected(motion: Motion, **options: Any) -> Motion:
    """The kinematic correction of a motion."""
    correction = sc.correct(motion, kinematic=True, **options)
    assert correction.accepted, correction.reason
    return correction.motion


def contacts() -> Rows:
    found = sc.Contacts.from_motion(corrected(walk()))
    each = found.contacts[len(found.contacts) // 2]
    assert each.position_m is not None
    x, y, z = each.position_m
    moved = replace(each, position_m=(x + 0.25 * (-1 if each.part == "right foot" else 1), y, z))
    edited = replace(found, contacts=tuple(moved if one == each else one for one in found.contacts))
    around = max(0, each.first_frame - 12), each.last_frame + 12
    rows = {"corrected": corrected(walk()), "one contact moved": corrected(walk(), contacts=edited)}
    return {title: motion.frames(*around) for title, motion in rows.items()}


def ground() -> Rows:
    """A walk that goes through steps, and over them."""
    low = raised(walk(), 0.08)
    deep_m = {1: 0.6, 2: 0.6, 3: 3.0}
    boxes = tuple(
        sc.GroundBox((0.0, STEP_M * k / 2, 0.6 + 0.6 * k + deep / 2), (1.4, STEP_M * k, deep))
        for k, deep in deep_m.items()
    )
    rise_m = np.interp(low.root_m[:, 2], [0.9, 1.5, 2.1, 2.7, 3.3], STEP_M * np.array([0.0, 0.6, 1.6, 2.6, 3.0]))
    up = replace(low, root_m=low.root_m + (rise_m - 0.02)[:, None] * UP, ground=sc.Ground(boxes))
    return {"before": up, "--ground stairs.json": corrected(up)}


def slope() -> Rows:
    there = replace(walk(), ground=sc.Ground(slope_deg=8.0))
    uphill = np.tan(np.radians(8.0)) * walk().root_m[:, 2:] * UP
    up = replace(there, root_m=raised(walk(), 0.05).root_m + uphill)
    return {"before": up, "--ground slope.json": corrected(up)}


def floor() -> Rows:
    flies = raised(walk(), 0.28)
    return {"before": flies, "--floor 0.2": corrected(raised(flies, -0.2))}


def frames() -> Rows:
    return {"before": walk(), "--frames 40:80": corrected(walk(), frames="40:80")}


def amount() -> Rows:
    return {"before": walk(), "--amount 20=0 90=1": corrected(walk(), amount=("20=0", "90=1"))}


def keep() -> Rows:
    return {"corrected": corrected(walk()), "--keep hands": corrected(walk(), keep=("hands",))}


def delta() -> Rows:
    """A motion, and its layer over another one: the same walk with its arms still."""
    made, still = corrected(walk()), replace(walk(), rotations=walk().rotations.copy())
    arms = [joint for joint, part in enumerate(still.skeleton.parts) if part.endswith(("shoulder", "elbow"))]
    still.rotations[:, arms] = still.rotations[:1, arms]
    return {"edited after the correction": still, "with the layer": _layered(still, walk(), made)}


def _layered(motion: Motion, before: Motion, after: Motion) -> Motion:
    """A motion with what a correction has added to another one."""
    from selfcorrect.motion.geometry.rotations import compose, invert

    rotations = compose(motion.rotations, compose(invert(before.rotations), after.rotations))
    return replace(motion, root_m=motion.root_m + after.root_m - before.root_m, rotations=rotations)


CONTROLS: Mapping[str, Callable[[], Rows]] = {
    each.__name__: each for each in (contacts, ground, slope, floor, frames, amount, keep, delta)
}


def draw(name: str) -> None:
    """One picture: a row per motion; what moved since the first row by 2 cm is marked."""
    rows = list(CONTROLS[name]().items())
    first = rows[0][1]
    panels = [PicturePanel(motion, title, before=None if motion is first else first) for title, motion in rows]
    camera = fit_camera(panels, Camera(azimuth_deg=AZIMUTHS_DEG.get(name, 62.0), elevation_deg=10.0))
    picture = film_strip(panels, pictures=MOMENTS, size_px=SIZE_PX, camera=camera)
    Image.fromarray(picture).quantize(255, Image.Quantize.FASTOCTREE).save(
        PICTURES / f"control-{name}.png", optimize=True
    )


def main(names: Annotated[tuple[str, ...], tyro.conf.Positional] = tuple(CONTROLS)) -> None:
    """Draw the pictures of some controls, by default of all."""
    for name in names:
        draw(name)


if __name__ == "__main__":
    tyro.cli(main)
