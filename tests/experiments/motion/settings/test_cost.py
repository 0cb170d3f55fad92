"""What an experiment is expected to take is what published runs took; the table of presets says what presets are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from selfcorrect.experiments.motion.settings.arms import BASELINE, Arm
from selfcorrect.experiments.motion.settings.cost import SPREAD, duration, expected
from selfcorrect.experiments.motion.settings.preset_table import PRESET_ROWS
from selfcorrect.experiments.motion.settings.presets import PRESETS, DenoiserArms, settings_of

RESULTS = Path(__file__).resolve().parents[4] / "docs" / "results"


def test_expected_times_are_near_those_of_all_published_runs() -> None:
    published = [json.loads(path.read_text()) for path in RESULTS.glob("*.json")]
    took = {
        told["command"]: told["made"]["core_hours"] * 3600 / (expected(settings_of(told["settings"])).core_seconds or 0)
        for told in published
    }
    assert len(took) > 20
    assert {command: ratio for command, ratio in took.items() if not 1 / SPREAD < ratio < SPREAD} == {}


@pytest.mark.parametrize("name", PRESETS)
def test_the_table_says_what_a_preset_is(name: str) -> None:
    settings, row = PRESETS[name], PRESET_ROWS[name]
    cost = expected(settings, row.keep)
    assert row.denoisers == ", ".join(one.denoiser for one in settings.comparisons)
    counts = row.judged_count, row.first_seed
    assert counts == (settings.judged_count, settings.first_seed)
    assert (row.arms, row.generations, row.seeds, row.real_count, row.engine) == (
        sum(len(one.arms) for one in settings.comparisons),
        settings.generations,
        settings.seeds,
        settings.real_count,
        settings.engine,
    )
    minutes = cost.minutes(2)
    time = "needs a GPU" if minutes is None else duration(minutes)
    assert row.cost == f"{time}, {cost.disk_gb:.1f} GB"


def test_more_work_costs_more() -> None:
    quick = PRESETS["quick"]
    usual = expected(quick)
    for more in (replace(quick, seeds=2), replace(quick, generations=9), replace(quick, judged_count=256)):
        assert expected(more).core_seconds > usual.core_seconds  # type: ignore[operator]
    arms = (BASELINE, Arm("replace"), Arm("replace", "kinematic"))
    assert expected(replace(quick, comparisons=(DenoiserArms("patch-mixer", arms),))).core_seconds < usual.core_seconds  # type: ignore[operator]
    assert expected(quick, "sampling").disk_gb < expected(quick, "needed").disk_gb < usual.disk_gb
