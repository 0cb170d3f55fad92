"""The template package builds, installs by pip, and extends selfcorrect."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import REPOSITORY

import selfcorrect as sc
from selfcorrect.commands.cli import main
from selfcorrect.core.errors import SettingError
from selfcorrect.motion.measures.metrics import METRICS, MetricInputs, MotionDescription, compute_metrics, find_metric
from selfcorrect.motion.measures.physical import PhysicalErrors
from selfcorrect.motion.motion import MotionBatch


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the template's wheel in a folder."""
    folder = tmp_path_factory.mktemp("template")
    shutil.copytree(REPOSITORY / "examples" / "plugins" / "template", folder / "package")
    flags = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder / "site")]
    subprocess.run([sys.executable, "-m", "pip", "install", *flags, str(folder / "package")], check=True)
    return folder / "site"


@pytest.mark.slow
def test_installed_format_works(site: Path, tmp_path: Path, walk: sc.Motion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(site))
    sc.save_motion(tmp_path / "walk.npy", walk, "joints")
    places_m = np.load(tmp_path / "walk.npy")
    table = tmp_path / "walk.joints"
    np.savetxt(table, places_m.reshape(len(places_m), -1), "%.6f", header="20", comments="")

    for trip in range(3):
        motion = sc.load_motion(table)
        np.testing.assert_allclose(sc.joint_positions(motion), places_m, atol=2e-4)
        table = tmp_path / f"{trip}.joints"
        sc.save_motion(table, motion)

    command = ["correct", str(table), "--out", str(tmp_path / "out"), "--kinematic", "--workers", "1"]
    assert main(command) == 0
    assert sc.load_motion(tmp_path / "out" / table.name).fps == 20


@pytest.mark.slow
def test_installed_rule_is_checked(
    site: Path, tmp_path: Path, walk: sc.Motion, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    far = dataclasses.replace(walk, root_m=walk.root_m + np.array([2000.0, 0.0, 0.0]))
    with pytest.raises(SettingError, match="U1"):
        sc.check(far, ["U1"])
    monkeypatch.syspath_prepend(str(site))
    assert [finding.code for finding in sc.check(far, ["U1"])] == ["U1"]
    assert sc.check(walk, ["far-away"]) == sc.check(far, ["U"], ignore=["far-away"]) == []
    sc.save_motion(tmp_path / "far.bvh", far)
    assert main(["check", str(tmp_path / "far.bvh"), "--select", "U1"]) == 1
    assert "U1 far-away" in capsys.readouterr().out


@pytest.mark.slow
def test_installed_physics_rule_needs_physics(
    site: Path, tmp_path: Path, walk: sc.Motion, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sway_m = 0.12 * np.sin(2 * np.pi * 3 * np.arange(len(walk)) / walk.fps)
    sc.save_motion(tmp_path / "sway.bvh", dataclasses.replace(walk, root_m=walk.root_m + np.outer(sway_m, [1, 0, 0])))
    sc.save_motion(tmp_path / "walk.bvh", walk)
    monkeypatch.syspath_prepend(str(site))
    chosen = ["--select", "U2"]
    assert main(["check", str(tmp_path / "sway.bvh"), *chosen]) == 0
    assert main(["check", str(tmp_path / "walk.bvh"), "--physics", *chosen]) == 0
    assert "U2" not in capsys.readouterr().out
    assert main(["check", str(tmp_path / "sway.bvh"), "--physics", *chosen]) == 1
    assert "U2 pushed" in capsys.readouterr().out


@pytest.mark.slow
def test_metrics_see_labels_and_motions(site: Path, walk: sc.Motion, monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(0).normal(size=(60, 3))
    errors = PhysicalErrors(*(np.zeros(60) for _ in dataclasses.fields(PhysicalErrors)))
    motions = MotionBatch.stack([walk.frames(0, 10)] * 60)
    real = MotionDescription(motions, points, points, points, np.arange(60) % 3, errors)
    samples = dataclasses.replace(real, labels=np.zeros_like(real.labels))
    plain = compute_metrics(MetricInputs(real, samples))
    monkeypatch.syspath_prepend(str(site))
    values = compute_metrics(MetricInputs(real, samples))
    assert values == plain | {"labels_kept": 1 / 3, "root_height_m": pytest.approx(walk.root_m[:10, 1].mean())}
    assert find_metric("labels_kept").better == "higher"
    assert "labels_kept" not in {metric.key for metric in METRICS}
