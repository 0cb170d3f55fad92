"""Compare arms by synthetic ratio: lines, and from which ratio on correction makes a difference.

Lines are ordered by synthetic share, λ / (1 + λ), because it is finite for the fully synthetic loop. Words and axes
name the ratio λ, as the literature does: "100 %" of Gillman et al. (2024) is λ = 1, which is a share of one half.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfcorrect.analysis.theory import guaranteed_ratio
from selfcorrect.motion.measures.metrics import Metric

from ..reporting import verdict
from ..reporting.figures import Levels, ShareLine, looks, ratio_label, share_grid
from ..reporting.results import ArmCurves
from ..reporting.tables import effect_cells, interval_cell
from ..reporting.webpage import Cell, PageRow, Picture, Section, Table
from .arms import ArmSettings
from .outcome import Judged, Outcome

FEWEST_RATIOS = 3
"""Synthetic ratios that make a line."""
DECIDED = ("better", "worse", "higher", "lower")
"""Words of effects for differences that count."""


def by_share(arms: Mapping[ArmSettings, ArmCurves], judged: Collection[str]) -> list[ShareLine]:
    """Lines by synthetic share, from real data only to fully synthetic; none of those with too few ratios.

    judged: the lines that a study asks about.
    """
    lines: dict[str, dict[float, ArmCurves]] = {}
    for arm, curves in arms.items():
        if arm.line:
            lines.setdefault(arm.line, {})[arm.synthetic_share] = curves
    baseline = baseline_of(arms)
    start = {} if baseline is None else {0.0: baseline}
    return [
        ShareLine(title, start | line, judged=title in judged)
        for title, line in lines.items()
        if len(line) >= FEWEST_RATIOS
    ]


def baseline_of(arms: Mapping[ArmSettings, ArmCurves]) -> ArmCurves | None:
    """The curves of the first arm that trains on real data alone."""
    return next((curves for arm, curves in arms.items() if arm.is_baseline), None)


def guarantees() -> dict[str, float]:
    """Words → synthetic share up to which theory guarantees stability at best (κ = 1)."""
    ratios = {"guaranteed at best, uncorrected": guaranteed_ratio(), "corrected": guaranteed_ratio(math.inf)}
    return {words: ratio / (1 + ratio) for words, ratio in ratios.items()}


# --- corrected against uncorrected -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class CorrectedLine:
    """A corrected line against the uncorrected one, share by share."""

    task: str
    line: str
    plain: str
    """The line that it is compared with."""
    effects: Mapping[float, Sequence[verdict.Effect]]
    """Synthetic share, ascending → what correction changed in each judged metric."""


def corrected_by_share(judged: Judged[Any]) -> list[CorrectedLine]:
    """All corrected lines with enough ratios."""
    effects_by_line: dict[tuple[str, str, str], dict[float, Sequence[verdict.Effect]]] = {}
    for pair, effects in zip(judged.pairs, judged.effects, strict=True):
        if pair.arm.line and pair.plain.line not in ("", pair.arm.line):
            by_share = effects_by_line.setdefault((pair.task, pair.arm.line, pair.plain.line), {})
            by_share[pair.arm.synthetic_share] = effects
    return [
        CorrectedLine(*who, dict(sorted(by_share.items())))
        for who, by_share in effects_by_line.items()
        if len(by_share) >= FEWEST_RATIOS
    ]


def describe_by_share(outcome: Outcome[Any], lines: Sequence[CorrectedLine]) -> str:
    """Return from which ratio on each line differs from the uncorrected one, a sentence for each line."""
    sentences = []
    for line in lines:
        first = next(iter(line.effects.values()))
        if reason := verdict.explain_no_verdict(first):
            return reason
        task = outcome.titles.get(line.task, line.task) if len(outcome.curves) > 1 else ""
        title = ", ".join(filter(None, (task, f"{line.line} against {line.plain}")))
        parts = []
        for column, effect in enumerate(first):
            by_share = {share: effects[column] for share, effects in line.effects.items()}
            parts.append(f"{effect.metric.title} {_describe_range(by_share)}")
        sentences.append(f"{title}: {'; '.join(parts)}.")
    return " ".join(sentences)


def _describe_range(effects: Mapping[float, verdict.Effect]) -> str:
    """Return the word at the largest ratio, with the ratio from which on it holds."""
    final = max(effects)
    start = begins_at(effects)
    if start is None or start == final:
        return f"{effects[final].word} {_place(final)}"
    return f"{effects[final].word} from {_title(start)} on"


def _title(share: float) -> str:
    """Name the loop with a synthetic share."""
    return "fully synthetic" if share >= 1 else f"λ = {ratio_label(share)}"


def _place(share: float) -> str:
    """Name the loop with a synthetic share, with its preposition."""
    return "in the fully synthetic loop" if share >= 1 else f"at {_title(share)}"


def begins_at(effects: Mapping[float, verdict.Effect]) -> float | None:
    """The smallest share from which on up to the largest all effects have one decided word; None without such.

    effects: by share, ascending.
    """
    start = None
    word = [*effects.values()][-1].word
    for share, effect in reversed([*effects.items()]):
        if effect.word != word or word not in DECIDED:
            break
        start = share
    return start


def share_section(outcome: Outcome[Any], lines: Sequence[CorrectedLine]) -> Section:
    """Return corrected against uncorrected at every ratio, as a table."""
    columns = [effect.metric.title for effect in next(iter(lines[0].effects.values()))]
    heads = [head for column in columns for head in (column, f"{column}: change", f"{column}: adjusted p")]
    table = Table("shares", "Synthetic ratio", heads, interval="interval")
    for line in lines:
        task = outcome.titles.get(line.task, line.task)
        table.rows.append(PageRow(", ".join(filter(None, (task, f"{line.line} against {line.plain}"))), []))
        table.rows.extend(PageRow(_title(share), _cells(effects)) for share, effects in line.effects.items())
    text = (
        "Each corrected arm beside the same arm without correction, at the last generation: the corrected mean with "
        f"its 95 % interval, then the paired difference. {verdict.JUDGEMENT}"
    )
    return Section("Corrected against uncorrected, by synthetic ratio", text, table)


def _cells(effects: Sequence[verdict.Effect]) -> list[Cell]:
    return [
        cell
        for effect in effects
        for cell in (
            interval_cell(effect.metric.interval(effect.arm.last(effect.metric.key)), effect.metric.digits),
            *effect_cells(effect),
        )
    ]


SHARE_CAPTION = (
    "The last generation by synthetic ratio λ, from real data only (0) to fully synthetic (∞). Gillman et al. 2024 "
    "write λ = 1 as 100 %. Bands are 95 % intervals over seeds; thin lines are other correctors. Left of the dashed "
    "line theory guarantees that an uncorrected loop is stable, left of the dash-dotted one a fully corrected one: "
    "λ below 1/2 and 1 at best, for a model near its optimum whose error does not grow (Bertrand et al. 2024, Gillman "
    "et al. 2024). The guarantee is sufficient, not necessary: a loop beyond it may be stable too."
)


def share_picture(
    outcome: Outcome[Any], metrics: Sequence[Metric], judged: Collection[str], levels: Levels
) -> Picture | None:
    """Draw all lines by synthetic share, a column for each task; None if no task has enough ratios.

    Args:
        outcome: Results of a study.
        metrics: Metrics to draw.
        judged: Titles of the lines that the study asks about.
        levels: Horizontal lines.
    """
    columns = {
        outcome.titles.get(task, task): lines
        for task, arms in outcome.curves.items()
        if (lines := by_share(arms, judged))
    }
    if not columns:
        return None
    palette = looks([arm.title for _, _, arms in outcome.groups() for arm in arms])
    palette = looks([line.title for lines in columns.values() for line in lines]) | palette
    return Picture(share_grid(columns, metrics, levels, palette, guarantees()), SHARE_CAPTION)
