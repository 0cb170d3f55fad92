"""Figures of curves."""

import numpy as np

from selfcorrect.experiments.studies.arm_curves import ArmCurves
from selfcorrect.experiments.studies.figures import BLUE, GREEN, MAX_LINES, VERMILION, curve_grid, looks, opening_curves
from selfcorrect.motion.measures.metrics import find_metric


def test_corrector_keeps_colour() -> None:
    many = looks(["uncorrected", "lineages", "lineages + kinematic, γ = 1 of each sample", "kinematic", "physics"])
    few = looks(["physics", "uncorrected", "matched", "lineages"])
    assert many["lineages"] == few["lineages"]
    assert many["uncorrected"] == few["uncorrected"] == (VERMILION, "-")
    assert many["physics"] == few["physics"] == (BLUE, "-")
    assert many["kinematic"][0] == many["lineages + kinematic, γ = 1 of each sample"][0] == GREEN
    assert len(set(many.values())) == len(many), "lines of a figure look different"


def test_many_arms_become_multiples() -> None:
    titles = ["baseline (real data only)", "uncorrected", *(f"corrector {number}" for number in range(MAX_LINES))]
    arms = [ArmCurves(title, "", title, {"coverage": np.full((2, 3), 0.5)}) for title in titles]
    svg = curve_grid({"fully synthetic": arms}, [find_metric("coverage")], {})
    assert [f">fully synthetic ({number})<" in svg for number in (1, 2, 3, 4)] == [True, True, True, False]
    few = curve_grid({"fully synthetic": arms[:3]}, [find_metric("coverage")], {})
    assert "fully synthetic<" in few


def test_few_seeds_are_drawn() -> None:
    two = ArmCurves("uncorrected", "", "uncorrected", {"coverage": np.array([[0.2, 0.3], [0.4, 0.1]])})
    three = ArmCurves("uncorrected", "", "uncorrected", {"coverage": np.array([[0.2, 0.3], [0.4, 0.1], [0.3, 0.3]])})
    drawn = [curve_grid({"": [arm]}, [find_metric("coverage")], {}) for arm in (two, three)]
    assert ["FillBetweenPolyCollection" in svg for svg in drawn] == [False, True]


def test_unmeasured_metric_leaves_panel() -> None:
    assert "coverage" in curve_grid({"": []}, [find_metric("coverage")], {}).lower()


def test_opening_names_every_line() -> None:
    measured = {"recall": np.full((5, 3), 0.5), "skate_m_s": np.full((5, 3), 0.2)}
    arms = [ArmCurves(title, "", title, measured) for title in ("uncorrected", "physics")]
    lacking = ArmCurves("lineages", "", "lineages", {"recall": measured["recall"]})
    metrics = [find_metric("recall"), find_metric("skate_m_s")]
    palette = looks(["uncorrected", "physics", "lineages"])
    svg = opening_curves({"": [*arms, lacking]}, metrics, {"real": {"recall": 0.9}}, palette)
    counts = {name: svg.count(f">{name}<") for name in ("uncorrected", "physics", "lineages", "real motion")}
    assert counts == {"uncorrected": 2, "physics": 2, "lineages": 1, "real motion": 1}
    single = opening_curves({"": arms}, metrics[:1], {}, palette)
    assert single.count(">physics<") == single.count(">generation<") == 1
