"""Stick figures: motions as pictures, film strips, GIF and MP4.

The body's left side is blue, its right side orange, the middle grey; feet deeper than 2 cm in the floor are red; steps
and seats are light brown. Floor tiles measure half a metre. The camera follows the root over the floor at a fixed
height and direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import uniform_filter1d
from scipy.spatial.transform import Rotation

from selfcorrect.errors import SettingError
from selfcorrect.motion.body.flesh import HEAD_RADIUS_M, head_point, sole_points
from selfcorrect.motion.correction.support import Support
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.motion.transforms import resample
from selfcorrect.storage.files import replacing

Colour = tuple[int, int, int]
PAPER: Colour = (250, 250, 248)
TILES: tuple[Colour, Colour] = ((238, 238, 234), (226, 227, 224))
SHADOW: Colour = (196, 197, 195)
INK: Colour = (40, 44, 52)
LEFT: Colour = (38, 112, 190)
RIGHT: Colour = (226, 116, 32)
MIDDLE: Colour = (96, 102, 112)
SUPPORT: Colour = (203, 184, 148)
SUNK: Colour = (214, 39, 40)

SUNK_M = -0.02
TILE_M = 0.5
FLOOR_RADIUS_M = 3.0
SAME_VIEW_M = 1.0
SUPERSAMPLING = 2
"""Pictures are drawn this much larger and then averaged down, for smooth edges."""

_WIDTH_M = {
    "hip": 0.07, "knee": 0.085, "ankle": 0.065, "foot": 0.05, "spine1": 0.08, "spine2": 0.08, "spine3": 0.08,
    "neck": 0.07, "head": 0.06, "collar": 0.06, "shoulder": 0.06, "elbow": 0.055, "wrist": 0.045,
}  # fmt: skip
OTHER_WIDTH_M = 0.02
"""Width of the bone that ends at a part, and of bones that end at no part."""


@dataclass(frozen=True)
class Panel:
    """A motion, the words above it, and what carries the body beside the floor, drawn all the time."""

    motion: Motion
    title: str = ""
    supports: tuple[Support, ...] = ()


@dataclass(frozen=True)
class Camera:
    """Looks at a point above the floor from `distance_m` away; angles in degrees, azimuth 0 in front of +z.

    view_m is the height of what a picture shows at the distance of that point.
    """

    azimuth_deg: float = 40.0
    elevation_deg: float = 14.0
    distance_m: float = 7.0
    view_m: float = 2.3
    target_height_m: float = 0.88

    def axes(self) -> np.ndarray:
        """Rows: right, up, towards the camera, in the world; (3, 3)."""
        azimuth, elevation = np.radians([self.azimuth_deg, self.elevation_deg])
        towards = np.array(
            [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)]
        )
        right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
        return np.stack([right, np.cross(towards, right), towards])


@dataclass(frozen=True, eq=False)
class _Figure:
    """How to draw a skeleton of J joints: P points, of which the first J are the joints, and the bones between them.

    The other points are fixed to joints: the middle line of each sole from heel to toe tip, then the head's centre.
    carriers: (P,) joint that carries each point; offsets_m: (P, 3) in its frame; bones: (B, 2) points that a bone
    joins; widths_m: (B,); tips_m: (B,) radius of the disc at the bone's end; colours: of each bone; feet: (B,) bool.
    """

    carriers: np.ndarray
    offsets_m: np.ndarray
    bones: np.ndarray
    widths_m: np.ndarray
    tips_m: np.ndarray
    colours: tuple[Colour, ...]
    feet: np.ndarray

    def points_m(self, motion: Motion) -> np.ndarray:
        """The points in the world, (T, P, 3)."""
        positions_m, orientations = forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
        turned_m = Rotation.from_quat(orientations[:, self.carriers]).apply(self.offsets_m)
        return positions_m[:, self.carriers] + turned_m


def _figure(skeleton: Skeleton) -> _Figure:
    joints = len(skeleton)
    points: list[tuple[int, np.ndarray]] = [(joint, np.zeros(3)) for joint in range(joints)]
    bones = [(parent, joint) for joint, parent in enumerate(skeleton.parents) if parent >= 0]
    for ankle, line in _sole_lines(skeleton):
        around = [ankle, *range(len(points), len(points) + len(line)), line[-1][0]]
        bones += pairwise(around)
        points += line
    feet = [max(bone) >= joints for bone in bones]
    if (head := head_point(skeleton)) is not None:
        bones.append((head[0], len(points)))
        feet.append(False)
        points.append(head)
    carriers, offsets_m = zip(*points, strict=True)
    ends = [carriers[stop] for _, stop in bones]
    widths_m = np.array([_WIDTH_M.get(_without_side(skeleton.parts[end]), OTHER_WIDTH_M) for end in ends])
    tips_m = widths_m / 2
    if head is not None:
        tips_m[-1] = HEAD_RADIUS_M
    colours = tuple(_colour(skeleton, end) for end in ends)
    return _Figure(
        np.array(carriers),
        np.array(offsets_m),
        np.array(bones).reshape(-1, 2),
        widths_m,
        tips_m,
        colours,
        np.array(feet),
    )


def _sole_lines(skeleton: Skeleton) -> list[tuple[int, list[tuple[int, np.ndarray]]]]:
    """Of each foot the ankle and the middle line of its sole, as points fixed to joints; none without ankles."""
    if None in (skeleton.joint("left_ankle"), skeleton.joint("right_ankle")):
        return []
    soles = sole_points(skeleton)
    # Sole corners come in pairs across the foot; their middles form its line.
    middles_m = (soles.offsets_m[::2] + soles.offsets_m[1::2]) / 2
    line = list(zip(soles.joints[::2].tolist(), middles_m, strict=True))
    half = len(line) // 2
    return [(foot[0][0], foot) for foot in (line[:half], line[half:])]


def _without_side(part: str) -> str:
    return part.removeprefix("left_").removeprefix("right_")


def _colour(skeleton: Skeleton, joint: int) -> Colour:
    """A joint's side is its own part's, or that of the nearest ancestor that is a part (fingers, toe ends)."""
    while not skeleton.parts[joint] and skeleton.parents[joint] >= 0:
        joint = skeleton.parents[joint]
    part = skeleton.parts[joint]
    return LEFT if part.startswith("left_") else RIGHT if part.startswith("right_") else MIDDLE


def animate(
    panels: Sequence[Panel],
    *,
    size_px: int = 360,
    columns: int | None = None,
    camera: Camera | None = None,
    same_view: bool = False,
) -> np.ndarray:
    """Draw motions side by side, frame by frame: (T, height, width, 3) uint8.

    A motion that ends early holds its last pose. `columns` defaults to all panels in a row; `same_view` lets every
    panel's camera follow the first motion, so that panels differ by what the bodies do.
    """
    rows = _rows(panels, columns)
    moments = np.arange(max(len(panel.motion) for panel in panels))
    drawn = [_draw_panel(panel, moments, size_px, camera, _follow(panels, panel, same_view)) for panel in panels]
    blank = np.full_like(drawn[0], PAPER[0])
    grid = [[drawn[index] if index < len(drawn) else blank for index in row] for row in rows]
    return np.concatenate([np.concatenate(row, axis=2) for row in grid], axis=1)


def film_strip(
    panels: Sequence[Panel],
    *,
    pictures: int = 8,
    size_px: int = 240,
    camera: Camera | None = None,
    same_view: bool = False,
) -> np.ndarray:
    """Draw each motion as a row of `pictures` moments, evenly spaced in time: (height, width, 3) uint8."""
    strips = []
    for panel in panels:
        moments = np.linspace(0, len(panel.motion) - 1, pictures).round().astype(int)
        path_m = _follow(panels, panel, same_view)
        first = _draw_panel(panel, moments[:1], size_px, camera, path_m)
        rest = _draw_panel(replace(panel, title=""), moments[1:], size_px, camera, path_m)
        strips.append(np.concatenate([*first, *rest], axis=1))
    return np.concatenate(strips, axis=0)


def save_picture(path: Path, picture: np.ndarray) -> None:
    """Write a picture (height, width, 3) uint8 as PNG."""
    Image.fromarray(picture).save(path)


def save_animation(path: Path, frames: np.ndarray, fps: float) -> None:
    """Write frames (T, height, width, 3) uint8 as GIF or MP4, by the path's suffix."""
    if path.suffix == ".mp4":
        # The most common video format wants even sizes.
        height, width = (length - length % 2 for length in frames.shape[1:3])
        imageio.imwrite(path, frames[:, :height, :width], fps=fps, codec="libx264", macro_block_size=1)
    elif path.suffix == ".gif":
        palette = Image.fromarray(frames[len(frames) // 2]).quantize(128)
        images = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
        # GIF counts time in hundredths of a second.
        images[0].save(path, save_all=True, append_images=images[1:], duration=10 * round(100 / fps), loop=0)
    else:
        raise SettingError(f"{path}: an animation is written as .gif or .mp4, got {path.suffix!r}")


def draw_motions(path: str | Path, motions: Motion | Sequence[Motion], titles: Sequence[str] = ()) -> None:
    """Motions as a PNG (a row of moments each) or as a GIF or MP4 (side by side), with a title each where given."""
    path, motions = Path(path), [motions] if isinstance(motions, Motion) else motions
    if not motions:
        raise SettingError("there is nothing to draw: no motions were given")
    panels = [Panel(motion, title) for motion, title in zip(motions, titles or [""] * len(motions), strict=True)]
    if path.suffix not in (".png", ".gif", ".mp4"):
        raise SettingError(f"{path}: pictures end in .png, films in .gif or .mp4")
    together = _stay_together(motions)
    with replacing(path) as temporary:
        if path.suffix == ".png":
            save_picture(temporary, film_strip(panels, same_view=together))
        else:
            slowed = [replace(panel, motion=resample(panel.motion, min(panel.motion.fps, 30.0))) for panel in panels]
            save_animation(temporary, animate(slowed, same_view=together), slowed[0].motion.fps)


def _stay_together(motions: Sequence[Motion]) -> bool:
    """Whether one camera shows them all, as an original and its corrections."""
    frames = min(len(motion) for motion in motions)
    paths_m = np.stack([motion.root_m[:frames] for motion in motions])
    return float(np.linalg.norm(paths_m - paths_m[0], axis=-1).max()) < SAME_VIEW_M


def _rows(panels: Sequence[Panel], columns: int | None) -> list[range]:
    if not panels:
        raise SettingError("there is nothing to draw: no panels were given")
    width = columns or len(panels)
    return [range(start, start + width) for start in range(0, len(panels), width)]


def _follow(panels: Sequence[Panel], panel: Panel, same_view: bool) -> np.ndarray:
    """Where on the floor (T, 2), x and z, the camera looks: at the root, smoothed over half a second."""
    motion = panels[0].motion if same_view else panel.motion
    return uniform_filter1d(motion.root_m[:, [0, 2]], max(int(motion.fps / 2), 1), axis=0, mode="nearest")


def _draw_panel(
    panel: Panel, moments: np.ndarray, size_px: int, camera: Camera | None, path_m: np.ndarray
) -> np.ndarray:
    """Pictures (len(moments), size, size, 3) of one motion at frames `moments`; later ones than it has show its end."""
    camera = camera or Camera()
    figure = _figure(panel.motion.skeleton)
    points_m = figure.points_m(panel.motion)
    canvas_px = size_px * SUPERSAMPLING
    pictures = []
    for moment in moments:
        here_m = path_m[min(moment, len(path_m) - 1)]
        view = _View(camera, np.array([here_m[0], camera.target_height_m, here_m[1]]), canvas_px)
        image = Image.new("RGB", (canvas_px, canvas_px), PAPER)
        draw = ImageDraw.Draw(image)
        _draw_floor(draw, view)
        _draw_supports(draw, view, panel.supports)
        _draw_figure(draw, view, figure, points_m[min(moment, len(points_m) - 1)])
        if panel.title:
            draw.text((canvas_px / 2, 0.02 * canvas_px), panel.title, INK, _font(canvas_px // 18), anchor="ma")
        pictures.append(np.asarray(image.reduce(SUPERSAMPLING)))
    return np.array(pictures)


@lru_cache(maxsize=8)
def _font(size_px: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size_px)


@dataclass(frozen=True, eq=False)
class _View:
    """A camera at work: what it looks at (3,), and the size of its square canvas."""

    camera: Camera
    target_m: np.ndarray
    canvas_px: int

    def project(self, points_m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Canvas positions (..., 2), pixels per metre (...) and nearness (...) of world points (..., 3)."""
        seen = (points_m - self.target_m) @ self.camera.axes().T
        scale = self.canvas_px / self.camera.view_m / (1 - seen[..., 2] / self.camera.distance_m)
        flipped = seen[..., :2] * np.array([1.0, -1.0])
        return flipped * scale[..., None] + self.canvas_px / 2, scale, seen[..., 2]


def _draw_floor(draw: ImageDraw.ImageDraw, view: _View) -> None:
    """Tiles of the floor around the target, fading into the paper."""
    first = np.floor((view.target_m[[0, 2]] - FLOOR_RADIUS_M) / TILE_M).astype(int)
    count = int(2 * FLOOR_RADIUS_M / TILE_M) + 1
    x, z = np.meshgrid(first[0] + np.arange(count + 1), first[1] + np.arange(count + 1), indexing="ij")
    corners, _, _ = view.project(np.stack([x * TILE_M, np.zeros(x.shape), z * TILE_M], axis=-1))
    middles = (np.stack([x, z], axis=-1) + 0.5) * TILE_M - view.target_m[[0, 2]]
    fade = np.clip(np.linalg.norm(middles, axis=-1) / FLOOR_RADIUS_M, 0, 1) ** 2
    for i, j in np.argwhere(fade[:-1, :-1] < 1):
        outline = [tuple(corners[i + a, j + b]) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
        draw.polygon(outline, fill=_blend(TILES[int(x[i, j] + z[i, j]) % 2], PAPER, float(fade[i, j])))


def _draw_supports(draw: ImageDraw.ImageDraw, view: _View, supports: Sequence[Support]) -> None:
    """The tops of supports, the lowest first, and their shadows on the floor."""
    square = np.array([(-0.5, 0.0, -0.5), (0.5, 0.0, -0.5), (0.5, 0.0, 0.5), (-0.5, 0.0, 0.5)])
    ordered = sorted(supports, key=lambda support: support.top_m[1])
    tops_m = [square * (support.size_m[0], 0.0, support.size_m[1]) + support.top_m for support in ordered]
    for flattened, colour in ((np.array([1.0, 0.0, 1.0]), SHADOW), (np.ones(3), SUPPORT)):
        for corners_m in tops_m:
            outline, _, _ = view.project(corners_m * flattened)
            draw.polygon([tuple(corner) for corner in outline], fill=colour, outline=_blend(colour, INK, 0.3))


def _blend(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _draw_figure(draw: ImageDraw.ImageDraw, view: _View, figure: _Figure, points_m: np.ndarray) -> None:
    """One pose, its points (P, 3) in the world: first its shadow, then bones from far to near."""
    ground, scale, _ = view.project(points_m * np.array([1.0, 0.0, 1.0]))
    for (start, stop), width_m in zip(figure.bones, figure.widths_m, strict=True):
        _draw_bone(draw, ground[start], ground[stop], 0.8 * width_m * scale[stop], SHADOW)
    places, scale, nearness = view.project(points_m)
    sunk = figure.feet & (points_m[figure.bones, 1].min(axis=1) < SUNK_M)
    for bone in np.argsort(nearness[figure.bones].mean(axis=1)):
        start, stop = figure.bones[bone]
        colour = SUNK if sunk[bone] else figure.colours[bone]
        _draw_bone(draw, places[start], places[stop], float(figure.widths_m[bone] * scale[stop]), colour)
        _draw_disc(draw, places[stop], float(figure.tips_m[bone] * scale[stop]), colour)


def _draw_bone(draw: ImageDraw.ImageDraw, start: np.ndarray, stop: np.ndarray, width: float, colour: Colour) -> None:
    """A line of a width in pixels with round ends."""
    draw.line([tuple(start), tuple(stop)], fill=colour, width=max(round(width), 1))
    for end in (start, stop):
        _draw_disc(draw, end, width / 2, colour)


def _draw_disc(draw: ImageDraw.ImageDraw, middle: np.ndarray, radius: float, colour: Colour) -> None:
    x, y = middle
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
