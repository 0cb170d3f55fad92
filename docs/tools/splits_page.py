"""Tables of the registered splits for recipe.md and remedies.md: `make results` fills both pages.

Both experiments judge one primary difference by the exact test over splits, as their registrations say.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tables import fill_marked, make_table

from selfcorrect.core.errors import InputError
from selfcorrect.statistics import mean_interval

RESULTS = Path(__file__).resolve().parents[1] / "results"
FORCE_PAGE = RESULTS / "recipe.md"
FORCES = RESULTS / "splits"
PLACE_PAGE = RESULTS / "remedies.md"
PLACES = RESULTS / "place-splits"
REAL = "real"

BASELINE = "real+none"
PHYSICS = "augment-1+physics"
LOW_PASS = "augment-1+low-pass"
FORCE_ARMS = {BASELINE: "real-data baseline", PHYSICS: "physics", LOW_PASS: "low-pass"}
FORCE_SCORES = {
    "recall": "Recall",
    "coverage": "Coverage",
    "fid_kinematic": "Fréchet distance",
    "penetration_mm": "Penetration",
    "skate_m_s": "Skating",
}
"""Exploratory scores of the last generation."""

UNCORRECTED = "augment-1+none"
PREFERENCE = f"{PHYSICS}+in-preference"
FILTER = f"{PHYSICS}+in-filter"
SAMPLER = f"{PHYSICS}+in-sampler"
LINEAGES = f"{PHYSICS}+lineages"
PREFERENCE_LINEAGES = f"{LINEAGES}+in-preference"
AFTERWARDS = "afterwards"
PAIRS = "real+physics+in-preference"
KINEMATIC_PAIRS = "real+kinematic+in-preference"
SHUFFLED_PAIRS = "real+physics+in-shuffled-preference"
SYNTHETIC = "replace+none"
SYNTHETIC_DATA = "replace+physics"
SYNTHETIC_PREFERENCE = f"{SYNTHETIC_DATA}+in-preference"
PLACE_ARMS = {
    BASELINE: "real-data baseline",
    PHYSICS: "λ = 1, physics as data",
    PREFERENCE: "λ = 1, physics preferred",
    AFTERWARDS: "real-data baseline, corrected afterwards",
    PAIRS: "real data + physics pairs",
    KINEMATIC_PAIRS: "real data + kinematic pairs",
    UNCORRECTED: "λ = 1, uncorrected",
    LINEAGES: "λ = 1, physics as data, `lineages`",
    PREFERENCE_LINEAGES: "λ = 1, physics preferred, `lineages`",
    SHUFFLED_PAIRS: "real data + shuffled pairs",
    FILTER: "λ = 1, physics as a filter",
    SYNTHETIC: "fully synthetic, uncorrected",
    SYNTHETIC_DATA: "fully synthetic, physics as data",
    SYNTHETIC_PREFERENCE: "fully synthetic, physics preferred",
    SAMPLER: "λ = 1, physics in the sampler",
    REAL: "real motion of held-out subjects",
}
PLACE_SCORES = {
    "recall": ("Recall", 2),
    "coverage": ("Coverage", 2),
    "penetration_mm": ("Penetration (mm)", 1),
    "skate_m_s": ("Skating (m/s)", 2),
    "force_bodyweights": ("Residual root force (body weights)", 2),
}
DIVERSITY = ("recall", "coverage")
PAIRED = (
    (PREFERENCE, PHYSICS), (PHYSICS, BASELINE), (PREFERENCE, BASELINE), (AFTERWARDS, BASELINE), (PAIRS, BASELINE),
    (PAIRS, PHYSICS), (PAIRS, KINEMATIC_PAIRS), (PAIRS, AFTERWARDS), (PREFERENCE_LINEAGES, LINEAGES),
    (PREFERENCE_LINEAGES, PREFERENCE), (SHUFFLED_PAIRS, BASELINE), (FILTER, UNCORRECTED), (FILTER, PREFERENCE),
    (PAIRS, SHUFFLED_PAIRS), (SYNTHETIC_DATA, SYNTHETIC), (SYNTHETIC_PREFERENCE, SYNTHETIC),
    (SYNTHETIC_PREFERENCE, SYNTHETIC_DATA), (SAMPLER, PHYSICS), (SAMPLER, PREFERENCE),
)  # fmt: skip
"""Arms of exploratory differences, first − second."""

Result = dict[str, Any]


def read_results(folder: Path) -> list[Result]:
    """Return the kept splits in their order, all stages together; InputError for a file of another registration."""
    registered = hashlib.sha256((folder / "registration.txt").read_bytes()).hexdigest()
    results: dict[int, Result] = {}
    for path in sorted(folder.glob("*split-*.json")):
        stage = json.loads(path.read_text(encoding="utf-8"))
        if stage["registration_sha256"] != registered:
            raise InputError(f"{path.name} follows another registration")
        result = results.setdefault(stage["split"], stage)
        result["scores"] = stage["scores"] | result["scores"]
    return [results[number] for number in sorted(results)]


def sign_flip_p(differences: np.ndarray) -> float:
    """Return the two-sided p-value of the exact test that assigns signs to differences (S,) in all ways."""
    signs = np.array(list(itertools.product((1, -1), repeat=len(differences))))
    means = np.abs(signs @ differences) / len(differences)
    return float((means >= abs(differences.mean()) * (1 - 1e-12)).mean())


def interval_cell(differences: np.ndarray) -> str:
    """Return the mean of differences in percent, with a 95 % interval if there are enough that differ."""
    if len(differences) < 2:
        return "–"
    interval = mean_interval(differences)
    has_spread = not np.isnan(interval.low)
    bounds = f" [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]" if has_spread else ""
    cell = f"{100 * interval.estimate:+.1f} %{bounds}"
    return cell.replace("-", "−")


def splits_table(
    results: Sequence[Result],
    heads: Iterable[str],
    list_values: Callable[[Result], Sequence[float]],
    primary: Callable[[Result], float],
) -> str:
    """Return the table of a primary test, a row for each split."""
    rows = []
    for result in results:
        values = [f"{value:.3f}" for value in list_values(result)]
        held_out = result["held_out"].partition("=")[2].replace(",", ", ")
        rows.append([result["split"], held_out, *values, f"{100 * primary(result):+.1f} %".replace("-", "−")])
    return make_table(["split", "held out", *heads, "primary difference"], rows)


# --- is the force nearer? --------------------------------------------------------------------------------------------


def force_difference(result: Result, arm: str = PHYSICS, other: str = LOW_PASS, real: str = REAL) -> float:
    """Return a difference of the forces' distances to real motion, as a share of the real-data baseline's force."""
    force = result["force"]
    return (abs(force[arm] - result[real]) - abs(force[other] - result[real])) / force[BASELINE]


def list_force_differences(result: Result) -> dict[str, float]:
    """Return the exploratory differences of a split by their words."""
    force = result["force"]
    scores = result["scores"]
    differences = {}
    for arm in (PHYSICS, LOW_PASS):
        words = f"distance of the force: {FORCE_ARMS[arm]} − {FORCE_ARMS[BASELINE]}"
        differences[words] = force_difference(result, arm, BASELINE)
    against_training = force_difference(result, real="real_of_training_subjects")
    differences["the primary difference, against windows of the training subjects"] = against_training
    for arm, title in FORCE_ARMS.items():
        differences[f"force, {title} − real motion"] = (force[arm] - result[REAL]) / force[BASELINE]
    for key, title in FORCE_SCORES.items():
        change = scores[PHYSICS][key] - scores[LOW_PASS][key]
        differences[f"{title}: physics − low-pass"] = change / scores[BASELINE][key]
    return differences


def list_force_parts() -> dict[str, str]:
    """Return tables of the forces by their marks."""
    results = read_results(FORCES)
    differences = [list_force_differences(result) for result in results]
    rows = []
    for words in differences[0]:
        values = np.array([split[words] for split in differences])
        rows.append([words, interval_cell(values), f"{int((values < 0).sum())} of {len(values)}"])
    return {
        "splits": splits_table(
            results,
            [REAL, *FORCE_ARMS.values()],
            lambda result: [result[REAL], *(result["force"][arm] for arm in FORCE_ARMS)],
            force_difference,
        ),
        "exploratory": make_table(["exploratory", "mean difference, 95 % interval", "splits below 0"], rows),
    }


# --- where should physics go? ----------------------------------------------------------------------------------------


def share(result: Result, arm: str, other: str, score: str, *, from_real: bool = False) -> float:
    """Return a difference of two arms, or of their distances from real motion, as a share of the baseline's score."""
    scores = result["scores"]
    target = scores[REAL][score] if from_real else 0.0
    difference = abs(scores[arm][score] - target) - abs(scores[other][score] - target)
    return difference / scores[BASELINE][score]


def recall_difference(result: Result) -> float:
    """Return the registered difference of a split: recall, preferred − data, as a share of the baseline's."""
    return share(result, PREFERENCE, PHYSICS, "recall")


def arms_table(results: Sequence[Result]) -> str:
    """Return the table of the arms' means over the splits that have them."""
    rows = []
    for arm, title in PLACE_ARMS.items():
        measured = [result["scores"][arm] for result in results if arm in result["scores"]]
        if not measured:
            continue
        means = []
        for key, (_, digits) in PLACE_SCORES.items():
            is_shown = arm != REAL or key not in DIVERSITY
            means.append(f"{np.mean([scores[key] for scores in measured]):.{digits}f}" if is_shown else "–")
        rows.append([title, len(measured), *means])
    return make_table(["arm", "splits", *(title for title, _ in PLACE_SCORES.values())], rows)


def exploratory_table(results: Sequence[Result]) -> str:
    """Return the table of exploratory differences; all scores but those of diversity are distances from real motion."""
    rows = []
    for arm, other in PAIRED:
        measured = [result for result in results if {arm, other} <= result["scores"].keys()]
        if len(measured) < 2:
            continue
        cells = []
        for key in PLACE_SCORES:
            is_distance = key not in DIVERSITY
            differences = [share(result, arm, other, key, from_real=is_distance) for result in measured]
            cells.append(interval_cell(np.array(differences)))
        rows.append([f"{PLACE_ARMS[arm]} − {PLACE_ARMS[other]}", len(measured), *cells])
    columns = [title.partition(" (")[0] for title, _ in PLACE_SCORES.values()]
    return make_table(["exploratory", "splits", *columns], rows)


def list_place_parts() -> dict[str, str]:
    """Return tables of the places by their marks."""
    results = read_results(PLACES)
    arms = (BASELINE, PHYSICS, PREFERENCE)
    return {
        "splits": splits_table(
            results,
            [PLACE_ARMS[arm] for arm in arms],
            lambda result: [result["scores"][arm]["recall"] for arm in arms],
            recall_difference,
        ),
        "arms": arms_table(results),
        "exploratory": exploratory_table(results),
    }


ON_SITE = "*On the site; the results of every split lie beside this page.*"
"""Text in place of long tables."""
SITE_ONLY = ("splits", "arms", "exploratory")
KINDS = {"splits": list_force_parts, "place-splits": list_place_parts}
"""Kind of mark → function that makes its parts."""


def fill_splits(page: str, *, is_site: bool = False) -> str:
    """Return a page with the tables of splits that it marks; long tables are on the site."""
    for kind, list_parts in KINDS.items():
        if f"<!-- {kind}: " in page:
            parts = list_parts()
            page = fill_marked(page, kind, parts if is_site else parts | dict.fromkeys(SITE_ONLY, ON_SITE))
    return page
