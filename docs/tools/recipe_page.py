"""The results on docs/results/recipe-tables.md: tables, verdicts and a figure for each stage that has been read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import matplotlib as mpl
import numpy as np
from claims import TITLES
from evidence import REAL, format_interval, use_minus_signs
from keeping import SUMMARIES
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from recipe import (
    DIVERSITY,
    END_POINTS,
    FORCE,
    READINGS,
    SEEDS,
    STAGES,
    Reading,
    Stage,
    judge_claim,
    read_end_point,
    read_kept,
    read_stage,
)
from tables import fold, table_lines

from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.figures import GREY, INK, STYLE, as_svg, looks
from selfcorrect.experiments.studies.results import MEMORISER
from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.motion.measures.metrics import NOVELTY, find_metric
from selfcorrect.statistics import mean_interval

PAGES = (SUMMARIES / "recipe.md", SUMMARIES / "recipe-tables.md")
PICTURES = SUMMARIES.parent / "pictures" / "results"
DATA = SUMMARIES / "recipe.csv"
COLUMNS = ("stage", "seed", "split", "arm", "measure", "value", "real")
CORRECTOR_CALLS = "corrector_calls"
SIGNED = ("skate_m_s", "penetration_mm")
"""Artefacts, which are shown as x − real."""
MEASURES = (*END_POINTS, NOVELTY, "training_loss")
"""Measures of recipe.csv; tables have the end points."""
INSIDE = ("inside-sampler", "inside-sampler-once")
MARKERS = "os^Dv"
"""Signs of arms in the figure, for arms that share a colour."""


def stage_section(name: str, *, on_site: bool = False) -> Iterator[str]:
    """Yield the lines of the page about a stage, by its number, or the statements of all tests.

    on_site: with the table of all arms.
    """
    if name == "statements":
        yield from statements_table()
        return
    stage = next(stage for stage in STAGES if stage.number == int(name))
    summaries = read_kept(stage)
    yield from describe_stage(stage, summaries, on_site=on_site)


def describe_stage(stage: Stage, summaries: Sequence[Summary], *, on_site: bool = False) -> Iterator[str]:
    """Yield the lines about a stage with some complete seeds: how many there are, and what a reading found."""
    reading = read_stage(stage, summaries)
    complete = [summary.first_seed for summary in summaries]
    listed = f" ({', '.join(map(str, complete))})" if 0 < len(complete) < len(SEEDS) else ""
    yield f"Complete: {len(complete)} of {len(SEEDS)} seeds{listed}."
    if reading is None:
        yield f"The first reading needs seeds {', '.join(map(str, SEEDS[: READINGS[0]]))}: there is no result yet."
        return
    if not reading.has_verdicts:
        yield f"This is the reading of {len(reading.seeds)} seeds. It shows intervals; verdicts need all eight seeds."
    yield ""
    yield from _caption(reading)
    yield ""
    if on_site:
        yield from tests_table(reading)
        yield ""
        yield from fold("All arms, by split of the subjects", arms_table(reading))
        yield ""
    yield f"![Root force and diversity, changes against the uncorrected loop](../pictures/results/{_name(stage)})"
    if "T2" in reading.judgements and reading.has_verdicts:
        yield ""
        yield f"[Sentences of the claim](registration.md#the-claim-that-is-tested): {describe_claim(reading)}."
    if any(arm.remedy in INSIDE for arm in stage.arms):
        yield ""
        yield from calls_table(reading)


def _name(stage: Stage) -> str:
    return f"recipe-stage-{stage.number}.svg"


def _caption(reading: Reading) -> Iterator[str]:
    """Yield with what the seeds of a reading were made."""
    made = [summary.made for summary in reading.summaries]
    commits = sorted({str(record.get("git_commit", "unknown"))[:8] for record in made})
    versions = sorted({str(record.get("packages", {}).get("selfcorrect", "unknown")) for record in made})
    hours = sum(float(record.get("core_hours", 0.0)) for record in made)
    yield (f"Package {', '.join(versions)}, commit {', '.join(commits)}; {hours:.1f} hours on a shared core.")


# --- tables ----------------------------------------------------------------------------------------------------------


def arms_table(reading: Reading) -> Iterator[str]:
    """Yield the table of all arms, with real data and the memoriser above them: means of split A, then of split B."""
    rows = []
    for title, floor in (("*real data*", REAL), ("*memoriser*", MEMORISER)):
        rows.append([title, *(_split_cell(reading, reading.floor(floor, key), key) for key in END_POINTS)])
    for arm in reading.stage.arms:
        rows.append([_words(arm), *(_split_cell(reading, reading.end_point(arm, key), key) for key in END_POINTS)])
    yield from table_lines(["A, B", *(_head(key) for key in END_POINTS)], rows)


def statements_table() -> Iterator[str]:
    """Yield the statement of every test; each stage has some of them."""
    statements = {}
    for stage in STAGES:
        statements |= {name: test.question for name, test in stage.tests.items()}
    names = sorted(statements, key=lambda name: int(name.removeprefix("T")))
    yield from table_lines(["test", "statement"], [[name, statements[name]] for name in names])


def tests_table(reading: Reading) -> Iterator[str]:
    """Yield the table of tests: differences with intervals, and verdicts once all seeds are there."""
    rows = []
    for name, judgement in reading.judgements.items():
        result = judgement.result
        margin = f"{result.margin:.3f}" if result.margin else ""
        difference = format_interval(result.interval, 3)
        decision = [f"{judgement.adjusted_p:.4f}", judgement.verdict] if reading.has_verdicts else []
        rows.append([name, difference, margin, *decision])
    heads = ["test", "difference, 95 % interval", "margin"]
    heads += ["p, Holm", "verdict"] if reading.has_verdicts else []
    yield from table_lines(heads, rows)


def calls_table(reading: Reading) -> Iterator[str]:
    """Yield how physics inside the sampler differs from physics on finished samples, with what both cost."""
    policy = reading.stage.policy
    physics = ArmSettings(policy, "physics")
    keys = ("fid_kinematic", *DIVERSITY, FORCE)
    rows = []
    for remedy in INSIDE:
        arm = ArmSettings(policy, "physics", remedy=remedy)
        calls = count_calls(reading, arm) / count_calls(reading, physics)
        differences = [reading.end_point(arm, key) - reading.end_point(physics, key) for key in keys]
        rows.append(
            [_words(arm), f"{calls:.1f} ×", *(format_interval(mean_interval(values), 3) for values in differences)]
        )
    heads = ["minus physics on finished samples", "corrector calls", *(find_metric(key).title for key in keys)]
    yield from table_lines(heads, rows)


def count_calls(reading: Reading, arm: ArmSettings) -> float:
    """Return the mean number of motions that the corrector got in a generation of an arm."""
    counts = []
    for summary in reading.summaries:
        curves = next(curves for curves in summary.arms[reading.stage.denoiser] if curves.name == arm.name)
        calls = curves.values.get(CORRECTOR_CALLS, np.full((1, 2), np.nan))
        counts.append(float(calls[:, 1:].mean()))
    return float(np.mean(counts))


def _shift(reading: Reading, values: np.ndarray, key: str) -> np.ndarray:
    """Return values, of artefacts as differences to real data."""
    return values - reading.floor(REAL, key) if key in SIGNED else values


def _split_cell(reading: Reading, values: np.ndarray, key: str) -> str:
    """Return the mean of each split of the subjects; of artefacts, of their differences to real data."""
    shifted = _shift(reading, values, key)
    if not np.isfinite(shifted).all():
        return ""
    sign = "+" if key in SIGNED else ""
    means = [shifted[reading.splits == split].mean() for split in ("A", "B")]
    return use_minus_signs(", ".join(f"{mean:{sign}.{_digits(key)}f}" for mean in means))


def _digits(key: str) -> int:
    return {"recall": 3, "coverage": 3, FORCE: 3}.get(key, find_metric(key).digits)


def _head(key: str) -> str:
    return f"{find_metric(key).title}{' − real' * (key in SIGNED)}"


def _words(arm: ArmSettings) -> str:
    """Return an arm in the words of the page, which calls the remedy "matching"."""
    return "real-data baseline" if arm == BASELINE else arm.title.replace("matched", "matching")


# --- sentences -------------------------------------------------------------------------------------------------------


def describe_claim(reading: Reading) -> str:
    """Return the verdict on each sentence of the claim, with the tests on which it rests."""
    words = []
    for verdict in judge_claim(reading):
        reasons = ", ".join(verdict.reasons)
        if verdict.confirmed:
            reasons += f"; {', '.join(verdict.confirmed)} confirmed"
        words.append(f"{verdict.sentence} **{verdict.verdict}** ({reasons})")
    return ", ".join(words)


# --- files -----------------------------------------------------------------------------------------------------------


def data_rows(reading: Reading) -> Iterator[tuple[object, ...]]:
    """Yield rows of `COLUMNS`: each measure of each arm and seed of a reading; real: what real data score."""
    stage = reading.stage
    for summary, split in zip(reading.summaries, reading.splits, strict=True):
        for arm in stage.arms:
            for key in MEASURES:
                value = float(read_end_point(summary, stage.denoiser, arm, key)[0])
                real = summary.floors.get(REAL, {}).get(key)
                real_value = "" if real is None else f"{float(real[0]):.6g}"
                yield stage.number, summary.first_seed, split, arm.name, key, f"{value:.6g}", real_value


def draw_figure(reading: Reading) -> str:
    """Return the figure of a stage as SVG text."""
    file = io.StringIO()
    with mpl.rc_context(STYLE):
        plot_changes(reading).savefig(file, format="svg", metadata={"Date": None})
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def plot_changes(reading: Reading) -> Figure:
    """Return how each arm changes root force and diversity against the uncorrected loop, paired by seed."""
    uncorrected = ArmSettings(reading.stage.policy)
    arms = [arm for arm in reading.stage.arms if arm != uncorrected]
    palette = looks([_words(arm) for arm in arms])
    colours = [palette[_words(arm)][0] for arm in arms]
    figure = Figure(figsize=(9.6, 4.8), layout="constrained")
    panels = figure.subplots(1, len(DIVERSITY))
    for panel, key in zip(panels, DIVERSITY, strict=True):
        for number, (arm, colour) in enumerate(zip(arms, colours, strict=True)):
            force = reading.end_point(arm, FORCE) - reading.end_point(uncorrected, FORCE)
            diversity = reading.end_point(arm, key) - reading.end_point(uncorrected, key)
            _draw_arm(panel, force, diversity, _words(arm), colour, MARKERS[colours[:number].count(colour)])
        panel.axhline(0, color=GREY, linewidth=0.8)
        panel.axvline(0, color=GREY, linewidth=0.8)
        panel.set_xlabel("change of root force (body weights)")
        panel.set_ylabel(f"change of {key}")
    handles, labels = panels[0].get_legend_handles_labels()
    title = f"{reading.stage.title}: changes against the uncorrected loop, {len(reading.seeds)} seeds, 95 % intervals"
    figure.suptitle(title, fontsize=10)
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


DRIFT = "recipe-drift.svg"
DRIFTING = ("uncorrected", "physics", "low-pass")
"""Arms of the figure of drift, the first at the top."""


def draw_drift(readings: Sequence[Reading]) -> str:
    """Return SVG text: distance to real motion minus the real-data baseline's, at λ = 1, a group per network."""
    palette = looks(DRIFTING)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 3.12), layout="constrained")
        axes = figure.subplots()
        places = []
        names = []
        for group, reading in enumerate(readings):
            baseline = reading.end_point(BASELINE, "fid_kinematic")
            names.append(TITLES[reading.stage.denoiser])
            places.append(-4 * group - 1)
            for row, corrector in enumerate(DRIFTING):
                arm = ArmSettings(reading.stage.policy, "none" if corrector == "uncorrected" else corrector)
                change = mean_interval(reading.end_point(arm, "fid_kinematic") - baseline)
                bounds = [[change.estimate - change.low], [change.high - change.estimate]]
                colour = palette[corrector][0]
                axes.errorbar(change.estimate, -4 * group - row, xerr=bounds, fmt="o", color=colour, capsize=3)
                axes.annotate(
                    corrector,
                    (change.high, -4 * group - row),
                    xytext=(6, 0),
                    textcoords="offset points",
                    color=colour,
                    va="center",
                )
        axes.axvline(0, color=GREY, linewidth=0.8)
        low, high = axes.get_xlim()
        axes.set_xlim(low, high + 0.25 * (high - low))
        axes.set_yticks(places, names)
        axes.grid(visible=False, axis="y")
        axes.set_title("Fréchet distance minus the real-data baseline, λ = 1")
        return as_svg(figure)


def _draw_arm(axes: Axes, force: np.ndarray, diversity: np.ndarray, label: str, colour: str, sign: str) -> None:
    """Draw a point with intervals in both directions."""
    across, up = mean_interval(force), mean_interval(diversity)
    axes.errorbar(
        across.estimate,
        up.estimate,
        xerr=(across.high - across.low) / 2,
        yerr=(up.high - up.low) / 2,
        fmt=sign,
        color=colour,
        markeredgecolor=INK,
        markeredgewidth=0.4,
        linewidth=1.2,
        label=label,
    )


def write_page() -> None:
    """Write figures, data and page anew."""
    from results import fill_page

    rows: list[tuple[object, ...]] = []
    drifting: list[Reading] = []
    for stage in STAGES:
        reading = read_stage(stage, read_kept(stage))
        if reading is None:
            continue
        rows.extend(data_rows(reading))
        if stage.policy == "augment:1" and ArmSettings(stage.policy, "low-pass") in stage.arms:
            drifting.append(reading)
        (PICTURES / _name(stage)).write_text(draw_figure(reading) + "\n", encoding="utf-8")
    if rows:
        (PICTURES / DRIFT).write_text(draw_drift(drifting) + "\n", encoding="utf-8")
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
        DATA.write_text(text.getvalue(), encoding="utf-8")
    for page in PAGES:
        page.write_text(fill_page(page.read_text(encoding="utf-8"), {}), encoding="utf-8")
