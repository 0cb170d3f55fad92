"""Motions as one page that plays them: HTML that needs no network, no server and no package beside the browser."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...core.errors import SettingError
from ..body.foot_frames import level_feet
from ..correction.results import CorrectedMotion
from ..editing.transforms import resample
from ..measures.physical import errors_by_frame, physical_errors
from ..motion import Motion, MotionBatch
from .figure import GHOST, PLANTED, SUNK, Figure, detect_standing, pose_figure
from .panels import PicturePanel, camera_path_m, make_panels

TEMPLATE = Path(__file__).with_name("player.html")
SCENE_MARK = '"{{ scene }}"'

RESIDUAL = (132, 60, 200)
"""Colour of a trunk that a residual force of half the body's weight, or more, holds."""

STEP_M = 2.5e-4
"""Positions relative to the root are rounded to this: ±8 m fit into 16 bits."""

_THIN_M = 0.01
"""Surfaces that slope are drawn as thick as this."""

FASTEST_FPS = 60.0
"""Motions of higher rates are thinned; the page interpolates between frames."""


@dataclass(frozen=True)
class PlayerPage:
    """A self-contained page that plays motions; notebooks show it in place."""

    html: str

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{escape(self.html)}" width="100%" height="520" style="border: 0"></iframe>'


def show(*motions: Motion | CorrectedMotion, titles: Sequence[str] = (), spread_m: float = 1.2) -> PlayerPage:
    """Motions side by side as a page that a notebook shows, and whose `html` may be written to a file.

    Of a correction, the page also shows the residual force and what carries the body. titles: what stands above each;
    spread_m: 0 lays the motions over one another at first. Raises SettingError without motions.
    """
    if not motions:
        raise SettingError("there is nothing to show: no motions were given")
    return make_player([_panel(each) for each in motions], titles or [""] * len(motions), overlaid=spread_m == 0)


def make_player(panels: Sequence[PicturePanel], titles: Sequence[str], *, overlaid: bool = False) -> PlayerPage:
    """The page of panels, which are compared with the first one where they may be its corrections."""
    title = escape(", ".join(filter(None, titles)) or "motion")
    page = TEMPLATE.read_text(encoding="utf-8").replace("{{ title }}", title)
    return PlayerPage(page.replace(SCENE_MARK, encode_scene(panels, titles, overlaid=overlaid)))


def encode_scene(
    panels: Sequence[PicturePanel],
    titles: Sequence[str],
    *,
    together: bool | None = None,
    overlaid: bool = False,
    marked: bool = True,
    scheme: Literal["light", "auto"] = "light",
) -> str:
    """What the page plays, as JSON that cannot end a script element; it takes the place of `SCENE_MARK` in `TEMPLATE`.

    together: one camera for all panels, by default where they may be corrections of the first; overlaid: all are drawn
    in one view at first; marked: faults are coloured and counted, and the floor hides nothing. Without it the page
    shows motions as they look. scheme: "auto" is dark where the reader's system is.
    """
    fps = min(panels[0].motion.fps, FASTEST_FPS)
    shown = [replace(panel, motion=resample(panel.motion, fps)) for panel in panels]
    if together is None:
        together = any(one.before is not None for one in make_panels([panel.motion for panel in shown], titles))
    scene: dict[str, Any] = {
        "fps": fps,
        "overlaid": overlaid,
        "together": together,
        "marked": marked,
        "scheme": scheme,
        "motions": [
            {
                "title": title,
                "path": _numbers(camera_path_m(shown, panel, together), "<f4"),
                **_describe_panel(panel, given),
            }
            for panel, given, title in zip(shown, panels, titles, strict=True)
        ],
        "colours": {"planted": _share(PLANTED), "sunk": _share(SUNK), "ghost": _share(GHOST), "held": _share(RESIDUAL)},
    }
    if not marked:
        for shown_motion in scene["motions"]:
            shown_motion |= {"depth": None, "skate": None, "residual": None}
    return json.dumps(scene).replace("<", "\\u003c")  # so that nothing in it ends the script element


def _panel(given: Motion | CorrectedMotion) -> PicturePanel:
    if isinstance(given, Motion):
        return PicturePanel(given)
    residual = None if given.timeline is None else given.timeline.residual_force_bodyweights
    return PicturePanel(given.motion, supports=given.supports, residual_bodyweights=residual)


def _describe_panel(panel: PicturePanel, given: PicturePanel) -> dict[str, Any]:
    """What the page draws of a panel whose motion was resampled from that of another."""
    figure, points_m = pose_figure(panel.motion)
    root_m = panel.motion.root_m
    rate = given.motion.fps / panel.motion.fps
    batch = MotionBatch.stack([level_feet(given.motion)]) if (figure.feet >= 0).any() else None
    errors = None if batch is None else errors_by_frame(batch)
    whole = None if batch is None else physical_errors(batch, [panel.supports])
    return {
        "frames": len(points_m),
        "bones": _bones(figure),
        "root": _numbers(root_m, "<f4"),
        "points": _numbers(np.clip((points_m - root_m[:, None]) / STEP_M, -32767, 32767).round(), "<i2"),
        "step": STEP_M,
        "stands": _numbers(detect_standing(panel.motion, figure) @ [1, 2], "u1"),
        "depth": None if errors is None else _at_frames(errors.penetration_m[0], rate, len(points_m)),
        "skate": None if errors is None else _at_frames(errors.skate_m_s[0], rate, len(points_m)),
        "means": None if whole is None else [float(whole.penetration_m[0]), float(whole.skate_m_s[0])],
        "residual": _at_frames(given.residual_bodyweights, rate, len(points_m)),
        "supports": [_solid(corners_m) for corners_m in panel.tops_m],
    }


def _solid(corners_m: np.ndarray) -> list[list[float]]:
    """The middle of a box below a surface with corners (4, 3), down to y = 0 if level, and halves of its edges."""
    across_m, along_m = (corners_m[1] - corners_m[0]) / 2, (corners_m[3] - corners_m[0]) / 2
    height_m = np.array([0.0, abs(float(corners_m[0, 1])) if np.ptp(corners_m[:, 1]) < 1e-6 else _THIN_M, 0.0]) / 2
    middle_m = corners_m.mean(axis=0) - np.sign(corners_m[0, 1]) * height_m
    return [each.tolist() for each in (middle_m, across_m, height_m, along_m)]


def _bones(figure: Figure) -> list[list[float]]:
    """Of each capsule: both points, both radii, its colour and its foot."""
    columns = figure.bones.tolist(), figure.radii_m.round(4).tolist(), figure.colours, figure.feet.tolist()
    return [[*ends, *radii, *_share(colour), foot] for ends, radii, colour, foot in zip(*columns, strict=True)]


def _at_frames(values: np.ndarray | None, rate: float, frames: int) -> str | None:
    """What the frames drawn show of values at `rate` times as many frames; None where there are none."""
    if values is None or not len(values):
        return None
    at = np.minimum((np.arange(frames) * rate).round().astype(int), len(values) - 1)
    return _numbers(values[at], "<f4")


def _share(colour: tuple[int, int, int]) -> list[float]:
    return [round(each / 255, 3) for each in colour]


def _numbers(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=np.dtype(kind)).tobytes()).decode()
