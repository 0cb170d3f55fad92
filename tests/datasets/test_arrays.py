"""Motions from arrays in memory."""

import numpy as np
import pytest

import selfcorrect as sc
from selfcorrect.core.errors import InputError


@pytest.fixture(scope="module")
def walk(tmp_path_factory) -> tuple[sc.Motion, dict[str, np.ndarray]]:
    """Return a walk and its AMASS arrays.

    The body is the average of SMPL+H.
    """
    path = tmp_path_factory.mktemp("arrays") / "walk.npz"
    sc.save_motion(path, next(motion for motion in sc.load_motions("deepmimic") if motion.label == "walk"), "amass")
    with np.load(path) as arrays:
        return sc.load_motion(path), dict(arrays)


@pytest.mark.parametrize("axes", [[0, 1, 2], [2, 0, 1]], ids=["y up", "z up"])
def test_joints_match_array(walk, axes):
    places_m = sc.joint_positions(walk[0])[:, :22]
    motion = sc.motion_from_joints(places_m[:, :, axes], walk[0].fps)
    assert motion.fps == walk[0].fps
    found_m = sc.joint_positions(motion)
    order = [motion.skeleton.names.index(name) for name in walk[0].skeleton.names[:22]]
    np.testing.assert_allclose(found_m[:, order, 1], places_m[..., 1], atol=1e-4)
    step_m = np.linalg.norm(np.diff(found_m[:, order], axis=0), axis=-1)
    np.testing.assert_allclose(step_m, np.linalg.norm(np.diff(places_m, axis=0), axis=-1), atol=1e-4)


def test_parameters_equal_file(walk):
    motion, arrays = walk
    in_memory = sc.motion_from_smpl(arrays["poses"], arrays["trans"], motion.fps)
    np.testing.assert_array_equal(sc.joint_positions(in_memory), sc.joint_positions(motion))


def test_shape_needs_body_model(walk):
    with pytest.warns(UserWarning, match="body_model"):
        sc.motion_from_smpl(walk[1]["poses"], walk[1]["trans"], 30.0, betas=np.ones(10))


@pytest.mark.parametrize(
    "positions_m",
    [np.zeros((4, 22)), np.zeros((0, 22, 3)), np.zeros((4, 22, 3)), np.full((4, 22, 3), np.nan), "text"],
    ids=["shape", "empty", "collapsed", "nan", "text"],
)
def test_other_arrays_raise(positions_m):
    with pytest.raises(InputError, match="positions_m"):
        sc.motion_from_joints(positions_m, 30.0)


def test_frames_of_arrays_must_agree(walk):
    with pytest.raises(InputError, match="trans"):
        sc.motion_from_smpl(walk[1]["poses"][:5], walk[1]["trans"], 30.0)
