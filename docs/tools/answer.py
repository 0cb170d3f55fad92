"""Tables that answer the question of the project: does correction keep a loop stable, and does it keep diversity?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evidence import arms_by_name, average_late, change_cell, format_interval, measure_change, use_minus_signs
from tables import table_lines

from selfcorrect.experiments.motion.split import LossSplit, format_factor, select_controls, split_losses
from selfcorrect.experiments.studies.results import ArmCurves
from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.statistics import mean_interval

CORRECTORS = {
    "none": "uncorrected",
    "physics": "physics",
    "kinematic": "kinematic clean-up",
    "low-pass": "low-pass filter",
}
REAL_ONLY = "real+none"
OWN = "replace+my_module.moving_average"
"""The corrector of the README's example."""
OWN_COMPARED = ("replace+physics", "replace+none", REAL_ONLY)
MAIN_JOB = "small-dct-mlp"
"""Denoiser of the preset `short`."""
DISTANCE = "fid_kinematic"
COVERAGE = "coverage"
WITHIN = "within_label_ratio"
PRECISION = "precision"
TITLES = {DISTANCE: "Fréchet distance", COVERAGE: "Coverage"}
DIGITS = {DISTANCE: 1, COVERAGE: 2}


@dataclass(frozen=True)
class Loop:
    """A loop of one run, as a row of a table."""

    title: str
    summary: str
    denoiser: str
    policy: str


LOOPS = (
    Loop("patch mixer, λ = 1, 7 generations", "full-jittery", "patch-mixer", "augment-1"),
    Loop("patch mixer, λ = 1, 20 generations", "ratios-jittery", "patch-mixer", "augment-1"),
    Loop("patch mixer, λ = 1, 20 generations, new seeds", "coverage-jittery", "patch-mixer", "augment-1"),
    Loop("patch mixer, fully synthetic, 7 generations", "full-jittery", "patch-mixer", "replace"),
    Loop("patch mixer, fully synthetic, 20 generations", "ratios-jittery", "patch-mixer", "replace"),
    Loop("DCT MLP, λ = 1, 7 generations", "full-smooth", "dct-mlp", "augment-1"),
    Loop("DCT MLP, λ = 1, 20 generations", "ratios-smooth", "dct-mlp", "augment-1"),
    Loop("DCT MLP, λ = 1, 20 generations, new seeds", "coverage-smooth", "dct-mlp", "augment-1"),
    Loop("DCT MLP, fully synthetic, 7 generations", "full-smooth", "dct-mlp", "replace"),
    Loop("DCT MLP, fully synthetic, 20 generations", "ratios-smooth", "dct-mlp", "replace"),
)


def differences_table(summaries: Mapping[str, Summary], key: str) -> Iterator[str]:
    """Yield the lines of a table: each loop minus training on real data only, paired by seed."""
    digits = DIGITS[key]
    rows = []
    for loop in LOOPS:
        arms = arms_by_name(summaries[loop.summary], loop.denoiser)
        cells = [loop.title, f"{average_late(arms[REAL_ONLY], key).mean():.{digits}f}"]
        for corrector in CORRECTORS:
            arm = arms.get(f"{loop.policy}+{corrector}")
            cells.append("not run" if arm is None else change_cell(measure_change(arm, arms[REAL_ONLY], key), digits))
        rows.append(cells)
    heads = [f"{TITLES[key]}, minus the real-data baseline", "real-data baseline", *CORRECTORS.values()]
    yield from table_lines(heads, rows)


def answer_tables(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield both tables of the results' first page: Fréchet distance, then coverage."""
    yield from differences_table(summaries, DISTANCE)
    yield ""
    yield from differences_table(summaries, COVERAGE)


def collapse_sentences(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield the first sentences of the README's findings, with their numbers: the main job's last generation."""
    arms = arms_by_name(summaries["short"], MAIN_JOB)
    ten = arms_by_name(summaries["split-ten"], MAIN_JOB)
    cmu = arms_by_name(summaries["split-cmu"], MAIN_JOB)
    loop = "replace+none"
    lineages = "replace+none+lineages"
    ancestral = select_controls()["ancestral"][0].key

    def last(name: str, key: str, group: Mapping[str, ArmCurves] = arms) -> str:
        return f"{group[name].last(key).mean():.2f}"

    splits = {split.metric.key: split for split in split_losses(arms)}
    cmu_splits = {split.metric.key: split for split in split_losses(cmu)}
    short = summaries["short"]
    yield (
        f"* **A loop that trains only on its own samples loses diversity.** After {short.generations} generations, "
        f"samples cover {last(loop, COVERAGE)} of real motions, with real data {last(REAL_ONLY, COVERAGE)}."
    )
    yield (
        "* **A part of the loss is the sampler's.** With 20 ancestral steps, the sampler of our earlier figures, the "
        f"loop keeps {describe_split(splits[COVERAGE])}. On unseen CMU subjects, after "
        f"{summaries['split-cmu'].generations} generations: {describe_split(cmu_splits[COVERAGE])}."
    )
    yield (
        f"* **Ancestral steps take the variance within labels**: they leave {last(ancestral, WITHIN)} of real "
        f"variance, the calibrated sampler {last(loop, WITHIN)} (real-data baseline {last(REAL_ONLY, WITHIN)}). Its "
        f"price is precision: {last(loop, PRECISION)} instead of {last(REAL_ONLY, PRECISION)}, after ten generations "
        f"{last(loop, PRECISION, ten)}."
    )
    yield (
        f"* **Physics makes feet slide less**, {last('replace+physics', 'skate_m_s')} instead of "
        f"{last(loop, 'skate_m_s')} m/s, **and does not stop the loss** (coverage "
        f"{last('replace+physics', COVERAGE)})."
    )
    gain = mean_interval(cmu[lineages].last(COVERAGE) - cmu[loop].last(COVERAGE))
    yield (
        f"* **A remedy slows the loss**: with `--remedy lineages`, coverage is {last(lineages, COVERAGE)}, after ten "
        f"generations {last(lineages, COVERAGE, ten)} (without {last(loop, COVERAGE, ten)}, baseline "
        f"{last(REAL_ONLY, COVERAGE, ten)}). Feet slide at {last(lineages, 'skate_m_s')} m/s. On CMU, coverage changes "
        f"by {format_interval(gain, 2)}."
    )


def describe_split(split: LossSplit) -> str:
    """Return a share of the baseline as a product, in words."""
    sampler, drift, learner = map(format_factor, (split.sampler, split.drift, split.learner))
    return (
        f"{split.kept.estimate:.2f} of the baseline's {split.metric.name.lower()} = {sampler} (sampler) × {drift} "
        f"(neutral drift) × {learner} (learner)"
    )


KEPT = {
    "real-data baseline": ("modes", REAL_ONLY),
    "no remedy; with physics": ("modes", "replace+none", "replace+physics"),
    "only matching; only extrapolation": ("modes", "replace+none+matched", "replace+none+extrapolated"),
    "`lineages`": ("modes", "replace+none+lineages"),
    "a static set; with `lineages`": ("modes", "freeze+none", "freeze+none+lineages"),
    "a quarter renewed; with `lineages`": ("renewal", "renew-0.25+none", "renew-0.25+none+lineages"),
}
"""Rows of the table of remedies: a run and its arms."""


def kept_table(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield the lines of the table of remedies: the coverage that fully synthetic loops of the DCT MLP keep."""
    rows = []
    for title, (run, *names) in KEPT.items():
        arms = arms_by_name(summaries[run], "dct-mlp")
        rows.append([title, "; ".join(f"{average_late(arms[name], COVERAGE).mean():.2f}" for name in names)])
    yield from table_lines(["coverage, generations 11 to 20", ""], rows)


def own_corrector_sentence(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield what the README's own corrector changed after the last generation, paired by seed."""
    summary = summaries["own-corrector"]
    arms = arms_by_name(summary, "patch-mixer")

    def last(metric: str, digits: int) -> list[str]:
        return [f"{arms[name].last(metric).mean():.{digits}f}" for name in (OWN, *OWN_COMPARED)]

    own, physics, plain, real = last(DISTANCE, 0)
    change = mean_interval(arms[OWN].last(DISTANCE) - arms[OWN_COMPARED[1]].last(DISTANCE))
    interval = use_minus_signs(f"{change.estimate:+.0f} [{change.low:+.0f}, {change.high:+.0f}]")
    yield (
        f"Over {summary.seeds} seeds and {summary.generations} generations "
        f"(`--seeds {summary.seeds} --generations {summary.generations}`), the Fréchet distance of this loop ends at "
        f"{own} with the moving average, {physics} with physics and {plain} without correction (moving average − "
        f"uncorrected: {interval}). The real-data baseline has {real}."
    )
    for title, metric in (("Coverage", COVERAGE), ("Variance within labels", WITHIN)):
        own, physics, plain, real = last(metric, 2)
        yield f"{title} ends at {own}, {physics} and {plain} (baseline {real})."
    losses = [mean_interval(arms[OWN].last(metric) - arms[REAL_ONLY].last(metric)) for metric in (COVERAGE, WITHIN)]
    if all(loss.is_below(0) for loss in losses):
        yield "Diversity is lost all the same."
