"""Drawings show known pixels, in files that other programs read."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image, ImageDraw
from turned_joints import pose_joint, shift

from selfcorrect.motion.editing.transforms import turn
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.drawing import (
    MOVED,
    SUPPORT,
    animate,
    draw_motions,
    film_strip,
    save_animation,
    save_picture,
)
from selfcorrect.motion.pictures.figure import GHOST, LEFT, MIDDLE, PLANTED, RIGHT, SUNK
from selfcorrect.motion.pictures.panels import PicturePanel, make_panels
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.motion.support import Support


@pytest.fixture
def stand(stand: Motion) -> Motion:
    return stand.frames(0, 6)


def find_pixels(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Pixels (K, 2), row and column, of a colour."""
    return np.argwhere((picture == colour).all(axis=-1))


def draw_from_the_front(motion: Motion, *supports: Support) -> np.ndarray:
    """Draw a motion and supports from the front, rotated by 40° to face the camera."""
    turned = [replace(support, top_m=turn_place(support.top_m), turn_deg=40.0) for support in supports]
    return animate([PicturePanel(turn(motion, np.radians(40.0)), supports=tuple(turned))])[0]


def turn_place(place_m: tuple[float, float, float]) -> tuple[float, float, float]:
    x, y, z = place_m
    sine, cosine = np.sin(np.radians(40.0)), np.cos(np.radians(40.0))
    return float(cosine * x + sine * z), y, float(cosine * z - sine * x)


def test_left_side_is_blue(stand: Motion):
    picture = draw_from_the_front(stand)
    left = find_pixels(picture, LEFT)
    right = find_pixels(picture, RIGHT)
    assert len(left) > 500
    assert len(right) == pytest.approx(len(left), rel=0.1)
    assert left[:, 1].mean() > 190 > 170 > right[:, 1].mean()
    rows = np.concatenate([left, right])[:, 0] / len(picture)
    assert 0.5 < np.ptp(rows) < 0.75, "a body of 1.7 m fills up to three quarters"
    assert rows.max() > 0.8, "and stands below"


def test_camera_follows_floor(stand: Motion):
    """The camera moves in whole tiles of the floor.

    There nothing looks different, a fraction of a tile away only the floor does.
    """
    at_origin = animate([PicturePanel(stand)])[0]
    np.testing.assert_array_equal(animate([PicturePanel(shift(stand, (3.0, 0, -7.0)))])[0], at_origin)
    there = animate([PicturePanel(shift(stand, (3.3, 0, 0)))])[0]
    assert not np.array_equal(there, at_origin)
    np.testing.assert_array_equal(find_pixels(there, LEFT), find_pixels(at_origin, LEFT))


def test_shared_view_shows_distance(stand: Motion):
    shifted = shift(stand, (0.5, 0, 0))
    frame_pictures = animate([PicturePanel(stand), PicturePanel(shifted)])
    same = animate(make_panels([stand, shifted], ["", ""]))
    np.testing.assert_array_equal(
        find_pixels(frame_pictures[0][:, :360], LEFT), find_pixels(frame_pictures[0][:, 360:], LEFT)
    )
    assert find_pixels(same[0][:, 360:], LEFT)[:, 1].mean() > find_pixels(same[0][:, :360], LEFT)[:, 1].mean() + 40


def test_sunk_feet_are_red(stand: Motion):
    assert len(find_pixels(animate([PicturePanel(stand)])[0], SUNK)) == 0
    assert len(find_pixels(animate([PicturePanel(shift(stand, (0, -0.06, 0)))])[0], SUNK)) > 50


def test_panels_form_a_row(stand: Motion, random_motion: Callable[..., Motion]):
    frames = animate(
        [PicturePanel(stand, "one"), PicturePanel(random_motion(0, frames=10)), PicturePanel(stand)], size_px=100
    )
    assert frames.shape == (10, 100, 300, 3)
    np.testing.assert_array_equal(frames[9, :100, :100], frames[5, :100, :100])
    assert not np.array_equal(frames[9, :100, 100:], frames[5, :100, 100:])


def test_film_strip_row_per_motion(stand: Motion, random_motion: Callable[..., Motion]):
    strip = film_strip([PicturePanel(stand, "a"), PicturePanel(random_motion(0), "b")], pictures=5, size_px=80)
    assert strip.shape == (160, 400, 3)
    last = animate([PicturePanel(random_motion(0))], size_px=80)[-1]
    np.testing.assert_array_equal(strip[80:, 320:], last)


def test_partless_skeleton_is_drawn():
    names = ("a", "b", "c")
    offsets_m = np.array([[0, 0, 0], [0, 0.5, 0], [0, 0.5, 0.0]])
    pole = Skeleton(names, (-1, 0, 1), offsets_m, ("", "", ""))
    motion = Motion(pole, np.zeros((2, 3)), np.tile([0.0, 0, 0, 1], (2, 3, 1)), 30.0)
    drawn = animate([PicturePanel(motion)])[0]
    lying = animate([PicturePanel(shift(motion, (0, -5, 0)))])[0]
    assert not np.array_equal(drawn, lying)


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_animations_are_read_back(random_motion: Callable[..., Motion], tmp_path: Path, suffix: str):
    frames = animate([PicturePanel(random_motion(0, frames=12), "motion")], size_px=121)
    save_animation(tmp_path / f"film{suffix}", frames, fps=25)
    reread = imageio.imread(tmp_path / f"film{suffix}")[..., :3]
    assert len(reread) == 12
    height, width = reread.shape[1:3]
    difference = np.abs(reread.astype(float) - frames[:, :height, :width])
    assert difference.mean() < 4


def test_gif_keeps_rare_colour(tmp_path: Path):
    frames = np.full((17, 20, 20, 3), 200, np.uint8)
    frames[:, :, :, 0] += np.arange(20, dtype=np.uint8)
    frames[:3, :4] = (0, 160, 0)
    save_animation(tmp_path / "film.gif", frames, fps=25)
    reread = imageio.imread(tmp_path / "film.gif")[..., :3].astype(int)
    assert np.abs(reread[0, 1, 1] - (0, 160, 0)).max() < 20


def test_pictures_are_read_back(stand: Motion, tmp_path: Path):
    picture = film_strip([PicturePanel(stand)], pictures=2)
    save_picture(tmp_path / "strip.png", picture)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "strip.png")), picture)


def test_other_suffixes_raise(stand: Motion, tmp_path: Path):
    with pytest.raises(ValueError, match=r"\.gif.*\.mp4"):
        draw_motions(tmp_path / "film.avi", stand)
    with pytest.raises(ValueError, match="nothing to draw"):
        draw_motions(tmp_path / "film.gif", [])


def test_steps_are_drawn_as_blocks(stand: Motion):
    """A step on the left is drawn on the viewer's right.

    The body is seen from the front, and the top of the step is above its sides.
    """
    step = Support("left foot", (0.6, 0.5, 0.0), (0.3, 0.3), 0, 5)
    picture = draw_from_the_front(stand, step)
    top = find_pixels(picture, SUPPORT)
    body = find_pixels(picture, LEFT)
    assert len(top) > 100
    assert top[:, 1].min() > body[:, 1].mean()
    assert top[:, 0].max() < body[:, 0].max()
    assert len(find_pixels(animate([PicturePanel(stand)])[0], SUPPORT)) == 0


def bodies(picture: np.ndarray) -> np.ndarray:
    """Pixels (K, 2) of bodies."""
    return np.concatenate([find_pixels(picture, colour) for colour in (LEFT, RIGHT, MIDDLE, SUNK)])


@pytest.mark.slow
@pytest.mark.parametrize("shift_m", [(0, 0, 0), (0, 1.5, 0), (0, -0.8, 0), (4.0, 0, 0), (-2.0, 3.0, 2.0)])
def test_bodies_fit_below_title(stand: Motion, shift_m: tuple[float, float, float]):
    share = np.sin(np.linspace(0, np.pi, len(stand)))[:, None]
    leap = replace(stand, root_m=stand.root_m + share * shift_m)
    for pictures in (animate([PicturePanel(leap)]), animate(make_panels([stand, leap], ["", ""]))):
        for picture in pictures:
            bodies_found = bodies(picture)
            assert bodies_found[:, 0].min() > 0.08 * 360
            assert bodies_found[:, 0].max() < 359
            assert bodies_found[:, 1].min() > 0
            assert bodies_found[:, 1].max() < picture.shape[1] - 1


def test_large_shift_is_visible(stand: Motion):
    panels = make_panels([stand, shift(stand, (3.0, 0, 0))], ["before", "after"])
    picture = animate(panels)[0]
    first = find_pixels(picture[:, :360], LEFT)
    second = find_pixels(picture[:, 360:], LEFT)
    ghost = find_pixels(picture[:, 360:], GHOST)
    assert second[:, 1].mean() > first[:, 1].mean() + 100
    assert abs(ghost[:, 1].mean() - bodies(picture[:, :360])[:, 1].mean()) < 5


def test_moved_joints_and_stances_are_marked(stand: Motion):
    changed = pose_joint(stand, "left_shoulder", [0.0, 0.0, np.sin(0.4), np.cos(0.4)])
    panels = make_panels([stand, changed], ["", ""])
    before = animate(panels[:1])[0]
    after = animate(panels[1:])[0]
    assert len(find_pixels(before, MOVED)) == len(find_pixels(before, GHOST)) == 0
    assert len(find_pixels(before, PLANTED)) > 50
    assert len(find_pixels(after, PLANTED)) > 50
    marks = find_pixels(after, MOVED)
    assert 10 < len(marks) < 300
    assert marks[:, 1].min() > find_pixels(after, MIDDLE)[:, 1].mean()  # on the body's left, the viewer's right
    same = animate([make_panels([stand, stand], ["", ""])[1]])[0]
    assert len(find_pixels(same, MOVED)) == 0


def test_unlike_motions_are_not_compared(stand: Motion, random_motion: Callable[..., Motion]):
    panels = make_panels([stand, stand.frames(0, 3), random_motion(0, frames=10)], ["", "", ""])
    assert [panel.before for panel in panels] == [None, None, None]


def test_titles_fit_and_differ(stand: Motion):
    names = [f"a_long_name_that_goes_on_and_on_and_never_ends_at_all_{end}" for end in ("before", "after")]
    pictures = [animate([PicturePanel(stand, name)], size_px=240)[0] for name in names]
    plain = animate([PicturePanel(stand)], size_px=240)[0]
    for picture in pictures:
        rows, columns = np.argwhere((picture != plain).any(axis=-1)).T
        assert len(rows) > 100
        assert rows.max() < 40
        assert columns.min() > 2
        assert columns.max() < 237
    assert not np.array_equal(*pictures)


@pytest.mark.parametrize("height_m", [100.0, 3000.0])
def test_far_flight_uses_few_tiles(stand: Motion, height_m: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Far flights draw few tiles.

    Barely trained models make them: the floor is far behind the camera's distance, and wide.
    """
    drawn: list[object] = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "polygon", lambda self, outline, **colours: drawn.append(outline))
    rising = replace(stand, root_m=stand.root_m + np.linspace([0.0, 0, 0], [0, height_m, 0], len(stand)))
    assert animate([PicturePanel(rising, "a")], size_px=40).shape == (len(stand), 40, 40, 3)
    assert len(drawn) < 2500 * len(stand)
