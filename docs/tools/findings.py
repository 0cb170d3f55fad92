"""The findings on one screen: what loops leave with and without correction, beside real data, read from summaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from evidence import between, change, distances, judged, real_values
from matplotlib.ticker import MaxNLocator
from tables import table_lines

from selfcorrect.experiments.reporting.figures import looks
from selfcorrect.experiments.reporting.summary import Summary
from selfcorrect.motion.measures.metrics import find_metric
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
    arm_words: str
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
    words = ("replace+physics", "physics", control[0], control[1])
    return tuple(Evidence(f"{where}, {when}", run, denoiser, metric, *words) for where, run, denoiser in _RUNS)


FINDINGS = (
    Finding(
        "Does physics bring the root force that samples need nearer to real motion?",
        "With the patch mixer, yes. With the DCT MLP it falls below that of real motion and comes no nearer.",
        "feasibility",
        _both(_FORCE, _KINEMATIC),
    ),
    Finding(
        "Does it bring floor penetration nearer?",
        "We found no change in the distance to real motion. With the DCT MLP, penetration falls below that of real "
        "captures. Kinematic clean-up brings it below in both networks.",
        "held-out",
        _both("penetration_mm", _KINEMATIC),
    ),
    Finding(
        "Does it bring foot skating nearer?",
        "Yes, in both networks. Kinematic clean-up does, too, and by more in the patch mixer.",
        "held-out",
        _both("skate_m_s", _KINEMATIC),
    ),
    Finding(
        "Does it lower the Fréchet distance?",
        "Yes, if samples jitter (patch mixer). A low-pass filter does as well here, and better over twenty generations "
        "([by synthetic ratio](ratios.md)). With the DCT MLP the distance moves little while coverage falls: it hardly "
        "shows collapse.",
        "held-out",
        _both("fid_kinematic", _LOW_PASS),
    ),
    Finding(
        "Does it preserve diversity in a fully synthetic loop?",
        "No. Coverage falls with and without it.",
        "held-out",
        _both("coverage", ("real+none", "training on real data only")),
    ),
    Finding(
        "What preserves diversity without new data?",
        "The `lineages` remedy keeps part of it. A static training set with matching or `lineages` keeps more.",
        "remedies",
        (
            Evidence(*_MODES, "coverage", "replace+none+lineages", "lineages", "freeze+none", "static set"),
            Evidence(*_MODES, "coverage", "freeze+none+lineages", "static, lineages", "freeze+none", "static set"),
            Evidence(*_MODES, "coverage", "freeze+none+matched", "static, matched", "freeze+none", "static set"),
        ),
    ),
)


def findings_sections(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Lines of a section for each question: its answer, and a table with a row for each piece of evidence."""
    heads = ["", "real", "uncorrected", "method", "control", "method − uncorrected", "nearer to real by"]
    for number, finding in enumerate(FINDINGS):
        yield from (f"### {finding.question}", "", f"{finding.answer} [Table]({finding.page}.md).", "")
        yield from table_lines(heads, [[*_row(evidence, summaries[evidence.summary])] for evidence in finding.evidence])
        pictures = [
            f"![{_title(evidence)}: means and 95 % intervals](../pictures/results/finding-{number}-{row}.svg)"
            for row, evidence in enumerate(finding.evidence)
        ]
        yield from ("", *pictures, "")


def evidence_table(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Lines of one table of all findings for the report, without figures and with the network alone as the place."""
    heads = ["", "real", "uncorrected", "method", "control", "method − uncorrected", "nearer to real by"]
    rows = []
    for finding in FINDINGS:
        for evidence in finding.evidence:
            short = replace(evidence, where=evidence.where.split(",")[0])
            rows.append([*_row(short, summaries[evidence.summary])])
    yield from table_lines(heads, rows)


def _row(evidence: Evidence, summary: Summary) -> Iterator[str]:
    metric = find_metric(evidence.metric)
    arms = {curves.name: curves for curves in summary.arms[evidence.denoiser]}
    real = real_values(summary, metric.key)
    yield f"{metric.title}, {evidence.where}"
    yield "" if real is None else f"{real.mean():.{metric.digits}f}"
    for name, words in (
        (evidence.plain, ""),
        (evidence.arm, f" ({evidence.arm_words})"),
        (evidence.control, f" ({evidence.control_words})"),
    ):
        yield f"{judged(arms[name], metric.key).mean():.{metric.digits}f}{words}"
    yield between(effect(evidence, evidence.arm, summary), metric.digits)
    nearer = approach(evidence, evidence.arm, summary)
    yield "" if nearer is None else between(nearer, metric.digits)


def _title(evidence: Evidence) -> str:
    """Return the metric and the network."""
    return f"{find_metric(evidence.metric).title}, {evidence.where.split(',')[0]}"


def effect(evidence: Evidence, arm: str, summary: Summary) -> Interval:
    """An arm minus the uncorrected one, paired by seed."""
    arms = {curves.name: curves for curves in summary.arms[evidence.denoiser]}
    return change(arms[arm], arms[evidence.plain], evidence.metric)


def approach(evidence: Evidence, arm: str, summary: Summary) -> Interval | None:
    """By how much nearer to real data than the uncorrected arm it is; None without a value of real data."""
    arms = {curves.name: curves for curves in summary.arms[evidence.denoiser]}
    away = [distances(arms[name], find_metric(evidence.metric), summary) for name in (evidence.plain, arm)]
    return None if away[0] is None or away[1] is None else mean_interval(away[0] - away[1])


def finding_pictures(summaries: Mapping[str, Summary]) -> Iterator[tuple[str, str]]:
    """Name and SVG text of the figure of each piece of evidence: its arms and real data over one axis."""
    for number, finding in enumerate(FINDINGS):
        for row, evidence in enumerate(finding.evidence):
            summary = summaries[evidence.summary]
            arms = {curves.name: curves for curves in summary.arms[evidence.denoiser]}
            names = (evidence.plain, evidence.arm, evidence.control)
            intervals = {name: mean_interval(judged(arms[name], evidence.metric)) for name in names}
            real = real_values(summary, evidence.metric)
            colours = [colour for colour, _ in looks([arms[name].title for name in names]).values()]
            words = ["uncorrected", evidence.arm_words, evidence.control_words]
            rows = list(zip(words, intervals.values(), colours, strict=True))
            mean = None if real is None else float(real.mean())
            yield f"finding-{number}-{row}", _picture(_title(evidence), rows, mean)


WIDTH, LEFT, RIGHT, TOP, STEP = 330.0, 150.0, 18.0, 22.0, 16.0
"""Of a figure, in pixels: its width, the margins, and the height of a row."""


def _picture(title: str, rows: Sequence[tuple[str, Interval, str]], real: float | None) -> str:
    """Draw a row with words, 95 % interval and colour each, and a dotted line at the value of real data, as SVG."""
    ends = [end for _, each, _ in rows for end in (each.low, each.high)] + ([] if real is None else [real])
    ticks = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(min(ends), max(ends))
    lowest, highest = ticks[0], ticks[-1]
    bottom = TOP + STEP * len(rows) + 8

    def x(value: float) -> str:
        return f"{LEFT + (value - lowest) / (highest - lowest) * (WIDTH - LEFT - RIGHT):.1f}"

    parts = [
        f'<text x="8" y="14" font-weight="bold" fill="#111">{title}</text>',
        f'<path d="M{x(lowest)} {bottom:g}H{x(highest)}" stroke="#888"/>',
    ]
    for tick in ticks:
        parts.append(f'<path d="M{x(tick)} {bottom:g}v4" stroke="#888"/>')
        parts.append(f'<text x="{x(tick)}" y="{bottom + 16:g}" text-anchor="middle" fill="#555">{tick:g}</text>')
    if real is not None:
        parts.append(f'<path d="M{x(real)} {TOP:g}V{bottom:g}" stroke="#111" stroke-dasharray="2 2"/>')
        parts.append(f'<text x="{x(real)}" y="{bottom + 29:g}" text-anchor="middle" fill="#111">real {real:.2g}</text>')
    for row, (words, each, colour) in enumerate(rows):
        y = TOP + 10 + STEP * row
        parts.append(f'<text x="{LEFT - 8:g}" y="{y + 4:g}" text-anchor="end" fill="#333">{words}</text>')
        parts.append(f'<path d="M{x(each.low)} {y:g}H{x(each.high)}" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<circle cx="{x(each.estimate)}" cy="{y:g}" r="4" fill="{colour}"/>')
    height = bottom + 34
    size = f'width="{WIDTH:g}" height="{height:g}" viewBox="0 0 {WIDTH:g} {height:g}"'
    style = 'font-family="sans-serif" font-size="11" style="background:#fff"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{"".join(parts)}</svg>\n'
