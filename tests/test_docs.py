"""The code in README.md and docs/ runs as it stands."""

from __future__ import annotations

import csv
import importlib.util
import inspect
import json
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tyro
from helpers import LOOPS

import selfcorrect
from selfcorrect.analysis.theory import diluted_level
from selfcorrect.experiments import cli
from selfcorrect.experiments.commands.motion import MotionCommand
from selfcorrect.experiments.motion.correctors.table import THEN, stages
from selfcorrect.experiments.motion.settings.experiment import MotionSettings, settings_from_config
from selfcorrect.experiments.motion.settings.presets import PRESET_ROWS
from selfcorrect.experiments.reporting.results import ArmCurves
from selfcorrect.experiments.reporting.summary import Summary, read_summary
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.shares import by_share, guarantees
from selfcorrect.experiments.toy.study import load_settings
from selfcorrect.experiments.toy.table import TOYS, load_toy_module
from selfcorrect.models.gaussian import Gaussian
from selfcorrect.statistics import Thresholds, mean_interval
from selfcorrect.testing import Trial

FIXTURES = {
    "loop_toy": (Gaussian.standard(2), torch.randn((80, 2), generator=torch.Generator().manual_seed(0)).double()),
    "loop_trial": Trial(40, thresholds=Thresholds(1.5, 3.0)),
}
"""Those of pytest that the pages use, as `selfcorrect.pytest_plugin` makes them."""

BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
REPOSITORY = Path(__file__).resolve().parents[1]
TEXTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
PAGES = [page for page in TEXTS if BLOCK.search(page.read_text()) and page.stem != "own-model"]
"""All with code; that of own-model.md has a test of its own."""
TUTORIALS = [page for page in TEXTS if "```console" in page.read_text()]


def test_there_is_code_to_run() -> None:
    assert {"README", "correct", "motion-data", "own-corrector"} <= {page.stem for page in PAGES}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_blocks_of_a_page_run_in_order(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}  # pages are scripts
    for block in BLOCK.findall(page.read_text()):
        exec(compile(block, str(page), "exec"), names)
    for name, value in list(names.items()):
        if name.startswith("test_") and callable(value):
            fixtures = {name: FIXTURES[name] for name in inspect.signature(value).parameters}
            value(**fixtures)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_commands_of_a_tutorial_print_what_it_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words are the same, and numbers where they are no measurements; a line of `…` ends what is compared."""
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL):
        for command, shown in re.findall(r"^\$ selfcorrect (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            cli.main(shlex.split(command))
            printed = capsys.readouterr().out.splitlines()
            expected = shown.split("…\n")[0].splitlines()
            assert [format_measured(line) for line in printed[: len(expected)]] == [
                format_measured(line) for line in expected
            ]
            assert len(printed) == len(expected) or shown.endswith("…\n")


def format_measured(line: str) -> str:
    """A line without runs of spaces and what rounding on another processor may change: measurements, and which of two
    motions, equally good within that rounding, came out.
    """
    line = re.sub(r"(?<=what came out: 1 )(planned|simulated)", "planned or simulated", line)
    return re.sub(r"\s+", " ", re.sub(r"[-+]?\d+\.\d+|\d+(?=%)", "#", line))


@pytest.mark.slow
@pytest.mark.parametrize("notebook", sorted((REPOSITORY / "docs").rglob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), str(notebook), "exec"), names)
            assert cell["outputs"] == [], "notebooks are kept without their outputs"


@pytest.mark.slow
def test_the_guide_to_a_model_of_ones_own_learns_digits_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The synthetic loop loses variety, and a second call of the same script computes nothing."""
    monkeypatch.chdir(tmp_path)
    page = REPOSITORY / "docs" / "own-model.md"
    names: dict[str, Any] = {"__name__": "__main__"}
    blocks = BLOCK.findall(page.read_text())
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)
    frame = names["found"].to_frame().groupby(["arm", "generation"])[["distance", "recall"]].mean()
    assert frame.recall["real only", 3] > frame.recall["real only", 0] > 0.05
    assert frame.recall["synthetic", 3] < 0.5 * frame.recall["real only", 3]
    assert frame.distance["corrected", 3] < frame.distance["synthetic", 3]
    model = next(tmp_path.glob("runs/digits/task/seed-0/synthetic/generation-0003/model.safetensors"))
    before = model.stat().st_mtime_ns
    exec(compile(blocks[-1], str(page), "exec"), names)
    assert model.stat().st_mtime_ns == before


def test_the_picture_of_the_statistics_guide_is_that_of_its_code() -> None:
    guide = tool("statistics_guide")
    assert guide.picture() == guide.PICTURE.read_text(encoding="utf-8")


def test_every_toy_loop_is_in_the_theory_gallery_with_what_it_showed() -> None:
    page = (REPOSITORY / "docs" / "concepts" / "theory.md").read_text()
    outcomes = json.loads((REPOSITORY / "docs" / "tools" / "toys.json").read_text())
    toys = tool("toys")
    assert sorted(match[1] for match in toys.MARKED.finditer(page)) == sorted(outcomes) == sorted([*TOYS.names, *LOOPS])
    assert toys.filled(page, outcomes) == page, "python docs/tools/toys.py --page-only"
    pictures = [figure["file"] for toy in outcomes.values() for figure in toy["figures"]]
    assert all((REPOSITORY / "docs" / "pictures" / picture).is_file() for picture in pictures)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TOYS.names, *LOOPS])
def test_kept_statements_of_toys_are_those_that_are_declared(name: str) -> None:
    content = json.loads((REPOSITORY / "docs" / "tools" / "toys.json").read_text())[name]
    reference = LOOPS.get(name, name)
    declared = load_toy_module(reference).toy(load_settings(reference))
    assert [check["statement"] for check in content["checks"]] == [claim.statement for claim in declared.claims]


@pytest.mark.slow
def test_tables_of_results_are_those_of_the_kept_summaries() -> None:
    results = tool("results")
    summaries = results.read_all()
    asked = [match for page in results.PAGES for match in results.MARKED.findall(page.read_text())]
    assert sorted(name for kind, name in asked if kind == "table") == sorted(results.TABLES)
    for page in results.PAGES:
        assert results.filled(page.read_text(), summaries) == page.read_text(), f"make results, for {page.name}"


@pytest.mark.slow
def test_the_memoriser_of_a_table_is_its_training_set_resampled() -> None:
    memorisers = tool("memorisers")
    tables = tool("page_tables")
    summary = read_summary(REPOSITORY / "docs" / "results" / "demo.json")
    first = replace(summary, settings={**summary.settings, "seeds": 1})
    repeated = {metric: float(value) for _, _, metric, value in memorisers.score_memorisers("demo", first)}
    for key in ("fid_kinematic", "recall", "coverage"):
        recorded = tables._memoriser_values("demo", summary, key)
        assert len(recorded) == summary.seeds
        assert repeated[key] == pytest.approx(recorded[0], rel=0.01)
    floor = summary.floors["real against real"]
    edited = replace(first, floors={"real against real": {**floor, "fid_kinematic": floor["fid_kinematic"] * 1.1}})
    assert list(memorisers.score_memorisers("demo", edited)) == []  # other real data than the run's


def test_the_kept_command_does_all_seeds_again_wherever_they_were_run() -> None:
    results = tool("results")
    facts = {"date": "2026-01-02", "core_hours": 0.5}
    command = "selfcorrect motion --data 'cmu-bvh#train' --out runs/a --seeds 2"
    first = Summary(command, facts, {"seeds": 2, "first_seed": 0}, {}, {})
    second = Summary("selfcorrect motion --first-seed 2", facts, {"seeds": 3, "first_seed": 2}, {}, {})
    assert results.kept([first]).command == "selfcorrect motion --data 'cmu-bvh#train' --seeds 2"
    assert results.kept([second, first]).command == "selfcorrect motion --data 'cmu-bvh#train' --seeds 5"


STEPS = ("steps", "initial_steps")
"""Settings by denoiser; a run keeps those of the denoisers that its version had."""


def test_sentences_on_the_memoriser_have_its_figures() -> None:
    tables = tool("page_tables")
    memoriser = []
    network = []
    for n in (64, 128, 256):
        summary = read_summary(REPOSITORY / "docs" / "results" / f"n{n}.json")
        memoriser.append(f"{tables._memoriser_values(f'n{n}', summary, 'coverage').mean():.2f}")
        curves = next(curves for curves in summary.arms["dct-mlp"] if curves.name == BASELINE.name)
        network.append(f"{tables.judged(curves, 'coverage').mean():.2f}")
    for page in ("report.md", "results/real-windows.md"):
        text = " ".join((REPOSITORY / "docs" / page).read_text(encoding="utf-8").split())
        for first, second, third in (memoriser, network):
            assert f"{first}, {second} and {third}" in text, page


def named_arms(settings: MotionSettings) -> set[tuple[str, ArmSettings]]:
    """Return denoisers with their arms, whose correctors have the names of this version."""
    return {
        (comparison.denoiser, replace(arm, corrector=THEN.join(stages(arm.corrector))))
        for comparison in settings.comparisons
        for arm in comparison.arms
    }


@pytest.mark.parametrize("path", sorted((REPOSITORY / "docs" / "results").rglob("*.json")), ids=lambda path: path.stem)
def test_the_command_under_a_table_does_its_experiment_again(path: Path) -> None:
    summary = read_summary(path)
    program, name, *options = shlex.split(summary.command)
    current = tyro.cli(MotionCommand, args=options).settings()
    recorded = settings_from_config(summary.settings)
    assert (program, name) == ("selfcorrect", "motion")
    newer = current.steps.keys() - summary.settings["steps"].keys()
    steps = {kind: getattr(current, kind) | {key: getattr(recorded, kind)[key] for key in newer} for kind in STEPS}
    assert replace(current, comparisons=(), **steps) == replace(recorded, comparisons=())
    assert named_arms(recorded) == named_arms(current)


TOOLS = REPOSITORY / "docs" / "tools"


@pytest.fixture(autouse=True)
def _tools_import_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))


def tool(name: str) -> Any:
    """A script of docs/tools as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", TOOLS / f"{name}.py")
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_preset_is_listed_with_what_it_has() -> None:
    page = (REPOSITORY / "docs" / "experiments.md").read_text(encoding="utf-8")
    for name, row in PRESET_ROWS.items():
        settings = row.settings
        shown = (
            row.summary,
            row.denoisers,
            row.arms,
            settings.generations,
            settings.seeds,
            settings.real_count,
            row.cost,
        )
        assert f"| `{name}` | {' | '.join(map(str, shown))} |" in page
    start = (REPOSITORY / "docs" / "start.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in start for name in PRESET_ROWS)


def test_the_reference_lists_every_public_name_with_its_signature() -> None:
    reference = tool("reference")
    text = reference.PAGE.read_text(encoding="utf-8")
    assert text == reference.page(), "python docs/tools/reference.py"
    listed = re.findall(r"^- `(\w+)", text, re.MULTILINE)
    assert sorted(listed) == [name for name in dir(selfcorrect) if not name.startswith("_")]


def test_the_numbers_of_the_presets_are_listed_with_their_units() -> None:
    settings = tool("settings")
    written = [row[:5] for row in csv.reader(settings.TABLE.read_text(encoding="utf-8").splitlines())]
    current = [row[:5] for row in csv.reader(settings.table().splitlines())]
    assert written == current, "python docs/tools/settings.py"


def test_results_by_synthetic_ratio_are_drawn_where_there_are_some() -> None:
    results = tool("results")
    policies = ("augment:0.5", "augment:1", "replace")
    arms = [BASELINE, *(ArmSettings(policy, corrector) for policy in policies for corrector in ("none", "physics"))]
    curves = [
        ArmCurves(arm.name, arm.group, arm.title, dict.fromkeys(results.DRAWN, np.full((3, 2), number / 10)))
        for number, arm in enumerate(arms)
    ]
    comparison = {"denoiser": "dct-mlp", "arms": [asdict(arm) for arm in arms]}
    settings = {"comparisons": [comparison], "generations": 1, "seeds": 3}
    summary = Summary("", {}, settings, {"dct-mlp": tuple(curves)}, {"real against real": {}})
    lines = {line.title: line for line in by_share(dict(zip(arms, curves, strict=True)), ["physics"])}
    assert {title: [round(share, 3) for share in sorted(line.points)] for title, line in lines.items()} == {
        "uncorrected": [0, 0.333, 0.5, 1],
        "physics": [0, 0.333, 0.5, 1],
    }
    assert [lines["physics"].points[share].name for share in (0, 0.5, 1)] == [
        "real+none",
        "augment-1+physics",
        "replace+physics",
    ]
    assert guarantees() == pytest.approx({"guaranteed at best, uncorrected": 1 / 3, "corrected": 1 / 2})
    svg = results.ratio_figure(summary, "dct-mlp")
    assert all(f">{text}<" in svg for text in ("0", "0.5", "1", "∞", "physics", "Recall, DCT MLP", "corrected"))
    fewer = replace(summary, settings={**settings, "comparisons": [{**comparison, "arms": comparison["arms"][:5]}]})
    assert results.ratio_figure(fewer, "dct-mlp") == ""


def run_of(values: dict[str, list[float]]) -> Summary:
    """A run whose arms score these at the last generation, by seed, after 1 for each seed."""
    arms = tuple(
        ArmCurves(name, "", name, {"recall": np.stack([np.ones(len(last)), np.array(last)], axis=1)})
        for name, last in values.items()
    )
    return Summary("", {}, {}, {"dct-mlp": arms}, {})


@pytest.mark.parametrize(
    ("way", "than", "verdict"),
    [
        ("falls", None, "reproduced"),
        ("stays", None, "**not reproduced**"),
        ("rises", None, "**not reproduced**"),
        ("stays", "steady", "**not reproduced**"),
        ("rises", "lower", "reproduced"),
        ("falls", "noisy", "open"),
        ("stays", "noisy", "open"),
    ],
)
def test_a_claim_is_judged_by_where_its_interval_lies(way: str, than: str | None, verdict: str) -> None:
    claims = tool("claims")
    summary = run_of({
        "arm": [0.5, 0.52, 0.51], "steady": [0.9, 0.92, 0.9], "lower": [0.1, 0.12, 0.1], "noisy": [0.1, 0.95, 0.6],
    })  # fmt: skip
    claim = claims.Claim("source", "words", "where", "run", "dct-mlp", "arm", "recall", way, than)
    assert claims.verdict_of(claim, summary)[1] == verdict
    stays = claims.Claim("source", "words", "where", "run", "dct-mlp", "steady", "recall", "stays")
    assert claims.verdict_of(stays, run_of({"steady": [0.98, 0.99, 0.97]}))[1] == "reproduced"


def test_values_are_judged_over_the_later_half_of_the_generations() -> None:
    judged = tool("evidence").judged
    values = np.array([[9.0, 9.0, 1.0, 3.0], [9.0, 9.0, 5.0, 7.0]])
    assert judged(ArmCurves("", "", "", {"recall": values}), "recall").tolist() == [2.0, 6.0]
    measured_once = np.where(np.arange(4) == 3, values, np.nan)
    assert judged(ArmCurves("", "", "", {"recall": measured_once}), "recall").tolist() == [3.0, 7.0]


def test_a_loop_below_real_motion_is_as_far_from_it_as_one_above() -> None:
    evidence = tool("evidence")
    page_tables = tool("page_tables")
    arms = [ArmSettings("replace", corrector) for corrector in ("none", "physics")]
    curves = tuple(
        ArmCurves(arm.name, "", arm.title, {"penetration_mm": np.full((3, 2), last)})
        for arm, last in zip(arms, (15.0, 5.0), strict=True)
    )
    comparison = {"denoiser": "dct-mlp", "arms": [asdict(arm) for arm in arms]}
    settings = {"comparisons": [comparison], "generations": 1, "seeds": 3, "real_count": 8}
    facts = {"core_hours": 1.0, "processor": "one", "date": "today", "packages": {"selfcorrect": "1.2"}}
    summary = Summary("", facts, settings, {"dct-mlp": curves}, {evidence.REAL: {"penetration_mm": np.full(3, 10.0)}})
    table = page_tables.PageTable(("penetration_mm",), (page_tables.Group("both", "run", "dct-mlp"),))
    assert [line for line in page_tables.page_table(table, {"run": summary}) if line.startswith("| ")][2:] == [
        "| **both** |",
        "| *real data* | 10.0 ± 0.0 |",
        "| fully synthetic, uncorrected | 15.0 ± 0.0 (5.0) |  |",
        "| fully synthetic, physics | 5.0 ± 0.0 (5.0) | −10.0 ± 0.0 |",
    ]


def test_rare_captions_are_held_against_common_ones_seed_by_seed() -> None:
    captions = tool("captions")
    arms = (BASELINE, ArmSettings("replace"), ArmSettings("replace", "physics"))
    rare = ([0.9, 0.9, 0.9], [0.9, 0.6, 0.3], [0.9, 0.9, 0.9])
    common = ([0.9, 0.9, 0.9], [0.9, 0.8, 0.7], [0.9, 0.7, 0.5])
    by_seed = np.array([[0.0], [0.05], [-0.05]])  # the same for both, so that pairs differ by nothing
    curves = tuple(
        ArmCurves(arm.name, "", arm.title, {
            "r_precision_3_rare": np.array(some) + by_seed, "r_precision_3_common": np.array(others) + by_seed,
        })
        for arm, some, others in zip(arms, rare, common, strict=True)
    )  # fmt: skip
    comparison = {"denoiser": "dct-mlp", "arms": [asdict(arm) for arm in arms]}
    summary = Summary("", {}, {"comparisons": [comparison], "generations": 2, "seeds": 3}, {"dct-mlp": curves}, {})
    lines = [re.sub(r"\[.*?\] ", "", line) for line in captions.captions_table({"text": summary})][2:]
    assert lines == [
        "| baseline (real data only) | +0.00 | +0.00 | +0.00 | +0.00 | open |",
        "| fully synthetic, uncorrected | +0.60 | +0.20 | +0.40 | +0.20 | rare ones lose more |",
        "| fully synthetic, physics | +0.00 | +0.40 | −0.40 | −0.20 | common ones lose more |",
    ]


def test_a_correction_is_worth_the_real_samples_that_do_not_reach_it() -> None:
    worth = tool("worth").worth
    arms = run_of({
        "corrected": [0.6, 0.62, 0.61], "poor": [0.4, 0.41, 0.42], "rich": [0.5, 0.52, 0.5], "noisy": [0.1, 0.9, 0.3],
    }).arms["dct-mlp"]  # fmt: skip
    corrected, poor, rich, noisy = arms
    assert worth(64, corrected, {64: poor, 128: rich}, "recall") == "2 × or more"
    assert worth(64, corrected, {64: poor, 128: rich, 512: noisy}, "recall") == "2 ×"
    assert worth(128, corrected, {64: poor, 128: rich, 512: noisy}, "recall") == "1 ×"
    assert worth(64, corrected, {64: noisy, 128: poor}, "recall") == "nothing"
    assert worth(128, corrected, {64: noisy, 128: poor}, "recall") == "1 × or more"
    assert worth(64, poor, {64: corrected}, "recall") == "nothing"


def arms_by_ratio(level: Callable[[float, float, np.ndarray, np.ndarray], np.ndarray]) -> dict[str, ArmCurves]:
    """Loops of eight seeds whose levels follow a form of λ, γ, r and c, with noise in each seed."""
    dilution = tool("dilution")
    noise = np.random.default_rng(0)
    real_only = 15 + noise.normal(0, 1, 8)
    corrected_only = 1 + noise.normal(0, 0.3, 8)
    values = {"real+none": real_only, "replace+physics": corrected_only}
    for ratio, strength in product(dilution.RATIOS, dilution.STRENGTHS):
        name = ArmSettings(f"augment:{ratio:g}", "physics", strength).name
        values[name] = level(ratio, strength, real_only, corrected_only) + noise.normal(0, 0.5, 8)
    return {name: ArmCurves(name, "", name, {"penetration_mm": np.tile(of, (3, 1)).T}) for name, of in values.items()}


def test_the_test_of_dilution_finds_the_form_and_refutes_another() -> None:
    dilution = tool("dilution")
    axes = ("physics", dilution.RATIOS, dilution.STRENGTHS, "penetration_mm")
    law = dilution.fit(arms_by_ratio(lambda ratio, gamma, r, c: diluted_level(r, c, ratio, gamma)), *axes)
    assert dilution.verdict(law.joint_p, law.error) == "not refuted"
    assert all((rival > law.by_seed).all() for rival in law.rivals.values())
    once = dilution.fit(
        arms_by_ratio(lambda ratio, gamma, r, c: r + ratio / (1 + ratio) * (1 - 1 / (1 + gamma)) * (c - r)), *axes
    )
    assert once.joint_p == 2 / 2**8
    assert once.error > 3 * law.error
    assert (once.rivals["one pass"] < once.by_seed).all()
    no_effect = dilution.fit(arms_by_ratio(lambda ratio, gamma, r, c: r), *axes)
    assert dilution.verdict(no_effect.joint_p, no_effect.error) == "refuted"


def test_a_gain_of_coverage_is_confirmed_only_where_it_is_found() -> None:
    dilution = tool("dilution")
    noise = np.random.default_rng(0)

    def arms(gain: float) -> tuple[ArmCurves, ...]:
        plain = noise.normal(0.4, 0.05, 8)
        levels = {"augment-1+none": plain, "augment-1+physics": plain + gain + noise.normal(0, 0.01, 8)}
        return tuple(ArmCurves(name, "", name, {"coverage": np.tile(of, (3, 1)).T}) for name, of in levels.items())

    for gain, words in ((0.03, "confirmed"), (0.0, "not confirmed"), (-0.03, "not confirmed")):
        summary = Summary("", {}, {"real_count": 64}, {"dct-mlp": arms(gain), "patch-mixer": arms(0.0)}, {})
        heads, _, row, remaining_columns = [line.strip("|").split("|") for line in dilution.coverage_table([summary])]
        where = [head.strip() for head in heads].index("hypothesis")
        assert (row[where].strip(), remaining_columns[where].strip()) == (words, "not confirmed")


def test_sentences_of_the_answer_have_the_figures_of_the_kept_runs() -> None:
    evidence = tool("evidence")
    shares = tool("shares")
    results = tool("results")
    summaries = results.read_all()
    arms = {
        (name, network): {curves.name: curves for curves in summary.arms[network]}
        for name, summary in summaries.items()
        for network in summary.arms
    }
    jittery = ("ratios-jittery", "patch-mixer")
    smooth = ("ratios-smooth", "dct-mlp")
    lineages = "augment-4+kinematic+lineages+interpolation-1"

    def mean(run: tuple[str, str], arm: str, key: str, digits: int) -> str:
        return f"{evidence.judged(arms[run][arm], key).mean():.{digits}f}"

    def change(run: tuple[str, str], arm: str, second_arm: str, key: str, digits: int) -> str:
        return evidence.change_cell(evidence.change(arms[run][arm], arms[run][second_arm], key), digits)

    def format_pooled(run: tuple[str, str], first_arm: str, second_arm: str, key: str, digits: int) -> str:
        pairs = [(f"augment-{ratio}+{first_arm}", f"augment-{ratio}+{second_arm}") for ratio in shares.PARTIAL]
        return evidence.change_cell(mean_interval(shares.pooled(arms[run], pairs, key)), digits).lstrip("+")

    def jerk(run: tuple[str, str]) -> float:
        real = evidence.real_values(summaries[run[0]], "jerk_m_s3").mean()
        return evidence.judged(arms[run]["real+none"], "jerk_m_s3").mean() / real

    above_filter = format_pooled(jittery, "physics", "low-pass", "fid_kinematic", 1)
    recall = [
        format_pooled((name, "dct-mlp"), "physics", "none", "recall", 3)
        for name in ("ratios-smooth", "coverage-smooth")
    ]
    means = [mean(smooth, arm, "coverage", 3) for arm in (lineages, "real+none", "augment-4+none")]
    steadiness = change(jittery, "replace+physics", "real+none", "fid_kinematic", 1)
    jitter = f"{jerk(('full-jittery', 'patch-mixer')):.1f} times"
    assert round(jerk(("full-smooth", "dct-mlp")), 1) == 0.5
    words = {
        "README.md": [jitter, f"{float(means[0]):.2f}; uncorrected, {float(means[2]):.2f}"],
        "docs/results/index.md": [jitter, steadiness, mean(jittery, "replace+physics", "coverage", 2)],
        "docs/results/ratios.md": [*recall, above_filter],
        "docs/results/falsify.md": [*recall, above_filter],
        "docs/results/remedies.md": [f"{means[0]}, as real data only do ({means[1]}); uncorrected, {means[2]}"],
        "docs/report.md": [*recall, above_filter, *means, jitter],
    }
    for name, figures in words.items():
        page = " ".join((REPOSITORY / name).read_text(encoding="utf-8").split())
        assert [figure for figure in figures if figure not in page] == [], name


def test_the_filter_ends_below_physics_at_every_ratio() -> None:
    evidence = tool("evidence")
    shares = tool("shares")
    summary = read_summary(REPOSITORY / "docs" / "results" / "ratios-jittery.json")
    arms = {curves.name: curves for curves in summary.arms["patch-mixer"]}
    policies = [*(f"augment-{ratio}" for ratio in shares.PARTIAL), shares.FULL]
    excess = [
        evidence.change(arms[f"{policy}+physics"], arms[f"{policy}+low-pass"], "fid_kinematic") for policy in policies
    ]
    assert len(excess) == 7
    assert all(interval.low > 0 for interval in excess)


def read_penetration(run: str, network: str) -> dict[str, np.ndarray]:
    """Return the penetration of each arm of a kept run."""
    summary = read_summary(REPOSITORY / "docs" / "results" / f"{run}.json")
    return {curves.name: curves.values["penetration_mm"] for curves in summary.arms[network]}


def test_both_versions_of_the_runs_by_ratio_agree() -> None:
    """docs/results/ratios.md: penetration of single seeds in the ten generations that both versions ran."""
    apart = []
    for network, name in (("dct-mlp", "ratios-smooth"), ("patch-mixer", "ratios-jittery")):
        older = read_penetration(name, network)
        newer = read_penetration("ratios-force", network)
        apart += [np.abs(older[arm][:, :11] - newer[arm]).max() for arm in newer.keys() & older.keys()]
    assert len(apart) == 34
    assert f"{max(apart):.2f} mm" in (REPOSITORY / "docs" / "results" / "ratios.md").read_text(encoding="utf-8")


def test_the_joint_test_finds_larger_deviations_with_fewer_tests() -> None:
    dilution = tool("dilution")
    fit = next(iter(dilution.fits_of(read_summary(REPOSITORY / "docs" / "results" / "dilution.json")).values()))
    alone = dilution.detectable_share(fit, tests=1, draws=40)
    among_four = dilution.detectable_share(fit, tests=4, draws=40)
    assert 0 < alone < among_four < 1
