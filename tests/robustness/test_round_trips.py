"""Motions on any skeleton are read again as written, or refused."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from helpers import format_bvh
from hypothesis import given
from hypothesis import strategies as st
from robustness.damage import make_settings
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files import formats
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.rigs.bvh import clip_of, parse_bvh
from selfcorrect.datasets.files.skeletons.naming import parts_from_names
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton

FEW = make_settings(15)
EASY = make_settings(60)
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z"), exclude_characters="{}"), min_size=1, max_size=12
)
"""Names of joints without white space, control characters and braces."""

ANY_NAMES = st.text(min_size=0, max_size=12)
"""Names as other programs may have given them: with blanks, line breaks, braces, or none at all."""


@st.composite
def skeletons(draw: st.DrawFn, names: st.SearchStrategy[str] = NAMES) -> Skeleton:
    """A tree of up to twelve joints."""
    joint_names = draw(st.lists(names, min_size=1, max_size=12, unique=True))
    parents = (-1, *(draw(st.integers(0, child - 1)) for child in range(1, len(joint_names))))
    numbers = draw(st.lists(st.floats(-1, 1), min_size=3 * len(joint_names), max_size=3 * len(joint_names)))
    offsets_m = np.array(numbers).reshape(-1, 3)
    offsets_m[0] = 0
    return Skeleton(tuple(joint_names), parents, offsets_m, parts_from_names(tuple(joint_names)))


@st.composite
def motions(draw: st.DrawFn, names: st.SearchStrategy[str] = NAMES) -> Motion:
    """Draw a motion of such a skeleton.

    The motion has one to six frames at any usual rate. Low rates are resampled.
    """
    skeleton = draw(skeletons(names))
    frames = draw(st.integers(1, 6))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    rotations = random.normal(size=(frames, len(skeleton), 4))
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    root_m = random.normal(0, draw(st.sampled_from([0.0, 1.0, 1000.0])), (frames, 3))
    return Motion(skeleton, root_m, rotations, float(draw(st.sampled_from([24, 25, 30, 59.94, 120]))))


@pytest.mark.slow
@given(motion=motions())
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


@pytest.mark.parametrize(
    "kind", ["bvh", "amass", "humanml3d", "joints", "gltf", "vrma", pytest.param("usd", marks=pytest.mark.nightly)]
)
@given(motion=motions(ANY_NAMES))
@FEW
def test_writers_round_trip_or_explain(kind: str, motion: Motion, tmp_path: Path) -> None:
    form = formats.find_format(kind)
    path = tmp_path / f"a{form.suffixes[0]}"
    path.unlink(missing_ok=True)
    with suppress(InputError):
        save_motion(path, motion, kind)
    assert [path.name for path in tmp_path.iterdir()] in ([], [path.name])
    if path.exists() and form.reader:
        reread = open_motion(path, any_body=True).motions[0]  # sampled, if it has few frames per second
        if kind in ("bvh", "gltf"):
            assert (len(reread) - 1) / reread.fps == pytest.approx((len(motion) - 1) / motion.fps, abs=1 / 29)
        assert np.isfinite(reread.root_m).all()
        assert np.isfinite(reread.rotations).all()
