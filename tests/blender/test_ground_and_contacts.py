"""Grounds and contacts pass from Blender to the program."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_motions import made_motion
from scipy.spatial.transform import Rotation

from selfcorrect.motion.ground import Ground
from selfcorrect.simulators.planning.contact_edits import find_edits
from selfcorrect.simulators.planning.edited_contacts import Contacts

from .loading import load

contacts = load("contacts")
exchange = load("exchange")
ground = load("ground")
placement = load("placement")

TURNED = placement.Placement(heading_rad=0.7, origin_m=(1.0, -2.0, 0.0), unit_m=0.5)
HEADINGS = st.floats(-180, 180)


@given(arrays(float, (5, 3), elements=st.floats(-10, 10)))
def test_placement_inverts(points: np.ndarray) -> None:
    np.testing.assert_allclose(TURNED.to_scene(TURNED.to_file_m(points)), points, atol=1e-9)
    assert np.linalg.det(TURNED.rotation) == pytest.approx(1.0)


@given(HEADINGS, st.sampled_from([0.0, 30.0, 90.0]))
def test_object_origin_is_placement(heading_deg: float, tilt_deg: float) -> None:
    """Turning an object about the vertical changes nothing."""
    tilted = Rotation.from_euler("x", tilt_deg, degrees=True)
    seen = []
    for degrees in (0.0, heading_deg):
        world = np.eye(4)
        world[:3, :3] = 0.01 * (Rotation.from_euler("z", degrees, degrees=True) * tilted).as_matrix()
        world[:3, 3] = (degrees, 2.0, 3.0)
        points = np.array([[1.0, 2.0, 3.0, 1.0], [0.0, 0.0, 0.0, 1.0]]) @ world.T
        seen.append(placement.Placement.from_object(world, 1.0).to_file_m(points[:, :3]))
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-6)
    assert seen[0][1].tolist() == pytest.approx([0.0, 3.0, 0.0])


STANDING = arrays(bool, st.tuples(st.integers(1, 30), st.just(2)))


def make_entries(is_standing: np.ndarray, *, is_split: bool) -> list[dict]:
    """Make contact entries as the program writes them, with stances that meet if they are split."""
    random = np.random.default_rng(len(is_standing))
    entries = []
    for foot, part in enumerate(contacts.FEET):
        for first, last in contacts.find_spans(is_standing[:, foot]):
            middle = (first + last) // 2
            for start, stop in ((first, middle), (middle + 1, last)) if is_split and first < last else ((first, last),):
                position_m = random.normal(0, 3, 3).round(4).tolist()
                entry = {"part": part, "first_frame": start, "last_frame": stop, "position_m": position_m}
                entries.append({**entry, "kind": "stands"})
    entries.append(
        {"part": "left hand", "first_frame": 0, "last_frame": 0, "position_m": [0.1, 1.0, 0.2], "kind": "stands"}
    )
    return entries


def sort_entries(entries: Iterable[dict]) -> list[dict]:
    return sorted(entries, key=json.dumps)


@given(STANDING, st.booleans())
def test_untouched_contacts_stay_the_same(
    tmp_path_factory: pytest.TempPathFactory, is_standing: np.ndarray, is_split: bool
) -> None:
    """Contacts whose curves, which have single precision, nobody touched are those that the program wrote."""
    path = tmp_path_factory.mktemp("contacts") / "contacts.json"
    entries = make_entries(is_standing, is_split=is_split)
    text = json.dumps({"frames": len(is_standing), "fps": 30.0, "contacts": entries})
    path.write_text(text)
    shown = contacts.read_contacts(path, TURNED)
    np.testing.assert_array_equal(shown.is_standing, is_standing)
    single = contacts.Contacts(shown.is_standing, shown.places.astype(np.float32).astype(float))
    edits = contacts.apply_curves(contacts.load_contacts(text), single, TURNED)
    contacts.write_edits(path, edits, 30.0)
    back = json.loads(path.read_text())["contacts"]
    assert sort_entries(back) == sort_entries(entries)
    assert [edits.entries[row] for row, index in enumerate(edits.sources)] == [entries[i] for i in edits.sources]
    Contacts.load(path)


@given(STANDING, st.integers(0, 10_000), st.floats(-2, 2))
def test_only_edited_contacts_change(is_standing: np.ndarray, chosen: int, shift: float) -> None:
    """A foot that is moved stands there, and a stance that is deleted is gone."""
    entries = make_entries(is_standing, is_split=False)
    count = len(entries) - 1
    if not count:
        return
    entry = entries[chosen % count]
    foot = contacts.FEET.index(entry["part"])
    frames = slice(entry["first_frame"], entry["last_frame"] + 1)
    places = np.full((*is_standing.shape, 2), np.nan)
    for own in entries[:-1]:
        where = TURNED.to_scene(np.array(own["position_m"]))[:2]
        places[own["first_frame"] : own["last_frame"] + 1, contacts.FEET.index(own["part"])] = where
    places[frames, foot] += shift
    moved = contacts.apply_curves(entries, contacts.Contacts(is_standing, places), TURNED)
    (changed,) = [
        item for item in moved.entries if item["part"] == entry["part"] and item["first_frame"] == frames.start
    ]
    where = TURNED.to_scene(np.array(changed["position_m"]))[:2]
    np.testing.assert_allclose(where, places[frames.start, foot], atol=1e-3)
    assert changed["position_m"][1] == entry["position_m"][1]
    others = [item for item in entries if item is not entry]
    assert sort_entries(item for item in moved.entries if item != changed) == sort_entries(others)
    gone = is_standing.copy()
    gone[frames, foot] = False
    left = contacts.apply_curves(entries, contacts.Contacts(gone, places), TURNED)
    assert sort_entries(left.entries) == sort_entries(others)


def test_unedited_contacts_are_no_edit(tmp_path: Path) -> None:
    """Contacts that pass through a scene without a change are those of the correction."""
    own = Contacts.from_motion(made_motion("walk", frames=120))
    assert len(own.contacts) > 2
    path = tmp_path / "contacts.json"
    own.save(path)
    shown = contacts.read_contacts(path, TURNED)
    edits = contacts.apply_curves(contacts.load_contacts(path.read_text()), shown, TURNED)
    contacts.write_edits(path, edits, own.fps)
    assert not find_edits(own, Contacts.load(path)).any()
    later = replace(own, contacts=own.contacts[1:])
    assert find_edits(own, later)[own.contacts[0].frames].any()


@given(st.floats(-1.5, 1.5), st.integers(0, 39), st.integers(0, 39))
def test_turned_feet_turn_in_their_stance_only(angle_rad: float, first: int, last: int) -> None:
    first, last = sorted((first, last))
    frames = 60
    rotations = np.tile(np.eye(3), (frames, 3, 1, 1))
    positions_m = np.tile([[0.0, 0.5, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.2]], (frames, 1, 1))
    clip = exchange.Clip(("knee", "ankle", "toe"), (-1, 0, 1), positions_m, rotations, 30.0, {})
    turn = exchange.Turn("left foot", first, last, angle_rad)
    turned = exchange.turn_feet(clip, [turn], {"left foot": ["ankle", "toe"]})
    toe_m = turned.positions_m[first : last + 1, 2]
    np.testing.assert_allclose(toe_m[:, 0], 0.2 * np.sin(angle_rad), atol=1e-12)
    np.testing.assert_allclose(toe_m[:, 2], 0.2 * np.cos(angle_rad), atol=1e-12)
    np.testing.assert_array_equal(turned.positions_m[:, :2], positions_m[:, :2])
    away = np.maximum(first - np.arange(frames), np.arange(frames) - last)
    np.testing.assert_array_equal(turned.positions_m[away > 8], positions_m[away > 8])


@given(st.integers(0, 39))
def test_cut_contacts_are_one_sentence(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "contacts.json"
    path.write_text(json.dumps({"frames": 3, "contacts": [{"part": "left foot"}]})[:length])
    with pytest.raises(exchange.ExchangeError, match=r"contacts.*cannot be read"):
        contacts.read_contacts(path, TURNED)


# --- the ground ------------------------------------------------------------------------------------------------------


def walk(length: float = 2.0, root: float = 1.0, height: float = 0.0):
    """Return a body's path along x in the scene."""
    xs = np.linspace(0.0, length, 40)
    points = np.column_stack([xs, np.zeros((40, 2))])
    return ground.Path3(points, np.full(40, root) + height)


def make_box(low, high) -> np.ndarray:
    """Return the triangles (12, 3, 3) of a box, facing outwards."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([triangle for a, b, c, d in quads for triangle in ((a, b, c), (a, c, d))])
    return (np.array(low) + corners * (np.array(high) - np.array(low)))[faces]


def read_heights(path: Path, triangles: np.ndarray, points: np.ndarray, seen=None, body=None, floor_m: float = 0.0):
    """Write a ground, and return the heights of the program's ground beneath points of the scene."""
    seen = seen or placement.Placement()
    ground.write_ground(path, triangles, floor_m, seen, body or walk())
    read = Ground.load(path)
    points_m = seen.to_file_m(points)
    above_m = read.above_m(points_m)
    return points[:, 2] - above_m / seen.unit_m, read


@settings(max_examples=12, deadline=None)
@given(HEADINGS, st.booleans(), st.floats(-0.2, 0.4), st.sampled_from([0.5, 1.0, 2.0]))
def test_steps_keep_their_exact_edges(
    tmp_path_factory: pytest.TempPathFactory, yaw_deg: float, is_inward: bool, top: float, unit_m: float
) -> None:
    """A block whose faces point inwards is the same ground, under any heading and unit."""
    path = tmp_path_factory.mktemp("ground") / "ground.json"
    turn = Rotation.from_euler("z", yaw_deg, degrees=True).as_matrix()
    triangles = make_box((0.5, -0.4, -1.0), (0.93, 0.3, top)) @ turn.T / unit_m
    if is_inward:
        triangles = triangles[:, ::-1]
    body = walk()
    body = ground.Path3(body.points @ turn.T / unit_m, body.heights / unit_m)
    seen = placement.Placement(np.radians(yaw_deg) + 0.3, (0.3, 0.4, 0.0), unit_m)
    inside = np.array([[0.51, -0.39, top], [0.92, 0.29, top], [0.7, 0.0, top]])
    beside = np.array([[0.48, 0.0, top], [0.95, 0.0, top], [0.7, 0.32, top]])
    heights, _ = read_heights(path, triangles, inside @ turn.T / unit_m, seen, body, floor_m=-1.0)
    np.testing.assert_allclose(heights, top / unit_m, atol=1e-4)
    heights, _ = read_heights(path, triangles, beside @ turn.T / unit_m, seen, body, floor_m=-1.0)
    np.testing.assert_allclose(heights, -1.0 / unit_m, atol=1e-4)


def test_a_single_plane_is_ground_from_both_sides(tmp_path: Path) -> None:
    square = np.array([[-5, -5, 0.4], [5, -5, 0.4], [5, 5, 0.4], [-5, 5, 0.4]])
    for order in ([0, 1, 2, 0, 2, 3], [2, 1, 0, 3, 2, 0]):
        triangles = square[order].reshape(2, 3, 3)
        heights, read = read_heights(tmp_path / "ground.json", triangles, walk().points + np.array([0, 0, 0.5]))
        np.testing.assert_allclose(heights, 0.4, atol=1e-6)
        assert not read.boxes


@settings(max_examples=12, deadline=None)
@given(st.floats(3, 25), HEADINGS)
def test_slopes_of_any_mesh_are_slopes(
    tmp_path_factory: pytest.TempPathFactory, tilt_deg: float, uphill_deg: float
) -> None:
    path = tmp_path_factory.mktemp("ground") / "ground.json"
    around = Rotation.from_euler("z", uphill_deg, degrees=True)
    tilt = (around * Rotation.from_euler("x", tilt_deg, degrees=True) * around.inv()).as_matrix()
    square = np.array([[-9, -9, 0], [9, -9, 0], [9, 9, 0], [-9, 9, 0]]) @ tilt.T + [0, 0, 0.2]
    triangles = square[[0, 1, 2, 0, 2, 3]].reshape(2, 3, 3)
    on_slope = walk().points @ tilt.T
    on_slope[:, 2] = 0.2 - (tilt[:2, 2] @ on_slope[:, :2].T) / tilt[2, 2]
    body = ground.Path3(on_slope, on_slope[:, 2] + 1)
    _, read = read_heights(path, triangles, on_slope, body=body)
    assert read.slope_deg == pytest.approx(tilt_deg, abs=1e-3)
    np.testing.assert_allclose(read.above_m(placement.Placement().to_file_m(on_slope)), 0, atol=1e-3)


def test_terrain_is_followed_and_ceilings_are_not(tmp_path: Path) -> None:
    """Terrain is followed, and ceilings are not ground.

    Hills are met within the height that they rise in half a cell.
    """
    xs = np.linspace(-1, 3, 81)
    ys = np.linspace(-2, 2, 81)
    hills = np.stack(np.meshgrid(xs, ys, indexing="ij"), axis=-1)
    hills = np.concatenate([hills, 0.1 * np.sin(2 * hills[..., :1]) + 0.05 * np.cos(3 * hills[..., 1:])], axis=-1)
    quads = [hills[:-1, :-1], hills[1:, :-1], hills[1:, 1:], hills[:-1, 1:]]
    triangles = np.concatenate(
        [np.stack([quads[0], quads[1], quads[2]], 2), np.stack([quads[0], quads[2], quads[3]], 2)]
    )
    triangles = triangles.reshape(-1, 3, 3)
    ceiling = make_box((-1, -2, 2.0), (3, 2, 2.2))
    points = walk().points
    expected = 0.1 * np.sin(2 * points[:, 0]) + 0.05
    for surface in (triangles, np.concatenate([triangles, ceiling])):
        points[:, 2] = expected
        heights, read = read_heights(tmp_path / "ground.json", surface, points)
        assert np.abs(heights - expected).max() < 0.03
        assert 100 < len(read.boxes) <= 2000


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 200))
def test_rays_meet_the_highest_triangle_below_their_start(seed: int) -> None:
    """A slow plain search finds the same heights."""
    random = np.random.default_rng(seed)
    triangles = random.normal(0, 1, (20, 3, 3))
    cells = random.normal(0, 1, (30, 2))
    starts = random.normal(0, 1, 30)
    found = ground.cast_down(triangles, cells, starts)
    for cell, start, height in zip(cells, starts, found, strict=True):
        heights = [-np.inf]
        for first, second, third in triangles:
            normal = np.cross(second - first, third - first)
            if abs(normal[1]) < 0.05 * np.linalg.norm(normal):
                continue
            matrix = np.column_stack([(second - first)[[0, 2]], (third - first)[[0, 2]]])
            u, v = np.linalg.solve(matrix, cell - first[[0, 2]])
            y = first[1] + u * (second - first)[1] + v * (third - first)[1]
            if min(u, v, 1 - u - v) >= 0 and y <= start:
                heights.append(y)
        assert max(heights) == pytest.approx(height) or (np.isnan(height) and max(heights) == -np.inf)


def test_ground_elsewhere_raises(tmp_path: Path) -> None:
    with pytest.raises(exchange.ExchangeError, match="beneath the path"):
        ground.write_ground(
            tmp_path / "ground.json", make_box((50, 0, 0), (51, 1, 1)), 0.0, placement.Placement(), walk()
        )


def make_stairs(steps: int = 3, depth: float = 0.3, rise: float = 0.2) -> np.ndarray:
    """Return triangles of stairs that rise along x, in one piece."""
    boxes = [make_box((step * depth, -1, 0), ((step + 1) * depth, 1, (step + 1) * rise)) for step in range(steps)]
    return np.concatenate(boxes)


def test_stairs_give_a_box_for_each_tread(tmp_path: Path) -> None:
    points = walk(0.8).points
    stairs_m = 0.2 * (1 + np.floor(points[:, 0] / 0.3))
    body = ground.Path3(points + stairs_m[:, None] * [0, 0, 1], stairs_m + 1)
    points[:, 2] = stairs_m
    heights, read = read_heights(tmp_path / "ground.json", make_stairs(), points, body=body)
    np.testing.assert_allclose(heights, stairs_m, atol=1e-6)
    assert sorted(box.top_m for box in read.boxes) == pytest.approx([0.2, 0.4, 0.6])
