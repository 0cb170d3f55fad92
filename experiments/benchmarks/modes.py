"""Recall, coverage and realism over generations, from finished motion experiments, with the range of the seeds.

    python experiments/benchmarks/modes.py runs/motion-modes --out docs/modes

Several run folders are read as one experiment, e.g. one per seed. Writes OUT.svg, and prints a row per arm: the last
generation with 95 % intervals, paired with the real-only baseline.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from selfcorrect.experiments.motion.quantities import quantity_of
from selfcorrect.experiments.reporting.figures import colours, curve_grid
from selfcorrect.experiments.reporting.results import ArmCurves, collect
from selfcorrect.statistics import mean_interval
from selfcorrect.storage.files import write_atomically

DRAWN = ("recall", "coverage", "fid_kinematic")
TOLD = ("coverage", "recall", "precision", "fid_kinematic", "penetration_mm", "skate_m_s", "jerk_m_s3")
TRACED = ("surviving_lineages", "novelty", "novelty_to_real")
TITLES = {
    "real+none": "real only",
    "replace+none": "uncorrected",
    "replace+kinematic": "kinematic correction",
    "replace+physics": "physics",
    "replace+none+lineages": "matched + extrapolated",
    "replace+kinematic+lineages+interpolation-1": "all three (kinematic)",
    "replace+physics+lineages+interpolation-1": "all three (physics)",
    "freeze+none": "frozen",
    "freeze+none+matched": "frozen medoids",
}


def read_curves(folders: Sequence[Path]) -> dict[str, ArmCurves]:
    """Curves by arm; generations beyond the shortest seed of an arm are left out."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for folder in folders:
        for line in (folder / "metrics.jsonl").read_text().splitlines():
            row = json.loads(line)
            rows.setdefault(row["arm"], []).append(row)
    return {name: collect(own, name, "", TITLES.get(name, name)) for name, own in rows.items()}


def row(curves: ArmCurves, real: ArmCurves | None) -> str:
    """An arm's last generation, each quantity with its interval and as a share of the real-only baseline."""
    cells = [_cell(curves, real, key) for key in (*TOLD, *TRACED) if _measured(curves, key)]
    return f"{curves.title}: " + "; ".join(cells)


def _measured(curves: ArmCurves, key: str) -> bool:
    return key in curves.values and bool(np.isfinite(curves.last(key)).all())


def _cell(curves: ArmCurves, real: ArmCurves | None, key: str) -> str:
    interval = mean_interval(curves.last(key))
    told = f"{key} {interval.estimate:.3g} [{interval.low:.3g}, {interval.high:.3g}]"
    if real is None or key not in TOLD:
        return told
    return f"{told} ({curves.last(key).mean() / real.last(key).mean():.2f} × real only)"


def draw(curves: Mapping[str, ArmCurves]) -> str:
    """SVG text: a panel per quantity."""
    shown = [curves[name] for name in TITLES if name in curves]
    return curve_grid(
        {"fully synthetic": shown}, [quantity_of(key) for key in DRAWN], {}, colours([arm.title for arm in shown])
    )


def main(folders: Annotated[tuple[Path, ...], tyro.conf.Positional], out: Path = Path("modes")) -> None:
    """Draw the figure of finished run folders and print the last generation of every arm."""
    curves = read_curves(folders)
    for arm in curves.values():
        print(row(arm, curves.get("real+none")))
    write_atomically(out.with_suffix(".svg"), draw(curves).encode())


if __name__ == "__main__":
    tyro.cli(main)
