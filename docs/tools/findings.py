"""Table of the findings: loops with and without correction beside real data, read from summaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from evidence import arms_by_name, average_late, distances, format_interval, measure_change, real_values
from tables import table_lines

from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.motion.measures.metrics import find_metric
from selfcorrect.statistics import mean_interval


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
"""Evidence of the answers on docs/results/index.md."""
HEADS = ("", "real", "uncorrected", "method", "control", "method − uncorrected", "nearer to real by")


def evidence_table(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield the lines of one table of all findings, with only the network as the place."""
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
