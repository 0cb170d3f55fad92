"""What the tables of the motion report say of known curves."""

from dataclasses import replace

import numpy as np

from selfcorrect.experiments.motion.presets import PRESETS
from selfcorrect.experiments.motion.tables import profile_table
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.outcome import Outcome
from selfcorrect.experiments.studies.results import ArmCurves


def arm(name: str, last: dict[str, float]) -> ArmCurves:
    """Three seeds that go straight from 1 to `last`, a little apart."""
    apart = np.array([[0.99], [1.0], [1.01]])
    return ArmCurves(name, "", name, {key: apart * np.linspace(1, end, 5) for key, end in last.items()})


def test_a_collapsing_arm_meets_the_definitions_that_a_stable_one_does_not():
    collapsing = {"fid_geometric": 30.0, "within_label_ratio": 0.1, "recall": 0.1, "precision": 0.5}
    stable = {"fid_geometric": 0.9, "within_label_ratio": 0.95, "recall": 0.95, "precision": 0.99}
    curves = {"patch-mixer": {BASELINE: arm("stable", stable), ArmSettings("replace"): arm("collapsing", collapsing)}}
    table = profile_table(Outcome(PRESETS["quick"], curves))
    said = {row.title: dict(zip(table.columns, (cell.value for cell in row.cells), strict=False)) for row in table.rows}
    for definition in (
        "catastrophic increase of population risk",
        "any increase of population risk",
        "collapsing variance",
        "vanishing tails",
        "hallucinated data",
    ):
        assert (said[BASELINE.title][definition], said["uncorrected"][definition]) == ("absent", "present"), definition


def test_a_diagnosis_that_cannot_be_made_is_no_row():
    """An arm whose definitions are all near their thresholds is left out, and so are definitions without a finding."""
    unclear = arm("unclear", {"fid_geometric": 1.0, "within_label_ratio": 0.5, "recall": 0.5, "precision": 0.5})
    noisy = {key: values * np.array([[0.1], [1.0], [3.0]]) for key, values in unclear.values.items()}
    clear = arm("clear", {"fid_geometric": 30.0, "within_label_ratio": 0.1, "recall": 0.1, "precision": 0.5})
    curves = {BASELINE: clear, ArmSettings("replace"): replace(unclear, values=noisy)}
    table = profile_table(Outcome(PRESETS["quick"], {"patch-mixer": curves}))
    for row in table.rows:
        assert not row.cells or any(cell.value != "–" for cell in row.cells)
    for column in range(len(table.columns)):
        assert any(row.cells and row.cells[column].value != "–" for row in table.rows)
