"""What an experiment is expected to take is what published runs took; the table of presets says what presets are."""

import json
from dataclasses import replace
from pathlib import Path

from selfcorrect.experiments.motion.settings.cost import SPREAD, expected
from selfcorrect.experiments.motion.settings.experiment import DenoiserArms, settings_of
from selfcorrect.experiments.motion.settings.presets import PRESETS
from selfcorrect.experiments.studies.arms import BASELINE, Arm

RESULTS = Path(__file__).resolve().parents[4] / "docs" / "results"


def test_expected_times_are_near_those_of_all_published_runs() -> None:
    published = [json.loads(path.read_text()) for path in RESULTS.glob("*.json")]
    took = {
        told["command"]: told["made"]["core_hours"] * 3600 / (expected(settings_of(told["settings"])).core_seconds or 0)
        for told in published
    }
    assert len(took) > 20
    assert {command: ratio for command, ratio in took.items() if not 1 / SPREAD < ratio < SPREAD} == {}


def test_more_work_costs_more() -> None:
    quick = PRESETS["quick"]
    usual = expected(quick)
    for more in (replace(quick, seeds=2), replace(quick, generations=9), replace(quick, judged_count=256)):
        assert expected(more).core_seconds > usual.core_seconds  # type: ignore[operator]
    arms = (BASELINE, Arm("replace"), Arm("replace", "kinematic"))
    assert expected(replace(quick, comparisons=(DenoiserArms("patch-mixer", arms),))).core_seconds < usual.core_seconds  # type: ignore[operator]
    assert expected(quick, "sampling").disk_gb < expected(quick, "needed").disk_gb < usual.disk_gb
