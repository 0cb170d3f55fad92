"""Remedies in the report."""

from dataclasses import replace

import numpy as np

from selfcorrect.experiments.motion.tables import remedies_table
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.outcome import Outcome
from selfcorrect.experiments.studies.results import ArmCurves

LINES = np.array([1.0, 0.8, 0.65, 0.55, 0.5])


def curves(name: str, lines: np.ndarray | None, **last: float) -> ArmCurves:
    """Two seeds, the second a hundredth higher, with values that end at `last`."""
    apart = np.array([[1.0], [1.01]])
    values = {key: apart * np.full(5, value) for key, value in last.items()}
    if lines is not None:
        traced = {"surviving_lineages": lines, "offspring_variance": np.full(5, 1.5), "novelty": np.full(5, 0.2)}
        traced |= {"novelty_to_real": np.full(5, 0.6), "lineage_persistence": np.full(5, 1.1)}
        values |= {key: np.vstack([value, value]) for key, value in traced.items()}
        for key in traced:
            values[key][:, 0] = np.nan
    return ArmCurves(name, "", name, values)


MEASURED = {"penetration_mm": 20.0, "skate_m_s": 0.3, "jerk_m_s3": 250.0, "coverage": 0.1, "recall": 0.05}
REMEDIED = ArmSettings("replace", remedy="lineages")
OUTCOME = Outcome(
    {
        "dct-mlp": {
            BASELINE: curves("real", None, **MEASURED | {"coverage": 0.58}),
            ArmSettings("replace"): curves("plain", LINES**2, **MEASURED),
            REMEDIED: curves("with_remedy", LINES, **MEASURED | {"coverage": 0.5}),
        }
    },
)


def add_times(curves: ArmCurves, recall: float, seconds: float) -> ArmCurves:
    """The same arm with recall falling to `recall`, and with a second of training beside `seconds` of sampling."""
    more = {"recall": np.linspace([1, 1], [recall, recall], 5).T, "fid_kinematic": np.ones((2, 5))}
    more |= {"seconds_sample": np.full((2, 5), seconds), "seconds_train": np.ones((2, 5))}
    return replace(curves, values={**curves.values, **more})


def test_remedies_stand_side_by_side_with_what_they_cost():
    arms = OUTCOME.curves["dct-mlp"]
    measured = {
        ArmSettings("replace"): add_times(arms[ArmSettings("replace")], 0.0, 1.0),
        REMEDIED: add_times(arms[REMEDIED], 0.6, 5.0),
    }
    table = remedies_table({"dct-mlp": measured})
    rows = {row.title: [cell.value for cell in row.cells] for row in table.rows}
    assert rows["uncorrected"][0] == "2.0"
    assert rows["lineages"][0] == "not reached"
    assert rows["lineages"][4:6] == ["3.0 ×", "the parent set"]
