"""Draws the picture of docs/statistics.md with the code of that page: `python docs/tools/statistics_guide.py`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from selfcorrect.experiments.reporting.figures import PALETTE, STYLE, as_svg
from selfcorrect.statistics import band, compare_paired, half_life_interval

DOCS = Path(__file__).resolve().parents[1]
PICTURE = DOCS / "pictures" / "statistics.svg"


def arms() -> dict[str, np.ndarray]:
    """The curves (S, T) that the page's first block of code makes."""
    code = re.search(r"```python\n(.*?)```", (DOCS / "statistics.md").read_text(), re.DOTALL)
    assert code
    names: dict[str, Any] = {}
    exec(code[1], names)
    return {"uncorrected": names["plain"], "corrected": names["corrected"]}


def picture() -> str:
    """SVG: bands, paired difference, half-lives."""
    curves = arms()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.8, 3.2), layout="constrained")
        bands, differences, lives = figure.subplots(1, 3, width_ratios=(3, 3, 2))
        for (title, table), colour in zip(curves.items(), PALETTE[1:], strict=False):
            mean, low, high = band(table)
            generations = np.arange(table.shape[1])
            bands.plot(generations, table.T, color=colour, linewidth=0.5, alpha=0.6)
            bands.fill_between(generations, low, high, color=colour, alpha=0.15, linewidth=0)
            bands.plot(generations, mean, color=colour, label=title)
        bands.set(title="Recall: mean, 95 % band, five seeds", xlabel="generation")
        bands.legend(frameon=False)
        _draw_differences(differences, curves["corrected"], curves["uncorrected"])
        for row, (title, table) in enumerate(curves.items()):
            life = half_life_interval(table)
            reach = [[life.estimate - life.low], [life.high - life.estimate]]
            lives.errorbar(life.estimate, row, xerr=reach, color=PALETTE[1 + row], marker="o", capsize=3, label=title)
        lives.set(title="Half-life: median, 95 %", xlabel="generations", yticks=[0, 1], yticklabels=list(curves))
        lives.set(ylim=(-0.5, 1.5), xlim=(0, None))
        return as_svg(figure)


def _draw_differences(panel: Any, first: np.ndarray, second: np.ndarray) -> None:
    """Per generation, the mean paired difference with its interval."""
    generations = np.arange(1, first.shape[1])
    told = [compare_paired(first[:, each], second[:, each]).difference for each in generations]
    panel.fill_between(generations, [one.low for one in told], [one.high for one in told], alpha=0.2, color=PALETTE[3])
    panel.plot(generations, [one.estimate for one in told], color=PALETTE[3])
    panel.axhline(0, color="#111827", linestyle=":", linewidth=1)
    panel.set(title="Corrected − uncorrected, seed by seed", xlabel="generation")


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
