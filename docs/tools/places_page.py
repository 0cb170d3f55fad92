"""Fill the tables of docs/results/remedies.md from the kept seeds: `python docs/tools/places_page.py`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from evidence import use_minus_signs
from tables import fill_marked, make_table

from selfcorrect.statistics import PairedComparison, compare_paired, holm, mean_interval

DOCS = Path(__file__).parents[1]
PAGE = DOCS / "results" / "remedies.md"
KEPT = DOCS / "results" / "places.jsonl"

REAL = "real against real"
ARMS = {
    "real+none": "real-data baseline",
    "augment-1+none": "λ = 1, uncorrected",
    "augment-1+physics": "λ = 1, physics as data",
    "augment-1+physics+in-preference": "λ = 1, physics preferred",
    "real+physics+in-preference": "real data + physics pairs",
    "real+kinematic+in-preference": "real data + kinematic pairs",
    "real+physics+in-shuffled-preference": "real data + shuffled pairs",
    "afterwards": "real-data baseline, corrected afterwards",
    REAL: "real motion",
}
SCORES = {
    "recall": ("Recall", 2),
    "coverage": ("Coverage", 2),
    "penetration_mm": ("Penetration (mm)", 1),
    "skate_m_s": ("Skating (m/s)", 2),
    "needed_force_bodyweights": ("Root force (body weights)", 2),
}
PAIRS = "real+physics+in-preference"
PLANNED = {
    "P1": (PAIRS, "augment-1+physics", "recall", "higher"),
    "P2": (PAIRS, "real+none", "penetration_mm", "smaller"),
    "P3": (PAIRS, "real+kinematic+in-preference", "needed_force_bodyweights", "smaller"),
    "P4": ("augment-1+physics+in-preference", "augment-1+physics", "recall", "no direction"),
    "P5": (PAIRS, "afterwards", "penetration_mm", "no direction"),
    "P6": ("real+physics+in-shuffled-preference", "real+none", "penetration_mm", "no difference"),
}
"""Both arms, the score and what was expected; scores but recall are distances from those of real motion."""

EXPLORATORY = {
    "recall, physics pairs less real-data baseline": (PAIRS, "real+none", "recall"),
    "recall, real-data baseline less λ = 1 with physics as data": ("real+none", "augment-1+physics", "recall"),
    "penetration (mm), physics pairs less real motion": (PAIRS, REAL, "penetration_mm"),
    "root force (body weights), physics pairs less real motion": (PAIRS, REAL, "needed_force_bodyweights"),
}


def read_scores() -> dict[str, dict[str, np.ndarray]]:
    """Return the scores (S,) of the seeds, by arm and score."""
    lines = [json.loads(line) for line in KEPT.read_text(encoding="utf-8").splitlines()]
    scores = {}
    for arm in ARMS:
        rows = sorted((line for line in lines if line["name"] == arm), key=lambda line: line["seed"])
        scores[arm] = {score: np.array([row[score] for row in rows]) for score in SCORES}
    return scores


def compare_as_planned(scores: dict[str, dict[str, np.ndarray]]) -> dict[str, PairedComparison]:
    """Return the planned comparisons, paired by seed."""
    comparisons = {}
    for name, (first, second, score, _) in PLANNED.items():
        first_scores = scores[first][score]
        second_scores = scores[second][score]
        if score != "recall":
            first_scores = np.abs(first_scores - scores[REAL][score])
            second_scores = np.abs(second_scores - scores[REAL][score])
        comparisons[name] = compare_paired(first_scores, second_scores)
    return comparisons


def planned_table(scores: dict[str, dict[str, np.ndarray]]) -> str:
    """Return the table of the planned tests."""
    comparisons = compare_as_planned(scores)
    adjusted = holm({name: comparison.p_value for name, comparison in comparisons.items()})
    rows = []
    for name, comparison in comparisons.items():
        first, second, score, expected = PLANNED[name]
        title = "recall" if score == "recall" else f"distance to real motion in {SCORES[score][0].lower()}"
        interval = interval_cell(comparison, score)
        p_value = f"{adjusted[name]:.3f}" if adjusted[name] >= 0.001 else "< 0.001"
        rows.append([f"{name}, {title}: {ARMS[first]} − {ARMS[second]}", expected, interval, p_value])
    return make_table(["test", "expected", "difference, 95 % interval", "p, adjusted"], rows)


def exploratory_table(scores: dict[str, dict[str, np.ndarray]]) -> str:
    """Return the table of the exploratory differences, paired by seed."""
    rows = []
    for name, (first, second, score) in EXPLORATORY.items():
        comparison = compare_paired(scores[first][score], scores[second][score])
        rows.append([name, interval_cell(comparison, score)])
    return make_table(["exploratory", "difference, 95 % interval"], rows)


def interval_cell(comparison: PairedComparison, score: str) -> str:
    """Return the difference of a score with its interval."""
    digits = 1 if score == "penetration_mm" else 3
    difference = comparison.difference
    cell = f"{difference.estimate:+.{digits}f} [{difference.low:+.{digits}f}, {difference.high:+.{digits}f}]"
    return use_minus_signs(cell)


def arms_table(scores: dict[str, dict[str, np.ndarray]]) -> str:
    """Return the table of the arms' means, with single intervals."""
    rows = []
    for arm, title in ARMS.items():
        cells = []
        for score, (_, digits) in SCORES.items():
            interval = mean_interval(scores[arm][score])
            cells.append(f"{interval.estimate:.{digits}f} ± {(interval.high - interval.low) / 2:.{digits}f}")
        rows.append([title, *cells])
    return make_table(["after three generations", *(title for title, _ in SCORES.values())], rows)


def fill_page(page: str) -> str:
    """Return the page with its tables."""
    scores = read_scores()
    tables = {"planned": planned_table(scores), "arms": arms_table(scores), "exploratory": exploratory_table(scores)}
    return fill_marked(page, "places", tables)


def main() -> None:
    """Fill the page."""
    PAGE.write_text(fill_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
