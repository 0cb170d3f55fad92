"""Motions drawn as pictures, film strips, GIF and MP4.

Bodies and colours are those of the page that plays motions. The body's left side is blue, its right side orange, the
middle grey. Standing feet are green; feet more than 2 cm below the floor are red; steps and seats are light brown.
Floor tiles measure half a metre. The camera follows the root along the floor, from a distance at which the whole body
is visible in every frame.

If a motion is compared with another, it is drawn over the other one. The other motion is light grey, and joints that
moved are violet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...core.errors import SettingError
from ...core.extras import requires_extra
from ...storage.files.writing import refuse_to_replace, replacing
from ..editing.transforms import resample
from ..geometry.vectors import ALONG_FLOOR, norms
from ..motion import Motion
from .figure import FOOT_RADIUS_M, GHOST, INK, PAPER, PLANTED, SUNK, Colour, Figure, detect_standing, pose_figure
from .panels import PicturePanel, camera_path_m, make_panels
from .tracks import GRID, GRID_M, SUPERSAMPLING, SWING, FootTracks, draw_disc, draw_tracks, load_font

TILES: tuple[Colour, Colour] = ((238, 238, 234), GRID)
SUPPORT: Colour = (203, 184, 148)
MOVED: Colour = (148, 52, 190)

MARKED_M = 0.02
"""Depth in the floor, and move of a joint, from which on feet and joints are marked, in m."""
MAX_TILES = 16
"""Maximum number of tiles from the target to the floor's edge."""
FLOOR_RADIUS_M = 3.0

_LEGEND = f"grey: before; violet: moved over {100 * MARKED_M:.0f} cm; green: stands; red: sunk"
_TRACKS_PX = 300
"""Height of the row of foot tracks, in pixels."""


def _make_axes() -> np.ndarray:
    """Return a camera's right, up and backward axes in the world, as rows of (3, 3).

    At azimuth 0, the camera would look from +z.
    """
    azimuth, elevation = np.radians([40.0, 14.0])
    level = np.cos(elevation)
    towards = np.array([np.sin(azimuth) * level, np.sin(elevation), np.cos(azimuth) * level])
    right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
    return np.stack([right, np.cross(towards, right), towards])


_AXES = _make_axes()


@dataclass(frozen=True)
class Camera:
    """A camera at `distance_m` from a target above the floor.

    `view_m` is the height of the visible area at the target's distance.
    """

    distance_m: float = 7.0
    view_m: float = 2.3
    target_height_m: float = 0.88

    def project_m(self, points_m: np.ndarray) -> np.ndarray:
        """Project points (..., 3), relative to the target, onto the target's plane (..., 2)."""
        in_camera = points_m @ _AXES.T
        return in_camera[..., :2] / (1 - in_camera[..., 2] / self.distance_m)[..., None]


def fit_camera(panels: Sequence[PicturePanel]) -> Camera:
    """Fit a camera that shows the whole bodies of all panels in all frames.

    The camera follows their common middle.
    """
    camera = Camera()
    path_m = camera_path_m(panels)
    around_m = [points_m for panel in panels for points_m in _around_path_m(panel, path_m)]
    for _ in range(_FITTING_STEPS):  # perspective changes with the distance
        target_m = (0.0, camera.target_height_m, 0.0)
        camera = _move_back(camera, [camera.project_m(points_m - target_m) for points_m in around_m])
    return camera


_FITTING_STEPS = 3
_FITTED_FRAMES = 2000
"""Number of frames, evenly spread, in which bodies must be visible, limited because frames need memory."""

_EDGE_M = 0.16
"""Margin around joints, for heads and hands, in m."""
_TITLE_SHARE = 0.1
"""Share of the picture's height that is reserved for titles."""


def _around_path_m(panel: PicturePanel, path_m: np.ndarray) -> list[np.ndarray]:
    """Return points (K, 3) of a panel's bodies relative to the camera's path.

    The path (T, 3) is on the floor.
    """
    around = []
    for body in [panel.motion] if panel.before is None else [panel.motion, panel.before]:
        _, points_m = pose_figure(body)
        frames = np.arange(0, len(points_m), max(1, len(points_m) // _FITTED_FRAMES))
        place_m = path_m[np.minimum(frames, len(path_m) - 1)]
        around.append((points_m[frames] - place_m[:, None]).reshape(-1, 3))
    return around


def _move_back(camera: Camera, projected_m: Sequence[np.ndarray]) -> Camera:
    """Move the camera back until all points (K, 2) are visible."""
    low = np.min([points_m.min(axis=0) for points_m in projected_m], axis=0) - _EDGE_M
    high = np.max([points_m.max(axis=0) for points_m in projected_m], axis=0) + _EDGE_M
    half_m = camera.view_m / 2
    top_m = (0.5 - _TITLE_SHARE) * camera.view_m
    if (low >= -half_m).all() and high[0] <= half_m and high[1] <= top_m:
        return camera
    width_m = 2 * max(-low[0], high[0])
    needed_height_m = (high[1] - low[1]) / (1 - _TITLE_SHARE)
    view_m = max(camera.view_m, width_m, needed_height_m)
    height_m = camera.target_height_m + max(high[1] - (0.5 - _TITLE_SHARE) * view_m, 0.0)
    height_m += min(low[1] + 0.5 * view_m, 0.0)
    factor = view_m / camera.view_m
    return replace(camera, view_m=view_m, target_height_m=height_m, distance_m=factor * camera.distance_m)


def animate(panels: Sequence[PicturePanel], *, size_px: int = 360) -> np.ndarray:
    """Draw motions side by side, frame by frame.

    A motion that ends early holds its last pose. If any panel is compared with another, one camera is used for all.

    Args:
        panels: The motions, with titles and what else is drawn.
        size_px: Height and width of a panel, in pixels.

    Returns:
        (T, height, width, 3) uint8.
    """
    moments = np.arange(max(len(panel.motion) for panel in panels))
    films = [_draw_panel(view, moments, size_px, view.panel.title) for view in _make_views(panels)]
    return np.concatenate(films, axis=2)


def film_strip(panels: Sequence[PicturePanel], *, pictures: int = 8, size_px: int = 240) -> np.ndarray:
    """Draw each motion as a row of pictures, evenly spaced in time.

    The view is that of `animate`.

    Args:
        panels: The motions, with titles and what else is drawn.
        pictures: Number of pictures in a row.
        size_px: Height and width of a picture, in pixels.

    Returns:
        (height, width, 3) uint8.
    """
    strips = []
    for view in _make_views(panels):
        moments = np.linspace(0, len(view.panel.motion) - 1, pictures).round().astype(int)
        first = _draw_panel(view, moments[:1], size_px, view.panel.title)
        others = _draw_panel(view, moments[1:], size_px, "")
        strips.append(np.concatenate([*first, *others], axis=1))
    return np.concatenate(strips, axis=0)


def save_picture(path: Path, picture: np.ndarray) -> None:
    """Write a picture (height, width, 3) uint8 as PNG."""
    Image.fromarray(picture).save(path)


_PALETTE_FRAMES = 8
"""Number of frames that determine a GIF's colours. A single frame may lack the colours of standing or sunk feet."""


def save_animation(path: Path, frames: np.ndarray, fps: float) -> None:
    """Write frames (T, height, width, 3) uint8 as MP4 or, for other suffixes, as GIF."""
    if path.suffix == ".mp4":
        with requires_extra("MP4"):
            import imageio.v3 as imageio
        # The most common video format wants even sizes.
        height = frames.shape[1] // 2 * 2
        width = frames.shape[2] // 2 * 2
        imageio.imwrite(path, frames[:, :height, :width], fps=fps, codec="libx264", macro_block_size=1)
        return
    step = ceil(len(frames) / _PALETTE_FRAMES)
    samples = np.concatenate(frames[::step])
    palette = Image.fromarray(samples).quantize(128)
    images = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    # GIF counts time in hundredths of a second.
    images[0].save(path, save_all=True, append_images=images[1:], duration=10 * round(100 / fps), loop=0)


def draw_motions(
    path: str | Path, motions: Motion | Sequence[Motion], titles: Sequence[str] = (), *, overwrite: bool = False
) -> None:
    """Draw motions as a picture or film.

    A PNG has a row of pictures for each motion, and foot tracks below. A GIF or MP4 shows the motions side by side.

    Args:
        path: File to write, ending in .png, .gif or .mp4.
        motions: One motion or several.
        titles: Titles of the motions; none by default.
        overwrite: Replace the file if it exists.

    Raises:
        SettingError: There are no motions, the suffix is another one, or the file exists and `overwrite` is false.
    """
    path = Path(path)
    motions = [motions] if isinstance(motions, Motion) else motions
    if not motions:
        raise SettingError("there is nothing to draw: no motions were given")
    titles = titles or [""] * len(motions)
    panels = make_panels(motions, titles)
    if path.suffix not in (".png", ".gif", ".mp4"):
        raise SettingError(f"{path}: pictures end in .png, films in .gif or .mp4, pages in .html")
    refuse_to_replace(path, overwrite)
    with replacing(path, overwrite=overwrite) as temporary:
        if path.suffix == ".png":
            strip = film_strip(panels)
            tracks = [FootTracks.from_motion(motion, title) for motion, title in zip(motions, titles, strict=True)]
            if with_feet := [track for track in tracks if track is not None]:
                below = draw_tracks(with_feet, width_px=strip.shape[1], height_px=_TRACKS_PX)
                strip = np.concatenate([strip, below])
            save_picture(temporary, strip)
        else:
            slowed = make_panels([resample(motion, min(motion.fps, 30.0)) for motion in motions], titles)
            save_animation(temporary, animate(slowed), slowed[0].motion.fps)


@dataclass(frozen=True, eq=False)
class _View:
    """A panel's figure and camera, for T frames, and B bones between P points."""

    panel: PicturePanel
    camera: Camera
    path_m: np.ndarray
    """(T or more, 3) floor positions that the camera follows."""
    figure: Figure
    points_m: np.ndarray
    """(T, P, 3) points of the figure."""
    planted: np.ndarray
    """(T, B) bool, true if a bone belongs to a standing foot."""
    before_m: np.ndarray | None = None
    """(T, P, 3) points of the motion compared with."""
    moved: np.ndarray | None = None
    """(T, J) bool, true if a joint moved compared with that motion."""

    @classmethod
    def from_panel(cls, panel: PicturePanel, camera: Camera, path_m: np.ndarray) -> Self:
        figure, points_m = pose_figure(panel.motion)
        # The last column, number −1, belongs to bones outside the feet, which never stand.
        stands = np.pad(detect_standing(panel.motion, figure), ((0, 0), (0, 1)))
        view = cls(panel, camera, path_m, figure, points_m, stands[:, figure.feet])
        if panel.before is None:
            return view
        _, before_m = pose_figure(panel.before)
        joints = slice(len(panel.motion.skeleton))
        return replace(view, before_m=before_m, moved=norms((points_m - before_m)[:, joints]) > MARKED_M)


def _make_views(panels: Sequence[PicturePanel]) -> list[_View]:
    """Return a view of each panel.

    If any panel is compared with another, all share one camera.
    """
    if any(panel.before is not None for panel in panels):
        camera = fit_camera(panels)
        path_m = camera_path_m(panels)
        return [_View.from_panel(panel, camera, path_m) for panel in panels]
    return [_View.from_panel(panel, fit_camera([panel]), camera_path_m([panel])) for panel in panels]


def _draw_panel(view: _View, moments: np.ndarray, size_px: int, title: str) -> np.ndarray:
    """Draw a motion at some frames, as (len(moments), size, size, 3).

    Frames beyond the end show the last pose.
    """
    canvas_px = size_px * SUPERSAMPLING
    pictures = []
    for moment in moments:
        place_m = view.path_m[min(moment, len(view.path_m) - 1)]
        target_m = place_m + np.array([0.0, view.camera.target_height_m, 0.0])
        canvas = _Canvas(view.camera, target_m, canvas_px)
        image = Image.new("RGB", (canvas_px, canvas_px), PAPER)
        draw = ImageDraw.Draw(image)
        _draw_floor(draw, canvas)
        _draw_tops(draw, canvas, view.panel.tops_m)
        frame = min(moment, len(view.points_m) - 1)
        if view.before_m is not None:
            places, scale, _ = canvas.project(view.before_m[frame])
            for ends, radii_m in zip(view.figure.bones, view.figure.radii_m, strict=True):
                _draw_capsule(draw, places[ends], radii_m * scale[ends], GHOST)
        _draw_figure(draw, canvas, view, frame)
        if title:
            text, font = _fit_title(title, canvas_px)
            draw.text((canvas_px / 2, 0.02 * canvas_px), text, INK, font, anchor="ma")
        if title and view.before_m is not None:
            legend, font = _fit_title(_LEGEND, canvas_px, largest=26)
            draw.text((canvas_px / 2, 0.98 * canvas_px), legend, INK, font, anchor="md")
        pictures.append(np.asarray(image.reduce(SUPERSAMPLING)))
    return np.array(pictures)


def _fit_title(
    title: str, canvas_px: int, largest: int = 18
) -> tuple[str, ImageFont.ImageFont | ImageFont.FreeTypeFont]:
    """Fit a title into the width, with the largest possible font.

    If it is too long for the smallest font, its middle is left out.
    """
    font = load_font(canvas_px // largest)
    for size in range(largest, 34, 4):
        font = load_font(canvas_px // size)
        if font.getlength(title) < 0.96 * canvas_px:
            return title, font
    shortened = title
    length = len(title)
    while length > 2 and font.getlength(shortened) >= 0.96 * canvas_px:
        length -= 1
        shortened = f"{title[: length // 2]}…{title[len(title) - (length - length // 2) :]}"
    return shortened, font


@dataclass(frozen=True, eq=False)
class _Canvas:
    """A square canvas in pixels, seen by a camera with a target (3,)."""

    camera: Camera
    target_m: np.ndarray
    canvas_px: int

    def project(self, points_m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Project world points (..., 3) onto the canvas.

        Returns:
            Positions (..., 2) in pixels, pixels per metre (...), and nearness to the camera (...) in m.
        """
        in_camera = (points_m - self.target_m) @ _AXES.T
        distance = np.maximum(1 - in_camera[..., 2] / self.camera.distance_m, 0.05)  # behind the camera as at its lens
        scale = self.canvas_px / self.camera.view_m / distance
        flipped = in_camera[..., :2] * np.array([1.0, -1.0])
        return flipped * scale[..., None] + self.canvas_px / 2, scale, in_camera[..., 2]


def _draw_floor(draw: ImageDraw.ImageDraw, canvas: _Canvas) -> None:
    """Draw floor tiles around the target, fading into the background."""
    radius_m = max(FLOOR_RADIUS_M, 1.2 * canvas.camera.view_m)
    tile_m = GRID_M * max(1, round(radius_m / (MAX_TILES * GRID_M)))  # a body that flies far shows no more of them
    first = np.floor((canvas.target_m[[0, 2]] - radius_m) / tile_m).astype(int)
    count = int(2 * radius_m / tile_m) + 1
    steps = np.arange(count + 1)
    x, z = np.meshgrid(first[0] + steps, first[1] + steps, indexing="ij")
    corners_m = np.stack([x * tile_m, np.zeros(x.shape), z * tile_m], axis=-1)
    corners, _, _ = canvas.project(corners_m)
    middles_m = (np.stack([x, z], axis=-1) + 0.5) * tile_m
    distances_m = norms(middles_m - canvas.target_m[[0, 2]])
    fade = np.clip(distances_m / radius_m, 0, 1) ** 2
    for i, j in np.argwhere(fade[:-1, :-1] < 1):
        square = corners[[i, i + 1, i + 1, i], [j, j, j + 1, j + 1]]
        tile = TILES[int(x[i, j] + z[i, j]) % 2]
        draw.polygon(square.ravel().tolist(), fill=_blend(tile, PAPER, float(fade[i, j])))


def _draw_tops(draw: ImageDraw.ImageDraw, canvas: _Canvas, tops_m: Sequence[np.ndarray]) -> None:
    """Draw surfaces (4, 3) that carry a body, the furthest first.

    A level surface is drawn as a block on the floor.
    """
    towards = _AXES[2]
    for corners_m in sorted(tops_m, key=lambda corners_m: float((corners_m @ towards).max())):
        bottom_m = corners_m * ALONG_FLOOR if np.ptp(corners_m[:, 1]) < 1e-6 else corners_m
        middle_m = corners_m.mean(axis=0)
        faces = []
        for a in range(4):
            b = (a + 1) % 4
            side_m = np.array([corners_m[a], corners_m[b], bottom_m[b], bottom_m[a]])
            if (side_m[:2].mean(axis=0) - middle_m) * ALONG_FLOOR @ towards > 0:
                faces.append((side_m, _blend(SUPPORT, INK, 0.25)))
        faces.append((corners_m, SUPPORT))
        for face_m, colour in faces:
            outline, _, _ = canvas.project(face_m)
            draw.polygon(outline.ravel().tolist(), fill=colour, outline=_blend(colour, INK, 0.3))


def _blend(first: Colour, second: Colour, share: float) -> Colour:
    mixed = np.add(first, np.subtract(second, first) * share)
    red, green, blue = np.rint(mixed).astype(int).tolist()
    return red, green, blue


def _draw_figure(draw: ImageDraw.ImageDraw, canvas: _Canvas, view: _View, frame: int) -> None:
    """Draw a frame's pose.

    The shadow comes first, then bones from far to near, then marks on joints that moved.
    """
    figure = view.figure
    points_m = view.points_m[frame]
    ground, scale, _ = canvas.project(points_m * ALONG_FLOOR)
    for ends, radii_m in zip(figure.bones, figure.radii_m, strict=True):
        _draw_capsule(draw, ground[ends], 0.8 * radii_m * scale[ends], SWING)
    places, scale, nearness = canvas.project(points_m)
    lowest_m = (points_m[figure.bones, 1] - figure.radii_m).min(axis=1)
    is_sunk = (figure.feet >= 0) & (lowest_m < -MARKED_M)
    for bone in np.argsort(nearness[figure.bones].mean(axis=1)):
        ends = figure.bones[bone]
        colour = PLANTED if view.planted[frame, bone] else figure.colours[bone]
        if is_sunk[bone]:
            colour = SUNK
        radii_px = figure.radii_m[bone] * scale[ends]
        _draw_capsule(draw, places[ends], radii_px, colour)
        _draw_capsule(draw, places[ends] - 0.3 * radii_px[:, None], 0.4 * radii_px, _blend(colour, PAPER, 0.25))
    for joint in () if view.moved is None else np.flatnonzero(view.moved[frame]):
        draw_disc(draw, places[joint], float(FOOT_RADIUS_M * scale[joint]), MOVED)


def _draw_capsule(draw: ImageDraw.ImageDraw, ends: np.ndarray, radii: np.ndarray, colour: Colour) -> None:
    """Draw a tapered capsule: two discs and the area between them.

    Centres (2, 2) and radii (2,) are in pixels.
    """
    along = ends[1] - ends[0]
    length = float(np.linalg.norm(along))
    if length > abs(radii[1] - radii[0]):  # else a disc is inside its neighbour
        along = along / length
        lean = (radii[0] - radii[1]) / length  # where the common tangents touch
        across = np.sqrt(1 - lean**2) * np.array([-along[1], along[0]])
        order = [0, 1, 1, 0]
        sides = lean * along + np.array([[1.0], [1.0], [-1.0], [-1.0]]) * across
        touch = ends[order] + radii[order, None] * sides
        draw.polygon(touch.ravel().tolist(), fill=colour)
    for middle, radius in zip(ends, radii, strict=True):
        draw_disc(draw, middle, float(radius), colour)
