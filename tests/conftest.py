"""Fixtures that several test folders share."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from selfcorrect.datasets.collections.deepmimic import load_deepmimic
from selfcorrect.motion.motion import Motion

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real motion capture and golden vectors; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("SELFCORRECT_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the shared test data (set SELFCORRECT_SHARED; looked in {folder})")
    return folder


@pytest.fixture(scope="session")
def cmu(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked CMU motion-capture set: index.csv, train/, test/, tpose/."""
    folder = tmp_path_factory.mktemp("cmu")
    with tarfile.open(shared / "mocap" / "cmu-bvh.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "cmu-bvh"


@pytest.fixture(scope="session")
def clips() -> dict[str, Motion]:
    """The DeepMimic clips by label."""
    return {clip.label: clip for clip in load_deepmimic()}


@pytest.fixture(scope="session")
def walk(clips: dict[str, Motion]) -> Motion:
    """One cycle of a real walk at 30 frames per second."""
    return clips["walk"]
