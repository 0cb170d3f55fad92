"""Tabulate cleaners of files from docs/results/cleaners.jsonl, which benchmarks/cleaners.py wrote."""

import json
from functools import cache

import numpy as np
from tables import SUMMARIES, fill_marked, make_table

MEASURES = {
    "level": ("level mm", 1),
    "slide": ("slide mm/s", 0),
    "slip": ("slip20 %", 1),
    "knee": ("knee deg/s", 0),
    "jerk": ("jerk ratio", 2),
}
"""Name of a table → measure of `benchmarks.truth` and digits. All are best at 0, but the jerk ratio at 1."""
CLEANERS = {
    "damaged": "before",
    "low-pass": "low-pass, 6 Hz",
    "foot lock": "foot lock",
    "mean-place": "MoMask's foot step",
    "least-squares": "Kimodo's foot step",
    "selfcorrect --kinematic": "`correct --kinematic`",
    "selfcorrect": "`correct`",
}
"""Cleaner of the data → words."""
CLIPS = ("clean", "noise", "sunk", "slide", "knees", "drift", "25fps", "generated")


@cache
def read_rows() -> tuple[dict, ...]:
    """Read a row for each cleaner and kind of clips."""
    text = (SUMMARIES / "cleaners.jsonl").read_text(encoding="utf-8")
    return tuple(json.loads(line) for line in text.splitlines())


def make_measure_table(key: str, digits: int) -> str:
    """Tabulate a measure by cleaner and kind of clips. The best of a column is bold; files before do not take part."""
    values = {(row["cleaner"], row["clips"]): row[key] for row in read_rows()}
    kinds = [kind for kind in CLIPS if ("damaged", kind) in values]
    rows = []
    for cleaner, words in CLEANERS.items():
        cells = []
        for kind in kinds:
            errors = {name: _error(key, values[name, kind]) for name in CLEANERS if name != "damaged"}
            text = f"{values[cleaner, kind]:.{digits}f}"
            is_best = cleaner != "damaged" and np.isclose(errors[cleaner], min(errors.values()))
            cells.append(f"**{text}**" if is_best else text)
        rows.append([words, *cells])
    return make_table(["", *kinds], rows)


def _error(key: str, value: float) -> float:
    return abs(np.log(value)) if key == "jerk ratio" else value


def describe_origin() -> str:
    """State number of clips and commit."""
    rows = read_rows()
    captures = next(row for row in rows if row["clips"] == "clean")
    commits = sorted({f"{row['commit']}"[:8] for row in rows})
    counts = [f"{captures['count']} captures"]
    counts += [f"{row['count']} generated clips" for row in rows if row["clips"] == "generated"][:1]
    return f"Means over {' and '.join(counts)}, at commit {', '.join(commits)}."


def fill_cleaners(page: str) -> str:
    """Return the page with its tables made anew."""
    if "<!-- cleaners: " not in page:
        return page
    tables = {name: make_measure_table(*measure) for name, measure in MEASURES.items()}
    return fill_marked(page, "cleaners", {**tables, "origin": describe_origin()})
