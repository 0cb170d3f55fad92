"""Make the tables and figures of results from summaries of finished runs: `make results`.

    python docs/tools/results.py                            # tables and figures anew, from docs/results/*.json
    python docs/tools/results.py modes runs/motion-modes    # first keep that run's summary as docs/results/modes.json
    python docs/tools/results.py modes runs/a runs/b        # the same of runs that differ in their seeds alone

A page asks for its table by `<!-- table: NAME -->`, a row of `TABLES` in page_tables.py, which ends at
`<!-- end of table -->`; the text between them is replaced. `<!-- shares -->` and other kinds of `fill_page` ask for
tables of their own. Figures are written where a page shows them: docs/pictures/results/NAME-DENOISER.svg over
generations, NAME-DENOISER-ratios.svg by synthetic share, docs/pictures/modes.svg from the summary `modes`.
`--csv FILE` writes all generations. The site has a table of all arms, and results.csv with the last generation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from answer import MAIN_JOB, answer_tables, collapse_sentences, own_corrector_sentence
from captions import captions_table
from claims import CLAIMS, TITLES, claims_table
from dilution import KEPT, coverage_table, coverage_tests, dilution_figure, form_table
from evidence import average_late
from findings import evidence_table
from keeping import SUMMARIES, join_runs
from page_tables import TABLES, page_table
from recipe_contrasts import contrast_section
from recipe_page import stage_section
from shares import new_seeds_table, shares_table
from values import arms_of, as_csv
from worth import worth_table

from selfcorrect.experiments.motion.report import strong_lines
from selfcorrect.experiments.motion.settings.experiment import settings_from_config
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.figures import (
    MOST_LINES,
    by_share,
    guarantees,
    looks,
    opening_curves,
    share_grid,
    short_curves,
)
from selfcorrect.experiments.studies.results import ArmCurves
from selfcorrect.experiments.studies.summary import Summary, read_summary, write_summary
from selfcorrect.motion.measures.metrics import find_metric

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures" / "results"
PAGES = (ROOT / "README.md", ROOT / "docs" / "index.md", *sorted(SUMMARIES.glob("*.md")))
"""Pages with tables between marks."""

DRAWN = ("fid_kinematic", "recall", "coverage", "penetration_mm")
"""Metrics of figures by synthetic ratio."""
PAIR = ("fid_kinematic", "coverage")
"""Metrics of figures over generations."""
CAPTIONED = ("r_precision_3", "coverage")
"""Metrics of the figures of runs whose labels are captions."""

DRAWN_ON = re.compile(r"pictures/results/([\w-]+)\.svg")
"""A figure that a page shows."""
KINDS = (
    "table|shares|claims|worth|new-seeds|captions|dilution|coverage|evidence|answer|collapse|own-corrector"
    "|recipe|contrasts"
)
MARKED = re.compile(rf"<!-- ({KINDS})(?:: (\S+))? -->\n.*?<!-- end of \1 -->", re.DOTALL)


SITE_ONLY = ("shares", "table", "evidence", "captions", "claims", "answer", "dilution", "recipe: statements")
"""Long tables, which only the site shows; the repository has their values as data."""
ON_SITE = "*On the site, which has all values as `results.csv`; the summaries of the runs lie beside this page.*"


def fill_page(page: str, summaries: Mapping[str, Summary], *, is_site: bool = False) -> str:
    """Return the text of a page with all of its tables made anew.

    is_site: also fill in the tables that only the site shows.
    """
    makers: dict[str, Callable[[Mapping[str, Summary]], Iterator[str]]] = {
        "shares": shares_table,
        "claims": partial(claims_table, CLAIMS),
        "worth": worth_table,
        "captions": captions_table,
        "dilution": lambda runs: form_table(runs[KEPT]),
        "coverage": lambda runs: coverage_table(coverage_tests(runs)),
        "evidence": evidence_table,
        "new-seeds": new_seeds_table,
        "answer": answer_tables,
        "collapse": collapse_sentences,
        "own-corrector": own_corrector_sentence,
    }

    def make_table(match: re.Match[str]) -> str:
        kind, name = match.groups()
        mark = f"{kind}: {name}" if name else kind
        if {kind, mark} & set(SITE_ONLY) and not is_site:
            lines = iter([ON_SITE])
        elif kind == "table":
            lines = page_table(TABLES[name], summaries)
        elif kind == "recipe":
            lines = stage_section(name, on_site=is_site)
        elif kind == "contrasts":
            lines = contrast_section(name)
        else:
            lines = makers[kind](summaries)
        return "\n".join([f"<!-- {mark} -->", "", "\n".join(lines).strip(), "", f"<!-- end of {kind} -->"])

    return MARKED.sub(make_table, page)


CLAIMED = ("real+none", "replace+none", "replace+physics", "replace+kinematic", "replace+low-pass")
"""Arms of the figure of published claims."""
CLAIMED_LOOKS = ("real-data baseline", "uncorrected", "physics", "kinematic", "low-pass")
"""Their titles in other figures, which have the same colours."""


def draw_claims(summary: Summary, denoiser: str) -> str:
    """Draw the arms of published claims over generations, with their names at the lines; returns SVG text."""
    titles = ("real-data baseline", "uncorrected", "physics", "kinematic clean-up", "low-pass filter")
    curves = {arm.name: curves for arm, curves, _ in arms_of(summary, denoiser)}
    lines = [replace(curves[name], title=title) for name, title in zip(CLAIMED, titles, strict=True)]
    colours = looks(CLAIMED_LOOKS)
    palette = {title: colours[name] for title, name in zip(titles, CLAIMED_LOOKS, strict=True)}
    return opening_curves({"": lines}, [find_metric(key) for key in PAIR], (), _levels(summary), palette)


def figure(summary: Summary, denoiser: str, shown: Collection[str] = ()) -> str:
    """Draw two panels over generations, with bands over seeds; returns SVG text.

    Args:
        summary: A kept run.
        denoiser: Its network to draw.
        shown: Names of arms, in the order of a table; all by default. The first `MOST_LINES` of them that are fully
            synthetic are drawn, beside training on real data only.
    """
    chosen: list[ArmCurves] = []
    for arm, curves, _ in arms_of(summary, denoiser):
        if shown and arm.name not in shown:
            continue
        if arm == BASELINE:
            chosen.insert(0, replace(curves, title="real data only"))
        elif arm.policy in ("replace", "freeze"):
            chosen.append(curves)
    metrics = [find_metric(key) for key in (CAPTIONED if summary.settings.get("captions") else PAIR)]
    title = f"{TITLES[denoiser]}, fully synthetic"
    return short_curves({title: chosen[: MOST_LINES + 1]}, metrics, _levels(summary))


def run_figures(names: Collection[str], summaries: Mapping[str, Summary]) -> Iterator[tuple[str, str]]:
    """Yield name and SVG text of some figures of runs; their arms are those of the first table with them."""
    arms: dict[tuple[str, str], Sequence[str]] = {}
    for table in TABLES.values():
        for group in table.groups:
            arms.setdefault((group.summary, group.denoiser), group.arms)
    for key, summary in summaries.items():
        for denoiser in summary.arms:
            if (name := f"{key}-{denoiser}") == "full-jittery-patch-mixer":
                yield name, draw_claims(summary, denoiser)
            elif name in names:
                yield name, figure(summary, denoiser, arms.get((key, denoiser), ()))
            if (name := f"{key}-{denoiser}-ratios") in names:
                yield name, ratio_figure(summary, denoiser)


def draw_headline(summary: Summary) -> str:
    """Return SVG text: few arms of the run on the loss of modes, with bands."""
    names = {
        ArmSettings("real"): "real data only",
        ArmSettings("replace"): "uncorrected",
        ArmSettings("replace", "physics"): "physics",
        ArmSettings("replace", remedy="lineages"): "lineages",
        ArmSettings(
            "replace", "physics", 1.0, operator="interpolation", remedy="lineages"
        ): "lineages + physics, strength 0.5",
        ArmSettings("freeze"): "static training set",
    }
    lines = [replace(curves, title=names[arm]) for arm, curves, _ in arms_of(summary, "dct-mlp") if arm in names]
    metrics = [find_metric(key) for key in PAIR]
    return short_curves({f"{TITLES['dct-mlp']}, fully synthetic": lines}, metrics, _levels(summary))


COLLAPSE = {
    "collapse": ("recall", "skate_m_s"),
    "collapse-recall": ("recall",),
    "collapse-skating": ("skate_m_s",),
}
"""Figures of the README and of the site's first page → metrics."""


def draw_collapse(summary: Summary, keys: Sequence[str]) -> str:
    """Return SVG text: the main job's loop with and without correction, over generations."""
    names = {
        ArmSettings("real"): "real-data baseline",
        ArmSettings("replace"): "uncorrected",
        ArmSettings("replace", "physics"): "physics",
        ArmSettings("replace", remedy="lineages"): "lineages",
    }
    lines = [replace(curves, title=names[arm]) for arm, curves, _ in arms_of(summary, MAIN_JOB) if arm in names]
    metrics = [find_metric(key) for key in keys]
    palette = looks([curves.title for curves in lines])
    return opening_curves({"fully synthetic": lines}, metrics, (), _levels(summary), palette)


def ratio_figure(summary: Summary, denoiser: str) -> str:
    """Return SVG text: the later half of the generations by synthetic share; "" if few ratios were compared."""
    metrics = [find_metric(key) for key in DRAWN]
    arms = {arm: _reduce_to_late(curves) for arm, curves, _ in arms_of(summary, denoiser)}
    lines = by_share(arms, strong_lines(settings_from_config(summary.settings)))
    if not lines:
        return ""
    palette = looks([curves.title for curves in arms.values()])
    return share_grid({TITLES[denoiser]: lines}, metrics, _levels(summary), palette, guarantees())


def _reduce_to_late(curves: ArmCurves) -> ArmCurves:
    """Return curves of one generation: the means over the later half."""
    return replace(curves, values={key: average_late(curves, key)[:, None] for key in DRAWN if key in curves.values})


def _levels(summary: Summary) -> dict[str, dict[str, float]]:
    title, scores = next(iter(summary.floors.items()))
    return {title: {key: float(np.mean(values)) for key, values in scores.items()}}


def read_all() -> dict[str, Summary]:
    """Read all kept summaries, by name."""
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
        summary = join_runs([read_summary(file) for file in files])
        if core_hours is not None:
            summary = replace(summary, made={**summary.made, "core_hours": core_hours})
        write_summary(SUMMARIES / f"{name}.json", summary)
    summaries = read_all()
    PICTURES.mkdir(exist_ok=True)
    shown = {name for page in PAGES for name in DRAWN_ON.findall(page.read_text("utf-8"))}
    for name, svg in run_figures(shown, summaries):
        (PICTURES / f"{name}.svg").write_text(svg + "\n", encoding="utf-8")
    (PICTURES / "dilution.svg").write_text(dilution_figure(summaries[KEPT]) + "\n", encoding="utf-8")
    (PICTURES.parent / "modes.svg").write_text(draw_headline(summaries["modes"]) + "\n", encoding="utf-8")
    for name, keys in COLLAPSE.items():
        (PICTURES / f"{name}.svg").write_text(draw_collapse(summaries["short"], keys) + "\n", encoding="utf-8")
    for page in PAGES:
        page.write_text(fill_page(page.read_text(encoding="utf-8"), summaries), encoding="utf-8")
    if csv:
        csv.write_text(as_csv(summaries, every_generation=True), encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
