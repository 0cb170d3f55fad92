"""Body models agree with smplx's real code.

The tests make the model files: the right keys, a body of a few soft balls.
"""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation
from smpl_files import OFFSET, VERTEX_COUNTS, model_numbers

from selfcorrect.datasets.files.motion_file import body_model_of
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.people import amass
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.body.body_model import DENSITY_KG_M3, BodyModel, load_body_model, make_body, vertices, volume_m3
from selfcorrect.motion.body.smpl import AVERAGE_PELVIS_M, LAYOUTS, SMPL, SMPL_H, SMPL_X, Layout, average_body
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion


def test_changed_model_is_reread(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    numbers = model_numbers(SMPL)
    np.savez(path, **numbers)
    state = path.stat()
    small = make_body(read_cached_model(path)).skeleton
    assert read_cached_model(path) is read_cached_model(path)
    np.savez(path, **{**numbers, "v_template": 2 * numbers["v_template"]})
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)
    np.testing.assert_allclose(make_body(read_cached_model(path)).skeleton.offsets_m, 2 * small.offsets_m, atol=1e-9)


def read_cached_model(path: Path) -> BodyModel:
    model = body_model_of(Reading(body_model=path))
    assert model is not None
    return model


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Layout], Path]:
    folder = tmp_path_factory.mktemp("models")

    def write(layout: Layout) -> Path:
        path = folder / f"{layout.name}.npz"
        if not path.exists():
            np.savez(path, **model_numbers(layout))
        return path

    return write


def random_motion(layout: Layout, frames: int = 3) -> Motion:
    random = np.random.default_rng(1)
    rotations = Rotation.from_rotvec(random.normal(0, 0.4, (frames, len(layout.names), 3))).as_quat()
    return Motion(layout.average(), random.normal(0, 1, (frames, 3)), rotations, 30.0)


@pytest.mark.slow
@pytest.mark.parametrize("layout", [SMPL, SMPL_H, SMPL_X], ids=lambda layout: layout.name)
def test_skeleton_matches_file(model_file: Callable[[Layout], Path], layout: Layout) -> None:
    body = make_body(load_body_model(model_file(layout)))
    assert body.skeleton.names == layout.names
    np.testing.assert_allclose(body.skeleton.offsets_m, layout.average().offsets_m, atol=1e-3)
    np.testing.assert_allclose(body.pelvis_m, OFFSET, atol=1e-3)


@pytest.mark.parametrize("layout", [SMPL, SMPL_H, SMPL_X], ids=lambda layout: layout.name)
def test_mesh_moves_with_joints(model_file: Callable[[Layout], Path], layout: Layout) -> None:
    """Skinning and kinematics put joints in one place.

    A joint is the mean of its ring of vertices, in smplx and here.
    """
    model = load_body_model(model_file(layout))
    motion = random_motion(layout)
    mesh_m = vertices(model, motion)
    assert mesh_m.shape == (3, VERTEX_COUNTS[layout.name], 3)
    assert model.faces.shape == (100, 3)
    regressor = np.load(model_file(layout))["J_regressor"]
    # The rings of one joint are centred on it only up to the last, incomplete round of vertices.
    np.testing.assert_allclose(regressor @ mesh_m, joint_positions(motion), atol=2e-3)


def test_shape_coefficients_change_the_bones(model_file: Callable[[Layout], Path]) -> None:
    model = load_body_model(model_file(SMPL_H))
    mean = make_body(model)
    tall = make_body(model, np.array([2.0, *np.zeros(15)]))
    np.testing.assert_allclose(tall.skeleton.offsets_m, 1.2 * mean.skeleton.offsets_m, atol=1e-3)


def test_amass_uses_own_body(model_file: Callable[[Layout], Path], tmp_path: Path) -> None:
    amass.write_amass(tmp_path / "a.npz", random_motion(SMPL_H))
    fields = dict(np.load(tmp_path / "a.npz"))
    np.savez(tmp_path / "tall.npz", **fields | {"betas": np.array([2.0, *np.zeros(15)])})
    path = model_file(SMPL_H)
    file = open_motion(tmp_path / "tall.npz", Reading(body_model=path))
    motion = file.motion
    np.testing.assert_allclose(motion.skeleton.offsets_m, 1.2 * SMPL_H.average().offsets_m, atol=1e-3)
    # The root is where the models put it: at the translation plus the resting pelvis, z up in the file.
    body = make_body(load_body_model(path), np.array([2.0, *np.zeros(15)]))
    expected_m = (fields["trans"] + body.pelvis_m)[:, [0, 2, 1]] * [1, 1, -1]
    np.testing.assert_allclose(motion.root_m, expected_m, atol=1e-12)
    file.write(tmp_path / "again.npz", motion)
    for name in ("trans", "poses"):
        np.testing.assert_allclose(np.load(tmp_path / "again.npz")[name], fields[name], atol=1e-9)


def test_other_joints_match_by_name(model_file: Callable[[Layout], Path], tmp_path: Path) -> None:
    """SMPL-X's jaw and eyes come before the fingers.

    Those of SMPL-H follow.
    """
    amass.write_amass(tmp_path / "a.npz", random_motion(SMPL_H))
    path = model_file(SMPL_X)
    skeleton = open_motion(tmp_path / "a.npz", Reading(body_model=path)).motion.skeleton
    body = make_body(load_body_model(path), np.zeros(16)).skeleton
    assert skeleton.names == SMPL_H.names
    for name, offset_m in zip(skeleton.names, skeleton.offsets_m, strict=True):
        np.testing.assert_allclose(offset_m, body.offsets_m[body.names.index(name)], atol=1e-9, err_msg=name)


def test_mesh_needs_model_joints(model_file: Callable[[Layout], Path]) -> None:
    with pytest.raises(ValueError, match=r"52.*SMPL-H,.*24"):
        vertices(load_body_model(model_file(SMPL_H)), random_motion(SMPL))


def test_pickled_model_needs_consent(tmp_path: Path) -> None:
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    numbers = model_numbers(SMPL) | {"J_regressor": scipy.sparse.csc_matrix(model_numbers(SMPL)["J_regressor"])}
    path.write_bytes(pickle.dumps(numbers, protocol=2))
    with pytest.raises(ValueError, match="pickle"):
        load_body_model(path)
    body = make_body(load_body_model(path, allow_pickle=True))
    np.testing.assert_allclose(body.skeleton.offsets_m, SMPL.average().offsets_m, atol=1e-3)


def test_pickled_names_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "SMPLX_NEUTRAL.npz"
    np.savez(path, joint2num=np.array({"pelvis": 0}, dtype=object), **model_numbers(SMPL_X))
    assert len(make_body(load_body_model(path)).skeleton) == 55


@pytest.mark.parametrize(
    ("numbers", "message"), [({"v_template": np.zeros((3, 3))}, "missing: shapedirs, "), ({}, "missing: v_template")]
)
def test_other_archives_are_refused(tmp_path: Path, numbers: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "model.npz", **numbers)
    with pytest.raises(ValueError, match=message):
        load_body_model(tmp_path / "model.npz")


def test_other_joints_raise(tmp_path: Path) -> None:
    numbers = model_numbers(SMPL) | {"kintree_table": np.zeros((2, 16))}
    np.savez(tmp_path / "model.npz", **numbers)
    with pytest.raises(ValueError, match=r"24.*52.*55.*16"):
        load_body_model(tmp_path / "model.npz")


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_average_body_is_upright(layout: Layout) -> None:
    body = average_body(layout)
    assert body.name == f"average {layout.name}"
    np.testing.assert_array_equal(body.pelvis_m, AVERAGE_PELVIS_M)
    rest = Motion(body.skeleton, np.zeros((1, 3)), np.tile([0.0, 0, 0, 1], (1, len(body.skeleton), 1)), 1.0)
    joints_m = dict(zip(body.skeleton.names, joint_positions(rest)[0], strict=True))
    assert 1.4 < joints_m["head"][1] - joints_m["left_foot"][1] < 1.6  # joints end below the crown and above the sole
    assert joints_m["left_wrist"][0] > 0.6 > -0.6 > joints_m["right_wrist"][0]
    assert joints_m["left_foot"][2] > joints_m["left_ankle"][2]


def test_volume_of_box_and_ball() -> None:
    corners = np.array([[x, y, z] for x in (4, 4.2) for y in (-2, -1.7) for z in (7, 7.5)])
    box = ConvexHull(corners)
    assert volume_m3(corners, outward(box)) == pytest.approx(0.2 * 0.3 * 0.5)
    directions = np.random.default_rng(0).normal(size=(4000, 3))
    ball = ConvexHull(0.3 * directions / np.linalg.norm(directions, axis=1, keepdims=True))
    assert volume_m3(ball.points, outward(ball)) == pytest.approx(4 / 3 * np.pi * 0.3**3, rel=0.01)


def outward(hull: ConvexHull) -> np.ndarray:
    """Return triangles (F, 3) turned the same way."""
    first, second, third = np.moveaxis(hull.points[hull.simplices], 1, 0)
    inward = np.sum(np.cross(second - first, third - first) * hull.equations[:, :3], axis=1) < 0
    return np.where(inward[:, None], hull.simplices[:, ::-1], hull.simplices)


def test_larger_body_weighs_more(tmp_path: Path) -> None:
    """A box of 60 litres weighs as its volume.

    The box is a model's mesh, and shape 0 makes it larger by a tenth.
    """
    numbers = model_numbers(SMPL_H)
    hull = ConvexHull(np.array([[x, y, z] for x in (-0.2, 0.2) for y in (-0.75, 0.75) for z in (-0.05, 0.05)]))
    numbers["v_template"][:8], numbers["f"] = hull.points, outward(hull).astype(np.uint32)
    numbers["shapedirs"][:8, :, 0] = 0.1 * hull.points
    np.savez(tmp_path / "box.npz", **numbers)
    model = load_body_model(tmp_path / "box.npz")
    assert make_body(model).skeleton.mass_kg == pytest.approx(DENSITY_KG_M3 * 0.4 * 1.5 * 0.1)
    assert make_body(model, np.array([1.0])).skeleton.mass_kg == pytest.approx(60 * 1.1**3)
    assert average_body().skeleton.mass_kg is None
