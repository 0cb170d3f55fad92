"""What is written is read again as it was, whatever the skeleton, or refused in a sentence."""

import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from scipy.spatial.transform import Rotation

sys.path.insert(0, str(Path(__file__).parent))

import strategies

from selfcorrect.datasets.files.bvh import clip_of, format_bvh, parse_bvh
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.errors import InputError
from selfcorrect.motion.motion import Motion

EASY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


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
