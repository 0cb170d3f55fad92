"""The file between Blender and the program."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from robustness.damage import flip_bits, move_block, reword
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.files.rigs.bvh import read_bvh as read_as_program
from selfcorrect.datasets.files.rigs.bvh import write_bvh as write_as_program
from selfcorrect.motion.kinematics import forward_kinematics

from .loading import finish, load

exchange = load("exchange")

NAMES = ("hips", "leg{L}", "spine one", "spine one", "hand")
PARENTS = (-1, 0, 0, 2, 3)


def make_clip(frames: int = 7, stretch_m: float = 0.0, seed: int = 0):
    """Make a clip of five joints whose spine stretches."""
    random = np.random.default_rng(seed)
    rotations = Rotation.from_quat(random.normal(size=(frames * len(NAMES), 4))).as_matrix().reshape(frames, -1, 3, 3)
    offsets_m = random.normal(0, 0.3, (len(NAMES), 3))
    positions_m = np.zeros((frames, len(NAMES), 3))
    positions_m[:, 0] = random.normal(0, 2, (frames, 3))
    for joint, parent in enumerate(PARENTS[1:], start=1):
        offset_m = offsets_m[joint] + (stretch_m * random.normal(size=(frames, 3)) if joint == 2 else 0)
        positions_m[:, joint] = (rotations[:, parent] @ np.broadcast_to(offset_m, (frames, 3))[..., None])[..., 0]
        positions_m[:, joint] += positions_m[:, parent]
    tips_m = {1: np.array([0.0, -0.1, 0.2]), 4: np.array([0.1, 0.0, 0.0])}
    return exchange.Clip(NAMES, PARENTS, positions_m, rotations, 24.0, tips_m)


@given(arrays(float, (4, 3), elements=st.floats(-3.2, 3.2)))
@settings(max_examples=50)
def test_angles_round_trip_at_the_pole(angles: np.ndarray) -> None:
    angles[:2, 1] = [np.pi / 2, np.pi / 2 - 1e-6]
    rotations = exchange.make_zxy_matrices(angles)
    np.testing.assert_allclose(rotations, Rotation.from_euler("ZXY", angles).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(exchange.make_zxy_matrices(exchange.compute_zxy_angles(rotations)), rotations, atol=1e-9)


@pytest.mark.parametrize("stretch_m", [0.0, 0.05])
def test_clip_round_trip_matches_program(tmp_path: Path, stretch_m: float) -> None:
    clip = make_clip(stretch_m=stretch_m)
    path = tmp_path / "clip.bvh"
    finish(exchange.write_bvh(path, clip))
    back = finish(exchange.read_bvh(path))
    np.testing.assert_allclose(back.positions_m, clip.positions_m, atol=2e-5)
    np.testing.assert_allclose(back.rotations, clip.rotations, atol=1e-6)
    assert back.names == ("hips", "leg_L_", "spine one", "spine one 2", "hand")
    assert (back.parents, round(back.fps, 4)) == (clip.parents, 24.0)
    read = read_as_program(path, 1.0)
    _, turns = forward_kinematics(read.motion.skeleton, read.motion.root_m, read.motion.rotations)
    joints = [read.motion.skeleton.names.index(name) for name in back.names]
    np.testing.assert_allclose(
        Rotation.from_quat(turns[:, joints].reshape(-1, 4)).as_matrix(), clip.rotations.reshape(-1, 3, 3), atol=1e-6
    )
    assert (2 in back.tips_m, set(back.tips_m)) == (False, {1, 4})


def test_untouched_channels_keep_their_values(tmp_path: Path) -> None:
    clip = make_clip(stretch_m=0.05)
    source = tmp_path / "clip.bvh"
    target = tmp_path / "back.bvh"
    finish(exchange.write_bvh(source, clip))
    write_as_program(target, read_as_program(source, 1.0))
    before = finish(exchange.read_bvh(source))
    after = finish(exchange.read_bvh(target))
    turns, positions_m = exchange.compute_changes(clip, before, after, before.names)
    np.testing.assert_allclose(turns, np.broadcast_to(np.eye(3), turns.shape), atol=1e-6)
    np.testing.assert_allclose(positions_m, clip.positions_m, atol=5e-6)
    with pytest.raises(exchange.ExchangeError, match="5 joints and 6 frames"):
        exchange.compute_changes(clip, before, replace(after, rotations=after.rotations[:-1]), ())


def test_extra_joints_move_with_parents() -> None:
    clip = make_clip()
    corrected = make_clip(seed=1)
    turns, positions_m = exchange.compute_changes(clip, clip, corrected, {"hips"})
    np.testing.assert_allclose(turns[:, 0] @ clip.rotations[:, 0], corrected.rotations[:, 0], atol=1e-12)
    for joint, parent in enumerate(PARENTS[1:], start=1):
        after = turns[:, joint] @ clip.rotations[:, joint]
        before = turns[:, parent] @ clip.rotations[:, parent]
        expected = clip.rotations[:, parent].swapaxes(-1, -2) @ clip.rotations[:, joint]
        np.testing.assert_allclose(before.swapaxes(-1, -2) @ after, expected, atol=1e-12)
        bones_m = [np.linalg.norm(p[:, joint] - p[:, parent], axis=-1) for p in (positions_m, clip.positions_m)]
        np.testing.assert_allclose(*bones_m, atol=1e-12)


def test_other_channels_raise(tmp_path: Path) -> None:
    finish(exchange.write_bvh(tmp_path / "clip.bvh", make_clip()))
    text = (tmp_path / "clip.bvh").read_text().replace("Zrotation Xrotation", "Xrotation Zrotation")
    (tmp_path / "clip.bvh").write_text(text)
    with pytest.raises(exchange.ExchangeError, match="Zrotation Xrotation Yrotation"):
        finish(exchange.read_bvh(tmp_path / "clip.bvh"))


def test_format_words_in_names_round_trip(tmp_path: Path) -> None:
    names = ("MOTION", "HIERARCHY", "the MOTION Frames: 3", "JOINT", "End Site")
    clip = replace(make_clip(), names=names)
    finish(exchange.write_bvh(tmp_path / "clip.bvh", clip))
    back = finish(exchange.read_bvh(tmp_path / "clip.bvh"))
    assert back.names == names
    np.testing.assert_allclose(back.positions_m, clip.positions_m, atol=2e-5)


def test_long_chains_come_back(tmp_path: Path) -> None:
    count = 1200
    offsets_m = np.tile([0.0, 0.001, 0.0], (count, 1))
    positions_m = np.tile(np.cumsum(offsets_m, axis=0), (2, 1, 1))
    rotations = np.tile(np.eye(3), (2, count, 1, 1))
    names = tuple(f"bone {joint}" for joint in range(count))
    clip = exchange.Clip(names, tuple(range(-1, count - 1)), positions_m, rotations, 30.0, {count - 1: offsets_m[0]})
    finish(exchange.write_bvh(tmp_path / "chain.bvh", clip))
    back = finish(exchange.read_bvh(tmp_path / "chain.bvh"))
    assert (back.names, back.parents) == (clip.names, clip.parents)
    np.testing.assert_allclose(back.positions_m, clip.positions_m, atol=1e-3)


@given(st.integers(0, 10_000))
def test_cut_files_are_one_sentence(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "clip.bvh"
    finish(exchange.write_bvh(path, make_clip()))
    text = path.read_text()
    path.write_text(text[: length % (len(text) - 2)])
    with pytest.raises(exchange.ExchangeError, match="cut or damaged"):
        finish(exchange.read_bvh(path))


@given(st.integers(0, 2**32))
def test_damaged_file_raises_or_is_finite(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Nothing else reaches a rig."""
    random = np.random.default_rng(seed)
    folder = tmp_path_factory.mktemp("damaged")
    clip = make_clip()
    finish(exchange.write_bvh(folder / "before.bvh", clip))
    damages = (reword, flip_bits, move_block)
    content = damages[random.integers(len(damages))]((folder / "before.bvh").read_bytes(), random)
    (folder / "after.bvh").write_bytes(content)
    with suppress(exchange.ExchangeError):
        before = finish(exchange.read_bvh(folder / "before.bvh"))
        after = finish(exchange.read_bvh(folder / "after.bvh"))
        changes, positions_m = exchange.compute_changes(clip, before, after, clip.names)
        assert np.isfinite(changes).all()
        assert np.isfinite(positions_m).all()
        assert np.abs(positions_m).max() < 1e8
