"""Tabulate the pilot loops of the DCT transformer, for docs/results/transformer.md."""

import json
from collections.abc import Mapping
from functools import cache

from tables import SUMMARIES, make_table

from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.motion.measures.metrics import find_metric

ARMS = {
    "real data only": "real data only, trained as long",
    "none": "uncorrected",
    "re-encoded": "re-encoded",
    "kinematic": "clean-up (`kinematic`)",
    "physics": "physics",
    "projection without floating": "projection without the term for floating",
    "projection": "projection",
}
"""Arm of the data → words."""
METRICS = (
    *("fid_kinematic", "fid_geometric", "fid_ground", "penetration_mm", "float_mm", "slide_m_s", "precision", "recall"),
    "coverage",
)


@cache
def read_rows() -> tuple[dict, ...]:
    """Read the rows of all arms, seeds and generations."""
    text = (SUMMARIES / "transformer.jsonl").read_text(encoding="utf-8")
    return tuple(json.loads(line) for line in text.splitlines())


def _select(arm: str, generation: int) -> list[dict]:
    rows = [row for row in read_rows() if row["arm"] == arm and row["generation"] == generation]
    return sorted(rows, key=lambda row: row["seed"])


def _format(rows: list[dict], key: str, digits: int) -> str:
    return "; ".join(f"{row[key]:.{digits}f}" for row in rows if key in row) or "–"


def scores_table(summaries: Mapping[str, Summary]) -> str:
    """Tabulate generation 0 and the last generation of each arm, a value for each seed."""
    table = []
    last = max(row["generation"] for row in read_rows())
    places = {"generation 0": ("none", 0), **{words: (arm, last) for arm, words in ARMS.items()}}
    for words, (arm, generation) in places.items():
        if rows := _select(arm, generation):
            seeds = "; ".join(str(row["seed"]) for row in rows)
            cells = [_format(rows, key, find_metric(key).digits) for key in METRICS]
            table.append([words, seeds, *cells])
    return make_table(["arm", "seeds", *(find_metric(key).title for key in METRICS)], table)
