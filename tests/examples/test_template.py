"""The template of a package that extends selfcorrect, built and installed as pip does it."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import REPOSITORY

import selfcorrect as sc
from selfcorrect.experiments.cli import main


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages in which the wheel of the template is installed."""
    folder = tmp_path_factory.mktemp("template")
    shutil.copytree(REPOSITORY / "examples" / "plugins" / "template", folder / "package")
    flags = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder / "site")]
    subprocess.run([sys.executable, "-m", "pip", "install", *flags, str(folder / "package")], check=True)
    return folder / "site"


@pytest.mark.slow
def test_the_installed_format_is_read_written_and_corrected(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(site))
    walk = next(motion for motion in sc.load_motions("deepmimic") if motion.label == "walk")
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
