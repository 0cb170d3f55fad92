"""Make tables and figures from summaries of finished runs: `make results`.

    python docs/tools/results.py                            # tables and figures anew, from docs/results/*.json
    python docs/tools/results.py split runs/motion-split    # first keep that run's summary as docs/results/split.json
    python docs/tools/results.py short runs/motion-short    # that of `selfcorrect motion` is in the package
    python docs/tools/results.py short runs/a runs/b        # the same of runs that differ in their seeds alone

A page asks for its table by `<!-- claims -->` or another kind of `MAKERS`; the text up to `<!-- end of claims -->` is
replaced. `figures.py` fills numbers in running text. Figures are those of the README and of the site's first page. The
site also has a table of all arms, and results.csv with the last generation.
"""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import transformer_table
import tyro
from claims import CLAIMS, claims_table
from cleaners_table import fill_cleaners
from conditioning_page import fill_conditioning
from damage_table import damage_table
from figures import fill_figures
from judge_table import fill_judge
from loop_rows import fill_loops
from page_tables import arms_of, forces_table, recipe_table
from physics_page import fill_physics
from split_control import control_table
from split_tables import (
    MAIN_JOB,
    kept_table,
    samplers_table,
    split_table,
    strengths_table,
    tracked_table,
    uncorrected_table,
)
from tables import SUMMARIES

from selfcorrect.core.errors import InputError
from selfcorrect.experiments.studies.arms import ArmSettings
from selfcorrect.experiments.studies.figures import looks, opening_curves
from selfcorrect.experiments.studies.motion.against import PUBLISHED_FILE
from selfcorrect.experiments.studies.motion.presets import select_controls
from selfcorrect.experiments.studies.summary import COMMIT, Summary, join_summaries, read_summary, write_summary
from selfcorrect.motion.measures.metrics import find_metric

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures" / "results"
PAGES = (ROOT / "README.md", ROOT / "docs" / "theory.md", *sorted(SUMMARIES.glob("*.md")))
"""Pages with marks."""

MAKERS: dict[str, Callable[[Mapping[str, Summary]], str]] = {
    "claims": partial(claims_table, CLAIMS),
    "kept": kept_table,
    "loss-parts": split_table,
    "split-control": control_table,
    "damage": damage_table,
    "samplers": samplers_table,
    "strengths": strengths_table,
    "uncorrected": uncorrected_table,
    "tracked": tracked_table,
    "forces": forces_table,
    "recipe": recipe_table,
    "transformer-pilots": transformer_table.scores_table,
}
"""Kind of a table → function that makes it."""
MARKED = re.compile(rf"<!-- ({'|'.join(MAKERS)}) -->\n.*?<!-- end of \1 -->", re.DOTALL)


def fill_page(page: str, summaries: Mapping[str, Summary]) -> str:
    """Fill a page's tables and numbers anew."""

    def make_table(match: re.Match[str]) -> str:
        kind = match[1]
        return "\n".join([f"<!-- {kind} -->", "", MAKERS[kind](summaries), "", f"<!-- end of {kind} -->"])

    page = fill_figures(MARKED.sub(make_table, page), summaries)
    return fill_cleaners(fill_loops(fill_judge(fill_physics(fill_conditioning(page)))))


COLLAPSE = {"collapse-coverage": ("coverage",)}
"""Figures of the first page → metrics."""


def draw_collapse(summary: Summary, keys: Sequence[str]) -> str:
    """Draw the collapse of the main loop over generations as SVG, with and without correction."""
    names = {
        ArmSettings("real"): "real-data baseline",
        ArmSettings("replace"): "uncorrected",
        ArmSettings("replace", "physics"): "physics",
        ArmSettings("replace", remedy="lineages"): "lineages",
        ArmSettings("replace", remedy="copying"): "copies, no model",
        select_controls()["ancestral"][0]: "uncorrected, ancestral steps",
    }
    lines = [replace(curves, title=names[arm]) for arm, curves, _ in arms_of(summary, MAIN_JOB) if arm in names]
    metrics = [find_metric(key) for key in keys]
    title, scores = next(iter(summary.floors.items()))
    levels = {title: {key: float(np.mean(values)) for key, values in scores.items()}}
    return opening_curves({"fully synthetic": lines}, metrics, levels, looks([curves.title for curves in lines]))


FREE = ("--out", "--workers", "--keep", "--wandb", "--runner")
"""Options, each with a value, that change no result."""


def join_runs(runs: Sequence[Summary], *, different_code: bool = False) -> Summary:
    """Join runs into one summary, whose command lacks options that change no result, such as the folder."""
    summary = join_summaries(runs, different_code=different_code)
    if len(runs) == 1:
        return replace(summary, command=remove_options(summary.command, FREE))
    seeds = f"--seeds {summary.seeds}" + (f" --first-seed {summary.first_seed}" if summary.first_seed else "")
    command = remove_options(summary.command, (*FREE, "--seeds", "--first-seed"))
    return replace(summary, command=f"{command} {seeds}")


def require_commit(name: str, summary: Summary) -> None:
    """Raise InputError if a summary that is to be kept does not record the commit that made it."""
    if not summary.made.get(COMMIT) and not summary.made.get("git_commits"):
        raise InputError(f"{name}: the run records no git commit; run it in a clone, or name the commit by --commit")


def remove_options(command: str, options: Sequence[str]) -> str:
    """Return a command without some options and their values."""
    words = shlex.split(command)
    pairs = zip(words, ["", *words], strict=False)
    return shlex.join([word for word, before in pairs if word not in options and before not in options])


IN_PACKAGE = {"short": PUBLISHED_FILE}
"""Summaries that the package itself keeps, by name."""


def read_all() -> dict[str, Summary]:
    """Read all kept summaries, by name."""
    paths = {path.stem: path for path in sorted(SUMMARIES.glob("*.json"))} | IN_PACKAGE
    return {name: read_summary(path) for name, path in paths.items()}


def main(
    name: Annotated[str, tyro.conf.Positional] = "",
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = (),
    commit: str = "",
    different_code: bool = False,
) -> None:
    """Make tables, figures and pages; with NAME and RUNS keep the summary of those runs under that name first.

    Args:
        runs: Run folders, or kept summaries of runs.
        commit: Commit of the code that made the runs, if it ran outside of its repository and recorded none.
        different_code: Join runs although different versions or commits made them.
    """
    if name and runs:
        files = [run / "summary.json" if run.is_dir() else run for run in runs]
        summary = join_runs([read_summary(file) for file in files], different_code=different_code)
        if commit:
            summary = replace(summary, made={**summary.made, COMMIT: commit})
        require_commit(name, summary)
        write_summary(IN_PACKAGE.get(name, SUMMARIES / f"{name}.json"), summary)
    summaries = read_all()
    for figure, keys in COLLAPSE.items():
        (PICTURES / f"{figure}.svg").write_text(draw_collapse(summaries["split"], keys) + "\n", encoding="utf-8")
    for page in PAGES:
        page.write_text(fill_page(page.read_text(encoding="utf-8"), summaries), encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
