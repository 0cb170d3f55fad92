"""Players: motions on a self-contained HTML page, which needs only a browser."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from ...core.errors import SettingError
from ..checks.measure import measure_errors
from ..editing.transforms import resample
from ..measures.physical import penetration_by_frame_m
from ..measures.slip import measure_slip
from ..motion import Motion, MotionBatch
from ..perception.foot_frames import level_feet
from .figure import GHOST, PLANTED, SUNK, Figure, detect_standing, pose_figure
from .panels import PicturePanel, camera_path_m, is_unchanged, make_panels
from .timeline import TIMELINE_SCRIPT, ContactTimeline
from .tracks import FootTracks, draw_tracks

TEMPLATE = Path(__file__).with_name("player.html")
SCENE_MARK = '"{{ scene }}"'
_SCRIPTS_MARK = "/* {{ scripts }} */"

RESIDUAL = (132, 60, 200)
"""Colour of the trunk where residual force holds at least half of the body's weight."""

STEP_M = 2.5e-4
"""Resolution of positions relative to the root, in m. 16 bits cover ±8 m."""

_THIN_M = 0.01
"""Thickness of drawn sloping surfaces, in m."""

_TRACKS_PX = (480, 150)
"""Width and height of a track picture, in pixels."""

FASTEST_FPS = 60.0
"""Maximum frame rate of the page, in frames per second. Faster motions are resampled, and the page interpolates between
frames."""


@dataclass(frozen=True)
class PlayerPage:
    """A self-contained page that plays motions, shown inline by notebooks."""

    html: str

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{escape(self.html)}" width="100%" height="600" style="border: 0"></iframe>'


def show_panels(
    panels: Sequence[PicturePanel], titles: Sequence[str] = (), timeline: ContactTimeline | None = None
) -> PlayerPage:
    """Show motions side by side as a page.

    Args:
        timeline: Contacts of the last motion, which readers can edit and export.

    Raises:
        SettingError: There are no motions.
    """
    if not panels:
        raise SettingError("there is nothing to show: no motions were given")
    titles = titles or [""] * len(panels)
    scene = encode_scene(panels, titles, together=True, scheme="auto", timeline=timeline)
    title = ", ".join(filter(None, titles)) or "motion"
    return render_player(title, scene, [] if timeline is None else [TIMELINE_SCRIPT])


def render_player(title: str, scene: str, scripts: Sequence[Path]) -> PlayerPage:
    """Render a page from an encoded scene and files of further scripts."""
    page = TEMPLATE.read_text(encoding="utf-8")
    page = page.replace("{{ title }}", escape(title))
    block = "".join(script.read_text(encoding="utf-8") for script in scripts)
    page = page.replace(_SCRIPTS_MARK, f"{{\n{block}}}" if block else "")  # a block, for its own names
    return PlayerPage(page.replace(SCENE_MARK, scene))


def encode_scene(
    panels: Sequence[PicturePanel],
    titles: Sequence[str],
    *,
    together: bool = False,
    marked: bool = True,
    scheme: Literal["light", "auto"] = "light",
    timeline: ContactTimeline | None = None,
    editing: Mapping[str, Any] | None = None,
) -> str:
    """Encode the page's content as JSON to replace `SCENE_MARK` in `TEMPLATE`.

    The JSON cannot close a script element.

    Args:
        together: Use one camera for all panels if any of them may be a correction of the first.
        marked: Colour and measure faults, and make the floor transparent. Otherwise, show motions as they look.
        scheme: "auto" is dark if the reader's system is and no other page contains this one.
        timeline: Contacts of the last motion, for the script `timeline.js`.
        editing: Values for the script of a page on which motions change. Slips and tracks, which would not change
            with them, are left out.
    """
    fps = min(panels[0].motion.fps, FASTEST_FPS)
    shown = [replace(panel, motion=resample(panel.motion, fps)) for panel in panels]
    compared = make_panels([panel.motion for panel in panels], titles)
    has_one_camera = together and any(panel.before is not None for panel in compared)
    motions = []
    for panel, original, version in zip(shown, panels, compared, strict=True):
        path = _encode_numbers(camera_path_m(shown if has_one_camera else [panel]), "<f4")
        shown_title = f"{version.title} (unchanged)".strip() if is_unchanged(version) else version.title
        motions.append(
            {
                "title": shown_title,
                "path": path,
                **_describe_panel(panel, original, version.before, marked=marked, is_still=editing is None),
            }
        )
    scene: dict[str, Any] = {
        "fps": fps,
        "marked": marked,
        "scheme": scheme,
        "motions": motions,
        "tracks": _draw_tracks(panels, titles) if marked and editing is None else [],
        "colours": {"planted": _share(PLANTED), "sunk": _share(SUNK), "ghost": _share(GHOST), "held": _share(RESIDUAL)},
    }
    if timeline is not None:
        scene["timeline"] = timeline.to_json()
    if editing is not None:
        scene["editing"] = editing
    return json.dumps(scene).replace("<", "\\u003c")  # nothing may close the script element


def _draw_tracks(panels: Sequence[PicturePanel], titles: Sequence[str]) -> list[str]:
    """Draw foot tracks as PNG data URLs, all at one scale.

    Motions without feet have none.
    """
    drawn = [FootTracks.from_motion(panel.motion, title) for panel, title in zip(panels, titles, strict=True)]
    tracks = [track for track in drawn if track is not None]
    width_px, height_px = _TRACKS_PX
    picture = draw_tracks(tracks, width_px=width_px * len(tracks), height_px=height_px)
    addresses = []
    for start_px in range(0, width_px * len(tracks), width_px):
        content = io.BytesIO()
        Image.fromarray(picture[:, start_px : start_px + width_px]).save(content, "PNG")
        addresses.append("data:image/png;base64," + base64.b64encode(content.getvalue()).decode())
    return addresses


def _describe_panel(
    panel: PicturePanel, original: PicturePanel, before: Motion | None, *, marked: bool, is_still: bool
) -> dict[str, Any]:
    """Describe what the page draws of a panel.

    Args:
        panel: The panel, resampled to the page's frame rate.
        original: The panel before resampling, from which faults are measured.
        before: The motion that this one may be a correction of. Its feet decide which foot stands when.
        marked: Include faults.
        is_still: Include slips, which would have to change with the motion.
    """
    figure, points_m = pose_figure(panel.motion)
    rate = original.motion.fps / panel.motion.fps
    depth = None
    slides = None
    means = None
    if marked and (figure.feet >= 0).any():
        measures = measure_errors(original.motion, before, original.supports)
        depth = _encode_at_frames(measures.penetration_by_frame_m, rate, len(points_m))
        means = [measures.penetration_m]
        if is_still:
            slip = measure_slip(original.motion)
            fastest_m_s = np.nan_to_num(slip.speeds_m_s).max(axis=1, initial=0.0)
            slides = _encode_at_frames(np.pad(fastest_m_s, (1, 0)), rate, len(points_m))
            means.append(slip.per_stance_m)
    return {
        "frames": len(points_m),
        "bones": _list_bones(figure),
        **_encode_points(panel.motion, points_m),
        "step": STEP_M,
        "stands": _encode_numbers(detect_standing(panel.motion, figure) @ [1, 2], "u1"),
        "depth": depth,
        "slip": slides,
        "means": means,
        "residual": _encode_at_frames(original.residual_bodyweights, rate, len(points_m)) if marked else None,
        "supports": [_box_below(corners_m) for corners_m in panel.tops_m],
    }


def encode_piece(motion: Motion, frames: slice) -> dict[str, Any]:
    """Encode some frames of a motion, to replace those of a page that shows another version of it.

    Args:
        motion: The motion at the page's frame rate, with known feet.
    """
    piece = motion.select_frames(frames)
    _, points_m = pose_figure(piece)
    depths_m = penetration_by_frame_m(MotionBatch.stack([level_feet(piece)]))[0]
    first = frames.indices(len(motion))[0]
    return {"first": first, **_encode_points(piece, points_m), "depth": _encode_numbers(depths_m, "<f4")}


def _encode_points(motion: Motion, points_m: np.ndarray) -> dict[str, str]:
    """Encode root positions, and points relative to them."""
    steps = ((points_m - motion.root_m[:, None]) / STEP_M).clip(-32767, 32767).round()
    return {"root": _encode_numbers(motion.root_m, "<f4"), "points": _encode_numbers(steps, "<i2")}


def _box_below(corners_m: np.ndarray) -> list[list[float]]:
    """Return the box below a surface with corners (4, 3), as centre and half edges.

    The box of a level surface reaches down to y = 0.
    """
    across_m = (corners_m[1] - corners_m[0]) / 2
    along_m = (corners_m[3] - corners_m[0]) / 2
    is_level = np.ptp(corners_m[:, 1]) < 1e-6
    thickness_m = abs(float(corners_m[0, 1])) if is_level else _THIN_M
    height_m = np.array([0.0, thickness_m, 0.0]) / 2
    middle_m = corners_m.mean(axis=0) - np.sign(corners_m[0, 1]) * height_m
    return [middle_m.tolist(), across_m.tolist(), height_m.tolist(), along_m.tolist()]


def _list_bones(figure: Figure) -> list[list[float]]:
    """Return each capsule's points, radii, colour and foot."""
    bones = []
    radii_m = figure.radii_m.round(4).tolist()
    for ends, radii, colour, foot in zip(
        figure.bones.tolist(), radii_m, figure.colours, figure.feet.tolist(), strict=True
    ):
        bones.append([*ends, *radii, *_share(colour), foot])
    return bones


def _encode_at_frames(values: np.ndarray | None, rate: float, frames: int) -> str | None:
    """Encode values at the drawn frames, each with `rate` values.

    Returns None without values.
    """
    if values is None or not len(values):
        return None
    nearest = (np.arange(frames) * rate).round().astype(int)
    indices = np.minimum(nearest, len(values) - 1)
    return _encode_numbers(values[indices], "<f4")


def _share(colour: tuple[int, int, int]) -> list[float]:
    return [round(component / 255, 3) for component in colour]


def _encode_numbers(values: np.ndarray, kind: str) -> str:
    content = np.ascontiguousarray(values, dtype=kind).tobytes()
    return base64.b64encode(content).decode()
