"""Make the tables and figure of physics.md from docs/results/physics.csv.

python docs/tools/physics_page.py
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from evidence import format_interval as format_ends
from evidence import use_minus_signs
from scipy.stats import ttest_ind
from tables import fill_marked, make_table

from selfcorrect.motion.measures.metrics import find_metric
from selfcorrect.statistics import Interval, holm, mean_interval, student_p

RESULTS = Path(__file__).resolve().parents[1] / "results"
PICTURE = RESULTS.parent / "pictures" / "results" / "physics.svg"
LAST = "10"
ARMS = {
    "real": "real data only",
    "replace none": "uncorrected",
    "replace re-encoded": "re-encoded",
    "replace floor": "floor",
    "replace low-pass": "low-pass",
    "replace kinematic": "clean-up",
    "replace physics": "physics",
}
"""Arms of the main row, as `Scores` names them, and their titles."""
FIRST = "generation 0"
"""Title of the generation that all arms of a seed share."""
FEET = ("penetration_mm", "skate_m_s")
CONTROLS = ("replace none", "replace re-encoded", "replace floor", "replace low-pass", "replace kinematic")
TESTED = ("fid_kinematic", "fid_geometric", "fid_ground", "penetration_mm", "skate_m_s", "slide_m_s", "coverage")
SHOWN = (*TESTED[:4], "float_mm", *TESTED[4:6], "jerk_m_s3", "precision", "coverage", "within_label_ratio")
REAL_KEYS = (*SHOWN[:5], "skate_m_s", "slide_m_s", "jerk_m_s3")
"""Measures of corrected real windows: all in which an artefact shows."""
RATIOS = {"augment:0.25": "λ = 0.25", "augment:0.5": "λ = 0.5", "augment:1": "λ = 1", "replace": "fully synthetic"}
ROWS = {
    "main": "main",
    "ratios": "ratios",
    "steps": "steps: n = 64, 250 steps a generation",
    "cmu": "cmu: unseen subjects, a label per window",
    "labels": "labels: one per window",
    "published-steps": "published-steps: n = 64, 1,000 steps a generation",
    "columns": "columns: HumanML3D's 263",
}
"""Rows of the plans with loops that physics corrects and loops without correction."""
DRAWN = ("penetration_mm", "slide_m_s", "fid_ground", "fid_kinematic", "coverage")
DIGITS = {
    "fid_kinematic": 1,
    "fid_geometric": 1,
    "fid_ground": 1,
    "penetration_mm": 0,
    "float_mm": 0,
    "jerk_m_s3": 0,
    "coverage": 3,
}


class Scores:
    """Scores of the finished loops: an array (seeds, generations) for each row of the plan, arm and key.

    An arm is "real", or its policy and corrector, such as "augment:1 physics". The policy "first" scores real windows,
    with "real" or "real, CORRECTOR" in place of a generation.
    """

    def __init__(self, path: Path = RESULTS / "physics.csv") -> None:
        self._rows: dict[tuple[str, str], dict[int, dict[str, dict[str, str]]]] = defaultdict(lambda: defaultdict(dict))
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                arm = row["policy"] if row["policy"] in ("real", "first") else f"{row['policy']} {row['corrector']}"
                self._rows[row["block"], arm][int(row["seed"])][row["generation"]] = row

    def blocks(self) -> list[str]:
        """Return the rows of the plan that were run."""
        return list(dict.fromkeys(block for block, _ in self._rows))

    def arms(self, block: str) -> list[str]:
        """Return the arms of a row that were run."""
        return [arm for of, arm in self._rows if of == block]

    def seeds(self, block: str) -> list[int]:
        """Return the seeds that all arms of a row finished."""
        finished = [set(self._rows[block, arm]) for arm in self.arms(block)]
        return sorted(set.intersection(*finished)) if finished else []

    def values(
        self, block: str, arm: str, key: str, generation: str = LAST, seeds: Sequence[int] | None = None
    ) -> np.ndarray:
        """Return a score (seeds,) of an arm, by default for the seeds that all arms of the row finished."""
        rows = self._rows[block, arm]
        seeds = self.seeds(block) if seeds is None else seeds
        return np.array([float(rows[seed][generation].get(key) or np.nan) for seed in seeds])

    def first(self, block: str, key: str, seeds: Sequence[int] | None = None) -> np.ndarray:
        """Return the score (seeds,) of generation 0, which all arms share."""
        return self.values(block, "real", key, "0", seeds)

    def real(self, block: str, key: str, corrector: str = "") -> np.ndarray:
        """Return the score (seeds,) of fresh real windows, as they are or corrected."""
        return self.values(block, "first", key, f"real, {corrector}" if corrector else "real")


def format_interval(interval: Interval, digits: int) -> str:
    """Format a difference with its sign, and its 95 % interval if the seeds differ at all."""
    if np.isnan(interval.low):
        return use_minus_signs(f"{interval.estimate:+.{digits}f}")
    return format_ends(interval, digits)


@cache
def read_scores() -> Scores:
    return Scores()


def digits_of(key: str) -> int:
    return DIGITS.get(key, 2)


def title_of(key: str) -> str:
    """Return the name of a measure, with its unit."""
    return "Joints move by (mm)" if key == "moved_mm" else find_metric(key).title.removesuffix(", of real")


def make_main_table(scores: Scores, block: str = "main", keys: Sequence[str] = SHOWN) -> str:
    """Tabulate means over seeds of a row's arms at generation 10, of real windows and of generation 0."""
    heads = ["measure", "real windows", FIRST]
    policies = [arm.partition(" ")[0] for arm in scores.arms(block) if arm not in ("first", "real")]
    arms = {arm.replace("replace", policies[0]): title for arm, title in ARMS.items()}
    arms = {arm: title for arm, title in arms.items() if arm in scores.arms(block)}
    rows = []
    for key in keys:
        form = f".{digits_of(key)}f"
        cells = [f"{scores.real(block, key).mean():{form}}", f"{scores.first(block, key).mean():{form}}"]
        cells += [f"{scores.values(block, arm, key).mean():{form}}" for arm in arms]
        rows.append([title_of(key), *cells])
    return make_table([*heads, *arms.values()], rows)


SHORT_ROWS = {
    "penetration_mm": "feet below the floor, mm",
    "slide_m_s": "sliding of standing feet, m/s",
    "fid_kinematic": "Fréchet distance of speeds",
    "fid_ground": "Fréchet distance of ground contact",
    "coverage": "real motions covered",
}
"""Measures of the README's table, in words."""


def compare(
    scores: Scores, block: str, arm: str, control: str, keys: Iterable[str], *, control_block: str = ""
) -> dict[str, np.ndarray]:
    """Return paired differences (seeds,) by measure between an arm and a control at generation 10.

    Args:
        control_block: The control's row, if it is another; it has the seeds of `block`.
    """
    seeds = scores.seeds(block)
    other = control_block or block
    return {
        key: scores.values(block, arm, key, seeds=seeds) - scores.values(other, control, key, seeds=seeds)
        for key in keys
    }


def adjusted_p(scores: Scores) -> dict[tuple[str, str], float]:
    """Return Holm's adjusted p of the secondary tests, by control and measure."""
    p_values = {}
    for control in CONTROLS:
        for key, values in compare(scores, "main", "replace physics", control, TESTED).items():
            p_values[f"{control}|{key}"] = student_p(values)
    return {tuple(name.split("|")): p for name, p in holm(p_values).items()}  # type: ignore[misc]


def make_split_table(scores: Scores, block: str = "main") -> str:
    """Tabulate physics less each control at generation 10.

    In *main*, differences that the adjusted test finds are bold.
    """
    adjusted = adjusted_p(scores) if block == "main" else {}
    rows = []
    for key in TESTED:
        cells = []
        for control in CONTROLS:
            values = compare(scores, block, "replace physics", control, [key])[key]
            text = format_interval(mean_interval(values), digits_of(key))
            cells.append(f"**{text}**" if adjusted.get((control, key), 1.0) < 0.05 else text)
        rows.append([title_of(key), *cells])
    return make_table(["physics less …", *(ARMS[control] for control in CONTROLS)], rows)


def make_ratio_table(scores: Scores, titles: Mapping[str, str] | None = None) -> str:
    """Tabulate corrected and uncorrected loops after ten generations, by ratio, for the seeds that all rows have.

    Args:
        titles: Measure → words in place of its title.
    """
    seeds = scores.seeds("ratios")

    def format_means(key: str, *arms: np.ndarray) -> str:
        return " / ".join(f"{values.mean():.{digits_of(key)}f}" for values in arms)

    rows = [
        [FIRST, *(format_means(key, scores.first("ratios", key, seeds)) for key in SHORT_ROWS)],
        ["real data only", *(format_means(key, scores.values("ratios", "real", key)) for key in SHORT_ROWS)],
    ]
    for policy, title in RATIOS.items():
        block = "main" if policy == "replace" else "ratios"
        cells = []
        for key in SHORT_ROWS:
            pair = (scores.values(block, f"{policy} {name}", key, seeds=seeds) for name in ("none", "physics"))
            cells.append(format_means(key, *pair))
        rows.append([title, *cells])
    names = titles or {key: title_of(key) for key in SHORT_ROWS}
    return make_table(["training set", *(names[key] for key in SHORT_ROWS)], rows)


def make_baseline_table(scores: Scores) -> str:
    """Tabulate loops less the real-data baseline after ten generations, by ratio and corrector."""
    rows = []
    for policy, title in RATIOS.items():
        block = "main" if policy == "replace" else "ratios"
        for corrector in ("none", "kinematic", "physics"):
            arm = f"{policy} {corrector}"
            if arm not in scores.arms(block):
                continue
            differences = compare(scores, block, arm, "real", SHORT_ROWS)
            cells = [format_interval(mean_interval(differences[key]), digits_of(key)) for key in SHORT_ROWS]
            corrector_title = ARMS[f"replace {corrector}"]
            rows.append([title, corrector_title, str(len(scores.seeds(block))), *cells])
    return make_table(["training set", "correction", "seeds", *map(title_of, SHORT_ROWS)], rows)


def make_primary(scores: Scores) -> str:
    """Format the primary test: the difference, its interval and p."""
    values = compare(scores, "main", "replace physics", "replace kinematic", ["fid_kinematic"])["fid_kinematic"]
    p_text = use_minus_signs(f"{student_p(values):.2g}")
    rows = [["physics less kinematic clean-up", format_interval(mean_interval(values), 1), p_text, str(len(values))]]
    return make_table(["comparison", "kinematic Fréchet distance", "p", "seeds"], rows)


def make_other_table(scores: Scores) -> str:
    """Tabulate physics less no correction at generation 10, in all rows of the plans with two seeds or more."""
    keys = ("fid_kinematic", "fid_ground", "penetration_mm", "slide_m_s", "coverage")
    rows = []
    for block in scores.blocks():
        seeds = len(scores.seeds(block))
        for arm in scores.arms(block):
            policy, _, corrector = arm.partition(" ")
            if corrector != "physics" or f"{policy} none" not in scores.arms(block) or seeds < 2:
                continue
            differences = compare(scores, block, arm, f"{policy} none", keys)
            cells = [format_interval(mean_interval(differences[key]), digits_of(key)) for key in keys]
            rows.append([ROWS[block], RATIOS[policy], str(seeds), *cells])
    return make_table(["row", "training set", "seeds", *(title_of(key) for key in keys)], rows)


def make_real_table(scores: Scores) -> str:
    """Tabulate how correctors change the distance of fresh real windows to the reference."""
    rows = []
    for block in ("main", "cmu"):
        if block not in scores.blocks():
            continue
        for corrector in ("floor", "low-pass", "kinematic", "physics"):
            cells = []
            for key in REAL_KEYS:
                change = scores.real(block, key, corrector) - scores.real(block, key)
                cells.append(format_interval(mean_interval(change), digits_of(key)))
            rows.append([block, corrector, *cells])
    return make_table(["row", "corrector", *map(title_of, REAL_KEYS)], rows)


@dataclass(frozen=True)
class Prediction:
    """A prediction of the plan with its measurement, which may refute it, and its verdict: a row of the table."""

    letter: str
    words: str
    measured: Mapping[str, Interval]
    """Measure, or words for it → the difference."""
    verdict: str

    @property
    def cells(self) -> list[str]:
        parts = []
        for name, interval in self.measured.items():
            key, _, words = name.partition("|")
            label = f"{title_of(key)} {words}".strip()
            parts.append(f"{label} {format_interval(interval, digits_of(key))}")
        return [self.letter, self.words, "; ".join(parts), self.verdict]


def difference(scores: Scores, block: str, arm: str, control: str, key: str, control_block: str = "") -> Interval:
    """Return two arms' paired difference at generation 10."""
    return mean_interval(compare(scores, block, arm, control, [key], control_block=control_block)[key])


def judge_main(scores: Scores) -> Iterator[Prediction]:
    """Yield the predictions on the row *main*."""

    def change(arm: str, control: str, key: str) -> Interval:
        return difference(scores, "main", arm, control, key)

    growth = {}
    for key in FEET:
        first, last = (scores.values("main", "replace none", key, generation) for generation in ("0", LAST))
        growth[key] = mean_interval(last - first)
    first = scores.values("main", "replace none", "penetration_mm", "0").mean()
    is_doubled = growth["penetration_mm"].estimate > first and all(value.low > 0 for value in growth.values())
    words = "without correction, penetration more than doubles and skating rises"
    yield Prediction("A", words, growth, hold(is_doubled))

    above = {key: change("replace physics", "real", key) for key in FEET}
    is_held = all(value.low <= 0 for value in above.values())
    yield Prediction("B", "with physics, both end at or below the baseline's", above, hold(is_held))

    missed = [ARMS[arm] for arm in CONTROLS if change("replace physics", arm, "fid_kinematic").high >= 0]
    verdict = "holds" if not missed else f"not shown for {', '.join(missed)}"
    yield Prediction("C", "physics lowers the kinematic distance below every control", {}, verdict)

    geometric = change("replace physics", "replace none", "fid_geometric")
    words = "physics does not lower the geometric distance"
    yield Prediction("D", words, {"fid_geometric": geometric}, hold(geometric.high >= 0))

    depth, none = (scores.values("main", arm, "penetration_mm").mean() for arm in ("replace floor", "replace none"))
    slide = change("replace floor", "replace none", "slide_m_s")
    words = "the floor shift removes most of the penetration and no sliding"
    yield Prediction("E", words, {"slide_m_s": slide}, hold(depth < none / 2 and slide.high >= 0))

    encoded = {key: change("replace re-encoded", "replace none", key) for key in TESTED}
    changed = {key: value for key, value in encoded.items() if excludes_zero(value)}
    yield Prediction("F", "re-encoding alone changes nothing", changed, hold(not changed))

    coverage = change("replace physics", "replace none", "coverage")
    is_small = coverage.low > -0.05 and coverage.high < 0.05
    words = "physics changes coverage by less than 0.05"
    yield Prediction("G", words, {"coverage": coverage}, hold(is_small))


def judge_ratios(scores: Scores) -> Iterator[Prediction]:
    """Yield the prediction on the ratios λ = 1, 0.5 and 0.25."""
    keys = ("penetration_mm", "fid_kinematic")
    drift = {f"{key}|above the baseline": difference(scores, "ratios", "augment:1 none", "real", key) for key in keys}
    gains = {}
    for ratio in ("1", "0.5", "0.25"):
        arms = f"augment:{ratio} physics", f"augment:{ratio} none"
        gains[ratio] = difference(scores, "ratios", *arms, "penetration_mm")
    effects = {f"penetration_mm|by physics at λ = {ratio}": gain for ratio, gain in gains.items()}
    is_contrary = any(value.high < 0 for value in drift.values()) or gains["1"].low > 0
    is_shown = all(value.low > 0 for value in drift.values()) and gains["1"].high < 0
    is_ordered = gains["1"].estimate < min(gains["0.5"].estimate, gains["0.25"].estimate)
    verdict = "refuted" if is_contrary else hold(True) if is_shown and is_ordered else "not shown"
    words = "at λ = 1 the uncorrected loop drifts, and physics takes artefacts back; less so at 0.5 and 0.25"
    yield Prediction("H", words, drift | effects, verdict)


def judge_steps(scores: Scores) -> Iterator[Prediction]:
    """Yield the prediction on 250 steps a generation."""
    gain = difference(scores, "steps", "augment:1 physics", "augment:1 none", "fid_kinematic")
    words = "at λ = 1 with 250 steps, physics lowers the kinematic distance"
    yield Prediction("I", words, {"fid_kinematic": gain}, hold(gain.high < 0))


def judge_cmu(scores: Scores) -> Iterator[Prediction]:
    """Yield the prediction on CMU with 128 labels."""
    gain = difference(scores, "cmu", "replace physics", "replace none", "fid_kinematic")
    real = mean_interval(scores.real("cmu", "fid_kinematic", "physics") - scores.real("cmu", "fid_kinematic"))
    cmu, built_in = (scores.real(block, "moved_mm", "physics") for block in ("cmu", "main"))
    further = welch_interval(cmu, built_in)
    is_held = gain.high >= 0 and real.low > 0 and further.low > 0
    measured = {
        "fid_kinematic|in the loop": gain,
        "fid_kinematic|of real windows": real,
        "moved_mm|further than built-in windows": further,
    }
    words = "on CMU, physics does not lower the distance, and harms real windows that it moves further"
    yield Prediction("J", words, measured, hold(is_held))


def judge_mujoco(scores: Scores) -> Iterator[Prediction]:
    """Yield the prediction on the other engine."""
    changes = {
        key: difference(scores, "mujoco", "replace physics", "replace physics", key, control_block="main")
        for key in FEET
    }
    limits = {"penetration_mm": 5.0, "skate_m_s": 0.05}
    is_alike = all(abs(changes[key].estimate) <= limit for key, limit in limits.items())
    words = "MuJoCo ends within 5 mm and 0.05 m/s of PyBullet"
    yield Prediction("K", words, changes, hold(is_alike))


def judge_selection(scores: Scores) -> Iterator[Prediction]:
    """Yield the prediction on the best of four samples."""
    arms = "selection", "replace best-of-4"
    changes = {
        "penetration_mm|less uncorrected": difference(
            scores, *arms, "replace none", "penetration_mm", control_block="main"
        ),
        "penetration_mm|less physics": difference(
            scores, *arms, "replace physics", "penetration_mm", control_block="main"
        ),
        "coverage|less uncorrected": difference(scores, *arms, "replace none", "coverage", control_block="main"),
    }
    lowered, above, lost = changes.values()
    verdict = hold(lowered.high < 0 and above.low <= 0 and lost.high < 0)
    words = "best of four lowers penetration as physics does, and loses coverage"
    yield Prediction("L", words, changes, verdict)


def judge_columns(scores: Scores) -> Iterator[Prediction]:
    """Yield the predictions of the plan for HumanML3D's columns."""

    def change(arm: str, control: str, key: str) -> Interval:
        return difference(scores, "columns", arm, control, key)

    drift = {key: change("replace none", "real", key) for key in FEET}
    words = "in columns, penetration and skating rise above the baseline"
    yield Prediction("M", words, drift, hold(all(value.low > 0 for value in drift.values())))
    encoded = {key: change("replace re-encoded", "replace none", key) for key in (*FEET, "fid_kinematic")}
    words = "in columns, re-encoding alone lowers neither artefacts nor the kinematic distance"
    yield Prediction("N", words, encoded, hold(all(value.high >= 0 for value in encoded.values())))
    above = {key: change("replace physics", "real", key) for key in FEET}
    words = "in columns, both end at or below the baseline's with physics"
    yield Prediction("O", words, above, hold(all(value.low <= 0 for value in above.values())))
    ground = {
        f"fid_ground|less {ARMS[control]}": change("replace physics", control, "fid_ground")
        for control in ("replace none", "replace re-encoded")
    }
    words = "in columns, physics lowers the ground distance"
    yield Prediction("P", words, ground, hold(all(value.high < 0 for value in ground.values())))
    kinematic = change("replace physics", "replace none", "fid_kinematic")
    words = "in columns, physics does not lower the kinematic distance"
    yield Prediction("Q", words, {"fid_kinematic": kinematic}, hold(kinematic.high >= 0))
    coverage = change("replace physics", "replace none", "coverage")
    words = "in columns, physics changes coverage by less than 0.05"
    yield Prediction("R", words, {"coverage": coverage}, hold(coverage.low > -0.05 and coverage.high < 0.05))


JUDGES = {
    "main": judge_main,
    "ratios": judge_ratios,
    "steps": judge_steps,
    "cmu": judge_cmu,
    "mujoco": judge_mujoco,
    "selection": judge_selection,
    "columns": judge_columns,
}
"""Predictions of each row of the plans."""


def make_prediction_table(scores: Scores) -> str:
    """Tabulate predictions, measurements and verdicts of rows with two seeds or more."""
    rows = [
        prediction.cells
        for block, judge in JUDGES.items()
        if len(scores.seeds(block)) > 1
        for prediction in judge(scores)
    ]
    return make_table(["", "prediction", "measured", "verdict"], sorted(rows))


def welch_interval(first: np.ndarray, second: np.ndarray) -> Interval:
    """Return Welch's interval of the difference between means over independent seeds (A,) and (B,)."""
    limits = ttest_ind(first, second, equal_var=False).confidence_interval()
    count = min(len(first), len(second))
    return Interval(float(first.mean() - second.mean()), float(limits.low), float(limits.high), count, "Welch")


def excludes_zero(interval: Interval) -> bool:
    return interval.low > 0 or interval.high < 0


def hold(is_held: bool) -> str:
    return "holds" if is_held else "refuted"


def draw_figure(scores: Scores) -> None:
    """Draw artefacts, distance and coverage of the main row over ten generations."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "physics"
    colours = {"real": "0.45", "replace none": "C3", "replace low-pass": "C1", "replace kinematic": "C2",
               "replace physics": "C0"}  # fmt: skip
    figure, axes = plt.subplots(1, len(DRAWN), figsize=(14.5, 3.2))
    generations = range(int(LAST) + 1)
    for axis, key in zip(axes, DRAWN, strict=True):
        for arm, colour in colours.items():
            if arm not in scores.arms("main"):
                continue
            curves = np.array([scores.values("main", arm, key, str(number)) for number in generations])
            mean, spread = curves.mean(1), 2.0 * curves.std(1, ddof=1) / np.sqrt(curves.shape[1])
            axis.plot(generations, mean, color=colour, label=ARMS[arm], linewidth=1.6)
            axis.fill_between(generations, mean - spread, mean + spread, color=colour, alpha=0.15, linewidth=0)
        axis.axhline(scores.real("main", key).mean(), color="black", linestyle=":", linewidth=1, label="real windows")
        axis.set(title=title_of(key), xlabel="generation")
        axis.set_ylim(bottom=0)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="lower center", fontsize=9, ncols=6, frameon=False)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.savefig(PICTURE, metadata={"Date": None})


def fill_physics(page: str) -> str:
    """Return the page with its tables made anew."""
    if "<!-- physics: " not in page:
        return page
    scores = read_scores()
    makers = {
        "primary": make_primary,
        "predictions": make_prediction_table,
        "main": make_main_table,
        "split": make_split_table,
        "columns": partial(make_main_table, block="columns", keys=TESTED),
        "columns_split": partial(make_split_table, block="columns"),
        "ratios": make_ratio_table,
        "short_ratios": partial(make_ratio_table, titles=SHORT_ROWS),
        "baseline": make_baseline_table,
        "rows": make_other_table,
        "real": make_real_table,
    }
    asked = {name: make(scores) for name, make in makers.items() if f"<!-- physics: {name} -->" in page}
    return fill_marked(page, "physics", asked)


if __name__ == "__main__":
    draw_figure(read_scores())
