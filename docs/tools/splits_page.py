"""Fills docs/results/recipe.md and its figure from the kept splits: `python docs/tools/splits_page.py`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from splits import BASELINE, KEPT, LOW_PASS, PHYSICS, REGISTERED_SHA256, RESULTS, SPLITS
from tables import fill_marked, make_table

from selfcorrect.core.errors import InputError
from selfcorrect.statistics import mean_interval

PAGE = RESULTS / "recipe.md"
FIGURE = RESULTS.parent / "pictures" / "results" / "splits.svg"
LEVEL = 0.05

TITLES = {
    BASELINE.name: "real-data baseline",
    PHYSICS.name: "physics",
    LOW_PASS.name: "low-pass",
}
SCORES = {
    "recall": "Recall",
    "coverage": "Coverage",
    "fid_kinematic": "Fréchet distance",
    "penetration_mm": "Penetration",
    "skate_m_s": "Skating",
}
"""Exploratory scores of the last generation."""

Result = dict[str, Any]


def read_results(folder: Path = KEPT) -> list[Result]:
    """Return the kept splits in their order; InputError for one that follows another registration."""
    results = []
    for path in sorted(folder.glob("split-*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        if result["registration_sha256"] != REGISTERED_SHA256:
            raise InputError(f"{path.name} follows another registration")
        results.append(result)
    return results


def distance(result: Result, arm: str, real: str = "real") -> float:
    """Return how far the force of an arm's samples is from the force of real windows."""
    return abs(result["force"][arm] - result[real])


def difference(result: Result, arm: str = PHYSICS.name, other: str = LOW_PASS.name, real: str = "real") -> float:
    """Return the difference of the distances of two arms, as a share of the force of the split's real-data baseline."""
    return (distance(result, arm, real) - distance(result, other, real)) / result["force"][BASELINE.name]


def sign_flip_p(differences: np.ndarray) -> float:
    """Return the two-sided p-value of the exact test that assigns signs to differences (S,) in all ways."""
    signs = np.array(list(itertools.product((1, -1), repeat=len(differences))))
    means = np.abs(signs @ differences) / len(differences)
    return float((means >= abs(differences.mean()) * (1 - 1e-12)).mean())


def state_verdict(results: list[Result]) -> str:
    """Return the verdict on the primary test; none before all splits are complete."""
    if len(results) < SPLITS:
        numbers = ", ".join(str(result["split"]) for result in results) or "none"
        return (
            f"**{len(results)} of {SPLITS} splits are complete ({numbers}). By the registration, fewer than {SPLITS} "
            "give no verdict and no p-value.**"
        )
    differences = np.array([difference(result) for result in results])
    p_value = sign_flip_p(differences)
    if p_value > LEVEL:
        verdict = "Undecided: we found no difference between physics and the low-pass filter"
    elif differences.mean() < 0:
        verdict = "Physics brings the root force nearer to real motion than the low-pass filter does"
    else:
        verdict = "The low-pass filter brings the root force nearer to real motion than physics does"
    return f"**{verdict} (exact test, p = {p_value:.3f}; mean difference {interval_cell(differences)}).**"


def interval_cell(differences: np.ndarray) -> str:
    """Return the mean of differences in percent, with a 95 % interval if there are enough."""
    if len(differences) < 2:
        return "–"
    interval = mean_interval(differences)
    cell = f"{100 * interval.estimate:+.1f} % [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
    return cell.replace("-", "−")


def splits_table(results: list[Result]) -> str:
    """Return the table of forces, a row for each split."""
    rows = []
    for result in results:
        forces = [f"{result['force'][arm]:.3f}" for arm in TITLES]
        held_out = result["held_out"].partition("=")[2].replace(",", ", ")
        primary = f"{100 * difference(result):+.1f} %".replace("-", "−")
        rows.append([result["split"], held_out, f"{result['real']:.3f}", *forces, primary])
    return make_table(["split", "held out", "real", *TITLES.values(), "primary difference"], rows)


def exploratory_table(results: list[Result]) -> str:
    """Return the table of exploratory differences over splits."""
    rows = []

    def add(words: str, compute: Callable[[Result], float]) -> None:
        differences = np.array([compute(result) for result in results])
        below = int((differences < 0).sum())
        rows.append([words, interval_cell(differences), f"{below} of {len(differences)}"])

    for arm, other in ((PHYSICS.name, BASELINE.name), (LOW_PASS.name, BASELINE.name)):
        add(f"distance of the force: {TITLES[arm]} − {TITLES[other]}", lambda r, a=arm, o=other: difference(r, a, o))
    add(
        "the primary difference, against windows of the training subjects",
        lambda result: difference(result, real="real_of_training_subjects"),
    )
    for arm in TITLES:
        add(
            f"force, {TITLES[arm]} − real motion",
            lambda r, a=arm: (r["force"][a] - r["real"]) / r["force"][BASELINE.name],
        )
    for key, title in SCORES.items():
        add(
            f"{title}: physics − low-pass",
            lambda r, k=key: (
                (r["scores"][PHYSICS.name][k] - r["scores"][LOW_PASS.name][k]) / r["scores"][BASELINE.name][k]
            ),
        )
    return make_table(["exploratory", "mean difference, 95 % interval", "splits below 0"], rows)


def fill_page(page: str, results: list[Result]) -> str:
    """Return the page with its verdict and tables."""
    parts = {
        "verdict": state_verdict(results),
        "splits": splits_table(results),
        "exploratory": exploratory_table(results),
    }
    return fill_marked(page, "splits", parts)


def draw(results: list[Result]) -> None:
    """Draw the forces of every split, and the differences of the primary test."""
    import matplotlib.pyplot as plt

    figure, (forces, differences) = plt.subplots(1, 2, figsize=(9, 3.4), width_ratios=(2, 1))
    colors = dict(zip(TITLES, ("tab:gray", "tab:blue", "tab:orange"), strict=True))
    for result in results:
        row = result["split"]
        forces.plot(result["real"], row, "|", color="black", markersize=16, markeredgewidth=2)
        for arm, color in colors.items():
            forces.plot(result["force"][arm], row, "o", color=color, alpha=0.8, markersize=5)
        differences.plot(100 * difference(result), row, "o", color="black", markersize=5)
    forces.plot([], [], "|", color="black", markersize=12, markeredgewidth=2, label="real, held-out subjects")
    for arm, color in colors.items():
        forces.plot([], [], "o", color=color, label=TITLES[arm])
    differences.axvline(0, color="gray", linewidth=1)
    for axis in (forces, differences):
        axis.set_ylim(SPLITS + 0.5, 0.5)
        axis.set_yticks(range(1, SPLITS + 1))
        axis.spines[["top", "right"]].set_visible(False)
    forces.set_ylabel("Split of the subjects")
    forces.set_xlabel("Residual root force (body weights)")
    differences.set_xlabel("Physics − low-pass, distance to real\n(% of the split's baseline)")
    figure.legend(loc="upper center", ncols=1 + len(TITLES), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.92))
    figure.savefig(FIGURE, metadata={"Date": None})


def main() -> None:
    """Fill the page and draw its figure."""
    results = read_results()
    PAGE.write_text(fill_page(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    draw(results)


if __name__ == "__main__":
    main()
