"""`import selfcorrect` is light and typed, and has the names of the changelog."""

import ast
import sys
from dataclasses import replace
from importlib.util import resolve_name
from pathlib import Path

import numpy as np
import pytest
from helpers import modules_after

import selfcorrect as sc

NAMES = """
    Accumulate AccumulateSubsample Arm Augment Candidate Clip Comparison ComparisonOptions Contacts Corrected
    CorrectedMotion Correction CorrectionOptions CorrectorError Dataset FolderReader FolderStore Format Freeze Fresh
    Gaussian GenerativeModel Ground GroundBox InputError Keep KinematicCorrector LoopError MemoryStore
    MissingExtraError Motion MotionFile NetworkModel PhysicsCorrector Reading RealOnly RemedyInputs Renew Replace
    RunFolderError SampleError Samples SelfcorrectError SettingError Skeleton Stream Task Thresholds TorchModel
    TrainingDivergedError Trial Union WorkerError assert_loop_stable assert_plausible best_of calibrate_sampler chain
    check claims compare compare_runs correct correct_file correct_files correct_motions draw_motions each_motion
    filter_of frechet_distance joint_positions lift lift_motions load_motion load_motions measure measure_stability
    motion_corrector motion_from_joints motion_from_smpl motion_task neighbour_metrics open_motion parse_policy
    perceptron random_perturbation read_summary run_loop save_motion show statistics streams toys
    train_first_generation verifier with_remedy
"""
"""The public names. A change here needs a line in CHANGELOG.md: others' programs rely on them."""


def test_public_names_match_list() -> None:
    assert sc.__all__ == ["__version__", *NAMES.split()]
    assert dir(sc) == sorted(sc.__all__)


def test_names_resolve_and_are_typed() -> None:
    tree = ast.parse(Path(sc.__file__).with_suffix(".pyi").read_text())
    imported = {
        alias.asname: f"{resolve_name('.' * node.level + (node.module or ''), 'selfcorrect')}:{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module != "typing"
        for alias in node.names
        if alias.asname
    }
    assert sorted(imported) == NAMES.split()
    for name, place in imported.items():
        value = getattr(sc, name)
        module, _, attribute = place.partition(":")
        assert value is getattr(sys.modules[module], attribute)
        assert getattr(sc, name).__doc__, f"{name} has no docstring"


def test_unknown_name_raises() -> None:
    with pytest.raises(AttributeError, match="module 'selfcorrect' has no attribute 'corect'"):
        _ = sc.corect  # type: ignore[attr-defined]


def test_file_functions_load_no_torch(stepping: sc.Motion, tmp_path: Path) -> None:
    sc.save_motion(tmp_path / "a.bvh", stepping)
    loaded = modules_after(f"import selfcorrect as sc; sc.load_motion({str(tmp_path / 'a.bvh')!r})")
    assert "selfcorrect.datasets.files.rigs.bvh" in loaded
    assert {"torch", "pybullet", "mujoco", "matplotlib"} & loaded == set()


def test_level_can_stay(stepping: sc.Motion) -> None:
    raised = replace(stepping, root_m=stepping.root_m + np.array([0.0, 3.0, 0.0]))
    at_zero = sc.correct(raised, kinematic=True).motion
    stayed = sc.correct(raised, kinematic=True, keep_level=True).motion
    shifts_m = stayed.root_m - at_zero.root_m
    np.testing.assert_allclose(shifts_m, np.broadcast_to(shifts_m[0], shifts_m.shape), atol=1e-6)
    np.testing.assert_allclose(stayed.rotations, at_zero.rotations, atol=1e-6)
    assert np.median(np.abs(stayed.root_m - raised.root_m)[:, 1]) < 0.01
    assert shifts_m[0, 1] == pytest.approx(3.0, abs=0.1)
    part = sc.correct(raised, kinematic=True, keep_level=True, frames="4:30").motion
    steps_m = np.diff(part.root_m - raised.root_m, axis=0)
    assert np.abs(steps_m).max() < 0.01, "it does not fall at the ends of a part"
    near = replace(stepping, root_m=stepping.root_m + np.array([0.0, 0.02, 0.0]))
    kept = sc.correct(near, kinematic=True, keep_level=True).motion
    np.testing.assert_allclose(
        kept.root_m - stayed.root_m, np.broadcast_to([0.0, -2.98, 0.0], kept.root_m.shape), atol=1e-6
    )


def test_file_is_corrected_in_format(stepping: sc.Motion, tmp_path: Path) -> None:
    sc.save_motion(tmp_path / "in.bvh", stepping)
    correction = sc.correct_file(tmp_path / "in.bvh", tmp_path / "new" / "out.bvh", kinematic=True)
    written = sc.load_motion(tmp_path / "new" / "out.bvh")
    np.testing.assert_allclose(sc.joint_positions(written), sc.joint_positions(correction.motion), atol=1e-5)
    with pytest.raises(sc.SettingError, match=r"in\.bvh: .*overwritten"):
        sc.correct_file(tmp_path / "in.bvh", tmp_path / "new" / ".." / "in.bvh")
    with pytest.raises(sc.SettingError, match=r"out\.npz:.*\.bvh.*\.bvh"):
        sc.correct_file(tmp_path / "in.bvh", tmp_path / "out.npz")


def test_overwrite_is_required(stepping: sc.Motion, tmp_path: Path) -> None:
    sc.save_motion(tmp_path / "in.bvh", stepping)
    names = ("out.bvh", "out.png", "out.json", "out.safetensors")
    for name in names:
        (tmp_path / name).write_text("somebody's work")
    contacts = sc.Contacts.from_motion(stepping)
    writers = (
        lambda **options: sc.save_motion(tmp_path / "out.bvh", stepping, **options),
        lambda **options: sc.correct_file(tmp_path / "in.bvh", tmp_path / "out.bvh", kinematic=True, **options),
        lambda **options: sc.draw_motions(tmp_path / "out.png", stepping, **options),
        lambda **options: contacts.save(tmp_path / "out.json", **options),
        lambda **options: sc.Gaussian.standard(3).save(tmp_path / "out.safetensors", **options),
    )
    for write in writers:
        with pytest.raises(sc.SettingError, match=r"out\.\w+: exists"):
            write()
        with pytest.raises(sc.SettingError, match=r"overwrite.*'yes'"):
            write(overwrite="yes")
    assert all((tmp_path / name).read_text() == "somebody's work" for name in names)
    for write in writers:
        write(overwrite=True)
    assert len(sc.load_motion(tmp_path / "out.bvh")) == len(stepping)
    assert sc.Contacts.load(tmp_path / "out.json") == contacts


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(sc.InputError, match=r"b\.bvh; expected .*\.bvh"):
        sc.load_motion(tmp_path / "b.bvh")
