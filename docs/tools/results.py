"""Makes the tables and figures of results from summaries of finished runs: `make results`.

    python docs/tools/results.py                            # tables and figures anew, from docs/results/*.json
    python docs/tools/results.py modes runs/motion-modes    # first keep that run's summary as docs/results/modes.json
    python docs/tools/results.py modes runs/a runs/b        # the same of runs that differ in their seeds alone

A page asks for a table by `<!-- results: NAME DENOISER -->`, which ends at `<!-- end of results -->`; what stands
between is replaced. Keys of quantities after the denoiser choose columns, names of data policies choose rows; the one
key `defences` asks for the table of defences instead, `rivals` for what physics is ahead of others by, `margins` for
what arms differ by from real data only. `<!-- claims -->` asks for the table of published claims, `<!-- worth -->` for
that of how many real samples correction is worth. Figures are written for every summary and denoiser,
docs/pictures/results/NAME-DENOISER.svg, and by synthetic ratio, where a summary has some; docs/pictures/modes.svg from
the summary `modes`.
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
from claims import CLAIMS, claims_table
from worth import worth_table

from selfcorrect.experiments.motion.arms import BASELINE, Arm
from selfcorrect.experiments.motion.descent import defences_table
from selfcorrect.experiments.motion.outcome import by_ratio, guarantees
from selfcorrect.experiments.motion.presets import settings_of
from selfcorrect.experiments.motion.quantities import quantity_of
from selfcorrect.experiments.reporting.figures import curve_grid, end_points, looks
from selfcorrect.experiments.reporting.results import ArmCurves, Quantity
from selfcorrect.experiments.reporting.summary import Summary, joined, read_summary, write_summary
from selfcorrect.policy_table import POLICIES
from selfcorrect.statistics import Interval, half_life_interval, mean_interval

ROOT = Path(__file__).resolve().parents[2]
SUMMARIES = ROOT / "docs" / "results"
PICTURES = ROOT / "docs" / "pictures" / "results"
PAGES = (ROOT / "README.md", ROOT / "docs" / "results.md", ROOT / "docs" / "modes.md")

TOLD = ("fid_kinematic", "recall", "coverage", "penetration_mm", "skate_m_s", "jerk_m_s3")
COMPARED = ("fid_kinematic", "recall", "penetration_mm", "float_mm", "skate_m_s", "jerk_m_s3", "unsupported_percent")
DRAWN = ("fid_kinematic", "recall", "coverage", "penetration_mm")
FREE = ("--out", "--workers", "--keep", "--wandb", "--runner")
"""Options, each with a value, that change no result."""
SEEDS = ("--seeds", "--first-seed")

MARKED = re.compile(r"<!-- results: (\S+) (\S+)((?: \w+)*) -->\n.*?<!-- end of results -->", re.DOTALL)
WHOLE = re.compile(r"<!-- (claims|worth) -->\n.*?<!-- end of \1 -->", re.DOTALL)


def filled(page: str, summaries: Mapping[str, Summary]) -> str:
    """The text of a page with all of its tables made anew."""

    def made(match: re.Match[str]) -> str:
        name, denoiser, keys = match.groups()
        others = {"defences": defences, "rivals": rivals, "margins": margins}
        made_by = others.get(keys.strip()) or partial(table, keys=keys.split())
        body = "\n".join(made_by(summaries[name], denoiser))
        asked = f"<!-- results: {name} {denoiser}{keys} -->"
        return f"{asked}\n\n{body}\n\n{caption(summaries[name])}\n\n<!-- end of results -->"

    def whole(match: re.Match[str]) -> str:
        (name,) = match.groups()
        lines = claims_table(CLAIMS, summaries) if name == "claims" else worth_table(summaries)
        return "\n".join([f"<!-- {name} -->", "", *lines, "", f"<!-- end of {name} -->"])

    return WHOLE.sub(whole, MARKED.sub(made, page))


def table(summary: Summary, denoiser: str, keys: Sequence[str] = ()) -> Iterator[str]:
    """Lines of a table: what real data score, then every arm of a denoiser at the last generation.

    keys: of quantities, else the usual ones, and of data policies, else all.
    """
    policies = {key for key in keys if key in POLICIES.names} or set(POLICIES.names)
    quantities = [quantity_of(key) for key in keys if key not in policies] or [quantity_of(key) for key in TOLD]
    yield (
        f"| generation {summary.generations} | "
        + " | ".join([*(quantity.title for quantity in quantities), "Half-life of coverage"])
        + " |"
    )
    yield "| --- |" + " --- |" * (len(quantities) + 1)
    for title, scores in summary.floors.items():
        cells = [_mean(scores[quantity.key], quantity) if quantity.key in scores else "" for quantity in quantities]
        yield f"| *{title}* | " + " | ".join([*cells, ""]) + " |"
    for arm, curves, plain in _arms(summary, denoiser):
        if arm != BASELINE and arm.policy.partition(":")[0] not in policies:
            continue
        cells = [_cell(curves, plain, quantity) for quantity in quantities]
        yield f"| {arm.label} | " + " | ".join([*cells, _half_life(curves)]) + " |"


def defences(summary: Summary, denoiser: str) -> Iterator[str]:
    """Lines of the table of defences, as reports have it."""
    told = defences_table({denoiser: {arm: curves for arm, curves, _ in _arms(summary, denoiser)}})
    yield f"| generation {summary.generations} | " + " | ".join(told.columns) + " |"
    yield "| --- |" + " --- |" * len(told.columns)
    for row in told.rows[1:]:
        cells = [f"{cell.value} [{cell.interval}]" if cell.interval else cell.value for cell in row.cells]
        yield f"| {row.title} | " + " | ".join(cells) + " |"


def rivals(summary: Summary, denoiser: str) -> Iterator[str]:
    """Lines of a table: at the last generation physics minus each arm of the same data policy, by seed."""
    arms = {arm: curves for arm, curves, _ in _arms(summary, denoiser)}
    pairs = {
        arm.label: (arms[physics], curves)
        for arm, curves in arms.items()
        if arm not in (BASELINE, physics := Arm(arm.policy, "physics")) and physics in arms
    }
    yield from _differences("physics minus", pairs, COMPARED)


def margins(summary: Summary, denoiser: str) -> Iterator[str]:
    """Lines of a table: at the last generation each arm minus real data only, by seed."""
    arms = {arm: curves for arm, curves, _ in _arms(summary, denoiser)}
    baseline = arms.pop(BASELINE)
    yield from _differences("minus real data only", {arm.label: (each, baseline) for arm, each in arms.items()}, DRAWN)


def _differences(title: str, pairs: Mapping[str, tuple[ArmCurves, ArmCurves]], keys: Sequence[str]) -> Iterator[str]:
    measured = next(iter(pairs.values()))[0].values
    quantities = [quantity_of(key) for key in keys if key in measured]
    yield f"| {title} | " + " | ".join(quantity.title for quantity in quantities) + " |"
    yield "| --- |" + " --- |" * len(quantities)
    for label, (one, other) in pairs.items():
        changes = [mean_interval(one.last(each.key) - other.last(each.key)) for each in quantities]
        cells = [_signed(change, each.digits) for change, each in zip(changes, quantities, strict=True)]
        yield f"| {label} | " + " | ".join(cells) + " |"


def caption(summary: Summary) -> str:
    """How a table was made."""
    made, settings = summary.made, summary.settings
    return (
        f"*{summary.seeds} seeds, {settings['real_count']} training windows; mean ± half of the 95 % interval, in "
        "brackets the paired change against the arm without correction and defence. "
        f"`{summary.command}`, {made['core_hours']:.2g} core-hours on {made['processor']} ({made['cores']} cores), "
        f"{made['date']}.*"
    )


def figure(summary: Summary, denoiser: str) -> str:
    """SVG text: a row per quantity, a column per data policy, bands over seeds."""
    columns: dict[str, list[ArmCurves]] = {}
    for arm, curves, _ in _arms(summary, denoiser):
        told = replace(curves, title=arm.label) if arm.policy == "real" else curves  # it stands beside every policy
        columns.setdefault(arm.group, []).append(told)
    baselines = columns.pop("real data only", [])
    columns = {group: [*baselines, *curves] for group, curves in columns.items()} or {"real data only": baselines}
    palette = looks([curves.title for group in columns.values() for curves in group])
    return curve_grid(columns, [quantity_of(key) for key in DRAWN], _floor(summary), palette)


def headline(summary: Summary) -> str:
    """SVG text: few arms of the run on the loss of modes, with bands."""
    names = {
        Arm("real"): "real data only",
        Arm("replace"): "uncorrected",
        Arm("replace", "physics"): "physics",
        Arm("replace", defence="lineages"): "matched and extrapolated",
        Arm("replace", "physics", 1.0, operator="interpolation", defence="lineages"): "all three",
        Arm("freeze"): "frozen: the first synthetic set for ever",
    }
    found = {arm: curves for arm, curves, _ in _arms(summary, "dct-mlp") if arm in names}
    lines = [replace(curves, title=names[arm]) for arm, curves in found.items()]
    drawn = [quantity_of(key) for key in ("recall", "coverage", "fid_kinematic")]
    return curve_grid({"fully synthetic": lines}, drawn, _floor(summary), looks([line.title for line in lines]))


def ratio_figure(summary: Summary, denoiser: str) -> str:
    """SVG text: what is left at the last generation, by synthetic ratio; empty where few ratios were compared."""
    arms = {arm: curves for arm, curves, _ in _arms(summary, denoiser)}
    lines = by_ratio(arms)
    if not lines:
        return ""
    palette = looks([curves.title for curves in arms.values()])
    return end_points(
        lines, arms[BASELINE], [quantity_of(key) for key in DRAWN], _floor(summary), palette, guarantees(lines)
    )


def _floor(summary: Summary) -> dict[str, float]:
    return {key: float(np.mean(values)) for key, values in next(iter(summary.floors.values())).items()}


def _arms(summary: Summary, denoiser: str) -> Iterator[tuple[Arm, ArmCurves, ArmCurves | None]]:
    """Arm, its curves, and those of its plain arm where it has one beside itself."""
    curves = {each.name: each for each in summary.arms[denoiser]}
    comparisons = settings_of(summary.settings).comparisons
    for arm in next(each for each in comparisons if each.denoiser == denoiser).arms:
        yield arm, curves[arm.name], curves.get(arm.plain.name) if arm.plain != arm else None


def _cell(curves: ArmCurves, plain: ArmCurves | None, quantity: Quantity) -> str:
    if quantity.key not in curves.values:
        return ""
    told = _mean(curves.last(quantity.key), quantity)
    if plain is None or quantity.key not in plain.values:
        return told
    change = mean_interval(curves.last(quantity.key) - plain.last(quantity.key))
    return f"{told} ({_signed(change, quantity.digits)})"


def _signed(change: Interval, digits: int) -> str:
    signed = f"{change.estimate:+.{digits}f}".replace("-", "−")
    return f"{signed}{_half_width(change.high - change.low, digits)}"


def _mean(values: np.ndarray, quantity: Quantity) -> str:
    interval = mean_interval(values)
    return f"{interval.estimate:.{quantity.digits}f}{_half_width(interval.high - interval.low, quantity.digits)}"


def _half_width(width: float, digits: int) -> str:
    return f" ± {width / 2:.{digits}f}" if np.isfinite(width) else ""


def _half_life(curves: ArmCurves) -> str:
    coverage = curves.values["coverage"]
    if not (coverage[:, 0] > 0).all():
        return "–"
    middle = half_life_interval(coverage).estimate
    return f"{middle:.1f}" if np.isfinite(middle) else f"> {coverage.shape[1] - 1}"


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
    name: Annotated[str, tyro.conf.Positional] = "", runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
) -> None:
    """Make tables and figures; with NAME and RUNS keep the summary of those runs under that name first.

    A run is its folder, or a summary that was kept of it.
    """
    if name and runs:
        SUMMARIES.mkdir(exist_ok=True)
        files = [run / "summary.json" if run.is_dir() else run for run in runs]
        write_summary(SUMMARIES / f"{name}.json", kept([read_summary(file) for file in files]))
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


if __name__ == "__main__":
    tyro.cli(main)
