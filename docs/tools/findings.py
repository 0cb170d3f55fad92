"""Tables of the findings: loops with and without correction beside real data, read from summaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from evidence import arms_by_name, average_late, distances, format_interval, measure_change, real_values
from matplotlib.ticker import MaxNLocator
from tables import table_lines

from selfcorrect.experiments.studies.figures import looks
from selfcorrect.experiments.studies.summary import Summary
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
    """Arm that could explain the effect away."""
    control_words: str
    plain: str = "replace+none"
    """Arm that both are compared with."""


_FORCE = "needed_force_bodyweights"
_RUNS = (
    ("DCT MLP, CMU", "full-smooth", "dct-mlp"),
    ("patch mixer, CMU", "full-jittery", "patch-mixer"),
)
_MODES = ("DCT MLP, PyBullet's motions, generations 11 to 20", "modes", "dct-mlp")
_KINEMATIC, _LOW_PASS = ("replace+kinematic", "kinematic clean-up"), ("replace+low-pass", "low-pass filter")


def _compare_in_both(metric: str, control: tuple[str, str]) -> tuple[Evidence, ...]:
    when = "generation 7" if metric == _FORCE else "generations 4 to 7"
    words = ("replace+physics", "physics", control[0], control[1])
    return tuple(Evidence(f"{where}, {when}", run, denoiser, metric, *words) for where, run, denoiser in _RUNS)


FINDINGS = {
    "force": _compare_in_both(_FORCE, _KINEMATIC),
    "penetration": _compare_in_both("penetration_mm", _KINEMATIC),
    "skating": _compare_in_both("skate_m_s", _KINEMATIC),
    "distance": _compare_in_both("fid_kinematic", _LOW_PASS),
    "diversity": _compare_in_both("coverage", ("real+none", "training on real data only")),
    "remedies": (
        Evidence(*_MODES, "coverage", "replace+none+lineages", "lineages", "freeze+none", "static set"),
        Evidence(*_MODES, "coverage", "freeze+none+lineages", "static, lineages", "freeze+none", "static set"),
        Evidence(*_MODES, "coverage", "freeze+none+matched", "static, matched", "freeze+none", "static set"),
    ),
}
"""Evidence of each answer on docs/results/index.md."""
HEADS = ("", "real", "uncorrected", "method", "control", "method − uncorrected", "nearer to real by")


def finding_table(name: str, summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield the lines of a finding's table, and its figures below."""
    yield from table_lines(HEADS, [_cells(evidence, summaries[evidence.summary]) for evidence in FINDINGS[name]])
    yield ""
    number = list(FINDINGS).index(name)
    for row, evidence in enumerate(FINDINGS[name]):
        picture = f"../pictures/results/finding-{number}-{row}.svg"
        yield f"![{_title(evidence)}: means and 95 % intervals]({picture})"


def evidence_table(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield the lines of one table of all findings for the report, with only the network as the place."""
    rows = []
    for evidence in chain(*FINDINGS.values()):
        short = replace(evidence, where=evidence.where.split(",")[0])
        rows.append(_cells(short, summaries[evidence.summary]))
    yield from table_lines(HEADS, rows)


def _cells(evidence: Evidence, summary: Summary) -> list[str]:
    metric = find_metric(evidence.metric)
    arms = arms_by_name(summary, evidence.denoiser)
    cells = [f"{metric.title}, {evidence.where}"]
    real = real_values(summary, metric.key)
    cells.append("" if real is None else f"{real.mean():.{metric.digits}f}")
    for name, words in (
        (evidence.plain, ""),
        (evidence.arm, f" ({evidence.arm_words})"),
        (evidence.control, f" ({evidence.control_words})"),
    ):
        cells.append(f"{average_late(arms[name], metric.key).mean():.{metric.digits}f}{words}")
    arm = arms[evidence.arm]
    plain = arms[evidence.plain]
    cells.append(format_interval(measure_change(arm, plain, metric.key), metric.digits))
    distance = distances(arm, metric, summary)
    plain_distance = distances(plain, metric, summary)
    if distance is None or plain_distance is None:
        cells.append("")
    else:
        cells.append(format_interval(mean_interval(plain_distance - distance), metric.digits))
    return cells


def _title(evidence: Evidence) -> str:
    """Return the metric and the network."""
    return f"{find_metric(evidence.metric).title}, {evidence.where.split(',')[0]}"


def finding_pictures(summaries: Mapping[str, Summary]) -> Iterator[tuple[str, str]]:
    """Yield name and SVG text of the figure of each piece of evidence: its arms and real data over one axis."""
    for number, finding in enumerate(FINDINGS.values()):
        for row, evidence in enumerate(finding):
            summary = summaries[evidence.summary]
            arms = arms_by_name(summary, evidence.denoiser)
            names = (evidence.plain, evidence.arm, evidence.control)
            intervals = {name: mean_interval(average_late(arms[name], evidence.metric)) for name in names}
            real = real_values(summary, evidence.metric)
            colours = [colour for colour, _ in looks([arms[name].title for name in names]).values()]
            words = ["uncorrected", evidence.arm_words, evidence.control_words]
            rows = list(zip(words, intervals.values(), colours, strict=True))
            mean = None if real is None else float(real.mean())
            yield f"finding-{number}-{row}", _picture(_title(evidence), rows, mean)


WIDTH = 330.0
LEFT = 150.0
RIGHT = 18.0
TOP = 22.0
STEP = 16.0
"""Width, margins and height of a row of a figure, in pixels."""


def _picture(title: str, rows: Sequence[tuple[str, Interval, str]], real: float | None) -> str:
    """Draw a row with words, 95 % interval and colour each, and a dotted line at the value of real data, as SVG."""
    ends = [] if real is None else [real]
    for _, interval, _ in rows:
        ends += [interval.low, interval.high]
    ticks = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(min(ends), max(ends))
    pixels_per_unit = (WIDTH - LEFT - RIGHT) / (ticks[-1] - ticks[0])
    bottom = TOP + STEP * len(rows) + 8

    def x(value: float) -> str:
        return f"{LEFT + (value - ticks[0]) * pixels_per_unit:.1f}"

    parts = [
        f'<text x="8" y="14" font-weight="bold" fill="#111">{title}</text>',
        f'<path d="M{x(ticks[0])} {bottom:g}H{x(ticks[-1])}" stroke="#888"/>',
    ]
    for tick in ticks:
        parts.append(f'<path d="M{x(tick)} {bottom:g}v4" stroke="#888"/>')
        parts.append(f'<text x="{x(tick)}" y="{bottom + 16:g}" text-anchor="middle" fill="#555">{tick:g}</text>')
    if real is not None:
        parts.append(f'<path d="M{x(real)} {TOP:g}V{bottom:g}" stroke="#111" stroke-dasharray="2 2"/>')
        parts.append(f'<text x="{x(real)}" y="{bottom + 29:g}" text-anchor="middle" fill="#111">real {real:.2g}</text>')
    for row, (words, interval, colour) in enumerate(rows):
        y = TOP + 10 + STEP * row
        parts.append(f'<text x="{LEFT - 8:g}" y="{y + 4:g}" text-anchor="end" fill="#333">{words}</text>')
        parts.append(f'<path d="M{x(interval.low)} {y:g}H{x(interval.high)}" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<circle cx="{x(interval.estimate)}" cy="{y:g}" r="4" fill="{colour}"/>')
    height = bottom + 34
    size = f'width="{WIDTH:g}" height="{height:g}" viewBox="0 0 {WIDTH:g} {height:g}"'
    style = 'font-family="sans-serif" font-size="11" style="background:#fff"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{"".join(parts)}</svg>\n'
