"""Advice that is followed removes the reason for rejection."""

from pathlib import Path

import pytest
from made_motions import made_motion
from posed_motions import climbing, gliding

import selfcorrect as sc
from selfcorrect.commands.correct.in_python import correct_file
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.results.results import FailureKind


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(gliding(0.7), marks=pytest.mark.slow, id="dancer"),
        pytest.param(raise_motion(made_motion("run", frames=90), 0.4), id="runner"),
    ],
)
def test_advised_floor_is_stood_on(made: Motion, tmp_path: Path) -> None:
    pytest.importorskip("mujoco")
    path = tmp_path / "a.bvh"
    save_motion(path, made)
    failure = correct_file(path, tmp_path / "plain.bvh", engine="mujoco").failure
    assert failure is not None
    assert failure.kind is FailureKind.FLOATING
    assert failure.value is not None
    assert "drop" not in failure.tried
    for number, reading in enumerate((Reading(drop=True), Reading(floor=failure.value))):
        assert correct_file(path, tmp_path / f"{number}.bvh", engine="mujoco", reading=reading).accepted
    wrong = correct_file(path, tmp_path / "wrong.bvh", engine="mujoco", reading=Reading(floor=0.1)).failure
    assert wrong is not None
    assert wrong.value == pytest.approx(failure.value, abs=0.03)


def test_climber_gets_no_advice(tmp_path: Path) -> None:
    pytest.importorskip("mujoco")
    path = tmp_path / "a.bvh"
    save_motion(path, climbing())
    correction = correct_file(path, tmp_path / "b.bvh", engine="mujoco")
    assert correction.failure is not None
    assert correction.failure.value is None
    assert "drop" in correction.failure.tried
    assert sc.correct(climbing(), engine="mujoco", support="off").accepted
