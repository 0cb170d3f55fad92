"""Make the table of the independent judge from docs/results/judge.jsonl, which docs/tools/rescore.py wrote."""

import json
from collections import defaultdict
from collections.abc import Mapping
from functools import cache

import numpy as np
from evidence import REAL, use_minus_signs
from physics_page import FIRST, digits_of, format_interval, title_of
from tables import SUMMARIES, fill_marked, make_table

from selfcorrect.statistics import mean_interval

FILE = SUMMARIES / "judge.jsonl"
LAST = 10
ARMS = {
    REAL: "real motion",
    "": FIRST,
    "real+none": "real data only",
    "replace+none": "uncorrected",
    "replace+low-pass": "low-pass",
    "replace+kinematic": "clean-up",
    "replace+physics": "physics",
}
"""Key of an arm → title; generation 0 has no arm."""
KEY = "energy_ankles"
KEYS = (KEY, "fid_ground", "fid_kinematic", "slide_m_s", "penetration_mm", "coverage")
CONTROLS = ("real+none", "replace+none", "replace+low-pass", "replace+kinematic")


@cache
def read_scores() -> Mapping[str, Mapping[str, np.ndarray]]:
    """Return arm → metric → scores (seeds,) after ten generations, of the seeds that have all arms."""
    rows: dict[int, dict[str, Mapping[str, float]]] = defaultdict(dict)
    for line in FILE.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["generation"] == (0 if row["arm"] in (REAL, "") else LAST):
            rows[row["seed"]][row["arm"]] = row["scores"]
    seeds = [seed for seed, arms in sorted(rows.items()) if set(arms) >= set(ARMS)]
    return {arm: {key: np.array([rows[seed][arm][key] for seed in seeds]) for key in KEYS} for arm in ARMS}


def count_seeds() -> int:
    return len(read_scores()[""][KEY])


def make_means_table() -> str:
    """Tabulate means over seeds; the judge has intervals."""
    scores = read_scores()
    rows = []
    for key in KEYS:
        cells = []
        for arm in ARMS:
            interval = mean_interval(scores[arm][key])
            form = f".{digits_of(key)}f"
            ends = f" [{interval.low:{form}}, {interval.high:{form}}]" if key == KEY else ""
            cells.append(use_minus_signs(f"{interval.estimate:{form}}{ends}"))
        rows.append([title_of(key), *cells])
    return make_table([f"{count_seeds()} seeds", *ARMS.values()], rows)


def make_split_table() -> str:
    """Tabulate physics less each other arm after ten generations."""
    scores = read_scores()
    rows = []
    for key in KEYS:
        changes = (scores["replace+physics"][key] - scores[control][key] for control in CONTROLS)
        rows.append([title_of(key), *(format_interval(mean_interval(change), digits_of(key)) for change in changes)])
    return make_table(["physics less …", *(ARMS[control] for control in CONTROLS)], rows)


def fill_judge(page: str) -> str:
    """Return the page with its tables made anew."""
    if "<!-- judge: " not in page:
        return page
    tables = {"means": make_means_table(), "split": make_split_table()}
    return fill_marked(page, "judge", tables)
