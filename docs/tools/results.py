"""Makes the tables and figures of results from summaries of finished runs: `make results`.

    python docs/tools/results.py                            # tables and figures anew, from docs/results/*.json
    python docs/tools/results.py modes runs/motion-modes    # first keep that run's summary as docs/results/modes.json
    python docs/tools/results.py modes runs/a runs/b        # the same of runs that differ in their seeds alone

A page asks for a table by `<!-- results: NAME DENOISER -->`, which ends at `<!-- end of results -->`; what stands
between is replaced: a table of at most five columns, and the full one folded below. Keys of metrics after the
denoiser choose columns, names of data policies choose rows. `margins` and `rivals` add paired differences to training
on real data only and to physics; `defences` alone asks for the table of remedies. `<!-- claims -->`, `<!-- worth -->`,
`<!-- findings -->`, `<!-- captions -->` and `<!-- arms -->` ask for tables of their own. Figures are written for every
summary and denoiser, docs/pictures/results/NAME-DENOISER.svg, and by synthetic ratio, where a summary has some;
docs/pictures/modes.svg from the summary `modes`. docs/results/results.csv holds the last generation of everything,
`--csv FILE` all generations.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from captions import captions_table
from claims import CLAIMS, claims_table
from findings import finding_pictures, findings_table
from tables import table_lines
from values import all_arms, arms_of, as_csv, half_life
from worth import worth_table

from selfcorrect.experiments.motion.correctors.table import stages as stages_of
from selfcorrect.experiments.motion.report.conclusion import asked_correctors
from selfcorrect.experiments.motion.report.descent import defences_table
from selfcorrect.experiments.motion.report.outcome import by_share, guarantees
from selfcorrect.experiments.motion.settings.arms import BASELINE, Arm
from selfcorrect.experiments.motion.settings.presets import settings_of
from selfcorrect.experiments.reporting.figures import curve_grid, looks, share_grid
from selfcorrect.experiments.reporting.results import ArmCurves
from selfcorrect.experiments.reporting.summary import Summary, joined, read_summary, write_summary
from selfcorrect.loop.policy_table import POLICIES
from selfcorrect.motion.measures.metrics import Metric, metric_of
from selfcorrect.statistics import Interval, mean_interval

ROOT = Path(__file__).resolve().parents[2]
SUMMARIES = ROOT / "docs" / "results"
PICTURES = ROOT / "docs" / "pictures" / "results"
PAGES = (ROOT / "docs" / "findings.md", *sorted(SUMMARIES.glob("*.md")))
"""Pages with tables between marks."""

SHORT = ("recall", "coverage", "penetration_mm", "fid_kinematic")
"""Of short tables: diversity first, the distance last, which mostly measures smoothness where samples jitter."""
TOLD = ("fid_kinematic", "recall", "coverage", "penetration_mm", "skate_m_s", "jerk_m_s3", "needed_force_bodyweights")
"""Of full tables; older runs did not measure the last."""
COMPARED = (
    "needed_force_bodyweights", "fid_kinematic", "recall", "penetration_mm", "float_mm", "skate_m_s", "jerk_m_s3",
    "unsupported_percent",
)  # fmt: skip
DRAWN = ("fid_kinematic", "recall", "coverage", "penetration_mm")
RETRIEVAL = ("r_precision_3", "r_precision_3_rare", "r_precision_3_common")
"""Drawn too, where labels are captions."""
FREE = ("--out", "--workers", "--keep", "--wandb", "--runner")
"""Options, each with a value, that change no result."""
SEEDS = ("--seeds", "--first-seed")

MARKED = re.compile(r"<!-- results: (\S+) (\S+)((?: \w+)*) -->\n.*?<!-- end of results -->", re.DOTALL)
WHOLE = re.compile(r"<!-- (claims|worth|findings|captions|arms) -->\n.*?<!-- end of \1 -->", re.DOTALL)


def filled(page: str, summaries: Mapping[str, Summary]) -> str:
    """The text of a page with all of its tables made anew."""

    def made(match: re.Match[str]) -> str:
        name, denoiser, keys = match.groups()
        body = "\n\n".join(tables(summaries[name], denoiser, keys.split()))
        return f"<!-- results: {name} {denoiser}{keys} -->\n\n{body}\n\n<!-- end of results -->"

    def whole(match: re.Match[str]) -> str:
        made_by = {
            "claims": partial(claims_table, CLAIMS),
            "worth": worth_table,
            "findings": findings_table,
            "captions": captions_table,
            "arms": all_arms,
        }
        lines = made_by[match[1]](summaries)
        return "\n".join([f"<!-- {match[1]} -->", "", *lines, "", f"<!-- end of {match[1]} -->"])

    return WHOLE.sub(whole, MARKED.sub(made, page))


def tables(summary: Summary, denoiser: str, keys: Sequence[str]) -> Iterator[str]:
    """The tables that a mark asks for: a short one, the others folded, and how they were made."""
    if "defences" in keys:
        yield "\n".join(defences(summary, denoiser))
    else:
        policies = [key for key in keys if key in POLICIES.names]
        chosen = [key for key in keys if key not in (*policies, *DIFFERENCES)] or list(SHORT)
        yield "\n".join(short_table(summary, denoiser, chosen[:4], policies))
        yield _folded("Full table, with paired changes", table(summary, denoiser, policies))
    for key in keys:
        if key in DIFFERENCES:
            title, made_by = DIFFERENCES[key]
            yield _folded(title, made_by(summary, denoiser))
    yield caption(summary)


def _folded(title: str, lines: Iterator[str]) -> str:
    text = "\n".join(lines)
    return f'<details markdown="1">\n<summary>{title}</summary>\n\n{text}\n\n</details>'


def short_table(summary: Summary, denoiser: str, keys: Sequence[str], policies: Sequence[str] = ()) -> Iterator[str]:
    """Lines of a table without paired changes: what real data score, then the arms at the last generation."""
    metrics = [metric_of(key) for key in keys]
    rows = []
    for title, scores in summary.floors.items():
        cells = [mean_cell(scores[each.key], each) if each.key in scores else "" for each in metrics]
        rows.append([f"*{title}*", *cells])
    for arm, curves, _ in arms_of(summary, denoiser):
        if arm == BASELINE or not policies or arm.policy.partition(":")[0] in policies:
            cells = [mean_cell(curves.last(each.key), each) if each.key in curves.values else "" for each in metrics]
            rows.append([arm.label, *cells])
    yield from table_lines([f"generation {summary.generations}", *(metric.title for metric in metrics)], rows)


def table(summary: Summary, denoiser: str, keys: Sequence[str] = ()) -> Iterator[str]:
    """Lines of a table: what real data score, then every arm of a denoiser at the last generation.

    keys: of metrics, else the usual ones, and of data policies, else all.
    """
    policies = {key for key in keys if key in POLICIES.names} or set(POLICIES.names)
    shown = [key for key in TOLD if any(key in curves.values for _, curves, _ in arms_of(summary, denoiser))]
    metrics = [metric_of(key) for key in keys if key not in policies] or [metric_of(key) for key in shown]
    rows = []
    for title, scores in summary.floors.items():
        cells = [mean_cell(scores[metric.key], metric) if metric.key in scores else "" for metric in metrics]
        rows.append([f"*{title}*", *cells, ""])
    for arm, curves, plain in arms_of(summary, denoiser):
        if arm != BASELINE and arm.policy.partition(":")[0] not in policies:
            continue
        cells = [_cell(curves, plain, metric) for metric in metrics]
        rows.append([arm.label, *cells, half_life(curves)])
    heads = [f"generation {summary.generations}", *(metric.title for metric in metrics), "Half-life of coverage"]
    yield from table_lines(heads, rows)


def defences(summary: Summary, denoiser: str) -> Iterator[str]:
    """Lines of the table of defences, as reports have it."""
    told = defences_table({denoiser: {arm: curves for arm, curves, _ in arms_of(summary, denoiser)}})
    rows = []
    for row in told.rows[1:]:
        cells = [f"{cell.value} [{cell.interval}]" if cell.interval else cell.value for cell in row.cells]
        rows.append([row.title, *cells])
    yield from table_lines([f"generation {summary.generations}", *told.columns], rows)


def rivals(summary: Summary, denoiser: str) -> Iterator[str]:
    """Lines of a table: at the last generation physics minus each arm of the same data policy, by seed."""
    arms = {arm: curves for arm, curves, _ in arms_of(summary, denoiser)}
    pairs = {
        arm.label: (arms[physics], curves)
        for arm, curves in arms.items()
        if arm not in (BASELINE, physics := Arm(arm.policy, "physics")) and physics in arms
    }
    yield from _differences("physics minus", pairs, COMPARED)


def stages(summary: Summary, denoiser: str) -> Iterator[str]:
    """Lines of a table: at the last generation two correctors in a row minus each of them alone, by seed."""
    arms = {arm: curves for arm, curves, _ in arms_of(summary, denoiser)}
    pairs = {
        f"{arm.label} minus {part}": (curves, arms[alone])
        for arm, curves in arms.items()
        if len(stages_of(arm.corrector)) > 1
        for part in sorted(stages_of(arm.corrector))
        if (alone := Arm(arm.policy, part)) in arms
    }
    yield from _differences("change", pairs, COMPARED)


def margins(summary: Summary, denoiser: str) -> Iterator[str]:
    """Lines of a table: at the last generation each arm minus real data only, by seed."""
    arms = {arm: curves for arm, curves, _ in arms_of(summary, denoiser)}
    baseline = arms.pop(BASELINE)
    yield from _differences(
        "minus real data only",
        {arm.label: (each, baseline) for arm, each in arms.items()},
        [metric.key for metric in _drawn(summary)],
    )


def _differences(title: str, pairs: Mapping[str, tuple[ArmCurves, ArmCurves]], keys: Sequence[str]) -> Iterator[str]:
    measured = next(iter(pairs.values()))[0].values
    metrics = [metric_of(key) for key in keys if key in measured]
    rows = []
    for label, (one, other) in pairs.items():
        changes = [mean_interval(one.last(each.key) - other.last(each.key)) for each in metrics]
        cells = [_signed(change, each.digits) for change, each in zip(changes, metrics, strict=True)]
        rows.append([label, *cells])
    yield from table_lines([title, *(metric.title for metric in metrics)], rows)


DIFFERENCES = {
    "margins": ("Each arm minus real data only, paired by seed", margins),
    "rivals": ("Physics minus each arm, paired by seed", rivals),
    "stages": ("Two correctors in a row minus each alone, paired by seed", stages),
}
"""Tables of paired differences by the words that ask for them."""


def caption(summary: Summary) -> str:
    """How a table was made."""
    made, settings = summary.made, summary.settings
    return (
        f"*{summary.seeds} seeds, {settings['real_count']} training windows; mean ± half of the 95 % interval, in "
        "brackets the paired change against the arm without correction and remedy. "
        f"`{summary.command}`, {made['core_hours']:.2g} core-hours on {made['processor']} ({made['cores']} cores), "
        f"{made['date']}.*"
    )


def figure(summary: Summary, denoiser: str) -> str:
    """SVG text: a row per metric, a column per data policy, bands over seeds."""
    columns: dict[str, list[ArmCurves]] = {}
    for arm, curves, _ in arms_of(summary, denoiser):
        told = replace(curves, title=arm.label) if arm.policy == "real" else curves  # it stands beside every policy
        columns.setdefault(arm.group, []).append(told)
    baselines = columns.pop("real data only", [])
    columns = {group: [*baselines, *curves] for group, curves in columns.items()} or {"real data only": baselines}
    palette = looks([curves.title for group in columns.values() for curves in group])
    return curve_grid(columns, _drawn(summary), _floor(summary), palette)


def headline(summary: Summary) -> str:
    """SVG text: few arms of the run on the loss of modes, with bands."""
    names = {
        Arm("real"): "real data only",
        Arm("replace"): "uncorrected",
        Arm("replace", "physics"): "physics",
        Arm("replace", defence="lineages"): "lineages",
        Arm(
            "replace", "physics", 1.0, operator="interpolation", defence="lineages"
        ): "lineages and physics, strength 0.5",
        Arm("freeze"): "static training set",
    }
    found = {arm: curves for arm, curves, _ in arms_of(summary, "dct-mlp") if arm in names}
    lines = [replace(curves, title=names[arm]) for arm, curves in found.items()]
    drawn = [metric_of(key) for key in ("recall", "coverage", "fid_kinematic")]
    return curve_grid({"fully synthetic": lines}, drawn, _floor(summary), looks([line.title for line in lines]))


def ratio_figure(summary: Summary, denoiser: str) -> str:
    """SVG text: the last generation by synthetic share; empty where few ratios were compared."""
    arms = {arm: curves for arm, curves, _ in arms_of(summary, denoiser)}
    lines = by_share(arms, asked_correctors(settings_of(summary.settings)))
    if not lines:
        return ""
    palette = looks([curves.title for curves in arms.values()])
    return share_grid({denoiser: lines}, _drawn(summary), _floor(summary), palette, guarantees())


def _drawn(summary: Summary) -> list[Metric]:
    return [metric_of(key) for key in (*DRAWN, *(RETRIEVAL if summary.settings.get("captions") else ()))]


def _floor(summary: Summary) -> dict[str, float]:
    return {key: float(np.mean(values)) for key, values in next(iter(summary.floors.values())).items()}


def _cell(curves: ArmCurves, plain: ArmCurves | None, metric: Metric) -> str:
    if metric.key not in curves.values:
        return ""
    told = mean_cell(curves.last(metric.key), metric)
    if plain is None or metric.key not in plain.values:
        return told
    change = mean_interval(curves.last(metric.key) - plain.last(metric.key))
    return f"{told} ({_signed(change, metric.digits)})"


def _signed(change: Interval, digits: int) -> str:
    signed = f"{change.estimate:+.{digits}f}".replace("-", "−")
    return f"{signed}{_half_width(change.high - change.low, digits)}"


def mean_cell(values: np.ndarray, metric: Metric) -> str:
    interval = mean_interval(values)
    return f"{interval.estimate:.{metric.digits}f}{_half_width(interval.high - interval.low, metric.digits)}"


def _half_width(width: float, digits: int) -> str:
    return f" ± {width / 2:.{digits}f}" if np.isfinite(width) else ""


def kept(runs: Sequence[Summary]) -> Summary:
    """A summary of all runs to keep: its command without what changes no result, such as where the run was."""
    summary = joined(runs)
    if len(runs) == 1:
        return replace(summary, command=_without(summary.command, FREE))
    seeds = f"--seeds {summary.seeds}" + (f" --first-seed {summary.first_seed}" if summary.first_seed else "")
    return replace(summary, command=f"{_without(summary.command, (*FREE, *SEEDS))} {seeds}")


def _without(command: str, options: Sequence[str]) -> str:
    words, told = shlex.split(command), []
    while words:
        word = words.pop(0)
        if word in options:
            words.pop(0)
        else:
            told.append(word)
    return shlex.join(told)


def read_all() -> dict[str, Summary]:
    """All kept summaries by name."""
    return {path.stem: read_summary(path) for path in sorted(SUMMARIES.glob("*.json"))}


def main(
    name: Annotated[str, tyro.conf.Positional] = "",
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = (),
    csv: Path | None = None,
    core_hours: float | None = None,
) -> None:
    """Make tables, figures and pages; with NAME and RUNS keep the summary of those runs under that name first.

    A run is its folder, or a summary that was kept of it. csv: also write every value of every generation there.
    core_hours: processor time of those runs, where the machine was shared and the seconds that they counted are not it.
    """
    if name and runs:
        SUMMARIES.mkdir(exist_ok=True)
        files = [run / "summary.json" if run.is_dir() else run for run in runs]
        summary = kept([read_summary(file) for file in files])
        if core_hours is not None:
            summary = replace(summary, made={**summary.made, "core_hours": core_hours})
        write_summary(SUMMARIES / f"{name}.json", summary)
    summaries = read_all()
    PICTURES.mkdir(exist_ok=True)
    for key, summary in summaries.items():
        for denoiser in summary.arms:
            for name, svg in (("", figure(summary, denoiser)), ("-ratios", ratio_figure(summary, denoiser))):
                if svg:
                    (PICTURES / f"{key}-{denoiser}{name}.svg").write_text(svg + "\n", encoding="utf-8")
    (PICTURES.parent / "modes.svg").write_text(headline(summaries["modes"]) + "\n", encoding="utf-8")
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), summaries), encoding="utf-8")
    for row, svg in enumerate(finding_pictures(summaries)):
        (PICTURES / f"finding-{row}.svg").write_text(svg, encoding="utf-8")
    (SUMMARIES / "results.csv").write_text(as_csv(summaries), encoding="utf-8")
    if csv:
        csv.write_text(as_csv(summaries, every_generation=True), encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
