"""Sentences and tables of the README and of the page of remedies, with their numbers."""

from collections.abc import Iterator, Mapping

from evidence import arms_by_name, average_late, distances, format_interval, real_values, use_minus_signs
from tables import table_lines

from selfcorrect.experiments.motion.split import LossSplit, format_factor, select_controls, split_losses
from selfcorrect.experiments.studies.results import ArmCurves
from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.motion.measures.metrics import find_metric
from selfcorrect.statistics import Interval, mean_interval

REAL_ONLY = "real+none"
OWN = "replace+my_module.moving_average"
"""The corrector of the README's example."""
OWN_COMPARED = ("replace+physics", "replace+none", REAL_ONLY)
MAIN_JOB = "small-dct-mlp"
"""Denoiser of the preset `short`."""
DISTANCE = "fid_kinematic"
COVERAGE = "coverage"
FORCE = "needed_force_bodyweights"
WITHIN = "within_label_ratio"
PRECISION = "precision"


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
    remedies = arms_by_name(summaries["remedies"], MAIN_JOB)
    over_static = mean_interval(remedies[lineages].last(COVERAGE) - remedies["freeze+none"].last(COVERAGE))
    gain = mean_interval(cmu[lineages].last(COVERAGE) - cmu[loop].last(COVERAGE))
    yield (
        f"* **A remedy slows the loss**: with `--remedy lineages`, coverage is {last(lineages, COVERAGE)}, after ten "
        f"generations {last(lineages, COVERAGE, ten)} (without {last(loop, COVERAGE, ten)}, baseline "
        f"{last(REAL_ONLY, COVERAGE, ten)}). Feet slide at {last(lineages, 'skate_m_s')} m/s. On CMU, coverage changes "
        f"by {format_interval(gain, 2)}. Over a static set (`--policy freeze`), the gain after ten generations is "
        f"{format_interval(over_static, 2)}."
    )


def describe_split(split: LossSplit) -> str:
    """Return a share of the baseline as a product, in words."""
    sampler, drift, learner = map(format_factor, (split.sampler, split.drift, split.learner))
    return (
        f"{split.kept.estimate:.2f} of the baseline's {split.metric.name.lower()} = {sampler} (sampler) × {drift} "
        f"(neutral drift) × {learner} (learner)"
    )


KEPT = {
    "real-data baseline": (REAL_ONLY,),
    "no remedy; with `lineages`": ("replace+none", "replace+none+lineages"),
    "a static set; with `lineages`": ("freeze+none", "freeze+none+lineages"),
    "a quarter renewed; with `lineages`": ("renew-0.25+none", "renew-0.25+none+lineages"),
}
"""Rows of the table of remedies: arms."""
KEPT_COLUMNS = (COVERAGE, WITHIN, PRECISION)


def kept_table(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield the lines of the table of what fully synthetic loops keep with a remedy, at the last generation."""
    summary = summaries["remedies"]
    arms = arms_by_name(summary, MAIN_JOB)
    rows = []
    for title, names in KEPT.items():
        cells = ["; ".join(f"{arms[name].last(key).mean():.2f}" for name in names) for key in KEPT_COLUMNS]
        rows.append([title, *cells])
    heads = [find_metric(key).name.lower() for key in KEPT_COLUMNS]
    yield from table_lines([f"generation {summary.generations}", *heads], rows)


def remedy_sentences(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield what remedies changed in fully synthetic loops at the last generation, paired by seed."""
    arms = arms_by_name(summaries["remedies"], MAIN_JOB)
    (plain, lineages), (static, both), (renewed, _) = list(KEPT.values())[1:]

    def change(name: str, other: str, key: str = COVERAGE) -> str:
        found = mean_interval(arms[name].last(key) - arms[other].last(key))
        return format_interval(found, 2) + (" (no difference found)" if found.low <= 0 <= found.high else "")

    skating = [f"{arms[name].last('skate_m_s').mean():.2f}" for name in (lineages, static)]
    yield (
        f"* **`lineages`** against no remedy changes coverage by {change(lineages, plain)}, against a static set "
        f"without remedy by {change(lineages, static)}. Feet slide at {skating[0]} m/s, with a static set at "
        f"{skating[1]} m/s."
    )
    yield (
        f"* **Both together** against a static set change coverage by {change(both, static)} and precision by "
        f"{change(both, static, PRECISION)}."
    )
    yield f"* **A quarter renewed** against full replacement changes coverage by {change(renewed, plain)}."


def ratio_sentences(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield what the loop at λ = 1 and physics in the loop change: distance at the end, root force."""
    summary = summaries["ratios-quick-pybullet"]
    arms = arms_by_name(summary, MAIN_JOB)
    names = ("augment-1+none", REAL_ONLY, "augment-1+physics")
    plain, real, physics = (f"{arms[name].last(DISTANCE).mean():.1f}" for name in names)
    yield (
        f"* **At the paper's ratio** (\"100 %\", one synthetic sample per real sample) this network's Fréchet distance "
        f"ends at {plain} instead of {real}, with physics at {physics}."
    )
    plain, _, physics = (f"{average_late(arms[name], FORCE).mean():.2f}" for name in names)
    force_of_real = real_values(summary, FORCE)
    assert force_of_real is not None, "these runs measure the force of real motion"
    yield (
        f"* **Physics brings root force nearer to real motion** than no correction does: {physics} instead of {plain} "
        f"body weights at the paper's ratio, real motion {force_of_real.mean():.2f}."
    )


def nearer_sentence(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield by how much physics brings the root force of samples nearer to real motion, paired by seed."""
    found = [
        _describe_gain(_force_gain(summaries[name], denoiser, policy))
        for name, denoiser, policy in (
            ("ratios-quick-pybullet", MAIN_JOB, "augment-1"),
            ("ratios-quick-pybullet", MAIN_JOB, "replace"),
            ("own-corrector", "patch-mixer", "replace"),
        )
    ]
    yield (
        "* **Nearer than without correction.** Physics brings the root force nearer to real motion: at λ = 1 by "
        f"{found[0]} body weights (small DCT MLP), fully synthetic by {found[1]}, with the patch mixer by {found[2]}."
    )


def _force_gain(summary: Summary, denoiser: str, policy: str) -> Interval:
    arms = arms_by_name(summary, denoiser)
    plain, physics = (distances(arms[f"{policy}+{name}"], find_metric(FORCE), summary) for name in ("none", "physics"))
    assert plain is not None, "these runs measure the force of real motion"
    assert physics is not None, "these runs measure the force of real motion"
    return mean_interval(plain - physics)


def _describe_gain(gain: Interval) -> str:
    """Return a gain with its interval, in words."""
    return f"{gain.estimate:.2f} [{gain.low:.2f}, {gain.high:.2f}]"


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
