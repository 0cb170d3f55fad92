"""Fill tables and figure of docs/results/remedies.md from the kept splits: `python docs/tools/place_splits_page.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from place_splits import (
    AFTERWARDS,
    BASELINE,
    DATA,
    FILTER,
    KEPT,
    KINEMATIC_PAIRS,
    PAIRS,
    PREFERENCE,
    REGISTERED_SHA256,
    RESULTS,
    SAMPLER,
    SHUFFLED_PAIRS,
    STAGES,
    SYNTHETIC,
    SYNTHETIC_DATA,
    SYNTHETIC_PREFERENCE,
    UNCORRECTED,
)
from splits import SPLITS
from splits_page import LEVEL, interval_cell, sign_flip_p
from tables import fill_marked, make_table

from selfcorrect.core.errors import InputError
from selfcorrect.experiments.studies.figures import BLUE, GREY, ORANGE

PAGE = RESULTS / "remedies.md"
FIGURE = RESULTS.parent / "pictures" / "results" / "place-splits.svg"

REAL = "real"
LINEAGES = tuple(arm.name for arm in STAGES[2])
ARMS = {
    BASELINE.name: "real-data baseline",
    DATA.name: "λ = 1, physics as data",
    PREFERENCE.name: "λ = 1, physics preferred",
    AFTERWARDS: "real-data baseline, corrected afterwards",
    PAIRS.name: "real data + physics pairs",
    KINEMATIC_PAIRS.name: "real data + kinematic pairs",
    UNCORRECTED.name: "λ = 1, uncorrected",
    LINEAGES[0]: "λ = 1, physics as data, `lineages`",
    LINEAGES[1]: "λ = 1, physics preferred, `lineages`",
    SHUFFLED_PAIRS.name: "real data + shuffled pairs",
    FILTER.name: "λ = 1, physics as a filter",
    SYNTHETIC.name: "fully synthetic, uncorrected",
    SYNTHETIC_DATA.name: "fully synthetic, physics as data",
    SYNTHETIC_PREFERENCE.name: "fully synthetic, physics preferred",
    SAMPLER.name: "λ = 1, physics in the sampler",
    REAL: "real motion of held-out subjects",
}
SCORES = {
    "recall": ("Recall", 2),
    "coverage": ("Coverage", 2),
    "penetration_mm": ("Penetration (mm)", 1),
    "skate_m_s": ("Skating (m/s)", 2),
    "force_bodyweights": ("Residual root force (body weights)", 2),
}
DIVERSITY = ("recall", "coverage")
PAIRED = (
    (PREFERENCE.name, DATA.name),
    (DATA.name, BASELINE.name),
    (PREFERENCE.name, BASELINE.name),
    (AFTERWARDS, BASELINE.name),
    (PAIRS.name, BASELINE.name),
    (PAIRS.name, DATA.name),
    (PAIRS.name, KINEMATIC_PAIRS.name),
    (PAIRS.name, AFTERWARDS),
    (LINEAGES[1], LINEAGES[0]),
    (LINEAGES[1], PREFERENCE.name),
    (SHUFFLED_PAIRS.name, BASELINE.name),
    (FILTER.name, UNCORRECTED.name),
    (FILTER.name, PREFERENCE.name),
    (PAIRS.name, SHUFFLED_PAIRS.name),
    (SYNTHETIC_DATA.name, SYNTHETIC.name),
    (SYNTHETIC_PREFERENCE.name, SYNTHETIC.name),
    (SYNTHETIC_PREFERENCE.name, SYNTHETIC_DATA.name),
    (SAMPLER.name, DATA.name),
    (SAMPLER.name, PREFERENCE.name),
)
"""Arms of exploratory differences, first − second."""

Result = dict[str, Any]


def read_results(folder: Path = KEPT) -> list[Result]:
    """Return the splits in their order, all their stages together; InputError for a file of another registration."""
    results: dict[int, Result] = {}
    for path in sorted(folder.glob("stage-*-split-*.json")):
        stage = json.loads(path.read_text(encoding="utf-8"))
        if stage["registration_sha256"] != REGISTERED_SHA256:
            raise InputError(f"{path.name} follows another registration")
        result = results.setdefault(stage["split"], stage)
        result["scores"] = stage["scores"] | result["scores"]
    return [results[number] for number in sorted(results)]


def share(result: Result, arm: str, other: str, score: str, *, from_real: bool = False) -> float:
    """Return a difference of two arms, or of their distances from real motion, as a share of the baseline's score."""
    scores = result["scores"]
    target = scores[REAL][score] if from_real else 0.0
    difference = abs(scores[arm][score] - target) - abs(scores[other][score] - target)
    return difference / scores[BASELINE.name][score]


def primary_difference(result: Result) -> float:
    """Return the registered difference of a split: recall, preferred − data, as a share of the baseline's."""
    return share(result, PREFERENCE.name, DATA.name, "recall")


def state_verdict(results: list[Result]) -> str:
    """Return the verdict on the primary test; none before all splits of the first stage are complete."""
    differences = np.array([primary_difference(result) for result in results])
    mean = f"mean difference {interval_cell(differences)}"
    if len(results) < SPLITS:
        return (
            f"**{len(results)} of {SPLITS} splits are complete ({mean}). By the registration, fewer than {SPLITS} "
            "give no verdict and no p-value.**"
        )
    p_value = sign_flip_p(differences)
    if p_value > LEVEL:
        verdict = "Undecided: at λ = 1 we found no difference in recall between physics preferred and physics as data"
    elif differences.mean() > 0:
        verdict = "At λ = 1, physics preferred keeps more recall than physics as data"
    else:
        verdict = "At λ = 1, physics as data keeps more recall than physics preferred"
    return f"**{verdict} (exact test, p = {p_value:.3f}; {mean}).**"


def splits_table(results: list[Result]) -> str:
    """Return the table of recalls of the primary test, a row for each split."""
    arms = (BASELINE.name, DATA.name, PREFERENCE.name)
    rows = []
    for result in results:
        recalls = [f"{result['scores'][arm]['recall']:.3f}" for arm in arms]
        held_out = result["held_out"].partition("=")[2].replace(",", ", ")
        primary = f"{100 * primary_difference(result):+.1f} %".replace("-", "−")
        rows.append([result["split"], held_out, *recalls, primary])
    return make_table(["split", "held out", *(ARMS[arm] for arm in arms), "primary difference"], rows)


def arms_table(results: list[Result]) -> str:
    """Return the table of the arms' means over the splits that have them."""
    rows = []
    for arm, title in ARMS.items():
        having = [result["scores"][arm] for result in results if arm in result["scores"]]
        if not having:
            continue
        means = [f"{np.mean([scores[key] for scores in having]):.{digits}f}" for key, (_, digits) in SCORES.items()]
        if arm == REAL:
            means[: len(DIVERSITY)] = ["–"] * len(DIVERSITY)
        rows.append([title, len(having), *means])
    return make_table(["arm", "splits", *(title for title, _ in SCORES.values())], rows)


def exploratory_table(results: list[Result]) -> str:
    """Return the table of exploratory differences; all scores but those of diversity are distances from real motion."""
    columns = [title.partition(" (")[0] for title, _ in SCORES.values()]
    rows = []
    for arm, other in PAIRED:
        having = [result for result in results if arm in result["scores"] and other in result["scores"]]
        if len(having) < 2:
            continue
        cells = []
        for key in SCORES:
            is_distance = key not in DIVERSITY
            differences = [share(result, arm, other, key, from_real=is_distance) for result in having]
            cells.append(interval_cell(np.array(differences)))
        rows.append([f"{ARMS[arm]} − {ARMS[other]}", len(having), *cells])
    return make_table(["exploratory", "splits", *columns], rows)


def fill_page(page: str, results: list[Result]) -> str:
    """Return the page with its verdict and tables."""
    parts = {
        "verdict": state_verdict(results),
        "splits": splits_table(results),
        "arms": arms_table(results),
        "exploratory": exploratory_table(results),
    }
    return fill_marked(page, "place-splits", parts)


def draw(results: list[Result]) -> None:
    """Draw recall and penetration of every split, and the differences of the primary test."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(10, 3.4), width_ratios=(2, 2, 1.3), sharey=True)
    looks = {BASELINE.name: (GREY, "o"), DATA.name: (ORANGE, "s"), PREFERENCE.name: (BLUE, "D")}
    for result in results:
        row = result["split"]
        for panel, score in zip(panels, ("recall", "penetration_mm"), strict=False):
            for arm, (color, marker) in looks.items():
                panel.plot(result["scores"][arm][score], row, marker, color=color, alpha=0.8, markersize=5)
        panels[1].plot(result["scores"][REAL]["penetration_mm"], row, "|", color="black", markersize=14)
        panels[2].plot(100 * primary_difference(result), row, "o", color="black", markersize=5)
    for arm, (color, marker) in looks.items():
        panels[0].plot([], [], marker, color=color, label=ARMS[arm])
    panels[0].plot([], [], "|", color="black", markersize=12, label=ARMS[REAL])
    panels[2].axvline(0, color="gray", linewidth=1)
    panels[0].set_ylabel("Split of the subjects")
    titles = ("Recall", "Penetration (mm)", "Recall, preferred − data\n(% of the baseline)")
    for panel, title in zip(panels, titles, strict=True):
        panel.set_ylim(SPLITS + 0.5, 0.5)
        panel.set_yticks(range(1, SPLITS + 1))
        panel.set_xlabel(title)
        panel.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="upper center", ncols=1 + len(looks), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.92))
    figure.savefig(FIGURE, metadata={"Date": None})


def main() -> None:
    """Fill the page and draw its figure."""
    results = read_results()
    PAGE.write_text(fill_page(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    draw(results)


if __name__ == "__main__":
    main()
