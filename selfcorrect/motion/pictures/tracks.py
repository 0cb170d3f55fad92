"""Foot tracks seen from above.

A foot that stands still leaves a dot. A foot that slips leaves a streak, labelled with the slip of its stance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..geometry.vectors import norms
from ..measures.slip import measure_slip
from ..motion import Motion
from .figure import INK, LEFT, PAPER, RIGHT, Colour, pose_figure

GRID: Colour = (226, 227, 224)
SWING: Colour = (196, 197, 195)
"""Colour of swinging feet and of shadows."""
GRID_M = 0.5
_EDGE_M = 0.25
_LABELLED_M = 0.01
"""Shortest slip that is labelled with its length, in m."""
SUPERSAMPLING = 2
"""Factor by which pictures are drawn larger, then averaged down for smooth edges."""


@dataclass(frozen=True, eq=False)
class FootTracks:
    """Paths of both feet over the floor."""

    title: str
    paths_m: np.ndarray
    """(T, 2, 2) centres of the left and the right sole, x and z in the world."""
    streaks: tuple[tuple[int, np.ndarray], ...]
    """Foot and slip (K, 2) of each stance, x and z in world metres, around the stance's mean position. The point that
    bears weight counts, so that a rolling foot leaves a dot."""

    @classmethod
    def from_motion(cls, motion: Motion, title: str = "", first: int = 0, last: int | None = None) -> Self | None:
        """Return a motion's tracks in frames `first` to `last` (exclusive), or None without two feet.

        Stances and slips are those of the whole motion.
        """
        frames = slice(first, last)
        figure, points_m = pose_figure(motion)
        soles_m = [points_m[:, np.unique(figure.bones[figure.feet == foot])][..., [0, 2]] for foot in (0, 1)]
        if not all(sole_m.size for sole_m in soles_m):
            return None
        streaks = []
        for stance in measure_slip(motion).stances:
            if stance.last >= first and (last is None or stance.first < last):
                middle_m = soles_m[stance.foot][stance.first : stance.last + 1].mean(axis=(0, 1))
                streaks.append((stance.foot, middle_m + stance.path_m - stance.path_m.mean(axis=0)))
        return cls(title, np.stack([sole_m[frames].mean(axis=1) for sole_m in soles_m], axis=1), tuple(streaks))

    def lengths_m(self) -> list[float]:
        """Return each stance's slip: the length of its streak, in m."""
        return [float(norms(np.diff(path_m, axis=0)).sum()) for _, path_m in self.streaks]


def draw_tracks(tracks: Sequence[FootTracks], *, width_px: int, height_px: int) -> np.ndarray:
    """Draw tracks side by side, at one scale and in one orientation.

    Args:
        width_px: Width of the whole picture, in pixels.
        height_px: Height of the picture, in pixels.

    Returns:
        (height, width, 3) uint8, blank if there are no tracks.
    """
    if not tracks:
        return np.full((height_px, width_px, 3), PAPER, np.uint8)
    widths_px = np.diff(np.linspace(0, width_px, len(tracks) + 1).round().astype(int))
    along = _direction(tracks[0].paths_m.reshape(-1, 2))
    turn = np.array([along, [-along[1], along[0]]])
    extent_m = 2 * _EDGE_M + np.max([np.ptp(track.paths_m.reshape(-1, 2) @ turn.T, axis=0) for track in tracks], axis=0)
    scale = SUPERSAMPLING * float(min(widths_px.min() / extent_m[0], 0.86 * height_px / extent_m[1]))
    pictures = [
        _draw(track, scale * turn, np.array([panel_px, height_px]) * SUPERSAMPLING)
        for track, panel_px in zip(tracks, widths_px, strict=True)
    ]
    return np.concatenate(pictures, axis=1)


def _direction(places_m: np.ndarray) -> np.ndarray:
    """Return the unit vector (2,) along which positions (K, 2) vary most."""
    centred = places_m - places_m.mean(axis=0)
    return np.linalg.eigh(centred.T @ centred)[1][:, 1]


def _draw(track: FootTracks, turn: np.ndarray, size_px: np.ndarray) -> np.ndarray:
    """Draw one motion's tracks.

    The matrix `turn` (2, 2) converts floor positions to the picture's axes and to pixels.
    """
    places = track.paths_m @ turn.T
    middle = (places.reshape(-1, 2).max(axis=0) + places.reshape(-1, 2).min(axis=0)) / 2

    def place(path_m: np.ndarray) -> np.ndarray:
        return (path_m @ turn.T - middle) * (1, -1) + size_px / 2

    image = Image.new("RGB", tuple(size_px.tolist()), PAPER)
    draw = ImageDraw.Draw(image)
    _draw_grid(draw, float(norms(turn[0])), size_px)
    for foot in (0, 1):
        draw.line(place(track.paths_m[:, foot]).ravel().tolist(), SWING, 2 * SUPERSAMPLING)
    radius = 4 * SUPERSAMPLING
    for (foot, path_m), length_m in zip(track.streaks, track.lengths_m(), strict=True):
        colour = (LEFT, RIGHT)[foot]
        streak = place(path_m)
        draw.line(streak.ravel().tolist(), colour, 2 * radius, joint="curve")
        for end in streak[[0, -1]]:
            draw_disc(draw, end, radius, colour)
        if length_m >= _LABELLED_M:
            middle_x, top = streak[:, 0].mean(), streak[:, 1].min() - 2 * radius
            draw.text((middle_x, top), f"{1000 * length_m:.0f} mm", INK, load_font(13 * SUPERSAMPLING), anchor="md")
    if track.title:
        font = load_font(15 * SUPERSAMPLING)
        draw.text((0.02 * size_px[0], 0.02 * size_px[1]), track.title, INK, font, anchor="la")
    return np.asarray(image.reduce(SUPERSAMPLING))


def _draw_grid(draw: ImageDraw.ImageDraw, scale: float, size_px: np.ndarray) -> None:
    """Draw grid lines half a metre apart."""
    width, height = size_px.tolist()
    for offset in np.arange(-np.ceil(width / scale), np.ceil(width / scale) + 1) * GRID_M * scale:
        draw.line((width / 2 + offset, 0, width / 2 + offset, height), GRID, SUPERSAMPLING)
        draw.line((0, height / 2 + offset, width, height / 2 + offset), GRID, SUPERSAMPLING)


def draw_disc(draw: ImageDraw.ImageDraw, middle: np.ndarray, radius: float, colour: Colour) -> None:
    """Draw a disc around a canvas point (2,)."""
    x, y = middle.tolist()
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


@lru_cache(maxsize=8)
def load_font(size_px: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Return the font of all pictures at this size."""
    return ImageFont.load_default(size_px)
