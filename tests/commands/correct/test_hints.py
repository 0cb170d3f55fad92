"""Failing hints, which only describe a correction, never cost a result; a note takes their place."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from helpers import Says, log_uniform, report_of
from hypothesis import given, settings
from hypothesis import strategies as st
from made_motions import KINDS, Kind, made_motion

from selfcorrect.commands.check import check_files
from selfcorrect.commands.cli import main
from selfcorrect.commands.correct import batch_report, describe
from selfcorrect.commands.correct.describe import describe_correction
from selfcorrect.commands.correct.file_result import FileResult
from selfcorrect.commands.correct.options import CorrectionOptions
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.motion.checks import walking
from selfcorrect.simulators.compare import evaluate
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.results import comparison


def fails(*_: object, **__: object) -> None:
    raise IndexError("index 81 is out of bounds")


@pytest.fixture
def walker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a walk in walk.bvh."""
    monkeypatch.chdir(tmp_path)
    write_bvh(tmp_path / "walk.bvh", clip_of(made_motion("walk", frames=40)))
    return tmp_path


STEPS = [
    (walking, "find_longest_walk", "rule P1 was left out"),
    (describe, "check_motion", "what is wrong in the input is not reported"),
    (describe, "explain_findings", "what is left is not reported"),
    (describe, "_list_residuals", "residual wrenches are not reported"),
    (describe, "_find_residual_spans", "times of residual force are not reported"),
    (describe, "_list_contacts", "contacts are not reported"),
    (describe, "measure_travel", "distances of joints are not reported"),
    (describe, "find_body_moves", "moves of the whole body are not reported"),
    (evaluate, "make_timeline", "no timeline"),
    (comparison, "measure_features", "errors are not reported"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a walk corrected without failures."""
    folder = tmp_path_factory.mktemp("whole")
    write_bvh(folder / "walk.bvh", clip_of(made_motion("walk", frames=40)))
    with contextlib.chdir(folder):
        assert main(["correct", "walk.bvh", "-o", "whole", "--simulate", "always"]) == 0
    return folder / "whole"


@pytest.mark.slow
@pytest.mark.parametrize(("module", "name", "step_name"), STEPS, ids=[name for _, name, _ in STEPS])
def test_failing_hint_is_isolated(
    module: object, name: str, step_name: str, whole: Path, walker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, fails)
    assert main(["correct", "walk.bvh", "-o", "out", "--simulate", "always"]) == 0
    assert (walker / "out/walk.bvh").read_bytes() == (whole / "walk.bvh").read_bytes()
    notes = report_of(walker / "out")["walk.bvh"]["notes"]
    assert any(note.startswith(f"{step_name}: ") for note in notes)
    assert not any(note.startswith(f"{step_name}: ") for note in report_of(whole)["walk.bvh"]["notes"])


def test_failing_summary_is_isolated(walker: Path, monkeypatch: pytest.MonkeyPatch, says: Says) -> None:
    for name in ("format_table", "summarize_results"):
        monkeypatch.setattr(batch_report, name, fails)
    printed = says("correct walk.bvh -o out --kinematic")
    assert printed.startswith("no table: index 81")
    assert "\nno summary: index 81" in printed
    assert printed.endswith(f"Report: {Path('out/report.json')}\n")
    assert report_of(walker / "out")["walk.bvh"]["verdict"] == "accepted"


def test_folder_check_continues(walker: Path, monkeypatch: pytest.MonkeyPatch, says: Says) -> None:
    high = made_motion("idle", frames=40)
    high.root_m[:, 1] += 0.5
    write_bvh(walker / "high.bvh", clip_of(high))
    monkeypatch.setattr(walking, "find_longest_walk", fails)
    printed = says("check .", code=1)
    assert "high.bvh: 1 finding (unit 0.01 m inferred, y up inferred)\n  the feet stand" in printed
    assert "walk.bvh: note: rule P1 was left out: " in printed
    assert printed.endswith("F4 in 1), 2 with notes\n")
    monkeypatch.setattr(check_files, "open_motion", fails)
    assert says("check .", code=2).count("unreadable: ") == 2


@pytest.mark.slow
@settings(max_examples=12)
@given(
    kind=st.sampled_from(KINDS),
    pace=log_uniform(0.02, 30.0),
    fps=log_uniform(5.0, 240.0),
    frames=log_uniform(4.0, 1000.0).map(round),
    simulated=st.sampled_from([False, False, False, True]),
)
def test_random_motions_are_corrected_or_rejected(
    kind: Kind, pace: float, fps: float, frames: int, simulated: bool
) -> None:
    motion = made_motion(kind, pace, fps, min(frames, 120) if simulated else frames)
    correction = (PhysicsCorrector() if simulated else KinematicCorrector())([motion])[0]
    assert np.isfinite(correction.motion.root_m).all()
    lines = describe_correction(FileResult("in.bvh", "in.bvh", "failed"), (), motion, correction, CorrectionOptions())
    assert lines.verdict in (("accepted", "unchanged") if correction.accepted else ("rejected",))
    assert not any(
        "not reported" in note or "left out" in note or "no timeline" in note for note in lines.content.notes
    )


def test_extreme_motions_are_corrected() -> None:
    for kind, pace, fps, frames in (("walk", 30.0, 5.0, 4), ("hop", 0.02, 240.0, 40), ("run", 3.0, 5.0, 9)):
        (correction,) = KinematicCorrector()([made_motion(kind, pace, fps, frames)])
        assert correction.accepted
