"""Grounds and contacts pass from Blender to the program."""

import json
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


@given(arrays(bool, st.tuples(st.integers(1, 20), st.just(2))))
def test_contacts_round_trip(tmp_path_factory: pytest.TempPathFactory, is_standing: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("contacts") / "contacts.json"
    places = np.random.default_rng(len(is_standing)).normal(size=2) * np.where(is_standing, 1.0, np.nan)[..., None]
    contacts.write_contacts(path, contacts.Contacts(is_standing, places), 30.0, TURNED)
    back = contacts.read_contacts(path, TURNED)
    np.testing.assert_array_equal(back.is_standing, is_standing)
    np.testing.assert_allclose(back.places, places, atol=1e-9)
    contacts.write_contacts(path, contacts.Contacts(is_standing, np.full_like(places, np.nan)), 30.0, TURNED)
    assert np.isnan(contacts.read_contacts(path, TURNED).places).all()
    assert Contacts.load(path).frames == len(is_standing)


def test_unedited_contacts_are_no_edit(tmp_path: Path) -> None:
    """Contacts that pass through a scene without a change are those of the correction."""
    own = Contacts.from_motion(made_motion("walk", frames=120))
    assert len(own.contacts) > 2
    path = tmp_path / "contacts.json"
    own.save(path)
    contacts.write_contacts(path, contacts.read_contacts(path, TURNED), own.fps, TURNED)
    assert not find_edits(own, Contacts.load(path)).any()
    later = replace(own, contacts=own.contacts[1:])
    assert find_edits(own, later)[own.contacts[0].frames].any()


@given(st.integers(0, 39))
def test_cut_contacts_are_one_sentence(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "contacts.json"
    path.write_text(json.dumps({"frames": 3, "contacts": [{"part": "left foot"}]})[:length])
    with pytest.raises(exchange.ExchangeError, match=r"contacts.*cannot be read"):
        contacts.read_contacts(path, TURNED)


@settings(max_examples=40, deadline=None)
@given(HEADINGS, HEADINGS, st.sampled_from([0.0, 5.0, 20.0]), st.integers(0, 2), HEADINGS)
def test_tilted_blocks_become_boxes(
    tmp_path_factory: pytest.TempPathFactory,
    yaw_deg: float,
    uphill_deg: float,
    tilt_deg: float,
    up: int,
    heading_deg: float,
) -> None:
    """Points on a block stand; points beside it do not."""
    path = tmp_path_factory.mktemp("ground") / "ground.json"
    seen = placement.Placement(np.radians(heading_deg), (0.3, 0.4, 0.0), 0.5)
    around = Rotation.from_euler("z", uphill_deg, degrees=True)
    tilt = around * Rotation.from_euler("x", tilt_deg, degrees=True) * around.inv()
    upright = Rotation.from_matrix(np.roll(np.eye(3), 2 - up, axis=0))
    turn = tilt * Rotation.from_euler("z", yaw_deg, degrees=True) * upright
    world = np.eye(4)
    world[:3, :3] = turn.as_matrix() * np.array([1.5, 0.5, 1.0])
    world[:3, 3] = (1.0, 2.0, 3.0)
    lower_world = world.copy()
    lower_world[:3, 3] = (0.0, 0.0, 1.5)
    corners = np.array([[-0.5, -0.2, -0.1], [0.5, 0.4, 0.3]])
    blocks = [ground.Block("step", world, corners), ground.Block("floor", lower_world, corners)]
    ground.write_ground(path, blocks, 0.0, seen)
    read = Ground.load(path)
    sides = np.array([[x, y, 1.0] for x in (-1, 1) for y in (-1, 1)])
    for share, is_on_top in ((0.98, True), (1.02, False)):
        directions = np.insert(share * sides[:, :2], up, 1.0, axis=1)
        points = corners.mean(axis=0) + 0.5 * np.ptp(corners, axis=0) * directions
        points_m = seen.to_file_m(points @ world[:3, :3].T + world[:3, 3])
        assert (np.abs(read.above_m(points_m)) < 1e-6).all() == is_on_top
    assert read.slope_deg == pytest.approx(tilt_deg, abs=1e-4)


def test_other_tilts_raise(tmp_path: Path) -> None:
    tilted = np.eye(4)
    tilted[:3, :3] = Rotation.from_euler("x", 5, degrees=True).as_matrix()
    corners = np.array([[0.0] * 3, [1.0] * 3])
    blocks = [ground.Block("floor", np.eye(4), corners), ground.Block("ramp", tilted, corners)]
    with pytest.raises(exchange.ExchangeError, match="ramp is not tilted"):
        ground.write_ground(tmp_path / "ground.json", blocks, 0.0, TURNED)


def make_stairs(steps: int = 3, depth: float = 0.3, rise: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices and triangles of stairs that rise along x, in one piece.

    The mesh has treads, risers, and the bottom.
    """
    vertices = []
    triangles = []
    for step in range(steps):
        first = step * depth
        last = (step + 1) * depth
        low = step * rise
        high = (step + 1) * rise
        for corners in (
            [(first, 0, high), (last, 0, high), (last, 1, high), (first, 1, high)],
            [(first, 0, low), (first, 0, high), (first, 1, high), (first, 1, low)],
            [(first, 0, 0), (first, 1, 0), (last, 1, 0), (last, 0, 0)],
        ):
            start = len(vertices)
            vertices += corners
            triangles += [(start, start + 1, start + 2), (start, start + 2, start + 3)]
    return np.array(vertices, dtype=float), np.array(triangles)


def test_stairs_mesh_gives_boxes() -> None:
    vertices, triangles = make_stairs()
    blocks = ground.split_mesh("stairs", np.eye(4), vertices, triangles)
    tops = sorted(block.corners[1, 2] for block in blocks)
    assert tops == pytest.approx([0.2, 0.4, 0.6])
    assert {tuple(np.ptp(block.corners, axis=0)[:2].round(6)) for block in blocks} == {(0.3, 1.0)}
    assert all(block.corners[0, 2] == 0 for block in blocks)


def test_uneven_tops_are_split() -> None:
    square = [(0, 0), (1, 0), (1, 1), (0, 1)]
    vertices = np.array([(x, y, 0.5) for x, y in square] + [(x + 1, 2 * y, 0.5) for x, y in square])
    vertices = np.concatenate([vertices, [(0, 0, 0), (2, 2, 0), (0, 2, 0)]])
    triangles = np.array([(0, 1, 2), (0, 2, 3), (1, 5, 6), (1, 6, 7)])  # an L of a square and a strip twice as long
    blocks = ground.split_mesh("L", np.eye(4), vertices, triangles)
    areas = sorted(float(np.prod(np.ptp(block.corners, axis=0)[:2])) for block in blocks)
    assert areas == pytest.approx([1.0, 2.0])
    hill = np.array([(0, 0, 0), (1, 0, 0), (0.5, 1, 1.0)])
    (block,) = ground.split_mesh("hill", np.eye(4), hill, np.array([(0, 1, 2)]))
    np.testing.assert_array_equal(block.corners, [(0, 0, 0), (1, 1, 1)])
