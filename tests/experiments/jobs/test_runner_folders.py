"""A folder of `jobs/runners` is a runner; without the folder, all other runners work."""

from pathlib import Path

import pytest
from copied_packages import CopiedPackages

from selfcorrect.experiments.jobs import run, runners
from selfcorrect.experiments.jobs.runner_row import RunnerRow

FOLDERS = sorted(path.parent for path in Path(runners.__path__[0]).resolve().glob("*/__init__.py"))


def find_name(folder: Path) -> str:
    """Return the name of a folder's runner."""
    return next(row.name for row in run.RUNNERS if f".runners.{folder.name}." in row.reference)


def test_each_folder_is_a_runner() -> None:
    names = {row.name for row in run.RUNNERS if not run.RUNNERS.is_added(row.name)}
    assert names == {"here", "processes", *map(find_name, FOLDERS)}
    assert all(isinstance(row, RunnerRow) for row in run.RUNNERS)


@pytest.mark.slow
@pytest.mark.parametrize("deleted", [*([folder] for folder in FOLDERS), FOLDERS], ids=str)
def test_jobs_run_without_folders(deleted: list[Path], tmp_path: Path) -> None:
    """The folders are deleted from a copy of the packages, and files are corrected there in two processes."""
    packages = CopiedPackages.make(tmp_path)
    packages.delete(*deleted)
    samples = packages.run("data", "samples", "--out", "samples", folder=tmp_path)
    assert not samples.returncode, samples.stderr
    corrected = packages.run("correct", "samples", "--kinematic", "--runner", "processes", folder=tmp_path)
    assert (tmp_path / "corrected" / "report.json").is_file(), corrected.stderr
    refused = packages.run("correct", "samples", "--runner", find_name(deleted[0]), folder=tmp_path)
    assert refused.returncode == 2
    assert "unknown runner" in refused.stderr
