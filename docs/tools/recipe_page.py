"""The results on docs/results/recipe-tables.md: tables and verdicts for each stage that has been read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from evidence import REAL, format_interval, use_minus_signs
from keeping import SUMMARIES
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
    read_kept,
    read_stage,
)
from tables import fold, table_lines

from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.results import MEMORISER
from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.motion.measures.metrics import find_metric
from selfcorrect.statistics import mean_interval

PAGE = SUMMARIES / "recipe-tables.md"
CORRECTOR_CALLS = "corrector_calls"
SIGNED = ("skate_m_s", "penetration_mm")
"""Artefacts, which are shown as x − real."""
INSIDE = ("inside-sampler", "inside-sampler-once")


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


def write_page() -> None:
    """Write the page anew."""
    from results import fill_page

    PAGE.write_text(fill_page(PAGE.read_text(encoding="utf-8"), {}), encoding="utf-8")
