"""The findings on one screen: what loops leave with and without correction, beside real data, read from summaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evidence import between, change, distances, judged, real_values
from tables import table_lines

from selfcorrect.experiments.reporting.summary import Summary
from selfcorrect.motion.measures.metrics import metric_of
from selfcorrect.statistics import Interval, mean_interval


@dataclass(frozen=True)
class Evidence:
    """Arms of one denoiser of one run, by their names in a kept summary, judged by one metric."""

    where: str
    """Network, data and generations in words."""
    summary: str
    denoiser: str
    metric: str
    arm: str
    control: str
    """What could explain the effect away."""
    control_words: str
    plain: str = "replace+none"
    """What both are compared with."""


@dataclass(frozen=True)
class Finding:
    """A question, its answer, and what the answer rests on."""

    question: str
    answer: str
    page: str
    """Of the experiment, below docs/results/."""
    evidence: tuple[Evidence, ...]


_FORCE = "needed_force_bodyweights"
_RUNS = (
    ("DCT MLP, CMU", "full-smooth", "dct-mlp"),
    ("patch mixer, CMU", "full-jittery", "patch-mixer"),
)
_MODES = ("DCT MLP, PyBullet's motions, generations 11 to 20", "modes", "dct-mlp")
_KINEMATIC, _LOW_PASS = ("replace+kinematic", "kinematic clean-up"), ("replace+low-pass", "low-pass filter")


def _both(metric: str, control: tuple[str, str]) -> tuple[Evidence, ...]:
    when = "generation 7" if metric == _FORCE else "generations 4 to 7"
    return tuple(Evidence(f"{where}, {when}", *run, metric, "replace+physics", *control) for where, *run in _RUNS)


FINDINGS = (
    Finding(
        "Does physics bring the root force that samples need nearer to real motion?",
        "With the patch mixer, yes. With the DCT MLP it falls below that of real motion, and comes no nearer.",
        "feasibility",
        _both(_FORCE, _KINEMATIC),
    ),
    Finding(
        "Does it bring floor penetration nearer?",
        "No change of distance is found. It falls below that of real captures, with kinematic clean-up even further.",
        "held-out",
        _both("penetration_mm", _KINEMATIC),
    ),
    Finding(
        "Does it bring foot skating nearer?",
        "Yes, with both networks. So does kinematic clean-up with the patch mixer, by more.",
        "held-out",
        _both("skate_m_s", _KINEMATIC),
    ),
    Finding(
        "Does it lower the Fréchet distance?",
        "Yes, where samples jitter (patch mixer). A low-pass filter lowers it at least as much. "
        "This distance hardly sees collapse.",
        "held-out",
        _both("fid_kinematic", _LOW_PASS),
    ),
    Finding(
        "Does it preserve diversity where all data are synthetic?",
        "No. Coverage falls with and without it.",
        "held-out",
        _both("coverage", ("real+none", "training on real data only")),
    ),
    Finding(
        "What preserves diversity without new data?",
        "The `lineages` remedy; a static training set does so as well.",
        "remedies",
        (Evidence(*_MODES, "coverage", "replace+none+lineages", "freeze+none", "static training set"),),
    ),
)


def findings_sections(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Lines of a section for each question: its answer, and a table with a row for each piece of evidence."""
    heads = ["", "real", "uncorrected", "corrected", "control", "corrected − uncorrected", "nearer to real by", ""]
    for number, finding in enumerate(FINDINGS):
        yield from (f"### {finding.question}", "", f"{finding.answer} [Table](results/{finding.page}.md).", "")
        rows = [
            [*_row(evidence, summaries[evidence.summary]), f"![intervals](pictures/results/finding-{number}-{row}.svg)"]
            for row, evidence in enumerate(finding.evidence)
        ]
        yield from (*table_lines(heads, rows), "")


def _row(evidence: Evidence, summary: Summary) -> Iterator[str]:
    metric = metric_of(evidence.metric)
    arms = {curves.name: curves for curves in summary.arms[evidence.denoiser]}
    real = real_values(summary, metric.key)
    yield f"{metric.title}, {evidence.where}"
    yield "" if real is None else f"{real.mean():.{metric.digits}f}"
    for name in (evidence.plain, evidence.arm):
        yield f"{judged(arms[name], metric.key).mean():.{metric.digits}f}"
    yield f"{judged(arms[evidence.control], metric.key).mean():.{metric.digits}f} ({evidence.control_words})"
    yield between(effect(evidence, evidence.arm, summary), metric.digits)
    nearer = approach(evidence, evidence.arm, summary)
    yield "" if nearer is None else between(nearer, metric.digits)


def effect(evidence: Evidence, arm: str, summary: Summary) -> Interval:
    """An arm minus the uncorrected one, paired by seed."""
    arms = {curves.name: curves for curves in summary.arms[evidence.denoiser]}
    return change(arms[arm], arms[evidence.plain], evidence.metric)


def approach(evidence: Evidence, arm: str, summary: Summary) -> Interval | None:
    """By how much nearer to real data than the uncorrected arm it is; None where the metric has another aim."""
    arms = {curves.name: curves for curves in summary.arms[evidence.denoiser]}
    away = [distances(arms[name], metric_of(evidence.metric), summary) for name in (evidence.plain, arm)]
    return None if away[0] is None or away[1] is None else mean_interval(away[0] - away[1])


def finding_pictures(summaries: Mapping[str, Summary]) -> Iterator[tuple[str, str]]:
    """Name and SVG text of the figure of each piece of evidence: effect and control against zero."""
    for number, finding in enumerate(FINDINGS):
        for row, evidence in enumerate(finding.evidence):
            summary = summaries[evidence.summary]
            intervals = [effect(evidence, arm, summary) for arm in (evidence.arm, evidence.control)]
            yield f"finding-{number}-{row}", _picture(intervals, metric_of(evidence.metric).digits)


EFFECT, CONTROL = "#0072b2", "#d55e00"
"""Blue and vermilion, which colour-blind readers tell apart."""


def _picture(intervals: Sequence[Interval], digits: int) -> str:
    """SVG text: intervals, one below the other, over an axis with its ends and zero."""
    width, height, margin = 190.0, 56.0, 16.0
    ends = [0.0, *(end for each in intervals for end in (each.low, each.high))]
    lowest, highest = min(ends), max(ends)
    span = (highest - lowest) or 1.0

    def x(value: float) -> str:
        return f"{margin + (value - lowest) / span * (width - 2 * margin):.1f}"

    axis = f'stroke="#888" fill="none" d="M{x(lowest)} 40H{x(highest)}M{x(0)} 4V40"'
    parts = [f"<path {axis}/>"]
    near_zero = 0.15 * span
    for value in {0.0, *(end for end in (lowest, highest) if abs(end) > near_zero)}:
        words = f"{value:.{digits}f}".replace("-", "−") if value else "0"
        parts.append(f'<text x="{x(value)}" y="53" font-size="11" text-anchor="middle" fill="#666">{words}</text>')
    for row, (each, colour) in enumerate(zip(intervals, (EFFECT, CONTROL), strict=True)):
        y = 12 + 16 * row
        parts.append(
            f'<line x1="{x(each.low)}" x2="{x(each.high)}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>'
        )
        parts.append(f'<circle cx="{x(each.estimate)}" cy="{y}" r="4" fill="{colour}"/>')
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    style = 'font-family="sans-serif"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{"".join(parts)}</svg>\n'
