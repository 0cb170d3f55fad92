"""Make tables of registered loops from the rows that docs/tools/keep_rows.py kept.

python docs/tools/results.py
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from evidence import REAL, use_minus_signs
from judge_table import read_scores as read_judge
from physics_page import FIRST, SHORT_ROWS, digits_of, format_interval, title_of
from tables import SUMMARIES, fill_marked, make_table

from selfcorrect.statistics import holm, mean_interval, student_p

BASELINE = "real+none"
Pair = tuple[str, str]
"""An arm, and the arm that is subtracted."""

FORCE = "unexplained_bodyweights"
SHOWN = (
    *("energy_ankles", "fid_kinematic", "fid_geometric", "fid_ground", "penetration_mm", "float_mm", "slide_m_s"),
    *("jerk_m_s3", FORCE, "precision", "recall", "coverage", "within_label_ratio"),
)
TESTED = (
    *("energy_ankles", "fid_ground", "fid_kinematic", "fid_geometric", "slide_m_s", "penetration_mm", "precision"),
    "coverage",
)


class LoopRows:
    """Rows of loops: arm → seed → generation → values by key."""

    def __init__(self, path: Path) -> None:
        self._rows: dict[str, dict[int, dict[int, dict[str, float]]]] = defaultdict(lambda: defaultdict(dict))
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for line in text.splitlines():
            row = json.loads(line)
            self._rows[row["arm"]][row["seed"]][row["generation"]] = row
        runs = [generations for seeds in self._rows.values() for generations in seeds.values()]
        self.last = max(map(max, runs), default=0)
        """The last generation."""

    def arms(self) -> list[str]:
        return list(self._rows)

    def seeds(self, arms: Iterable[str]) -> list[int]:
        """Return the seeds that all of some arms finished."""
        finished = [{seed for seed, rows in self._rows[arm].items() if self.last in rows} for arm in arms]
        return sorted(set.intersection(*finished)) if finished else []

    def values(self, arm: str, key: str, seeds: Sequence[int], generation: int | None = None) -> np.ndarray:
        """Return a value (seeds,) of a generation, by default of the last one; NaN where a row lacks it."""
        shown = self.last if generation is None else generation
        return np.array([self._rows[arm][seed][shown].get(key, np.nan) for seed in seeds])

    def totals(self, arm: str, key: str, seeds: Sequence[int]) -> np.ndarray:
        """Return the sums (seeds,) of a value over generations."""
        return np.array([sum(row.get(key, 0.0) for row in self._rows[arm][seed].values()) for seed in seeds])

    def differences(self, pair: Pair, key: str, seeds: Sequence[int]) -> np.ndarray:
        """Return paired differences (seeds,) of the last generation."""
        arm, control = pair
        return self.values(arm, key, seeds) - self.values(control, key, seeds)


def _count(seeds: Sequence[int]) -> str:
    return f"{len(seeds)} seed{'s' * (len(seeds) != 1)}"


_TITLES = {
    FORCE: "Force that contacts cannot explain (body weights)",
    "energy_without_heights": "Energy distance, ankle paths without heights",
}


def _name(key: str) -> str:
    return _TITLES[key] if key in _TITLES else title_of(key)


MISSING = "*Not run yet.*"
"""What stands in place of a table of arms without a seed."""


def make_means_table(rows: LoopRows, arms: Mapping[str, str], keys: Sequence[str] = SHOWN) -> str:
    """Tabulate means over the seeds that all arms finished: generation 0, then the last generation of each arm."""
    seeds = rows.seeds(arms)
    if not seeds:
        return MISSING
    table = []
    for key in keys:
        form = f".{digits_of(key)}f"
        means = [rows.values(BASELINE, key, seeds, 0).mean(), *(rows.values(arm, key, seeds).mean() for arm in arms)]
        table.append([_name(key), *(f"{mean:{form}}" for mean in means)])
    return make_table([_count(seeds), FIRST, *arms.values()], table)


def make_split_table(
    rows: LoopRows, pairs: Mapping[str, Pair], keys: Sequence[str] = TESTED, found: Collection[tuple[str, str]] = ()
) -> str:
    """Tabulate differences with 95 % intervals; those that a test found are bold.

    Args:
        pairs: Title → arms.
        found: Titles and keys of significant differences.
    """
    if not all(rows.seeds(pair) for pair in pairs.values()):
        return MISSING
    table = []
    for key in keys:
        cells = []
        for title, pair in pairs.items():
            seeds = rows.seeds(pair)
            text = format_interval(mean_interval(rows.differences(pair, key, seeds)), digits_of(key))
            cells.append(f"**{text}**" if (title, key) in found else text)
        table.append([_name(key), *cells])
    return make_table(["difference", *pairs], table)


def find_significant(
    rows: LoopRows,
    pairs: Mapping[str, Pair],
    keys: Sequence[str] = TESTED,
    level: float = 0.05,
    without: Collection[tuple[str, Pair]] = (),
) -> list[tuple[str, str]]:
    """Return titles and keys of the differences that Student's t finds, adjusted by Holm over all of them.

    Args:
        without: Keys and pairs that do not belong to the family.
    """
    p_values = {}
    for title, pair in pairs.items():
        for key in keys:
            if (key, pair) in without:
                continue
            p_values[f"{title}|{key}"] = student_p(rows.differences(pair, key, rows.seeds(pair)))
    adjusted = holm(p_values)
    return [tuple(name.split("|")) for name, p in adjusted.items() if p <= level]  # type: ignore[misc]


def make_short_table(rows: LoopRows, correctors: Mapping[str, str]) -> str:
    """Tabulate generation 0, the baseline, and loops at λ = 1 / fully synthetic, after ten generations."""
    seeds = rows.seeds([BASELINE, *(f"{kind}+{key}" for kind in ("augment-1", "replace") for key in correctors)])
    table = []
    for key, title in _SHORT.items():
        means = [[rows.values(BASELINE, key, seeds, generation).mean()] for generation in (0, rows.last)]
        for corrector in correctors:
            means.append([rows.values(f"{kind}+{corrector}", key, seeds).mean() for kind in ("augment-1", "replace")])
        table.append([title, *(" / ".join(f"{mean:.{digits_of(key)}f}" for mean in cell) for cell in means)])
    return make_table([_count(seeds), FIRST, "real data only", *correctors.values()], table)


def make_tests_table(rows: LoopRows, tests: Mapping[str, tuple[str, Pair]], planned: int = 2) -> str:
    """Tabulate primary tests, adjusted by Holm.

    Args:
        tests: Words → key and arms.
        planned: Seeds without which there is no test.
    """
    if not all(rows.seeds(pair) for _, pair in tests.values()):
        return MISSING
    finished = min(len(rows.seeds(pair)) for _, pair in tests.values())
    if finished < planned:
        return f"*{finished} of {planned} seeds finished: too few for a test.*"
    p_values = {words: student_p(rows.differences(pair, key, rows.seeds(pair))) for words, (key, pair) in tests.items()}
    adjusted = holm(p_values)
    table = []
    for words, (key, pair) in tests.items():
        seeds = rows.seeds(pair)
        text = format_interval(mean_interval(rows.differences(pair, key, seeds)), digits_of(key))
        numbers = [use_minus_signs(f"{p:.2g}") for p in (p_values[words], adjusted[words])]
        table.append([words, title_of(key), text, *numbers, str(len(seeds))])
    return make_table(["test", "measure", "difference", "p", "p, Holm", "seeds"], table)


MOVED = {
    "moved_mm": ("joints, mm", 0),
    "moved_within_body_mm": ("without the root, mm", 0),
    "turned_deg": ("joint rotations, °", 1),
    "loss_on_raw": ("loss on raw samples", 3),
    "loss_on_corrected": ("loss on corrected samples", 3),
}
"""Key → title and digits."""


def make_moves_table(rows: LoopRows, arms: Mapping[str, str]) -> str:
    """Tabulate how far samples were moved in generation 1 and the last one, and how many draws were rejected."""
    seeds = rows.seeds(arms)
    if not seeds:
        return MISSING
    table = []
    for arm, title in arms.items():
        cells = []
        for key, (_, digits) in MOVED.items():
            means = [rows.values(arm, key, seeds, generation).mean() for generation in (1, rows.last)]
            cells.append("–" if np.isnan(means).any() else " → ".join(f"{mean:.{digits}f}" for mean in means))
        rejected = rows.totals(arm, "rejected_count", seeds).mean()
        table.append([title, *cells, f"{rejected:.0f}"])
    heads = [title for title, _ in MOVED.values()]
    return make_table(["arm", *heads, "rejected in all, a seed"], table)


# the registered loops of the transformer

_CORRECTORS = {
    "none": "uncorrected",
    "re-encoded": "re-encoded",
    "ground-then-kinematic": "clean-up",
    "physics": "physics",
    "projection": "projection",
}
_REPLACE = {f"replace+{key}": title for key, title in _CORRECTORS.items()}
_AUGMENT = {f"augment-1+{key}": title for key, title in _CORRECTORS.items()}
_TRANSFORMER_PAIRS = {
    "fully synthetic: physics less none": ("replace+physics", "replace+none"),
    "projection less none": ("replace+projection", "replace+none"),
    "λ = 1: physics less none": ("augment-1+physics", "augment-1+none"),
    "λ = 1: projection less none": ("augment-1+projection", "augment-1+none"),
}
_TRANSFORMER_BASELINE = {
    "λ = 1: uncorrected": ("augment-1+none", BASELINE),
    "re-encoded": ("augment-1+re-encoded", BASELINE),
    "clean-up": ("augment-1+ground-then-kinematic", BASELINE),
    "physics": ("augment-1+physics", BASELINE),
    "projection": ("augment-1+projection", BASELINE),
}
_SHORT = {
    "energy_ankles": "energy distance of ankle paths",
    "fid_kinematic": "Fréchet distance of speeds",
    "fid_ground": "Fréchet distance of ground contact",
    "slide_m_s": "sliding of standing feet, m/s",
    "precision": "precision",
    "coverage": "real motions covered",
}
"""Rows of the table in the README."""
_TRANSFORMER_TESTS = {
    "P1: physics less none": ("precision", ("replace+physics", "replace+none")),
    "P2: projection less physics": ("coverage", ("replace+projection", "replace+physics")),
}


_FORCES = {f"replace+{key}": _CORRECTORS[key] for key in ("none", "re-encoded", "physics", "projection")}
_FORCES |= {"replace+force-projection": "projection with forces"}
_FORCE_PAIRS = {
    f"less {words}": ("replace+force-projection", f"replace+{key}")
    for key, words in {"none": "uncorrected", "physics": "physics", "projection": "projection"}.items()
}
_FORCE_RATIO = {f"augment-1+{key}": _CORRECTORS[key] for key in ("none", "physics", "projection")}
_FORCE_RATIO |= {"augment-1+force-projection": "projection with forces"}
_FORCE_RATIO_PAIRS = {
    f"less {words}": ("augment-1+force-projection", arm)
    for arm, words in {**_FORCE_RATIO, BASELINE: "real data only"}.items()
    if arm != "augment-1+force-projection"
}
_DOSES = {
    BASELINE: "real data only",
    "replace+none": "uncorrected",
    "replace+physics": "physics",
    "replace+physics+rejected-keep": "rejected samples kept",
    "replace+physics+strength-1": "half of the samples",
    "replace+physics+interpolation-1": "half of the way",
    "replace+projection": "projection",
}


# fully synthetic loops of the small DCT MLP that keep realism and diversity

_KEEP_KEYS = (
    *("energy_ankles", "fid_kinematic", "fid_geometric", "fid_ground", "penetration_mm", "slide_m_s", "precision"),
    *("recall", "coverage", "within_label_ratio"),
)
_SEARCHED = {
    BASELINE: "real data only",
    "replace+none": "new samples in each generation (`replace`)",
    "replace-10+none": "ten times as many (`replace:10`)",
    "replace+physics": "`replace`, physics",
    "replace+projection": "`replace`, projection",
    "union+none": "all synthetic sets (`union`)",
    "union-3+none": "the last three sets (`union:3`)",
    "union+physics": "`union`, physics",
    "union+projection": "`union`, projection",
    "union+none+extrapolated": "`union`, extrapolated",
    "union+projection+extrapolated": "`union`, projection, extrapolated",
    "freeze-10+none": "one static set of 10 n (`freeze:10`)",
    "freeze-10+none+extrapolated": "`freeze:10`, extrapolated",
    "freeze-10+projection+extrapolated": "`freeze:10`, projection, extrapolated",
}


_KEEP_TESTS = {
    "K1: `replace`, projection less physics": ("fid_kinematic", ("replace+projection", "replace+physics")),
    "K2: `union`, projection, less `replace`, physics": ("coverage", ("union+projection", "replace+physics")),
}


def make_arms_table(rows: LoopRows, arms: Mapping[str, str], keys: Sequence[str] = _KEEP_KEYS) -> str:
    """Tabulate means of generation 0 and of the last generation of each arm, a row for each arm."""
    seeds = rows.seeds(arms)
    if not seeds:
        return MISSING
    means = {FIRST: [rows.values(BASELINE, key, seeds, 0).mean() for key in keys]}
    means |= {title: [rows.values(arm, key, seeds).mean() for key in keys] for arm, title in arms.items()}
    table = [[title, *(f"{m:.{digits_of(k)}f}" for k, m in zip(keys, of, strict=True))] for title, of in means.items()]
    return make_table([_count(seeds), *map(title_of, keys)], table)


def make_kept_table(rows: LoopRows, arms: Mapping[str, str], keys: Sequence[str] = _KEEP_KEYS) -> str:
    """Tabulate the last generation less generation 0, with 95 % intervals."""
    seeds = rows.seeds(arms)
    if not seeds:
        return MISSING
    table = []
    for arm, title in arms.items():
        changes = {key: rows.values(arm, key, seeds) - rows.values(BASELINE, key, seeds, 0) for key in keys}
        table.append([title, *(format_interval(mean_interval(changes[key]), digits_of(key)) for key in keys)])
    return make_table([f"{_count(seeds)}, less {FIRST}", *map(title_of, keys)], table)


def _make_keeps_tables() -> dict[str, str]:
    confirmed = read_rows("keeps-confirm")
    tested = {arm: title for arm, title in _SEARCHED.items() if arm in confirmed.arms()}
    return {
        "search": make_arms_table(read_rows("keeps-search"), _SEARCHED),
        "means": make_arms_table(confirmed, tested),
        "confirm": make_kept_table(confirmed, tested),
        "primary": make_tests_table(confirmed, _KEEP_TESTS),
        "fifty": make_course_table(read_rows("fifty-loops"), _FIFTY, (10, 50)),
        "fifty_change": make_change_table(read_rows("fifty-loops"), _FIFTY, 10),
        "fifty_test": make_tests_table(read_rows("fifty-loops"), _FIFTY_TESTS, planned=5),
    }


# fifty generations

_FIFTY = {
    BASELINE: "real data only",
    "replace+none": "`replace`",
    "union+projection": "`union`, projection",
    "freeze-10+none+extrapolated": "`freeze:10`, extrapolated",
}
_FIFTY_TESTS = {
    "F3: `freeze:10`, extrapolated, less `union`, projection": (
        "coverage",
        ("freeze-10+none+extrapolated", "union+projection"),
    )
}


def make_course_table(
    rows: LoopRows, arms: Mapping[str, str], generations: Sequence[int], keys: Sequence[str] = _KEEP_KEYS
) -> str:
    """Tabulate means of generation 0, and of some generations of each arm, a row for each."""
    seeds = rows.seeds(arms)
    if not seeds:
        return MISSING
    table = []
    places = [(BASELINE, FIRST, 0)]
    places += [(arm, f"{title}, {number}", number) for arm, title in arms.items() for number in generations]
    for arm, title, number in places:
        means = [rows.values(arm, key, seeds, number).mean() for key in keys]
        table.append([title, *(f"{mean:.{digits_of(key)}f}" for key, mean in zip(keys, means, strict=True))])
    return make_table([f"{_count(seeds)}, generation", *map(title_of, keys)], table)


def make_spans_table(
    rows: LoopRows, arms: Mapping[str, str], spans: Sequence[tuple[int, int]], keys: Sequence[str]
) -> str:
    """Tabulate means of generation 0, and means over spans of generations (first, last) of each arm."""
    seeds = rows.seeds(arms)
    if not seeds:
        return MISSING
    columns = [(FIRST, BASELINE, (0, 0))]
    columns += [(f"{title}, {span[0]} to {span[1]}", arm, span) for arm, title in arms.items() for span in spans]
    table = []
    for key in keys:
        cells = []
        for _, arm, (first, last) in columns:
            values = [rows.values(arm, key, seeds, generation) for generation in range(first, last + 1)]
            cells.append(f"{np.mean(values):.{digits_of(key)}f}")
        table.append([_name(key), *cells])
    return make_table([_count(seeds), *(title for title, _, _ in columns)], table)


def make_change_table(rows: LoopRows, arms: Mapping[str, str], since: int, keys: Sequence[str] = _KEEP_KEYS) -> str:
    """Tabulate the last generation less another one of the same arm, with 95 % intervals if there are two seeds."""
    seeds = rows.seeds(arms)
    if not seeds:
        return MISSING
    table = []
    for arm, title in arms.items():
        changes = {key: rows.values(arm, key, seeds) - rows.values(arm, key, seeds, since) for key in keys}
        table.append([title, *(format_interval(mean_interval(changes[key]), digits_of(key)) for key in keys)])
    return make_table([f"{_count(seeds)}, generation {rows.last} less {since}", *map(title_of, keys)], table)


# the repetition

_REPEATED = {
    "none": "uncorrected",
    "re-encoded": "re-encoded",
    "low-pass": "low-pass",
    "ground-then-kinematic": "clean-up",
    "physics": "physics",
}
_REPEATED_KEYS = ("energy_ankles", "fid_ground", "fid_kinematic", "slide_m_s", "penetration_mm", "coverage")
_REPEATED_SHOWN = tuple(key for key in SHOWN if key != FORCE)
_REPEATED_TESTS = {
    "P1: physics less clean-up": ("energy_ankles", ("replace+physics", "replace+ground-then-kinematic")),
    "P2: physics less clean-up": ("fid_ground", ("replace+physics", "replace+ground-then-kinematic")),
}
_REGIMES = {"replace": "fully synthetic", "augment-1": "λ = 1"}


def _make_repetition_tables() -> dict[str, str]:
    rows = read_rows("repetition")
    less = {f"less {title}": key for key, title in _REPEATED.items() if key != "physics"}
    secondary: dict[str, dict[str, Pair]] = {}
    for regime in _REGIMES:
        secondary[regime] = {title: (f"{regime}+physics", f"{regime}+{key}") for title, key in less.items()}
    secondary["augment-1"]["less real data only"] = ("augment-1+physics", BASELINE)
    family = {f"{regime} {title}": pair for regime, pairs in secondary.items() for title, pair in pairs.items()}
    primary = list(_REPEATED_TESTS.values())
    tables = {"primary": make_tests_table(rows, _REPEATED_TESTS)}
    significant = find_significant(rows, family, _REPEATED_KEYS, without=primary)
    for regime, pairs in secondary.items():
        arms = {f"{regime}+{key}": title for key, title in _REPEATED.items()}
        name = regime.split("-")[0]
        tables[name] = make_means_table(rows, {BASELINE: "real data only", **arms}, _REPEATED_SHOWN)
        found = [(title, key) for title in pairs for key in _REPEATED_KEYS if (f"{regime} {title}", key) in significant]
        tables[f"{name}_physics"] = make_split_table(rows, pairs, _REPEATED_KEYS, found)
        baseline: dict[str, Pair] = {title: (arm, BASELINE) for arm, title in arms.items()}
        tables[f"{name}_baseline"] = make_split_table(rows, baseline, _REPEATED_KEYS)
    corrected: dict[str, Pair] = {}
    for regime, title in _REGIMES.items():
        for key, corrector in _REPEATED.items():
            if key != "none":
                corrected[f"{title}: {corrector}"] = (f"{regime}+{key}", f"{regime}+none")
    tables["coverage"] = make_split_table(rows, corrected, ("coverage",))
    heights: dict[str, Pair] = {
        title: (f"{regime}+ground-then-kinematic", f"{regime}+physics") for regime, title in _REGIMES.items()
    }
    tables["height"] = make_split_table(rows, heights, ("penetration_mm", "float_mm"))
    judged = read_rows("repetition-heights")
    pairs = {
        f"{title}: {words}": (f"{regime}+physics", control)
        for regime, title in _REGIMES.items()
        for words, control in {
            "physics less clean-up": f"{regime}+ground-then-kinematic",
            "physics less real data only": BASELINE,
        }.items()
    }
    tables["heights"] = make_split_table(judged, pairs, ("energy_ankles", "energy_without_heights"))
    tables["short"] = _make_repeated_short_table(rows)
    return tables


def _make_repeated_short_table(rows: LoopRows) -> str:
    """Tabulate real motion, generation 0 and fully synthetic arms after ten generations, for the README."""
    arms = {f"replace+{key}": title for key, title in _REPEATED.items() if key != "re-encoded"}
    seeds = rows.seeds([BASELINE, *arms])
    table = []
    for key, title in {"energy_ankles": "energy distance of ankle paths", **SHORT_ROWS}.items():
        means = [read_judge()[REAL][key].mean(), rows.values(BASELINE, key, seeds, 0).mean()]
        means += [rows.values(arm, key, seeds).mean() for arm in (BASELINE, *arms)]
        form = ".2f" if key == "coverage" else f".{digits_of(key)}f"
        table.append([title, *(f"{mean:{form}}" for mean in means)])
    return make_table(["after ten generations", "real motion", FIRST, "real data only", *arms.values()], table)


@cache
def read_rows(name: str) -> LoopRows:
    return LoopRows(SUMMARIES / f"{name}.jsonl")


_PUBLISHED_KEYS = (*(key for key in SHOWN if key != FORCE), "novelty_of_samples")
_THOUSAND_PAIRS = {
    "physics less none": ("replace+physics", "replace+none"),
    "projection less none": ("replace+projection", "replace+none"),
    "projection less physics": ("replace+projection", "replace+physics"),
    "physics less real data only": ("replace+physics", BASELINE),
    "projection less real data only": ("replace+projection", BASELINE),
}
_THOUSAND_RATIO = {
    "augment-1+none": "uncorrected",
    "augment-1+physics": "physics",
    "augment-1+projection": "projection",
}
_THOUSAND_RATIO_PAIRS: dict[str, Pair] = {
    title: (arm.replace("replace", "augment-1"), control.replace("replace", "augment-1"))
    for title, (arm, control) in _THOUSAND_PAIRS.items()
}


def _make_transformer_tables() -> dict[str, str]:
    rows = read_rows("transformer-loops")
    thousand = read_rows("transformer-thousand")
    published = {BASELINE: "real data only", "augment-1+none": "uncorrected", "augment-1+physics": "physics"}
    return {
        "published": make_spans_table(
            read_rows("transformer-published"), published, ((1, 10), (41, 50)), _PUBLISHED_KEYS
        ),
        "thousand": make_means_table(thousand, {BASELINE: "real data only", **_REPLACE}),
        "thousand_split": make_split_table(thousand, _THOUSAND_PAIRS),
        "thousand_moves": make_moves_table(thousand, _REPLACE),
        "thousand_ratio": make_means_table(thousand, {BASELINE: "real data only", **_THOUSAND_RATIO}),
        "thousand_ratio_split": make_split_table(thousand, _THOUSAND_RATIO_PAIRS),
        "synthetic": make_means_table(rows, {BASELINE: "real data only", **_REPLACE}),
        "ratio": make_means_table(rows, {BASELINE: "real data only", **_AUGMENT}),
        "primary": make_tests_table(rows, _TRANSFORMER_TESTS),
        "split": make_split_table(rows, _TRANSFORMER_PAIRS, found=find_significant(rows, _TRANSFORMER_PAIRS)),
        "controls": make_split_table(
            rows,
            {
                "projection less re-encoded": ("replace+projection", "replace+re-encoded"),
                "projection less physics": ("replace+projection", "replace+physics"),
                "physics less clean-up": ("replace+physics", "replace+ground-then-kinematic"),
            },
        ),
        "baseline": make_split_table(rows, _TRANSFORMER_BASELINE),
        "short": make_short_table(rows, {key: _CORRECTORS[key] for key in ("none", "physics", "projection")}),
        "moves": make_moves_table(rows, _REPLACE | {k: f"λ = 1, {t}" for k, t in _AUGMENT.items()}),
        "forces": make_means_table(rows, {BASELINE: "real data only", **_FORCES}),
        "force_split": make_split_table(rows, _FORCE_PAIRS, (*TESTED, FORCE)),
        "force_ratio": make_means_table(rows, {BASELINE: "real data only", **_FORCE_RATIO}),
        "force_ratio_split": make_split_table(rows, _FORCE_RATIO_PAIRS, (*TESTED, FORCE)),
        "force_moves": make_moves_table(
            rows,
            {
                "replace+force-projection": "projection with forces",
                "augment-1+force-projection": "λ = 1, projection with forces",
            },
        ),
        "doses": make_means_table(rows, _DOSES),
        "dose_moves": make_moves_table(rows, {arm: title for arm, title in _DOSES.items() if arm != BASELINE}),
    }


def fill_loops(page: str) -> str:
    """Return the page with its tables of loops made anew."""
    for kind, make_tables in MAKERS.items():
        if f"<!-- {kind}: " in page:
            page = fill_marked(page, kind, make_tables())
    return page


MAKERS = {"transformer": _make_transformer_tables, "keeps": _make_keeps_tables, "repetition": _make_repetition_tables}
"""Kind of a mark → function that makes its tables by name."""
