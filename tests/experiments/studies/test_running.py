"""Reports of running experiments show what is committed; finished reports stay as they are."""

from pathlib import Path

import pytest

from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.motion.motion_page import make_motion_page
from selfcorrect.experiments.studies.motion.settings import MotionSettings
from selfcorrect.experiments.studies.motion.study import make_motion_study
from selfcorrect.experiments.studies.study import jobs_of, run_arm, run_first_generation
from selfcorrect.experiments.studies.study_report import RunningReport
from selfcorrect.runtime.progress import silent
from selfcorrect.storage.files.digests import SUMS

PLAIN = ArmSettings("replace")
TINY = MotionSettings(
    {"dct-mlp": (BASELINE, PLAIN)},
    generations=1,
    seeds=2,
    real_count=12,
    evaluated_count=12,
    frames=10,
    steps={"dct-mlp": 1},
    initial_steps={"dct-mlp": 2},
)
STUDY = make_motion_study(TINY)
PAGE = make_motion_page(TINY)


def page_after(folder: Path) -> str:
    """Return the report that progress leaves, or ""."""
    RunningReport(STUDY, PAGE, folder, "selfcorrect motion").update()
    page = folder / "report.html"
    return page.read_text() if page.is_file() else ""


@pytest.mark.slow
def test_report_grows_with_run(tmp_path: Path) -> None:
    run, _ = STUDY.runs(tmp_path)
    assert "<svg" not in page_after(tmp_path)
    run_first_generation(STUDY, run, False, silent)
    begun = page_after(tmp_path)
    assert sum(job.generations for job in jobs_of(STUDY, tmp_path)) == 6  # as many as the progress bar counts
    assert "Under way: 1 of 6 generations are done." in begun
    assert '<meta http-equiv="refresh" content="15">' in begun
    assert "<svg" not in begun
    run_arm(STUDY, run, PLAIN, silent)
    grown = page_after(tmp_path)
    assert "Under way: 2 of 6 generations are done." in grown
    assert "<svg" in grown
    (tmp_path / SUMS).write_text("")
    (tmp_path / "report.html").write_text("finished")
    assert page_after(tmp_path) == "finished"


def test_failing_page_warns(tmp_path: Path) -> None:
    report = RunningReport(STUDY, PAGE, tmp_path, "selfcorrect motion")
    report.update()
    (tmp_path / "report.html").unlink()
    report.update()
    assert not (tmp_path / "report.html").exists()
    (tmp_path / "report.html").mkdir()
    with pytest.warns(UserWarning, match=r"report.*not written"):
        RunningReport(STUDY, PAGE, tmp_path, "").update()
