"""The findings on one screen: a row per question, whose effects are read from kept summaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tables import table_lines

from selfcorrect.experiments.reporting.summary import Summary
from selfcorrect.motion.measures.metrics import metric_of
from selfcorrect.statistics import Interval, mean_interval


@dataclass(frozen=True)
class Effect:
    """A paired difference at the last generation: one arm minus another, by their names in a kept summary."""

    words: str
    summary: str
    denoiser: str
    arm: str
    minus: str
    metric: str


@dataclass(frozen=True)
class Finding:
    """A row of the page of findings."""

    question: str
    answer: str
    effect: Effect
    control: Effect
    page: str
    """Of the experiment, below docs/results/."""


_RATIOS = ("ratios-smooth", "dct-mlp")
_NEEDED = "needed_force_bodyweights"
_MODES = ("modes", "dct-mlp")
_FULL = ("full-smooth", "dct-mlp")
_FULL_JITTERY = ("full-jittery", "patch-mixer")

FINDINGS = (
    Finding(
        "Does correction lower the Fréchet distance?",
        "Yes, where samples jitter. A low-pass filter lowers it at least as much.",
        Effect("physics − uncorrected", *_FULL_JITTERY, "replace+physics", "replace+none", "fid_kinematic"),
        Effect("low-pass filter − uncorrected", *_FULL_JITTERY, "replace+low-pass", "replace+none", "fid_kinematic"),
        "held-out",
    ),
    Finding(
        "Does correction preserve diversity?",
        "No. Coverage falls with and without it.",
        Effect("physics − uncorrected, DCT MLP", *_FULL, "replace+physics", "replace+none", "coverage"),
        Effect("training on real data only − uncorrected", *_FULL, "real+none", "replace+none", "coverage"),
        "held-out",
    ),
    Finding(
        "Does it remove floor penetration?",
        "Yes, for smooth samples. Kinematic clean-up without a simulator does so too.",
        Effect("physics − uncorrected, DCT MLP", *_FULL, "replace+physics", "replace+none", "penetration_mm"),
        Effect("kinematic clean-up − uncorrected", *_FULL, "replace+kinematic", "replace+none", "penetration_mm"),
        "held-out",
    ),
    Finding(
        "Does it remove foot skating?",
        "Yes, for smooth samples. Kinematic clean-up does so too.",
        Effect("physics − uncorrected, DCT MLP", *_FULL, "replace+physics", "replace+none", "skate_m_s"),
        Effect("kinematic clean-up − uncorrected", *_FULL, "replace+kinematic", "replace+none", "skate_m_s"),
        "held-out",
    ),
    Finding(
        "Does it make motion feasible?",
        "It lowers the root force that samples need. Kinematic clean-up does so too, by less.",
        Effect("physics − uncorrected, DCT MLP", *_FULL, "replace+physics", "replace+none", _NEEDED),
        Effect("kinematic clean-up − uncorrected", *_FULL, "replace+kinematic", "replace+none", _NEEDED),
        "feasibility",
    ),
    Finding(
        "From which synthetic ratio is diversity lost?",
        "From λ = 0.75 (43 % synthetic) with the DCT MLP. Correction does not move that boundary.",
        Effect("uncorrected − real only, λ = 0.75", *_RATIOS, "augment-0.75+none", "real+none", "coverage"),
        Effect("physics − real only, λ = 0.75", *_RATIOS, "augment-0.75+physics", "real+none", "coverage"),
        "ratios",
    ),
    Finding(
        "What preserves diversity without new data?",
        "The `lineages` remedy, over twenty generations; so does a static training set.",
        Effect("`lineages` − uncorrected, DCT MLP", *_MODES, "replace+none+lineages", "replace+none", "coverage"),
        Effect("static training set − uncorrected", *_MODES, "freeze+none", "replace+none", "coverage"),
        "../modes",
    ),
)  # fmt: skip


def findings_table(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Lines of a table: question, answer, effect, strongest control, figure."""
    rows = []
    for row, finding in enumerate(FINDINGS):
        cells = [_told(each, summaries) for each in (finding.effect, finding.control)]
        picture = f"[![intervals](pictures/results/finding-{row}.svg)](results/{finding.page}.md)"
        rows.append([finding.question, finding.answer, *cells, picture])
    yield from table_lines(["Question", "Answer", "Effect", "Strongest control", ""], rows)


def effect(asked: Effect, summaries: Mapping[str, Summary]) -> Interval:
    """The paired difference that a finding speaks of."""
    arms = {curves.name: curves for curves in summaries[asked.summary].arms[asked.denoiser]}
    return mean_interval(arms[asked.arm].last(asked.metric) - arms[asked.minus].last(asked.metric))


def _told(asked: Effect, summaries: Mapping[str, Summary]) -> str:
    change, metric = effect(asked, summaries), metric_of(asked.metric)
    digits = metric.digits
    numbers = f"{change.estimate:+.{digits}f} [{change.low:+.{digits}f}, {change.high:+.{digits}f}]".replace("-", "−")
    return f"{metric.title} {numbers} ({asked.words})"


def finding_pictures(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """SVG text of the figure of each finding."""
    for finding in FINDINGS:
        yield _picture([effect(each, summaries) for each in (finding.effect, finding.control)])


def _picture(intervals: Sequence[Interval]) -> str:
    """SVG text: intervals, one below the other, against a line at zero."""
    width, height, margin = 160.0, 44.0, 8.0
    ends = [0.0, *(end for each in intervals for end in (each.low, each.high))]
    lowest, span = min(ends), (max(ends) - min(ends)) or 1.0

    def x(value: float) -> str:
        return f"{margin + (value - lowest) / span * (width - 2 * margin):.1f}"

    parts = [f'<line x1="{x(0)}" x2="{x(0)}" y1="2" y2="{height - 2:g}" stroke="#888" stroke-dasharray="3 3"/>']
    for row, (each, colour) in enumerate(zip(intervals, ("#1f6fb4", "#b4501f"), strict=True)):
        y = f"{height * (row + 1) / 3:.1f}"
        parts.append(
            f'<line x1="{x(each.low)}" x2="{x(each.high)}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>'
        )
        parts.append(f'<circle cx="{x(each.estimate)}" cy="{y}" r="4" fill="{colour}"/>')
    body = "".join(parts)
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{body}</svg>\n'
