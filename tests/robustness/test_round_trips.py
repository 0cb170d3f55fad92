"""What is written is read again as it was, whatever the skeleton, or refused in a sentence."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from robustness import strategies
from robustness.damage import tried
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files import formats
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.rigs.bvh import clip_of, format_bvh, parse_bvh
from selfcorrect.motion.motion import Motion

FEW, EASY = tried(15), tried(60)


@pytest.mark.slow
@given(motion=strategies.motions())
@EASY
def test_bvh_keeps_any_motion(motion: Motion) -> None:
    read = parse_bvh(format_bvh(clip_of(motion)), "a.bvh", metres_per_unit=0.01).motion
    order = [read.skeleton.names.index(name) for name in motion.skeleton.names]
    parents = [read.skeleton.parents[joint] for joint in order]
    named = [-1 if parent < 0 else motion.skeleton.names.index(read.skeleton.names[parent]) for parent in parents]
    assert tuple(named) == motion.skeleton.parents
    np.testing.assert_allclose(read.skeleton.offsets_m[order], motion.skeleton.offsets_m, atol=1e-7)
    np.testing.assert_allclose(read.root_m, motion.root_m, atol=1e-7)
    turns = Rotation.from_quat(read.rotations[:, order]).inv() * Rotation.from_quat(motion.rotations)
    assert turns.magnitude().max() < 1e-6
    assert read.fps == pytest.approx(motion.fps, rel=1e-4)


@pytest.mark.parametrize("suffix", [".bvh", ".glb"])
@given(motion=strategies.motions(strategies.ANY_NAMES))
@EASY
def test_any_names_are_written_readably_or_refused(motion: Motion, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.unlink(missing_ok=True)
    with suppress(InputError):
        save_motion(path, motion)
    if path.exists():
        assert len(open_motion(path, any_body=True).motions[0]) == len(motion)


@pytest.mark.parametrize("kind", ["bvh", "amass", "humanml3d", "joints", "gltf", "vrma", "usd"])
@given(motion=strategies.motions(strategies.ANY_NAMES))
@FEW
def test_every_writer_writes_what_is_read_again_or_says_why_not(kind: str, motion: Motion, tmp_path: Path) -> None:
    form = formats.named(kind)
    path = tmp_path / f"a{form.suffixes[0]}"
    path.unlink(missing_ok=True)
    with suppress(InputError):
        save_motion(path, motion, kind)
    assert [one.name for one in tmp_path.iterdir()] in ([], [path.name])
    if path.exists() and form.reader:
        again = open_motion(path, any_body=True).motions[0]
        assert np.isfinite(again.root_m).all()
        assert np.isfinite(again.rotations).all()


def read_or_refused(path: Path) -> tuple[tuple[Motion, ...], str]:
    """The motions of a file, or none and why."""
    try:
        return open_motion(path, any_body=True).motions, ""
    except InputError as error:
        return (), str(error)


@given(content=st.binary(max_size=400), name=st.sampled_from(strategies.FILE_NAMES))
@EASY
def test_any_bytes_are_read_or_refused_by_the_files_name(content: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(strategies.BEGINNINGS[path.suffix] + content)
    motions, sentence = read_or_refused(path)
    assert motions or str(path) in sentence


@given(arrays=strategies.npz_files())
@EASY
def test_any_arrays_are_read_or_refused_by_the_files_name(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    motions, sentence = read_or_refused(path)
    assert motions or str(path) in sentence
    assert all(np.isfinite(motion.rotations).all() for motion in motions)
