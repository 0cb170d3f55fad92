"""Users' metrics work by file: they measure samples, reach the tables, and are identified."""

import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import REPOSITORY

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.core.randomness import streams
from selfcorrect.experiments.studies.arm_curves import ArmCurves
from selfcorrect.experiments.studies.arms import BASELINE
from selfcorrect.experiments.studies.motion.motion_page import all_metrics_table
from selfcorrect.experiments.studies.motion.settings import MotionSettings, extends, settings_from_config
from selfcorrect.experiments.studies.motion.study import own_identities
from selfcorrect.experiments.studies.motion.task import MotionParts, motion_data
from selfcorrect.experiments.studies.outcome import Outcome
from selfcorrect.motion.kinematics import joint_positions

PAGE = (REPOSITORY / "docs" / "experiments.md").read_text(encoding="utf-8").partition("## Add a metric")[2]
NAME = "my_metric.py:wrist_range_m"
SETTINGS = MotionSettings(
    {"dct-mlp": (BASELINE,)}, generations=1, seeds=1, real_count=12, evaluated_count=12, metric=(NAME,)
)


@pytest.fixture(autouse=True)
def _page_as_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_metric.py").write_text(PAGE.split("```python\n")[1].split("```")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_metric", raising=False)


def test_metric_of_guide_measures_samples():
    data = motion_data(SETTINGS, streams(0))
    evaluator = MotionParts(SETTINGS, data).evaluator
    batch = data.fresh.batch
    wrists_m = joint_positions(batch)[:, :, batch.skeleton.pair("wrist"), 1]
    scores = evaluator.evaluate(batch, data.fresh.labels)
    assert scores["wrist_range_m"] == pytest.approx(np.ptp(wrists_m, axis=1).mean())
    Path("my_metric.py").write_text("def wrist_range_m(sets):\n    return 'far'\n")
    sys.modules.pop("my_metric")
    with pytest.raises(InputError, match="wrist_range_m"):
        MotionParts(SETTINGS, data).evaluator.evaluate(batch, data.fresh.labels)


def test_metric_is_a_setting():
    assert settings_from_config(SETTINGS.config()) == SETTINGS
    plain = {name: value for name, value in SETTINGS.config().items() if name != "metric"}
    assert not extends(plain, SETTINGS.config())
    assert f"metric {NAME!r}" in own_identities(SETTINGS)
    values = {key: np.ones((2, 2)) for key in ("fid_kinematic", "wrist_range_m")}
    table = all_metrics_table(Outcome({"dct-mlp": {BASELINE: ArmCurves("real", "", "real", values)}}), SETTINGS)
    assert table.columns[-1] == "wrist range m"


@pytest.mark.parametrize("name", ["my_metric.py:missing", "absent.py:wrist_range_m", "my_metric.py:coverage"])
def test_unusable_metric_raises(name: str):
    with Path("my_metric.py").open("a") as file:
        file.write("\n\ncoverage = wrist_range_m\n")
    settings = MotionSettings({"dct-mlp": (BASELINE,)}, generations=1, seeds=1, metric=(name,))
    with pytest.raises(SettingError, match="metric"):
        own_identities(settings)
