"""Make the tables and figure on conditioning of docs/results/index.md from docs/results/conditioning.csv.

python docs/tools/conditioning_page.py
"""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
from evidence import format_interval
from tables import fill_marked, make_table

from selfcorrect.statistics import Interval, mean_interval, student_p

RESULTS = Path(__file__).resolve().parents[1] / "results"
PICTURE = RESULTS.parent / "pictures" / "results" / "conditioning.svg"
DATA = {"built-in": "built-in", "cmu": "CMU, held-out subjects"}
COUNT = 128
SHARE = (0.0, np.inf)
PLAIN = ("replace", "none", "calibrated")
COPIES = ("replace", "none", "copies")
ARMS = {
    PLAIN: "fully synthetic",
    COPIES: "copying loop",
    ("replace", "none", "ancestral"): "ancestral sampler",
    ("replace", "physics", "calibrated"): "physics",
    ("replace", "best-of-4", "calibrated"): "best of four",
    ("replace", "matched", "calibrated"): "matched",
    ("augment:1", "none", "calibrated"): "λ = 1",
    ("real", "none", "calibrated"): "real data only",
}
DIGITS = {"within_label_ratio": 2, "precision": 2, "penetration_mm": 0, "occupied": 2}
Cell = tuple[str, int, str, str, str]
Arm = tuple[str, str, str]


class Scores:
    """Scores of the finished loops: an array (seeds, generations) for each data set, number of labels, arm and key."""

    def __init__(self, path: Path = RESULTS / "conditioning.csv") -> None:
        self.cells: dict[Cell, dict[str, dict[int, dict[str, str]]]] = defaultdict(lambda: defaultdict(dict))
        with path.open() as file:
            for row in csv.DictReader(file):
                cell = (row["data"], int(row["labels"]), row["policy"], row["treatment"], row["sampler"])
                self.cells[cell][row["seed"]][int(row["generation"])] = row

    def values(self, data: str, labels: int, arm: Arm, key: str) -> np.ndarray:
        """Return a score (seeds, generations)."""
        seeds = self.cells[data, labels, *arm]
        return np.array([[float(rows[t][key] or np.nan) for t in sorted(rows)] for _, rows in sorted(seeds.items())])

    def has(self, data: str, labels: int, arm: Arm) -> bool:
        """Return whether a loop was run."""
        return (data, labels, *arm) in self.cells

    def labels(self, arm: Arm) -> list[int]:
        """Return the numbers of labels of a loop."""
        return sorted({cell[1] for cell in self.cells if cell[2:] == arm})

    def kept(self, data: str, labels: int, arm: Arm, key: str = "coverage") -> np.ndarray:
        """Return the share (seeds,) of the score in generation 0 that generation 10 keeps."""
        values = self.values(data, labels, arm, key)
        return values[:, 10] / values[:, 0]


def primary_differences(scores: Scores, arm: Arm = PLAIN) -> dict[str, np.ndarray]:
    """Return how much more coverage 128 labels keep than 14, per seed, by data set and as their mean."""
    differences = {data: scores.kept(data, COUNT, arm) - scores.kept(data, 14, arm) for data in DATA}
    return {"both": np.mean(list(differences.values()), axis=0), **differences}


def predict_founders(scores: Scores, data: str, labels: int) -> float:
    """Predict the founders' share at t = 10 as max(1/(1 + σ² t/2), labels/n).

    σ² is the offspring variance of generation 1.
    """
    variance = scores.values(data, labels, PLAIN, "offspring_variance")[:, 1].mean()
    return max(1 / (1 + 5 * variance), labels / COUNT)


def show(interval: Interval) -> str:
    """Return an estimate with its interval, if seeds differ."""
    bounds = "" if np.isnan(interval.low) else f" [{interval.low:.2f}, {interval.high:.2f}]"
    return f"{interval.estimate:.2f}{bounds}"


def make_loop_table(scores: Scores) -> str:
    """Tabulate what untreated loops keep, by data set and number of labels."""
    rows = []
    for data, title in DATA.items():
        for labels in scores.labels(PLAIN):
            arms = (PLAIN, COPIES, ("augment:1", "none", "calibrated"), ("real", "none", "calibrated"))
            kept = [show(mean_interval(scores.kept(data, labels, PLAIN), SHARE))]
            kept += [f"{scores.kept(data, labels, arm).mean():.2f}" for arm in arms[1:]]
            founders = scores.values(data, labels, PLAIN, "surviving_lineages")[:, 10].mean()
            rows.append([title, labels, *kept, f"{predict_founders(scores, data, labels):.2f}", f"{founders:.2f}"])
    heads = ["data", "C", "kept: fully synthetic", "copying", "λ = 1", "real only", "founders predicted", "seen"]
    return make_table(heads, rows)


def make_arm_table(scores: Scores) -> str:
    """Tabulate generation 10 of fully synthetic arms with few labels, and with a label per window."""
    rows = []
    for data, title in DATA.items():
        for labels in (1, 14, COUNT):
            for arm, name in ARMS.items():
                if arm[0] == "replace" and scores.has(data, labels, arm):
                    kept = show(mean_interval(scores.kept(data, labels, arm), SHARE))
                    last = {key: scores.values(data, labels, arm, key)[:, 10].mean() for key in DIGITS}
                    rows.append([title, labels, name, kept, *(f"{last[key]:.{DIGITS[key]}f}" for key in DIGITS)])
    heads = ["data", "C", "arm", "coverage kept", "variance within labels", "precision", "penetration, mm", "occupied"]
    return make_table(heads, rows)


def make_price_table(scores: Scores) -> str:
    """Return what generation 0 pays for labels."""
    rows = []
    for data, title in DATA.items():
        for labels in scores.labels(PLAIN):
            first = [scores.values(data, labels, PLAIN, key)[:, 0] for key in ("novelty", "coverage", "precision")]
            rows.append([title, labels, *(show(mean_interval(values)) for values in first)])
    return make_table(["data", "C", "novelty", "coverage", "precision"], rows)


def make_primary_table(scores: Scores) -> str:
    """Tabulate the primary difference, also for each data set and for the ancestral sampler."""
    rows = []
    for arm, name in ((PLAIN, "calibrated"), (("replace", "none", "ancestral"), "ancestral")):
        for data, differences in primary_differences(scores, arm).items():
            interval = mean_interval(differences)
            title = "mean of both" if data == "both" else DATA[data]
            rows.append([name, title, format_interval(interval, 2), f"{student_p(differences):.2g}"])
    return make_table(["sampler", "data", "coverage kept, C = 128 less C = 14", "p"], rows)


def draw_figure(scores: Scores) -> None:
    """Draw coverage kept against the number of labels."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "conditioning"
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    for axis, (data, title) in zip(axes, DATA.items(), strict=True):
        for arm, name in ARMS.items():
            labels = [count for count in scores.labels(arm) if scores.has(data, count, arm)]
            intervals = [mean_interval(scores.kept(data, count, arm), SHARE) for count in labels]
            means = np.array([interval.estimate for interval in intervals])
            bars = np.abs(np.array([[interval.low, interval.high] for interval in intervals]).T - means)
            style = "--" if arm == COPIES else "-"
            axis.errorbar(labels, means, bars, fmt=f"o{style}", label=name, capsize=2, markersize=3, linewidth=1.3)
        axis.set(xscale="log", xlabel="labels", title=title, ylim=(0, 1.35))
        axis.set_xticks([1, 4, 14, 57, 128], ["1", "4", "14", "57", "128 = n"])
        axis.minorticks_off()
    axes[0].set_ylabel("coverage kept after ten generations")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="lower center", fontsize=8, ncols=8, frameon=False)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.savefig(PICTURE, metadata={"Date": None})


def fill_conditioning(page: str) -> str:
    """Return the page with its tables made anew."""
    if "<!-- conditioning: " not in page:
        return page
    scores = Scores()
    makers = {
        "primary": make_primary_table,
        "loops": make_loop_table,
        "arms": make_arm_table,
        "price": make_price_table,
    }
    return fill_marked(page, "conditioning", {name: make(scores) for name, make in makers.items()})


if __name__ == "__main__":
    draw_figure(Scores())
