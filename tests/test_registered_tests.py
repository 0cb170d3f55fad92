"""The registered experiment's verdicts in docs/results/recipe/tests.csv follow from its kept runs."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t as student

from selfcorrect.experiments.studies.arm_curves import ArmCurves
from selfcorrect.experiments.studies.summary import read_summary
from selfcorrect.statistics import holm, mean_interval

RECIPE = Path(__file__).resolve().parents[1] / "docs" / "results" / "recipe"
SPLIT_A = range(20, 24)
"""Seeds of the first split of the subjects; the other seeds have the second."""
GENERATIONS = slice(3, 6)
FORCE = "needed_force_bodyweights"
POLICIES = {
    1: ("augment-1", "augment_once-1"),
    2: ("replace", "freeze"),
    4: ("augment-1", ""),
    5: ("augment-1", "augment_once-1"),
}
"""Complete stage → policy, and policy of the static set."""

MATCHED = "{loop}+physics+matched"
# Test → arm, reference, end point, sign of the wanted change (0: equivalence, None: two-sided), margin as a share
TESTS = {
    "T1": ("{loop}+physics", "{loop}+low-pass", "fid_kinematic", 0, 0.05),
    "T2": ("{loop}+physics", "{loop}+low-pass", FORCE, -1, 0.0),
    "T3": ("{loop}+physics", "{loop}+none", "recall", 0, 0.1),
    "T4": ("{loop}+physics", "{loop}+none", "coverage", 0, 0.1),
    "T5": (MATCHED, "real+none", "recall", 1, 0.1),
    "T6": (MATCHED, "real+none", "coverage", 1, 0.1),
    "T7": (MATCHED, "{static}+none+matched", "coverage", 1, 0.0),
    "T8": (MATCHED, "{loop}+none+matched", FORCE, -1, 0.0),
    "T21": ("{loop}+physics", "{loop}+low-pass", "skate_m_s", None, 0.0),
    "T22": ("{loop}+physics", "{loop}+low-pass", "penetration_mm", None, 0.0),
}
FORMS = {}
for number, (remedy, corrector) in enumerate(
    (remedy, corrector)
    for remedy in ("lineages", "lineages-reworked")
    for corrector in ("none+{}", "physics+{}", "kinematic+{}+interpolation-1")
):
    for place, score in enumerate(("recall", "coverage")):
        arm = "{loop}+" + corrector.format(remedy)
        FORMS[f"T{9 + 2 * number + place}"] = (arm, "real+none", score, 1, 0.1)


def read_stage(number: int) -> dict[int, dict[str, ArmCurves]]:
    """Return the arms of each seed by their names."""
    stage = {}
    for path in sorted(RECIPE.glob(f"stage-{number}-seed-*.json")):
        (arms,) = read_summary(path).arms.values()
        stage[int(path.stem.rpartition("-")[2])] = {curves.name: curves for curves in arms}
    return stage


def end_point(arms: Mapping[str, ArmCurves], name: str, score: str) -> float:
    return float(np.nanmean(arms[name].values[score][0, GENERATIONS]))


def p_above(differences: np.ndarray, bound: float) -> float:
    """Return Student's one-sided p-value that the mean lies above a bound."""
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    return float(student.sf((differences.mean() - bound) / error, len(differences) - 1))


@pytest.mark.parametrize("number", POLICIES)
def test_registered_verdicts_follow_runs(number: int) -> None:
    with (RECIPE / "tests.csv").open(encoding="utf-8") as file:
        kept = {row["test"]: row for row in csv.DictReader(file) if row["stage"] == str(number)}
    stage = read_stage(number)
    is_split_a = np.array([seed in SPLIT_A for seed in stage])
    loop, static = POLICIES[number]
    p_values = {}
    verdicts = {}
    for test, (arm, reference, score, sign, share) in (FORMS if number == 4 else TESTS).items():
        names = [name.format(loop=loop, static=static) for name in (arm, reference)]
        changed, before = np.array([[end_point(arms, name, score) for arms in stage.values()] for name in names])
        differences = changed - before
        margin = share * before.mean()
        interval = mean_interval(differences)
        assert interval.estimate == pytest.approx(float(kept[test]["difference"]), rel=1e-3)
        assert (interval.low, interval.high) == pytest.approx(
            (float(kept[test]["low"]), float(kept[test]["high"])), rel=1e-3
        )
        means = np.array([differences[is_split_a].mean(), differences[~is_split_a].mean()])
        if sign is None:
            p_values[test] = 2 * min(p_above(differences, 0), 1 - p_above(differences, 0))
            stated = bool(abs(np.sign(means).sum()) == 2)
            refuted = False
        elif sign == 0:
            p_values[test] = max(p_above(differences, -margin), 1 - p_above(differences, margin))
            stated = bool((abs(means) < margin).all())
            refuted = interval.is_above(margin) or interval.is_below(-margin)
        else:
            p_values[test] = p_above(differences, -margin) if sign > 0 else 1 - p_above(differences, margin)
            stated = bool((sign * means > -margin).all())
            refuted = interval.is_below(-margin) if sign > 0 else interval.is_above(margin)
        verdicts[test] = (stated, refuted)
    assert sorted(verdicts) == sorted(kept)
    for test, p_value in holm(p_values).items():
        assert p_value == pytest.approx(float(kept[test]["p_holm"]), abs=6e-5)
        stated, refuted = verdicts[test]
        verdict = "confirmed" if p_value <= 0.05 and stated else "refuted" if refuted else "undecided"
        assert verdict == kept[test]["verdict"], test


@pytest.mark.parametrize("number", POLICIES)
def test_registered_means_match(number: int) -> None:
    stage = read_stage(number)
    names = {}
    for name, curves in next(iter(stage.values())).items():
        title = curves.title.replace("matched", "matching").replace("baseline (real data only)", "real-data baseline")
        names[title] = name
    with (RECIPE / "arms.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["stage"] == str(number) and row["arm"] in names]
    assert len(rows) == 2 * len(names)
    for row in rows:
        seeds = [arms for seed, arms in stage.items() if (seed in SPLIT_A) == (row["split"] == "A")]
        for score in (FORCE, "fid_kinematic", "recall", "coverage", "skate_m_s", "penetration_mm"):
            values = [end_point(arms, names[row["arm"]], score) for arms in seeds]
            assert float(row[score]) == pytest.approx(np.mean(values), rel=1e-3), (row["arm"], score)
